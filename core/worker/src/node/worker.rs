//! A running worker, as its node sees it.

use std::time::Duration;

use bytes::Bytes;
use haulier_model::Language;
use haulier_protocol::v1;

use super::{CancelReport, WorkerId};
use crate::HelloInfo;

/// A running worker. Dropping it kills the process.
pub struct Worker {}

impl Worker {
    /// Its name.
    pub fn id(&self) -> WorkerId {
        unimplemented!("signatures first")
    }

    /// The language of the tasks that it runs.
    pub fn language(&self) -> Language {
        unimplemented!("signatures first")
    }

    /// What it said about itself.
    pub fn hello(&self) -> &HelloInfo {
        unimplemented!("signatures first")
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        unimplemented!("signatures first")
    }

    /// Tasks at a time: slots are numbered from 0.
    pub fn slots(&self) -> u16 {
        unimplemented!("signatures first")
    }

    /// Whether [`NodeSide::lost`](super::NodeSide::lost) was called, or is about to be.
    pub fn is_lost(&self) -> bool {
        unimplemented!("signatures first")
    }

    /// Sends a task to a slot; never blocks. `false`: the worker is lost and the task is not with it. After `true`,
    /// `finished`, `returned` or `lost` follows.
    pub fn submit(&self, slot: u16, frame: v1::TaskFrame) -> bool {
        let _ = (slot, frame);
        unimplemented!("signatures first")
    }

    /// Takes back the tasks of a slot that have not begun; answers within 2 s with those that came back.
    pub async fn take_back(&self, slot: u16) -> Vec<u64> {
        let _ = slot;
        unimplemented!("signatures first")
    }

    /// Cancels a task: takes it out of its queue, or interrupts it. Answers within 2 s; nothing is known if the worker
    /// does not answer until then.
    pub async fn cancel(&self, task_id: u64) -> CancelReport {
        let _ = task_id;
        unimplemented!("signatures first")
    }

    /// Whether the worker's control thread answers within 2 s, whatever its tasks do.
    pub async fn responds(&self) -> bool {
        unimplemented!("signatures first")
    }

    /// Tells the worker that no task will use these loaders again; never blocks.
    pub fn release_loaders(&self, loaders: Vec<Bytes>) {
        let _ = loaders;
        unimplemented!("signatures first")
    }

    /// Kills the process and what it has started; never blocks.
    pub fn kill(&self) {
        unimplemented!("signatures first")
    }

    /// Lets what runs and waits end, for at most `grace`, then kills. Returns when the process has ended.
    pub async fn stop(&self, grace: Duration) {
        let _ = grace;
        unimplemented!("signatures first")
    }
}
