//! Chunks of large contents that came as a whole: of those that are here, and of those whose upload broke. What is known
//! of them goes with the process. Knows nothing of how chunks travel.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
};

use haulier_model::{Digest, Result};
use haulier_pack::chunks::{Chunk, Chunker, LARGE_ENTRY};
use parking_lot::Mutex;

use crate::{Location, Store, disk};

const BLOCK_SIZE: usize = 256 << 10;
/// The most contents of broken uploads that are remembered.
const MOST_BROKEN: usize = 10_000;

#[derive(Default)]
pub(crate) struct Chunking {
    /// Contents that were cut, and the first chunk of each.
    cut: Mutex<HashMap<Digest, Digest>>,
    /// Contents of which chunks arrived before the upload broke.
    broken: Mutex<HashSet<Digest>>,
}

impl Chunking {
    pub(crate) fn note_broken(&self, digest: Digest) {
        let mut broken = self.broken.lock();
        if broken.len() >= MOST_BROKEN {
            broken.clear();
        }
        broken.insert(digest);
    }
}

impl Store {
    /// Cuts those of `digests` that are here and large, so that [`Store::assemble`] finds their chunks until the store is
    /// closed. What was cut already is not read again. Blocks for about a second a gigabyte.
    ///
    /// Errors: those of the disk.
    pub fn cut_into_chunks(&self, digests: &[Digest]) -> Result<()> {
        let known = &self.inner.chunking.cut;
        for digest in digests {
            let first = known.lock().get(digest).copied();
            let is_large = self.inner.index.size_of(digest).is_some_and(|size| size >= LARGE_ENTRY);
            if !is_large || first.is_some_and(|first| self.contains(&first)) {
                continue;
            }
            let Some(location) = self.inner.index.locate(digest) else { continue };
            let chunks = cut(&location).map_err(|error| disk::explain("cut content", &location.pack, error))?;
            self.inner.index.add_parts(digest, chunks.iter().map(|chunk| (chunk.digest, u64::from(chunk.size))));
            if let Some(first) = chunks.first() {
                known.lock().insert(*digest, first.digest);
            }
        }
        Ok(())
    }

    /// Whether an upload of one of `digests` broke after a part of it had arrived.
    pub fn has_chunks_of(&self, digests: &[Digest]) -> bool {
        let broken = self.inner.chunking.broken.lock();
        !broken.is_empty() && digests.iter().any(|digest| broken.contains(digest))
    }
}

/// Reads, and does not map: what is mapped counts as memory of the process.
fn cut(location: &Location) -> io::Result<Vec<Chunk>> {
    let file = File::open(&location.pack)?;
    let (mut chunker, mut block, mut done) = (Chunker::default(), vec![0; BLOCK_SIZE], 0);
    while done < location.size {
        let length = (location.size - done).min(BLOCK_SIZE as u64) as usize;
        file.read_exact_at(&mut block[..length], location.offset + done)?;
        chunker.push(&block[..length]);
        done += length as u64;
    }
    Ok(chunker.finish())
}
