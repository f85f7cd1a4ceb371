//! Tasks that come back without a result: taken back, cancelled before they began, lost with their worker.

use std::time::Instant;

use haulier_model::ErrorKind;
use haulier_worker::{Loss, WorkerId};

use super::{Entry, Scheduler, State};
use crate::core::NodeCore;

impl Scheduler {
    /// A cancelled task had not begun: the worker has dropped it.
    pub(crate) fn removed(&self, worker: WorkerId, slot: u16, id: u64) {
        let Some(node) = self.node.upgrade() else { return };
        let (entry, actions) = {
            let mut state = self.state.lock();
            let Some(entry) = state.runs.remove(&id) else { return };
            let key = entry.run.placement.live.pool.clone();
            if let Some(pool) = state.pools.get_mut(&key) {
                pool.leave(worker, slot, id, Instant::now(), false);
            }
            (entry, self.dispatch(&mut state, &key, &node))
        };
        self.act(&node, actions);
        if let Some(stop) = entry.stop.filter(|stop| !stop.answered) {
            entry.run.fail(&node.name, stop.reason.error(&entry.run, "before it began"));
        }
    }

    /// Puts frames that a slot gave back at the head of the queue again.
    pub(crate) fn taken_back(&self, worker: WorkerId, slot: u16, ids: &[u64]) {
        let Some(node) = self.node.upgrade() else { return };
        let actions = {
            let mut state = self.state.lock();
            let Some(key) = state.workers.get(&worker).cloned() else { return };
            let State { pools, runs, queued, .. } = &mut *state;
            let Some(pool) = pools.get_mut(&key) else { return };
            for id in ids.iter().rev() {
                pool.leave(worker, slot, *id, Instant::now(), false);
                if let Some(entry) = runs.get_mut(id) {
                    entry.at = None;
                    pool.queue.push_front(*id);
                    *queued += 1;
                }
            }
            if let Some(slot) = pool.worker(worker).and_then(|worker| worker.slots.get_mut(usize::from(slot))) {
                slot.taking_back = false;
            }
            // What stood behind a long task shows that this pool's tasks are not all short.
            pool.observe(crate::pool::LONG * 2);
            self.dispatch(&mut state, &key, &node)
        };
        self.act(&node, actions);
    }

    /// Frames that came back after the one who had asked for them had given up.
    pub(crate) fn returned(&self, worker: WorkerId, ids: &[u64]) {
        let slots: Vec<(u16, u64)> = {
            let state = self.state.lock();
            let slot = |id: &u64| Some((state.runs.get(id)?.at.as_ref()?.1, *id));
            ids.iter().filter_map(slot).collect()
        };
        for (slot, id) in slots {
            let stopped = self.state.lock().runs.get(&id).is_some_and(|entry| entry.stop.is_some());
            if stopped {
                self.removed(worker, slot, id);
            } else {
                self.taken_back(worker, slot, &[id]);
            }
        }
    }

    /// A worker has ended: its tasks are answered, and the next ones get a new worker.
    pub(crate) fn lost(&self, worker: WorkerId, loss: &Loss) {
        let Some(node) = self.node.upgrade() else { return };
        let (lost, actions) = {
            let mut state = self.state.lock();
            let Some(key) = state.workers.remove(&worker) else {
                if !loss.requested {
                    state.lost_early.insert(worker, loss.clone());
                }
                return;
            };
            let mut lost = Vec::new();
            if let Some(pool) = state.pools.get_mut(&key)
                && let Some(position) = pool.workers.iter().position(|known| known.worker.id() == worker)
            {
                let gone = pool.workers.remove(position);
                for slot in &gone.slots {
                    lost.extend(slot.in_flight.iter().enumerate().map(|(place, id)| (place == 0, *id)));
                }
            }
            let lost: Vec<_> =
                lost.into_iter().filter_map(|(head, id)| Some((head, state.runs.remove(&id)?))).collect();
            (lost, self.dispatch(&mut state, &key, &node))
        };
        self.act(&node, actions);
        answer_lost(&node, loss, lost);
    }
}

fn answer_lost(node: &NodeCore, loss: &Loss, lost: Vec<(bool, Entry)>) {
    let culprit = lost.iter().find(|(_, entry)| entry.stop.is_some()).or(lost.iter().find(|(head, _)| *head));
    let culprit = culprit.map(|(_, entry)| (entry.run.id, entry.run.operation()));
    for (head, entry) in lost {
        let run = &entry.run;
        let (id, operation) = culprit.as_ref().map_or((0, ""), |(id, operation)| (*id, operation.as_str()));
        if let Some(stop) = entry.stop {
            stop.ended.notify_one();
            if !stop.answered {
                run.fail(&node.name, stop.reason.error(run, "by killing its worker"));
            }
            continue;
        }
        let what = if head && (id == run.id || !loss.requested) {
            format!("the worker ended while the task ran: {}", loss.status)
        } else {
            format!("the worker ended ({}) while it ran another task: {operation}", loss.status)
        };
        let output = loss.last_output.trim();
        let mut error = run
            .error(ErrorKind::WorkerLost, what)
            .hint("the task may have run in part; submit it again if that does no harm");
        if !output.is_empty() {
            error = error.context("last output", output);
        }
        run.fail(&node.name, error);
    }
}
