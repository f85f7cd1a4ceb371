//! What time does: deadlines pass, and tasks that wait behind a long one move to other slots.

use std::{
    cmp::Reverse,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use super::Scheduler;
use crate::{pool::Pool, run::StopReason};

impl Scheduler {
    /// Gives tasks that wait behind a long one to other slots. Idle while no slot has frames that wait.
    pub(crate) async fn balance(self: Arc<Self>) {
        loop {
            self.balance.notified().await;
            loop {
                tokio::time::sleep(crate::pool::LONG).await;
                let (blocked, more) = {
                    let mut state = self.state.lock();
                    let now = Instant::now();
                    let blocked: Vec<_> = state.pools.values_mut().flat_map(|pool| pool.blocked_slots(now)).collect();
                    let more = state.pools.values().any(Pool::pipelined);
                    if !more {
                        self.balancing.store(false, Ordering::Relaxed);
                    }
                    (blocked, more)
                };
                for (worker, slot) in blocked {
                    let scheduler = self.clone();
                    tokio::spawn(async move {
                        let ids = worker.take_back(slot).await;
                        scheduler.taken_back(worker.id(), slot, &ids);
                    });
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// Stops tasks whose deadline has passed.
    pub(crate) async fn watch_deadlines(self: Arc<Self>) {
        loop {
            let (due, next) = {
                let mut state = self.state.lock();
                let now = Instant::now();
                let mut due = Vec::new();
                while let Some(Reverse((at, id))) = state.deadlines.peek().copied() {
                    if at > now && state.runs.contains_key(&id) {
                        break;
                    }
                    state.deadlines.pop();
                    due.push(id);
                }
                (due, state.deadlines.peek().map(|Reverse((at, _))| *at))
            };
            for id in due {
                self.stop(id, StopReason::Deadline, false);
            }
            match next {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at.into(), self.deadlines.notified()).await;
                }
                None => self.deadlines.notified().await,
            }
        }
    }
}
