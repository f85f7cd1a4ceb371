//! Workers that are to be started, that have been, and that could not be.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_model::{Error, ErrorKind, Result};
use haulier_worker::Worker;

use super::{Actions, Scheduler, State, waiting};
use crate::{pool::PoolWorker, run::PoolKey};

/// When a pool tries again to have another worker, after the node had room for none.
const RETRY: Duration = Duration::from_millis(200);

impl Scheduler {
    /// Starts a worker ahead of the first task.
    pub(crate) fn prepare(&self, key: PoolKey) {
        let Some(node) = self.node.upgrade() else { return };
        let start = {
            let mut state = self.state.lock();
            let pool = state.pools.entry(key.clone()).or_default();
            let none = pool.workers.is_empty() && pool.starting == 0;
            pool.starting += usize::from(none);
            none
        };
        if start {
            crate::workers::start(node, key);
        }
    }

    /// A worker has started, or could not: then the tasks that wait for it fail, unless another one serves the pool.
    pub(crate) fn started(&self, key: &PoolKey, result: Result<Arc<Worker>>) {
        let Some(node) = self.node.upgrade() else { return };
        let mut failed = Vec::new();
        let mut full = false;
        let actions = {
            let mut state = self.state.lock();
            let State { pools, workers, runs, queued, lost_early, .. } = &mut *state;
            let pool = pools.entry(key.clone()).or_default();
            pool.starting = pool.starting.saturating_sub(1);
            let lost = result.as_ref().ok().and_then(|worker| lost_early.remove(&worker.id()));
            let result = match lost {
                Some(loss) => Err(Error::new(
                    ErrorKind::WorkerLost,
                    "start a worker",
                    format!("it ended as soon as it had started: {}", loss.status),
                )
                .context("last output", loss.last_output.trim())),
                None => result,
            };
            match result {
                Ok(worker) => {
                    let id = worker.id();
                    pool.drain_replaced();
                    pool.workers.push(PoolWorker::new(worker, Instant::now()));
                    workers.insert(id, key.clone());
                }
                Err(error) if pool.workers.is_empty() && pool.starting == 0 => {
                    tracing::warn!(%error, language = key.language.name(), "cannot start a worker");
                    let ids: Vec<u64> = pool.queue.drain(..).collect();
                    *queued -= ids.len();
                    failed.extend(ids.iter().filter_map(|id| runs.remove(id)).map(|entry| (entry.run, error.clone())));
                }
                Err(error) => {
                    pool.keep_replaced();
                    full = error.kind() == ErrorKind::ResourceExhausted;
                    pool.shortage.lacks(&error, key.language, Instant::now());
                }
            }
            let mut actions = self.dispatch(&mut state, key, &node);
            if full {
                actions = self.hold_back(&mut state, key, actions);
            }
            state.look_at_shortage(key);
            actions
        };
        for (run, error) in failed {
            run.fail(&node.name, error.in_operation(run.operation()));
        }
        self.act(&node, actions);
    }

    /// The node has no room for another worker now: not at once again, and what a task would wait for in vain is refused.
    fn hold_back(&self, state: &mut State, key: &PoolKey, mut actions: Actions) -> Actions {
        let Some(pool) = state.pools.get_mut(key) else { return actions };
        pool.starting = pool.starting.saturating_sub(actions.start.len());
        if !actions.start.is_empty() && !std::mem::replace(&mut pool.retries, true) {
            let (node, key) = (self.node.clone(), key.clone());
            tokio::spawn(async move {
                tokio::time::sleep(RETRY).await;
                if let Some(node) = node.upgrade() {
                    node.scheduler.look_again(&key);
                }
            });
        }
        actions.start.clear();
        // Another one that starts may serve them.
        if pool.starting == 0 {
            actions.refuse.extend(waiting::refuse_nested(state, key));
        }
        actions
    }

    fn look_again(&self, key: &PoolKey) {
        let Some(node) = self.node.upgrade() else { return };
        let actions = {
            let mut state = self.state.lock();
            let Some(pool) = state.pools.get_mut(key) else { return };
            pool.retries = false;
            let actions = self.dispatch(&mut state, key, &node);
            state.look_at_shortage(key);
            actions
        };
        self.act(&node, actions);
    }
}

impl State {
    /// No worker is being started, and none will be: what a pool has is enough for what it has to do.
    fn look_at_shortage(&mut self, key: &PoolKey) {
        if let Some(pool) = self.pools.get_mut(key).filter(|pool| pool.starting == 0 && !pool.retries) {
            pool.shortage.end(key.language, Instant::now());
        }
    }
}
