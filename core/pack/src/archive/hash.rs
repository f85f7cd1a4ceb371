//! Digests of all entries of an archive, by as many threads as there are processors.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use haulier_model::{Digest, Error, Hasher, Result};

use super::{
    Archive,
    extract::{Extractor, Member},
};
use crate::KnownDigests;

/// Archives with fewer bytes than this are read by one thread.
const PARALLEL_FROM: u64 = 1 << 20;
/// Entries that a thread takes at once.
const BATCH: usize = 16;

/// The digests in the order of the members. The error is that of the first member that has one, with its index.
pub(super) fn all(archive: &Archive, known: Option<&KnownDigests>) -> Result<Vec<Digest>, (usize, Error)> {
    let members = &archive.members;
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut extractor, mut found) = (Extractor::default(), Vec::new());
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= members.len() {
                return found;
            }
            for (index, member) in members.iter().enumerate().skip(first).take(BATCH) {
                let digest = of(archive, member, &mut extractor, known);
                let failed = digest.is_err();
                found.push((index, digest));
                if failed {
                    // What follows need not be read; what comes before is being read by others.
                    next.store(members.len(), Ordering::Relaxed);
                    return found;
                }
            }
        }
    };
    let bytes: u64 = members.iter().map(|member| member.size).sum();
    let most = if bytes < PARALLEL_FROM { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
    let threads = most.min(members.len().div_ceil(BATCH)).max(1);
    let mut found = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        for other in others {
            match other.join() {
                Ok(more) => found.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    found.sort_unstable_by_key(|(index, _)| *index);
    found.into_iter().map(|(index, digest)| digest.map_err(|error| (index, error))).collect()
}

fn of(archive: &Archive, member: &Member, extractor: &mut Extractor, known: Option<&KnownDigests>) -> Result<Digest> {
    let compressed = match known.filter(|_| member.deflated) {
        Some(known) => {
            let compressed = extractor.digest_compressed(&archive.file, member)?;
            if let Some(digest) = known.get(&compressed, member.size, member.crc) {
                return Ok(digest);
            }
            Some((known, compressed))
        }
        None => None,
    };
    let mut hasher = Hasher::default();
    extractor.run(&archive.file, member, &mut |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    let digest = hasher.finish();
    if let Some((known, compressed)) = compressed {
        known.insert(compressed, member.size, member.crc, digest);
    }
    Ok(digest)
}
