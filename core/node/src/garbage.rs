//! What nothing names is freed: now and then what is old, and everything when somebody asks for it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use haulier_model::{Digest, Result};
use haulier_store::{Collected, CollectionRules, Store};

use crate::{continuous, core::NodeCore, environments};

/// Content that nothing names any more is a cache for this long: a program that is started again sends nothing.
pub(crate) const CACHE_AGE: Duration = Duration::from_secs(3600);

impl NodeCore {
    /// Frees content that no unit, session, task or transfer names, and that is older than `younger_stay`; and removes
    /// directories of Python class paths that were not used for long.
    pub(crate) async fn collect(self: &Arc<Self>, dry_run: bool, younger_stay: Duration) -> Result<Collected> {
        // What stays is in the catalogue, and may not have been heard of here yet.
        let staying = self.catalogue.shared().list(continuous::PREFIX).await?.records;
        let staying: Vec<Digest> =
            staying.iter().filter_map(|record| continuous::digest_of(&record.key).ok()).collect();
        let node = Arc::downgrade(self);
        let rules = CollectionRules { dry_run, younger_stay };
        let live =
            move |store: &Store| node.upgrade().map(|node| node.named_content(store, &staying)).unwrap_or_default();
        let collected = self.store.collect(rules, live).await?;
        if collected.packs > 0 && !dry_run {
            tracing::info!(packs = collected.packs, bytes = collected.bytes, "content that nothing names was freed");
        }
        if !dry_run {
            environments::tidy(self, true).await?;
            let node = self.clone();
            let swept =
                tokio::task::spawn_blocking(move || node.class_paths.sweep(&node.scheduler.directories())).await;
            if let Ok(Err(error)) = swept {
                tracing::warn!(%error, "directories of Python class paths cannot be removed");
            }
        }
        Ok(collected)
    }

    /// Everything that sessions and tasks use or have left to stay, besides what is deployed.
    fn named_content(&self, store: &Store, staying: &[Digest]) -> HashSet<Digest> {
        let mut named = HashSet::new();
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        let mut seen = HashSet::new();
        for (digest, snapshot) in sessions.iter().flat_map(|session| session.code.snapshots()) {
            if seen.insert(digest) {
                named.extend(store.contents_of(&snapshot.manifest));
            }
        }
        for class_path in self.class_paths.in_use() {
            named.extend(class_path.contents());
        }
        for manifest in
            self.units.in_use().into_iter().chain(staying.iter().copied()).chain(self.continuous.snapshots())
        {
            named.insert(manifest);
            named.extend(store.manifest(&manifest).map(|manifest| store.contents_of(&manifest)).unwrap_or_default());
        }
        named
    }
}
