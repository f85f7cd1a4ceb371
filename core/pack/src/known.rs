//! What compressed entries of archives have turned out to be, so that an archive with few changes is read fast.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use haulier_model::Digest;

/// The most entries that are remembered; beyond that it begins anew.
const MOST: usize = 200_000;

/// The digests of entries that were uncompressed and verified before, by the digest of their compressed bytes. An entry
/// with the same compressed bytes is not uncompressed again. In memory only, about 100 bytes for each entry.
#[derive(Debug, Default)]
pub struct KnownDigests(Mutex<HashMap<Digest, Known>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    size: u64,
    crc: u32,
    digest: Digest,
}

impl KnownDigests {
    /// Only if the directory says what it said then: else the entry is read again, and refused.
    pub(crate) fn get(&self, compressed: &Digest, size: u64, crc: u32) -> Option<Digest> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner).get(compressed)?;
        (known.size == size && known.crc == crc).then_some(known.digest)
    }

    pub(crate) fn insert(&self, compressed: Digest, size: u64, crc: u32, digest: Digest) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(compressed, Known { size, crc, digest });
    }
}
