//! Tasks that wait for tasks of their own: others run in their stead, up to a bound, and past it nothing may wait for ever.

use std::{collections::HashMap, sync::Arc};

use haulier_model::{Error, ErrorKind};
use haulier_worker::WorkerId;

use super::{Entry, Scheduler, State};
use crate::{
    pool::Pool,
    run::{PoolKey, Run},
};

/// From so many slots that wait on, what was submitted last by a task comes first: it ends before more begin to wait.
const DEEP: usize = 16;

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
