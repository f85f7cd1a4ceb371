//! Numbers and bytes that look like chance.

/// Numbers that are the same in every run, and other ones for each seed (SplitMix64).
pub struct Random(u64);

impl Random {
    /// Numbers for a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }
}

/// Bytes that no compression and no earlier run helps with: other ones for each seed and each process.
pub fn random_bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed ^ u64::from(std::process::id()) << 32);
    std::iter::repeat_with(|| random.number().to_le_bytes()).flatten().take(size).collect()
}
