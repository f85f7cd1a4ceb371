//! Tasks that wait for tasks of their own: others run in their stead, up to a bound, and past it nothing may wait for ever.

use std::{collections::HashMap, sync::Arc, time::Duration};

use haulier_model::{Error, ErrorKind};
use haulier_worker::WorkerId;

use super::{Actions, Entry, Scheduler, State};
use crate::{
    pool::Pool,
    run::{PoolKey, Run},
};

/// From so many slots that wait on, what was submitted last by a task comes first: it ends before more begin to wait.
const DEEP: usize = 16;
/// When a pool tries again to have another worker, after the node had room for none.
const RETRY: Duration = Duration::from_millis(200);

impl Scheduler {
    /// So many tasks of a worker may wait for tasks of their own, on this node or another one.
    pub(crate) fn waiting(&self, worker: WorkerId, tasks: usize) {
        let Some(node) = self.node.upgrade() else { return };
        let actions = {
            let mut state = self.state.lock();
            let Some(key) = state.workers.get(&worker).cloned() else { return };
            let Some(known) = state.pools.get_mut(&key).and_then(|pool| pool.worker(worker)) else { return };
            known.waiting = tasks;
            self.dispatch(&mut state, &key, &node)
        };
        self.act(&node, actions);
    }

    /// The node has no room for another worker now: not at once again, and what a task would wait for in vain is refused.
    pub(super) fn hold_back(&self, state: &mut State, key: &PoolKey, mut actions: Actions) -> Actions {
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
            actions.refuse.extend(refuse_nested(state, key));
        }
        actions
    }

    fn look_again(&self, key: &PoolKey) {
        let Some(node) = self.node.upgrade() else { return };
        let actions = {
            let mut state = self.state.lock();
            let Some(pool) = state.pools.get_mut(key) else { return };
            pool.retries = false;
            self.dispatch(&mut state, key, &node)
        };
        self.act(&node, actions);
    }
}

/// Takes the next task out of the queue.
pub(super) fn next(pool: &mut Pool, runs: &HashMap<u64, Entry>) -> Option<u64> {
    if pool.waiting() >= DEEP
        && let Some(newest) = pool.queue.iter().rposition(|id| is_nested(runs.get(id)))
    {
        return pool.queue.remove(newest);
    }
    pool.queue.pop_front()
}

/// Takes out what tasks have submitted, if all slots of a pool that cannot have more wait: they might do so for each other.
pub(super) fn refuse_nested(state: &mut State, key: &PoolKey) -> Vec<(Arc<Run>, Error)> {
    let State { pools, runs, queued, .. } = state;
    let Some(pool) = pools.get_mut(key).filter(|pool| pool.all_wait()) else { return Vec::new() };
    let (nested, others): (Vec<u64>, Vec<u64>) = pool.queue.drain(..).partition(|id| is_nested(runs.get(id)));
    pool.queue.extend(others);
    *queued -= nested.len();
    let waiting = pool.waiting();
    let refused = nested.iter().filter_map(|id| runs.remove(id));
    refused.map(|entry| (entry.run.clone(), refusal(&entry.run, waiting))).collect()
}

fn is_nested(entry: Option<&Entry>) -> bool {
    entry.is_some_and(|entry| entry.run.session.inside_worker)
}

fn refusal(run: &Run, waiting: usize) -> Error {
    let message = format!(
        "{waiting} tasks of this node wait for tasks that they have submitted, which is the limit; one more could not run"
    );
    run.error(ErrorKind::ResourceExhausted, message)
        .hint("let tasks submit without waiting, or nest them less deeply; more slots: haulier node --slots N")
}
