//! Workers that hold what they should have let go: another one takes their place, and no task waits for it.

use std::sync::Arc;

use haulier_model::Language;
use haulier_worker::{Worker, WorkerId};

use super::Scheduler;
use crate::{pool::Pool, run::PoolKey};

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

    /// Workers that have run a task and are not being replaced.
    pub(crate) fn used_workers(&self) -> Vec<Arc<Worker>> {
        let state = self.state.lock();
        let workers = state.pools.values().flat_map(|pool| &pool.workers);
        let used = workers.filter(|worker| worker.used && !worker.replaced && !worker.draining);
        used.map(|worker| worker.worker.clone()).collect()
    }

    /// The JVM workers that run tasks of an identity, also those that it shares with others: with the trust group of each,
    /// and whether it is being replaced.
    pub(crate) fn java_workers(&self, identity: &str) -> Vec<(Arc<Worker>, Arc<str>, bool)> {
        let state = self.state.lock();
        let serves = |key: &PoolKey, pool: &Pool| &*key.group == identity || pool.has_served(identity);
        let pools = state.pools.iter().filter(|(key, pool)| key.language == Language::Java && serves(key, pool));
        let workers = pools.flat_map(|(key, pool)| pool.workers.iter().map(move |worker| (key, worker)));
        let mut workers: Vec<_> =
            workers.map(|(key, worker)| (worker.worker.clone(), key.group.clone(), worker.draining)).collect();
        workers.sort_by_key(|(worker, ..)| worker.id());
        workers
    }
}
