//! The workers of one pool, and the choice of a slot for the next task. Pure state: no I/O, no clock of its own.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_worker::{Worker, WorkerId};

use crate::schedule::shortage::Shortage;

/// Frames that may wait in a slot behind a short task, so that link and worker work in batches.
const DEPTH: usize = 64;
/// Tasks that take less are pipelined to a slot.
const SHORT: Duration = Duration::from_millis(1);
/// Slots that a JVM worker has besides those that its node lets work at a time: for others to run while tasks wait for tasks of their own.
pub(crate) const SPARE: u16 = 32;
/// A slot whose task has run for longer gets no more frames, and gives back those that have not begun.
pub(crate) const LONG: Duration = Duration::from_millis(2);

pub(crate) struct Slot {
    /// The runs sent to the slot, in order; the first one is the one that runs.
    pub(crate) in_flight: VecDeque<u64>,
    /// Since when the first one has been the first.
    pub(crate) head_since: Instant,
    pub(crate) taking_back: bool,
}

pub(crate) struct PoolWorker {
    pub(crate) worker: Arc<Worker>,
    pub(crate) slots: Vec<Slot>,
    /// No new tasks: the worker is about to be replaced.
    pub(crate) draining: bool,
    /// Another worker was started to take its place; it goes as soon as it has nothing to do.
    pub(crate) replaced: bool,
    pub(crate) idle_since: Instant,
    /// It has run a task.
    pub(crate) used: bool,
    /// So many of its tasks say that they may wait for tasks of their own.
    pub(crate) waiting: usize,
}

impl PoolWorker {
    pub(crate) fn new(worker: Arc<Worker>, now: Instant) -> Self {
        let slot = || Slot { in_flight: VecDeque::new(), head_since: now, taking_back: false };
        let slots = (0..worker.slots()).map(|_| slot()).collect();
        Self { worker, slots, draining: false, replaced: false, idle_since: now, used: false, waiting: 0 }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| slot.in_flight.is_empty())
    }

    fn busy(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.in_flight.is_empty()).count()
    }

    /// Slots with a task that works, and does not wait for others.
    fn working(&self) -> usize {
        self.busy().saturating_sub(self.waiting)
    }

    /// Whether it has tasks, and all of them wait for others.
    pub(crate) fn waits(&self) -> bool {
        self.waiting > 0 && !self.is_idle() && self.working() == 0
    }

    pub(crate) fn in_flight(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.iter().flat_map(|slot| slot.in_flight.iter().copied())
    }
}

#[derive(Default)]
pub(crate) struct Pool {
    pub(crate) queue: VecDeque<u64>,
    pub(crate) workers: Vec<PoolWorker>,
    /// Workers that are being started.
    pub(crate) starting: usize,
    /// It will soon try again to have another worker.
    pub(crate) retries: bool,
    /// What was said of workers that it could not have.
    pub(crate) shortage: Shortage,
    /// Python: the class path as a directory.
    pub(crate) directory: Option<std::path::PathBuf>,
    /// Python: the names at the top of the class path.
    pub(crate) top_levels: Arc<HashSet<String>>,
    /// Whose tasks have come here, where it is not the group that says so.
    identities: BTreeSet<String>,
    /// Moving average of how long a task takes.
    average: Duration,
}

impl Pool {
    /// A task of that identity has come.
    pub(crate) fn serve(&mut self, identity: &str) {
        if !self.identities.contains(identity) {
            self.identities.insert(identity.to_owned());
        }
    }

    /// Whether tasks of that identity have come.
    pub(crate) fn has_served(&self, identity: &str) -> bool {
        self.identities.contains(identity)
    }

    pub(crate) fn worker(&mut self, id: WorkerId) -> Option<&mut PoolWorker> {
        self.workers.iter_mut().find(|worker| worker.worker.id() == id)
    }

    /// A new worker is there: those whose place it takes get no more tasks.
    pub(crate) fn drain_replaced(&mut self) {
        self.workers.iter_mut().filter(|worker| worker.replaced).for_each(|worker| worker.draining = true);
    }

    /// No new worker could be started: the old one stays.
    pub(crate) fn keep_replaced(&mut self) {
        self.workers.iter_mut().filter(|worker| !worker.draining).for_each(|worker| worker.replaced = false);
    }

    /// The slot for the next task: a free one, if fewer than `slots` work, else, while tasks are short, the one with the
    /// fewest frames.
    pub(crate) fn choose(&self, now: Instant, slots: usize) -> Option<(usize, usize)> {
        let depth = if self.average < SHORT { DEPTH } else { 1 };
        let working: usize = self.eligible().map(|(_, worker)| worker.working()).sum();
        let mut best: Option<(usize, usize, usize)> = None;
        for (w, worker) in self.eligible() {
            for (s, slot) in worker.slots.iter().enumerate() {
                let count = slot.in_flight.len();
                if count == 0 {
                    if working < slots {
                        return Some((w, s));
                    }
                    continue;
                }
                let blocked = slot.taking_back || now.duration_since(slot.head_since) > LONG;
                if count < depth && !blocked && best.is_none_or(|(fewest, _, _)| count < fewest) {
                    best = Some((count, w, s));
                }
            }
        }
        best.map(|(_, w, s)| (w, s))
    }

    /// Workers that get tasks.
    fn eligible(&self) -> impl Iterator<Item = (usize, &PoolWorker)> {
        self.workers.iter().enumerate().filter(|(_, worker)| !worker.draining)
    }

    /// Slots whose tasks may wait for tasks of their own.
    pub(crate) fn waiting(&self) -> usize {
        self.eligible().map(|(_, worker)| worker.waiting.min(worker.busy())).sum()
    }

    /// Whether it has workers, no slot is free, and the tasks of all slots may wait for tasks of their own.
    pub(crate) fn all_wait(&self) -> bool {
        let full = |worker: &PoolWorker| worker.waits() && worker.busy() == worker.slots.len();
        self.eligible().next().is_some() && self.eligible().all(|(_, worker)| full(worker))
    }

    /// Notes that `run` goes to a slot; true if it waits there behind another one.
    pub(crate) fn assign(&mut self, (w, s): (usize, usize), run: u64, now: Instant) -> bool {
        let slot = &mut self.workers[w].slots[s];
        if slot.in_flight.is_empty() {
            slot.head_since = now;
        }
        slot.in_flight.push_back(run);
        slot.in_flight.len() > 1
    }

    /// Notes that `run` has left its slot. `ran`: it was executed, so that its time counts.
    pub(crate) fn leave(&mut self, worker: WorkerId, slot: u16, run: u64, now: Instant, ran: bool) {
        let Some(worker) = self.worker(worker) else { return };
        worker.used |= ran;
        let Some(slot) = worker.slots.get_mut(usize::from(slot)) else { return };
        let position = slot.in_flight.iter().position(|id| *id == run);
        let took = now.duration_since(slot.head_since);
        if let Some(position) = position {
            slot.in_flight.remove(position);
        }
        if position == Some(0) {
            slot.head_since = now;
        }
        if worker.is_idle() {
            worker.idle_since = now;
        }
        if ran && position == Some(0) {
            self.observe(took);
        }
    }

    /// What a task takes, about.
    pub(crate) fn average(&self) -> Duration {
        self.average
    }

    /// A task took this long: the average follows, quickly upwards, so that nothing waits behind long tasks.
    pub(crate) fn observe(&mut self, took: Duration) {
        let took = took.min(Duration::from_secs(1));
        self.average = if took > self.average { (self.average + took) / 2 } else { (self.average * 7 + took) / 8 };
    }

    /// Slots whose first task runs for long while others wait behind it and a slot is free.
    pub(crate) fn blocked_slots(&mut self, now: Instant) -> Vec<(Arc<Worker>, u16)> {
        let mut blocked = Vec::new();
        for worker in &mut self.workers {
            for (index, slot) in worker.slots.iter_mut().enumerate() {
                if slot.in_flight.len() > 1 && !slot.taking_back && now.duration_since(slot.head_since) > LONG {
                    slot.taking_back = true;
                    blocked.push((worker.worker.clone(), index as u16));
                }
            }
        }
        blocked
    }

    pub(crate) fn pipelined(&self) -> bool {
        self.workers.iter().any(|worker| worker.slots.iter().any(|slot| slot.in_flight.len() > 1))
    }
}
