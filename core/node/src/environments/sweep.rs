//! Removes environments that nothing names: no deployed unit has their locks and nobody uses them; and beyond the bound
//! those that were not used for longest.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use haulier_model::{Result, Root};
use haulier_store::{Store, UnitState};

use super::{Environments, Record, build, leftovers, program_in, record};
use crate::core::NodeCore;

/// Whether something may have become unneeded.
#[derive(Default)]
pub(super) struct Wanted(AtomicBool);

impl Environments {
    /// A unit has gone: the next [`tidy`] looks at what it has left.
    pub(crate) fn look_again(&self) {
        self.sweep.0.store(true, Ordering::Relaxed);
    }

    /// Whether no more than one build is under way, and nothing is resolved.
    pub(super) fn builds_alone(&self) -> bool {
        self.builds.count() <= 1 && self.resolutions.count() == 0
    }

    /// Whether somebody uses or builds the environment of a folder.
    fn is_in_use(&self, folder: &Path) -> bool {
        let used = self
            .known
            .lock()
            .iter()
            .any(|(digest, runtime)| runtime.strong_count() > 0 && self.folder_of(digest) == folder);
        used || self.builds.any(|digest| self.folder_of(digest) == folder)
    }

    /// Removes what is not needed while the locks of `deployed` are. Returns the folders that went, and those
    /// that will go when they are not used any more. Blocks.
    fn sweep(&self, deployed: &BTreeSet<String>) -> std::io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
        let (mut gone, mut used) = (Vec::new(), Vec::new());
        let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
        for folder in record::list(&self.folder)? {
            let needed = || Record::read(&folder).is_some_and(|record| record.is_of(deployed));
            if record::is_hidden(&folder) {
                continue;
            }
            if needed() {
                kept.push((record::last_use(&folder).unwrap_or(SystemTime::UNIX_EPOCH), folder));
            } else if self.remove_unused(&folder)? {
                gone.push(folder);
            } else {
                used.push(folder);
            }
        }
        kept.sort_unstable();
        let surplus = kept.len().saturating_sub(self.bounds.count);
        for (_, folder) in kept.into_iter().take(surplus) {
            if self.remove_unused(&folder)? {
                gone.push(folder);
            }
        }
        Ok((gone, used))
    }

    /// Removes an environment unless somebody uses it.
    pub(super) fn remove_unused(&self, folder: &Path) -> std::io::Result<bool> {
        let going = {
            let _shelf = self.shelf.lock();
            if self.is_in_use(folder) {
                return Ok(false);
            }
            build::put_away(folder)?
        };
        tracing::info!(environment = %folder.file_name().unwrap_or_default().to_string_lossy(), "a Python environment is removed");
        std::fs::remove_dir_all(going)?;
        self.installed.forget(folder);
        self.origins.forget(folder);
        Ok(true)
    }
}

/// Removes what is not needed, if something may have become so; `always`: looks in any case. Idle workers that keep
/// what is not needed end, and the rest goes at the next look.
pub(crate) async fn tidy(node: &Arc<NodeCore>, always: bool) -> Result<()> {
    let environments = &node.python_environments;
    if !environments.sweep.0.swap(false, Ordering::Relaxed) && !always {
        return Ok(());
    }
    node.loaders.forget_gone();
    let units = node.store.list(None).await?;
    let (store, environments) = (node.store.clone(), environments.clone());
    let swept = tokio::task::spawn_blocking(move || {
        let deployed = units.iter().filter(|unit| unit.state == UnitState::Deployed);
        let locks = if record::list(&environments.folder)?.is_empty() {
            BTreeSet::new()
        } else {
            deployed.flat_map(|unit| locks_of(&store, &unit.digest)).collect()
        };
        if always && !environments.builds.any(|_| true) && !environments.resolutions.any(|_| true) {
            leftovers::trim_cache(&environments.cache, environments.bounds.cache_bytes)?;
            leftovers::trim_locks(&environments.locks)?;
        }
        environments.sweep(&locks)
    });
    match swept.await {
        Ok(Ok((gone, used))) => {
            gone.iter().for_each(|folder| node.supervisor.end_zygotes_of(&program_in(folder)));
            if !used.is_empty() {
                let mut programs: Vec<PathBuf> = used.iter().map(|folder| program_in(folder)).collect();
                programs.retain(|program| !node.loaders.run_with(program));
                node.scheduler.retire_programs(&programs).iter().for_each(|worker| worker.kill());
                node.python_environments.look_again();
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "Python environments that nobody needs cannot be removed"),
        Err(error) => tracing::warn!(%error, "the search for unneeded Python environments has ended"),
    }
    Ok(())
}

/// Lets the environments of a node ask it to let go of some when they need room.
pub(crate) fn give_room(node: &Arc<NodeCore>) {
    let weak = Arc::downgrade(node);
    node.python_environments.ask_to_let_go(Arc::new(move |programs| {
        if let Some(node) = weak.upgrade() {
            let_go(&node, programs);
        }
    }));
}

/// Lets go of what is kept for these programs in case it is wanted again: loaders of sessions, idle workers, interpreters
/// to fork from. What runs, runs on.
fn let_go(node: &NodeCore, programs: &[PathBuf]) {
    let sessions: Vec<_> = node.sessions.lock().values().cloned().collect();
    for session in sessions {
        session.placements.forget_programs(programs);
        session.loaders.forget_programs(programs);
    }
    node.loaders.forget_gone();
    node.scheduler.retire_programs(programs).iter().for_each(|worker| worker.kill());
    programs.iter().for_each(|program| node.supervisor.end_zygotes_of(program));
}

/// The digests of the locks of a unit.
fn locks_of(store: &Store, unit: &haulier_model::Digest) -> Vec<String> {
    let roots = store.manifest(unit).and_then(|manifest| store.roots(&manifest)).unwrap_or_default();
    let entries = roots.iter().flat_map(|root| &root.entries).filter(|entry| entry.path.as_str() == Root::LOCK);
    entries.map(|entry| entry.digest.hex()).collect()
}
