//! Damages bytes as strangers and broken connections do: bits, cuts, copies, and numbers that lie about lengths.

/// A source of damage that is the same in every run.
pub(crate) struct Mutation(u64);

impl Mutation {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A damaged form of one of `corpus`.
    pub(crate) fn of(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            self.damage(&mut bytes, corpus);
        }
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        if bytes.is_empty() {
            bytes.push(self.next() as u8);
            return;
        }
        let at = self.below(bytes.len());
        let most = 1 << self.below(12);
        let length = 1 + self.below(1 + (bytes.len() - at).min(most) / 2);
        let range = at..(at + length).min(bytes.len());
        match self.below(9) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = self.next() as u8,
            2 | 3 => self.number(bytes, at),
            4 => drop(bytes.drain(range)),
            5 => bytes.truncate(at),
            6 => drop(bytes.splice(at..at, bytes[range].to_vec())),
            7 => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len().max(1)).min(other.len());
                let end = (from + 1 + self.below(200)).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            // What an archive says of itself is at its end.
            _ => {
                let tail = bytes.len() - (1 + self.below(bytes.len().min(100)));
                self.number(bytes, tail);
            }
        }
    }

    /// Writes a number that may be a length, a count or an offset.
    fn number(&mut self, bytes: &mut [u8], at: usize) {
        let here = bytes.len() as u64;
        let interesting = [
            0,
            1,
            2,
            0x7F,
            0xFF,
            0xFFFE,
            0xFFFF,
            0x7FFF_FFFF,
            0xFFFF_FFFE,
            0xFFFF_FFFF,
            1 << 32,
            i64::MAX as u64,
            u64::MAX - 20,
            u64::MAX,
            here,
            here - 1,
            here + 1,
            here.wrapping_sub(at as u64),
        ];
        let value = interesting[self.below(interesting.len())];
        let width = [1, 2, 4, 8][self.below(4)];
        let little = value.to_le_bytes();
        let big = value.to_be_bytes();
        let written = if self.below(2) == 0 { &little[..width] } else { &big[8 - width..] };
        let width = width.min(bytes.len() - at);
        bytes[at..at + width].copy_from_slice(&written[..width]);
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
