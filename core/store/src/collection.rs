//! Garbage collection: packs whose content nobody names are removed.

use std::{collections::HashSet, fs};

use haulier_model::{Digest, Result};

use crate::{Store, disk, head::Sources, store::blocking};

/// What a collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Packs removed.
    pub packs: u64,
    /// Bytes freed on disk.
    pub bytes: u64,
}

impl Store {
    /// Removes packs none of whose content is named by a unit in any state, by a lease, or by `live` (sessions and
    /// tasks of the caller). Content that arrives or is leased meanwhile stays.
    ///
    /// Errors: those of the catalogue and of the disk; what was removed until then is gone.
    pub async fn collect(&self, live: impl Fn(&Digest) -> bool + Send + 'static) -> Result<Collected> {
        let period = self.inner.leases.begin_collection();
        let heads = self.heads().await?;
        let store = self.clone();
        blocking("collect garbage", move || {
            let _period = period;
            let mut named = HashSet::new();
            for generation in heads.iter().flat_map(|(_, head)| &head.versions) {
                named.insert(generation.digest);
                if let Sources::Stored { stored } = &generation.sources {
                    named.insert(*stored);
                }
                named.extend(store.known_of_unit(&generation.digest));
            }
            let keep = |digest: &Digest| named.contains(digest) || store.inner.leases.holds(digest) || live(digest);
            let unused = store.inner.index.packs_without(keep);
            let mut collected = Collected::default();
            for pack in store.inner.index.forget(unused, keep) {
                fs::remove_file(&pack.path).map_err(|error| disk::explain("collect garbage", &pack.path, error))?;
                collected.packs += 1;
                collected.bytes += pack.size();
            }
            Ok(collected)
        })
        .await
    }
}
