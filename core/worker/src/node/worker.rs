//! A running worker, as its node sees it.

use std::{
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use haulier_model::{Error, Language};
use haulier_protocol::v1::{self, worker_command::Message as Command, worker_message::Message};

use super::{
    CancelReport, WorkerId,
    requests::DEADLINE,
    shared::{Life, Shared},
};
use crate::{HelloInfo, frame};

/// A running worker. Dropping it kills the process.
pub struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) hello: OnceLock<HelloInfo>,
}

impl Worker {
    /// Its name.
    pub fn id(&self) -> WorkerId {
        self.shared.id
    }

    /// The language of the tasks that it runs.
    pub fn language(&self) -> Language {
        self.shared.language
    }

    /// What it said about itself.
    pub fn hello(&self) -> &HelloInfo {
        self.hello.get().expect("set before anybody gets the worker")
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.shared.process.id()
    }

    /// Tasks at a time: slots are numbered from 0.
    pub fn slots(&self) -> u16 {
        self.shared.slots.len() as u16
    }

    /// Whether [`NodeSide::lost`](super::NodeSide::lost) was called, or is about to be.
    pub fn is_lost(&self) -> bool {
        *self.shared.state.lock() == Life::Ended
    }

    /// Sends a task to a slot; never blocks. `false`: the worker is lost or is being stopped, and the task is not with
    /// it. After `true`, `finished`, `returned` or `lost` follows.
    pub fn submit(&self, slot: u16, frame: v1::TaskFrame) -> bool {
        let Some(link) = self.shared.slots.get(usize::from(slot)) else { return false };
        let task_id = frame.task_id;
        match frame::encoded(&frame) {
            Ok(bytes) => link.send(task_id, bytes),
            Err(problem) => {
                self.refuse(slot, task_id, problem);
                true
            }
        }
    }

    /// A task that cannot be sent fails; not on the caller's thread, who may hold a lock.
    fn refuse(&self, slot: u16, task_id: u64, problem: frame::FrameError) {
        let shared = self.shared.clone();
        let error = Error::internal("send a task to a worker", problem.to_string());
        shared.clone().control.spawn(async move {
            let result = v1::ResultFrame { task_id, error: Some(error.into()), ..v1::ResultFrame::default() };
            shared.node.finished(shared.id, slot, result);
        });
    }

    /// Takes back the tasks of a slot that have not begun; answers within 2 s with those that came back.
    pub async fn take_back(&self, slot: u16) -> Vec<u64> {
        let Some(link) = self.shared.slots.get(usize::from(slot)) else { return Vec::new() };
        let mut back = Back { tasks: link.take_back(), shared: &self.shared };
        let command = Command::TakeBack(v1::TakeBack { slot: slot.into() });
        if let Some(Message::TakenBack(answer)) = self.shared.ask(command).await {
            back.tasks.extend(answer.task_ids);
        }
        std::mem::take(&mut back.tasks)
    }

    /// Cancels a task: takes it out of its queue, or interrupts it. Answers within 2 s; nothing is known if the worker
    /// does not answer until then.
    pub async fn cancel(&self, task_id: u64) -> CancelReport {
        if self.shared.slots.iter().any(|link| link.remove(task_id)) {
            return CancelReport { removed: true, interrupted: false };
        }
        let ask = async {
            loop {
                // The cancel may overtake the task while that is being written.
                let underway = self.shared.slots.iter().any(|link| link.is_writing(task_id));
                let answer = self.shared.ask(Command::Cancel(v1::CancelTask { task_id })).await;
                let Some(Message::CancelReport(v1::CancelReport { removed, interrupted, .. })) = answer else {
                    return CancelReport::default();
                };
                if removed || interrupted || !underway {
                    return CancelReport { removed, interrupted };
                }
            }
        };
        tokio::time::timeout(DEADLINE, ask).await.unwrap_or_default()
    }

    /// Whether the worker's control thread answers within 2 s, whatever its tasks do.
    pub async fn responds(&self) -> bool {
        matches!(self.shared.ask(Command::Ping(v1::Ping {})).await, Some(Message::Pong(_)))
    }

    /// Tells the worker that no task will use these loaders again; never blocks.
    pub fn release_loaders(&self, loaders: Vec<Bytes>) {
        self.shared.command(0, Command::ReleaseLoaders(v1::ReleaseLoaders { loaders }));
    }

    /// Kills the process and what it has started; never blocks.
    pub fn kill(&self) {
        self.shared.requested.store(true, Ordering::SeqCst);
        self.shared.kill();
    }

    /// Lets what runs and waits end, for at most `grace`, then kills. Returns when the process has ended.
    pub async fn stop(&self, grace: Duration) {
        self.shared.requested.store(true, Ordering::SeqCst);
        for link in &self.shared.slots {
            link.finish();
        }
        if tokio::time::timeout(grace, self.shared.end()).await.is_err() {
            self.kill();
            self.shared.end().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tasks that were taken back: whoever asked for them may go before the answer is whole.
struct Back<'a> {
    tasks: Vec<u64>,
    shared: &'a Shared,
}

impl Drop for Back<'_> {
    fn drop(&mut self) {
        if !self.tasks.is_empty() {
            self.shared.node.returned(self.shared.id, std::mem::take(&mut self.tasks));
        }
    }
}
