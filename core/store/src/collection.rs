//! Garbage collection: packs whose content nobody names are removed, and those of which little is named are emptied.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, SystemTime},
};

use fail::fail_point;
use haulier_model::{Digest, Manifest, Result};

use crate::{Store, disk, head::Sources, pack_file::Pack, store::blocking};

/// What a collection removed, or would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Packs removed.
    pub packs: u64,
    /// Bytes freed on disk.
    pub bytes: u64,
    /// Bytes of contents that nobody names, in packs that stay because of others.
    pub held_bytes: u64,
}

/// Which content a collection may take, besides that which a unit or a lease names: that goes never.
#[derive(Clone, Debug, Default)]
pub struct CollectionRules {
    /// Remove nothing, only count.
    pub dry_run: bool,
    /// Leave packs that were written less than this time ago: they are a cache. Default: 0.
    pub younger_stay: Duration,
}

impl Store {
    /// Removes packs none of whose content is named by a unit in any state, by a lease, or by `live` (sessions and
    /// tasks of the caller, asked after the units have been read). Content that arrives or is leased meanwhile stays.
    /// Of a pack that is mostly dead, what units name moves into another one before.
    ///
    /// One collection at a time; a second one waits. Errors: those of the catalogue and of the disk; what was removed
    /// until then is gone.
    pub async fn collect(
        &self,
        rules: CollectionRules,
        live: impl Fn(&Self) -> HashSet<Digest> + Send + 'static,
    ) -> Result<Collected> {
        // The second would remove what the first has moved, with what it knew of users before.
        let alone = self.inner.collecting.clone().lock_owned().await;
        let period = self.inner.leases.begin_collection();
        let heads = self.heads().await?;
        let store = self.clone();
        blocking("collect garbage", move || {
            // Also when whoever asked has gone: the work goes on.
            let _held = (period, alone);
            let in_use = live(&store);
            let mut named = in_use.clone();
            for generation in heads.iter().flat_map(|(_, head)| &head.versions) {
                named.insert(generation.digest);
                if let Sources::Stored { stored } = &generation.sources {
                    named.insert(*stored);
                }
                named.extend(generation.origins);
                named.extend(store.known_of_unit(&generation.digest));
            }
            let mut collected = store.sweep(&rules, &named, &in_use)?;
            if !rules.dry_run && store.compact(&named, &in_use)? > 0 {
                // Whoever found something in the old packs is in use by now.
                let in_use = live(&store);
                named.extend(&in_use);
                let freed = store.sweep(&rules, &named, &in_use)?;
                collected.packs += freed.packs;
                collected.bytes += freed.bytes;
                collected.held_bytes = freed.held_bytes;
            }
            Ok(collected)
        })
        .await
    }

    /// What is known to belong to a manifest, here or not: the digests of its roots and of their entries.
    pub fn contents_of(&self, manifest: &Manifest) -> Vec<Digest> {
        self.known_of(manifest)
    }

    fn sweep(&self, rules: &CollectionRules, named: &HashSet<Digest>, in_use: &HashSet<Digest>) -> Result<Collected> {
        let Self { inner } = self;
        let keep = |digest: &Digest| named.contains(digest) || inner.leases.holds(digest);
        let (mut unused, held_bytes) = inner.index.packs_without(keep);
        let busy = |digest: &Digest| in_use.contains(digest) || inner.leases.holds(digest);
        unused.retain(|(pack, _)| !inner.index.is_left_in_use(pack, busy));
        let now = SystemTime::now();
        unused.retain(|(pack, _)| rules.younger_stay.is_zero() || is_older(pack, now, rules.younger_stay));
        let mut collected = Collected { held_bytes, ..Collected::default() };
        fail_point!("collect::before-forget");
        let unused = if rules.dry_run {
            unused.into_iter().map(|(pack, _)| pack).collect()
        } else {
            inner.index.forget(unused, keep)
        };
        fail_point!("collect::after-forget");
        for pack in unused {
            if !rules.dry_run {
                fs::remove_file(&pack.path).map_err(|error| disk::explain("collect garbage", &pack.path, error))?;
            }
            fail_point!("collect::after-unlink");
            collected.packs += 1;
            collected.bytes += pack.size();
        }
        Ok(collected)
    }
}

/// Whether a pack was written longer ago. One whose time cannot be read is taken for young.
fn is_older(pack: &Pack, now: SystemTime, age: Duration) -> bool {
    let written = fs::metadata(&pack.path).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| now.duration_since(written).is_ok_and(|since| since > age))
}
