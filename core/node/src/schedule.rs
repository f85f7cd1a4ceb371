//! Which task runs where and when: queues, slots, cancel, deadlines, replacement of workers.
//!
//! One lock guards the state; nothing waits and nothing is sent while it is held.

mod clock;
mod frame;
mod inventory;
mod loss;
mod replacement;
pub(crate) mod shortage;
mod starting;
mod waiting;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use haulier_model::{Error, ErrorKind, Language};
use haulier_protocol::v1;
use haulier_worker::{Loss, Worker, WorkerId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::frame::{frame, unmet};
use crate::{
    core::NodeCore,
    leaks::Leaks,
    pool::Pool,
    run::{self, PoolKey, Run, StopReason},
};

pub(crate) struct Scheduler {
    node: Weak<NodeCore>,
    /// Class loaders that stay in the memory of its workers.
    pub(crate) leaks: Leaks,
    state: Mutex<State>,
    next_run: AtomicU64,
    balancing: AtomicBool,
    balance: Notify,
    deadlines: Notify,
}

#[derive(Default)]
struct State {
    pools: HashMap<PoolKey, Pool>,
    runs: HashMap<u64, Entry>,
    workers: HashMap<WorkerId, PoolKey>,
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
    queued: usize,
    /// Tasks that were stopped before they came here, while they waited for their code.
    stopped_early: HashSet<u64>,
    /// Workers that ended before their start was reported.
    lost_early: HashMap<WorkerId, Loss>,
}

struct Entry {
    run: Arc<Run>,
    /// Where it was sent; `None`: it waits in the queue of its pool.
    at: Option<(Arc<Worker>, u16)>,
    stop: Option<Stop>,
}

struct Stop {
    reason: StopReason,
    answered: bool,
    ended: Arc<Notify>,
}

impl State {
    /// Deadlines of tasks that have ended stay until they pass or are many: then all of them go at once.
    fn forget_old_deadlines(&mut self) {
        if self.deadlines.len() > 2 * self.runs.len() + 1024 {
            let runs = &self.runs;
            self.deadlines.retain(|Reverse((_, id))| runs.contains_key(id));
        }
    }
}

/// What to do after the lock is released.
#[derive(Default)]
struct Actions {
    send: Vec<(Arc<Worker>, u16, Arc<Run>)>,
    start: Vec<PoolKey>,
    refuse: Vec<(Arc<Run>, Error)>,
}

impl Scheduler {
    pub(crate) fn new(node: Weak<NodeCore>) -> Self {
        Self {
            node,
            leaks: Leaks::default(),
            state: Mutex::default(),
            next_run: AtomicU64::new(1),
            balancing: AtomicBool::new(false),
            balance: Notify::new(),
            deadlines: Notify::new(),
        }
    }

    pub(crate) fn next_run(&self) -> u64 {
        self.next_run.fetch_add(1, Ordering::Relaxed)
    }

    /// Queues a task, or sends it to a worker at once.
    pub(crate) fn submit(&self, run: Run) {
        let Some(node) = self.node.upgrade() else { return };
        let run = Arc::new(run);
        let actions = {
            let mut state = self.state.lock();
            if !state.stopped_early.is_empty() && state.stopped_early.remove(&run.id) {
                return;
            }
            if state.queued >= node.limits.queue {
                let queued = state.queued;
                drop(state);
                let message = format!("{queued} tasks wait on this node, which is the limit");
                return run
                    .fail(&node.name, run.error(ErrorKind::ResourceExhausted, message).hint("submit again later"));
            }
            if let Some(deadline) = run.deadline {
                let first = state.deadlines.peek().is_none_or(|Reverse((at, _))| deadline < *at);
                state.forget_old_deadlines();
                state.deadlines.push(Reverse((deadline, run.id)));
                if first {
                    self.deadlines.notify_one();
                }
            }
            let key = run.placement.live.pool.clone();
            state.runs.insert(run.id, Entry { run: run.clone(), at: None, stop: None });
            state.queued += 1;
            let pool = state.pools.entry(key.clone()).or_default();
            if pool.directory.is_none() {
                pool.directory.clone_from(&run.placement.class_path.directory);
                pool.top_levels.clone_from(run.placement.class_path.top_levels());
            }
            if run::is_shared(&key.group) {
                pool.serve(run.session.identity.name());
            }
            pool.queue.push_back(run.id);
            self.dispatch(&mut state, &key, &node)
        };
        self.act(&node, actions);
    }

    /// Sends what can be sent, and says which workers are wanted.
    fn dispatch(&self, state: &mut State, key: &PoolKey, node: &NodeCore) -> Actions {
        let mut actions = Actions::default();
        let State { pools, runs, queued, .. } = state;
        let Some(pool) = pools.get_mut(key) else { return actions };
        let now = Instant::now();
        let slots = usize::from(node.slots);
        while !pool.queue.is_empty() {
            let Some(place) = pool.choose(now, slots) else { break };
            let Some(id) = waiting::next(pool, runs) else { break };
            *queued -= 1;
            let Some(entry) = runs.get_mut(&id) else { continue };
            let worker = pool.workers[place.0].worker.clone();
            if pool.assign(place, id, now) && !self.balancing.swap(true, Ordering::Relaxed) {
                self.balance.notify_one();
            }
            entry.at = Some((worker.clone(), place.1 as u16));
            actions.send.push((worker, place.1 as u16, entry.run.clone()));
        }
        // A Python process that waits has no slot for others; a JVM has some to spare.
        let python = key.language == Language::Python;
        let live = pool.workers.iter().filter(|worker| !(worker.draining || (python && worker.waits()))).count();
        let live = live + pool.starting;
        let most = if python { slots } else { 1 };
        let wanted = pool.queue.len().min(most).saturating_sub(live);
        if !pool.queue.is_empty() && live < most && (live == 0 || pool.starting == 0) {
            for _ in 0..wanted.max(1).min(most - live) {
                pool.starting += 1;
                actions.start.push(key.clone());
            }
        }
        if !python && !pool.queue.is_empty() && pool.starting == 0 {
            actions.refuse = waiting::refuse_nested(state, key);
        }
        actions
    }

    fn act(&self, node: &Arc<NodeCore>, actions: Actions) {
        for (worker, slot, run) in actions.send {
            match unmet(&worker, &run) {
                // A worker that has gone takes nothing; `lost` answers for what it had.
                None => drop(worker.submit(slot, frame(node, &run))),
                Some(error) => self.refuse(worker.id(), slot, &run, error),
            }
        }
        for key in actions.start {
            crate::workers::start(node.clone(), key);
        }
        for (run, error) in actions.refuse {
            run.fail(&node.name, error);
        }
    }

    /// The worker must not see this task: its slot is free again.
    fn refuse(&self, worker: WorkerId, slot: u16, run: &Arc<Run>, error: Error) {
        let Some(node) = self.node.upgrade() else { return };
        let actions = {
            let mut state = self.state.lock();
            state.runs.remove(&run.id);
            let key = run.placement.live.pool.clone();
            if let Some(pool) = state.pools.get_mut(&key) {
                pool.leave(worker, slot, run.id, Instant::now(), false);
            }
            self.dispatch(&mut state, &key, &node)
        };
        run.fail(&node.name, error);
        self.act(&node, actions);
    }

    /// A worker has finished a task.
    pub(crate) fn finished(&self, worker: WorkerId, slot: u16, result: v1::ResultFrame) {
        let Some(node) = self.node.upgrade() else { return };
        let (entry, actions, retire) = {
            let mut state = self.state.lock();
            let Some(entry) = state.runs.remove(&result.task_id) else { return };
            let key = &entry.run.placement.live.pool;
            let mut retire = None;
            if let Some(pool) = state.pools.get_mut(key) {
                pool.leave(worker, slot, result.task_id, Instant::now(), true);
                if entry.run.placement.isolated && key.language == Language::Python {
                    retire = pool.worker(worker).map(|worker| worker.worker.clone());
                    pool.workers.retain(|known| known.worker.id() != worker);
                }
            }
            let key = key.clone();
            let actions = self.dispatch(&mut state, &key, &node);
            if retire.is_some() {
                state.workers.remove(&worker);
                state.pools.retain(|_, pool| !pool.workers.is_empty() || pool.starting > 0 || !pool.queue.is_empty());
            }
            (entry, actions, retire)
        };
        self.act(&node, actions);
        if let Some(worker) = retire {
            worker.kill();
        }
        let Some(stop) = entry.stop else {
            return crate::results::deliver(&node, &entry.run, result);
        };
        stop.ended.notify_one();
        if stop.answered {
            return;
        }
        if result.error.is_some() {
            entry.run.fail(&node.name, stop.reason.error(&entry.run, "by interrupt"));
        } else {
            crate::results::deliver(&node, &entry.run, result);
        }
    }

    /// Stops a task that may not have come here yet; true if so, and then it never begins.
    pub(crate) fn stop_early(&self, id: u64) -> bool {
        let mut state = self.state.lock();
        !state.runs.contains_key(&id) && state.stopped_early.insert(id)
    }

    /// A task that was stopped early will not come here.
    pub(crate) fn forget_stopped_early(&self, id: u64) {
        self.state.lock().stopped_early.remove(&id);
    }

    /// Stops a task: at once if it waits, else by cancel, and in the end by killing its worker.
    pub(crate) fn stop(&self, id: u64, reason: StopReason, force: bool) {
        let Some(node) = self.node.upgrade() else { return };
        let (run, place) = {
            let mut state = self.state.lock();
            let State { pools, runs, queued, .. } = &mut *state;
            let Some(entry) = runs.get_mut(&id) else { return };
            let run = entry.run.clone();
            match &entry.at {
                None => {
                    if let Some(pool) = pools.get_mut(&run.placement.live.pool)
                        && let Some(position) = pool.queue.iter().position(|queued| *queued == id)
                    {
                        pool.queue.remove(position);
                        *queued -= 1;
                    }
                    runs.remove(&id);
                    (run, None)
                }
                Some((worker, slot)) => {
                    let first = entry.stop.is_none();
                    if !first && !force {
                        return;
                    }
                    let ended = Arc::new(Notify::new());
                    // The caller's deadline is kept even if the task is deaf; cleaning up goes on behind.
                    let answered = reason == StopReason::Deadline;
                    entry.stop = Some(Stop { reason, answered, ended: ended.clone() });
                    (run, Some((worker.clone(), *slot, ended)))
                }
            }
        };
        match place {
            None => run.fail(&node.name, reason.error(&run, "before it began")),
            Some((worker, slot, ended)) => {
                if reason == StopReason::Deadline {
                    run.fail(&node.name, reason.error(&run, "while it ran"));
                }
                tokio::spawn(crate::stopping::stop_executing(node, run, worker, slot, ended, force));
            }
        }
    }

    /// No new tasks for this worker. False if it has gone.
    pub(crate) fn drain(&self, worker: WorkerId) -> bool {
        let Some(node) = self.node.upgrade() else { return false };
        let (found, actions) = {
            let mut state = self.state.lock();
            let Some(key) = state.workers.get(&worker).cloned() else { return false };
            let found =
                state.pools.get_mut(&key).and_then(|pool| pool.worker(worker)).map(|worker| worker.draining = true);
            (found.is_some(), self.dispatch(&mut state, &key, &node))
        };
        self.act(&node, actions);
        found
    }

    /// Whether tasks other than `run` are with this worker.
    pub(crate) fn has_others(&self, worker: WorkerId, run: u64) -> bool {
        let mut state = self.state.lock();
        let Some(key) = state.workers.get(&worker).cloned() else { return false };
        let worker = state.pools.get_mut(&key).and_then(|pool| pool.worker(worker));
        worker.is_some_and(|worker| worker.in_flight().any(|id| id != run))
    }
}
