//! The worker's end of the link: blocking code for the bindings, on threads that they bring.
//!
//! Owns the reading of tasks, the writing of results and the finding of code. Must never know a class loader or an
//! interpreter: a [`TaskRunner`] runs, a [`Canceller`] interrupts. Nothing here needs tokio.

mod class_path;
mod zygote;

use std::{os::fd::RawFd, sync::Arc};

use bytes::Bytes;
use haulier_model::{Codec, Digest, Error, Language, Result};
use haulier_protocol::v1;

pub use class_path::{Found, WorkerClassPath};
pub use zygote::{ChildLinks, ForkRequest, Zygote};

/// What a worker says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloInfo {
    /// The language of its tasks.
    pub language: Language,
    /// "17.0.15", "3.11.7".
    pub language_version: String,
    /// What pickled or serialized code depends on: "cpython-311", "cloudpickle-3".
    pub capabilities: Vec<String>,
}

/// A task to run.
pub struct Task {
    /// What the node sent; `payload` may be empty where [`Task::payload`] is not.
    pub frame: v1::TaskFrame,
}

impl Task {
    /// The arguments: from the frame, or mapped from a file.
    pub fn payload(&self) -> &[u8] {
        unimplemented!("signatures first")
    }
}

/// How a task ended.
#[derive(Debug)]
pub enum TaskOutcome {
    /// With a result.
    Completed {
        /// What the bytes are.
        codec: Codec,
        /// The result; a large one is handed over in a file.
        payload: Vec<u8>,
    },
    /// With an error: usually `TaskFailed` or `CodeNotFound`.
    Failed(Error),
}

/// Runs tasks of one slot, on the thread that called [`WorkerProcess::serve_slot`].
pub trait TaskRunner {
    /// Runs a task to its end.
    fn run(&mut self, slot: u16, task: &Task) -> TaskOutcome;
}

/// Interrupts tasks and lets loaders go. Called on a thread of its own, one call at a time, so that a call that waits
/// for user code delays no answer about code.
pub trait Canceller: Send + Sync + 'static {
    /// Interrupts a task if it is the one that runs in that slot; it may have ended meanwhile. Whether it was
    /// interrupted.
    fn cancel(&self, task_id: u64, slot: u16) -> bool;

    /// Drops these loaders (see `TaskFrame.loader`): no task will use them again.
    fn release(&self, loaders: &[Bytes]);
}

/// The worker's end of its links.
pub struct WorkerProcess {}

impl WorkerProcess {
    /// Takes the control link over and sends the hello. Starts a thread: in a Python worker, call it after the fork.
    ///
    /// # Errors
    /// `Unavailable` when the node is gone.
    pub fn connect(control_fd: RawFd, hello: HelloInfo) -> Result<Arc<Self>> {
        let _ = (control_fd, hello);
        unimplemented!("signatures first")
    }

    /// Sends a hello that says why this process cannot work: the node's start of the worker fails with it.
    pub fn refuse(control_fd: RawFd, hello: HelloInfo, problem: &str) -> Result<()> {
        let _ = (control_fd, hello, problem);
        unimplemented!("signatures first")
    }

    /// Answers the node until it is gone; then returns, and the process must exit at once. Give it a thread of its
    /// own: without it, class paths and cancels do not work.
    pub fn serve_control(&self, canceller: Arc<dyn Canceller>) -> Result<()> {
        let _ = canceller;
        unimplemented!("signatures first")
    }

    /// Runs the tasks of a slot on this thread until the node closes its link. When every slot has returned, the
    /// process must exit.
    pub fn serve_slot(&self, slot: u16, link_fd: RawFd, runner: &mut dyn TaskRunner) -> Result<()> {
        let _ = (slot, link_fd, runner);
        unimplemented!("signatures first")
    }

    /// The class path of that digest: one round trip for all that ask at the same time. The most recent ones are kept,
    /// and those that somebody holds.
    ///
    /// # Errors
    /// Those of the node; `Unavailable` when it does not answer in time: never taken for absence.
    pub fn class_path(&self, digest: Digest) -> Result<Arc<WorkerClassPath>> {
        let _ = digest;
        unimplemented!("signatures first")
    }
}
