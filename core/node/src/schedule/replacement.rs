//! Workers that hold what they should have let go: another one takes their place, and no task waits for it.

use std::sync::Arc;

use haulier_model::Language;
use haulier_worker::{Worker, WorkerId};

use super::Scheduler;

/// Workers of a pool that may finish what they have while the next ones work; more wait for one of them to end.
const MOST_DRAINING: usize = 3;

impl Scheduler {
    /// Starts a worker that takes the place of this one when it is there. The old one then gets no new tasks, finishes
    /// what it has, and ends; a task in it that never ends is left to its deadline. False if it cannot be replaced now.
    pub(crate) fn replace(&self, worker: WorkerId) -> bool {
        let Some(node) = self.node.upgrade() else { return false };
        let key = {
            let mut state = self.state.lock();
            let Some(key) = state.workers.get(&worker).cloned() else { return false };
            let Some(pool) = state.pools.get_mut(&key) else { return false };
            let draining = pool.workers.iter().filter(|worker| worker.draining).count();
            let Some(old) = pool.worker(worker).filter(|old| !old.draining && !old.replaced) else { return false };
            if draining >= MOST_DRAINING {
                return false;
            }
            old.replaced = true;
            pool.starting += 1;
            key
        };
        crate::workers::start(node, key);
        true
    }

    /// The JVM workers of a group, and whether they are being replaced.
    pub(crate) fn java_workers(&self, group: &str) -> Vec<(Arc<Worker>, bool)> {
        let state = self.state.lock();
        let pools = state.pools.iter().filter(|(key, _)| &*key.group == group && key.language == Language::Java);
        let workers = pools.flat_map(|(_, pool)| &pool.workers);
        workers.map(|worker| (worker.worker.clone(), worker.draining)).collect()
    }
}
