//! Content-defined chunks: how a large entry travels, so that a changed one sends what has changed, and one whose
//! upload broke sends the rest.
//!
//! Where a chunk ends is decided by the bytes before it, so an insertion moves the ends near it and no others. Chunks
//! are a matter of travel: no digest of a root, a manifest or a unit depends on them. Knows no store and no network.

use fastcdc::v2020::FastCDC;
use haulier_model::{Digest, Result};

use crate::refusal;

/// Entries of at least this many bytes travel in chunks.
pub const LARGE_ENTRY: u64 = 4 << 20;
/// The most bytes of a chunk.
pub const LARGEST_CHUNK: usize = 4 << 20;
/// The most chunks of all entries that travel together.
pub const MOST_CHUNKS: usize = 1 << 20;

const SMALLEST_CHUNK: usize = 256 << 10;
const AVERAGE_CHUNK: usize = 1 << 20;
/// Room for more than the largest chunk, so that what is left over is not moved for each of them.
const WINDOW: usize = 2 * LARGEST_CHUNK;

/// A part of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What its bytes hash to.
    pub digest: Digest,
    /// Its bytes; more than 0, at most [`LARGEST_CHUNK`].
    pub size: u32,
}

/// An entry, and the chunks that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkedEntry {
    digest: Digest,
    size: u64,
    chunks: Vec<Chunk>,
}

impl ChunkedEntry {
    /// An entry as somebody says that it is. `InvalidArgument` if a chunk is empty or too large, or if the chunks have
    /// other than `size` bytes together; `ResourceExhausted` for more than [`MOST_CHUNKS`].
    pub fn new(digest: Digest, size: u64, chunks: Vec<Chunk>) -> Result<Self> {
        if chunks.len() > MOST_CHUNKS {
            return Err(refusal::limit(format!("{digest} has {} chunks", chunks.len()), MOST_CHUNKS as u64));
        }
        if let Some(chunk) = chunks.iter().find(|chunk| chunk.size == 0 || chunk.size as usize > LARGEST_CHUNK) {
            let problem = format!("a chunk of {digest} has {} bytes, not 1 to {LARGEST_CHUNK}", chunk.size);
            return Err(refusal::refused(problem));
        }
        let sum: u64 = chunks.iter().map(|chunk| u64::from(chunk.size)).sum();
        if sum != size {
            return Err(refusal::refused(format!("the chunks of {digest} have {sum} bytes, and it has {size}")));
        }
        Ok(Self { digest, size, chunks })
    }

    /// The digest of the whole.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes of the whole.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The chunks in their order; one may be there several times.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }
}

/// Cuts bytes into chunks of 256 KiB to 4 MiB, 1 MiB on average. The same bytes give the same chunks, in whatever
/// pieces they come. At most 8 MiB are held.
///
/// ```
/// use haulier_pack::chunks::Chunker;
///
/// let mut chunker = Chunker::default();
/// chunker.push(&[1; 3_000_000]);
/// chunker.push(&[1; 2_000_000]);
/// let sizes: Vec<u32> = chunker.finish().iter().map(|chunk| chunk.size).collect();
/// assert_eq!(sizes, [4 << 20, 5_000_000 - (4 << 20)]);
/// ```
#[derive(Default)]
pub struct Chunker {
    /// Bytes that belong to no chunk yet.
    window: Vec<u8>,
    chunks: Vec<Chunk>,
}

impl Chunker {
    /// Takes the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(WINDOW - self.window.len()));
            self.window.extend_from_slice(now);
            bytes = later;
            if self.window.len() == WINDOW {
                // A cut is the same for any amount of bytes that follows the largest chunk.
                self.cut(LARGEST_CHUNK);
            }
        }
    }

    /// The chunks of all bytes.
    pub fn finish(mut self) -> Vec<Chunk> {
        self.cut(1);
        self.chunks
    }

    /// Cuts chunks off as long as there are `least` bytes.
    fn cut(&mut self, least: usize) {
        let cutter = FastCDC::new(&self.window, SMALLEST_CHUNK, AVERAGE_CHUNK, LARGEST_CHUNK);
        let mut start = 0;
        while self.window.len() - start >= least {
            let (_, end) = cutter.cut(start, self.window.len() - start);
            let bytes = &self.window[start..end];
            self.chunks.push(Chunk { digest: Digest::of(bytes), size: bytes.len() as u32 });
            start = end;
        }
        drop(cutter);
        self.window.drain(..start);
    }
}

#[cfg(test)]
mod tests;
