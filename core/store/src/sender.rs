//! Gives content as a pack that travels: the other end of a [`Receiver`](crate::Receiver).

use bytes::{Bytes, BytesMut};
use haulier_model::{Digest, Result};
use haulier_pack::stream::CHUNK_SIZE;

use crate::{Lease, Store, StoredBytes};

const HEADER_SIZE: u64 = Digest::SIZE as u64 + 8;

/// One pack, chunk by chunk: an iterator for a thread that may block. Chunks are full, at most 256 KiB, whatever the
/// sizes of the contents; nothing else is in memory. After an error it ends.
///
/// Bytes are copied once, out of the page cache, so that whoever sends the chunks never waits for the disk.
pub struct PackChunks {
    store: Store,
    digests: std::vec::IntoIter<Digest>,
    /// The content that is being sent, and how much of it went.
    open: Option<(StoredBytes, usize)>,
    /// Bytes that are still to come, headers included.
    remaining: u64,
    _lease: Lease,
}

impl Store {
    /// The contents of `digests` that are here, in that order, as a pack; what is not here is left out. Nothing of it
    /// is collected until the value is dropped.
    pub fn pack(&self, digests: Vec<Digest>) -> PackChunks {
        let lease = self.lease(digests.iter().copied());
        let sizes = digests.iter().filter_map(|digest| self.inner.index.size_of(digest));
        let remaining = sizes.map(|size| HEADER_SIZE + size).sum();
        PackChunks { store: self.clone(), digests: digests.into_iter(), open: None, remaining, _lease: lease }
    }
}

impl PackChunks {
    fn fill(&mut self, chunk: &mut BytesMut) -> Result<()> {
        while chunk.len() < CHUNK_SIZE {
            let Some((bytes, sent)) = &mut self.open else {
                // A header is never cut, so that it needs no place to wait in.
                if CHUNK_SIZE - chunk.len() < HEADER_SIZE as usize || !self.begin(chunk)? {
                    break;
                }
                continue;
            };
            let now = (bytes.len() - *sent).min(CHUNK_SIZE - chunk.len());
            chunk.extend_from_slice(&bytes[*sent..*sent + now]);
            *sent += now;
            if *sent == bytes.len() {
                self.open = None;
            }
        }
        Ok(())
    }

    /// Writes the header of the next content that is here; false if there is none.
    fn begin(&mut self, chunk: &mut BytesMut) -> Result<bool> {
        for digest in self.digests.by_ref() {
            let Some(bytes) = self.store.inner.index.read(&digest)? else { continue };
            chunk.extend_from_slice(digest.as_bytes());
            chunk.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            self.open = Some((bytes, 0));
            return Ok(true);
        }
        Ok(false)
    }
}

impl Iterator for PackChunks {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = BytesMut::with_capacity(self.remaining.min(CHUNK_SIZE as u64) as usize);
        if let Err(error) = self.fill(&mut chunk) {
            self.open = None;
            self.digests = Vec::new().into_iter();
            return Some(Err(error));
        }
        self.remaining = self.remaining.saturating_sub(chunk.len() as u64);
        (!chunk.is_empty()).then(|| Ok(chunk.freeze()))
    }
}
