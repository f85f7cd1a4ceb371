//! The worker's end of the link: blocking code for the bindings, on threads that they bring.
//!
//! Owns the reading of tasks, the writing of results and the finding of code. Must never know a class loader or an
//! interpreter: a [`TaskRunner`] runs, a [`Canceller`] interrupts. Nothing here needs tokio.

mod bytecode;
mod class_path;
mod class_paths;
mod control;
mod fill;
mod flight;
mod flusher;
mod inbox;
mod interrupter;
mod linger;
mod outbox;
mod packs;
mod slot;
mod task;
mod zygote;

use std::{
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::Arc,
};

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::{
    v1::{self, worker_command::Message as Command, worker_message::Message},
    waiting::{WAITING_VARIABLE, WaitingPipe},
};
use parking_lot::Mutex;

use class_paths::ClassPaths;
use control::ControlLink;
use flusher::Flusher;
use interrupter::Interrupter;
use slot::SlotLink;

pub use bytecode::{BYTECODE_FOLDER, bytecode_in, keep_bytecode};
pub use class_path::{Found, PREPARED_FILES, PythonModule, PythonTop, WorkerClassPath};
pub use task::{Task, TaskOutcome};
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

impl HelloInfo {
    fn into_frame(self, problem: &str) -> v1::WorkerHello {
        v1::WorkerHello {
            protocol_version: haulier_protocol::PROTOCOL_VERSION,
            build_id: haulier_protocol::build_id().to_owned(),
            language: v1::Language::from(self.language).into(),
            language_version: self.language_version,
            capabilities: self.capabilities,
            process_id: std::process::id(),
            problem: problem.to_owned(),
        }
    }
}

/// Runs tasks of one slot, on the thread that called [`WorkerProcess::serve_slot`].
pub trait TaskRunner {
    /// Runs a task to its end. A panic is the task's failure of kind `Internal`.
    fn run(&mut self, slot: u16, task: &Task) -> TaskOutcome;

    /// Nothing waits in the slot, and all results are written: time for what no task should wait for. After an isolated
    /// task it comes before the result, with which the process may end.
    fn rest(&mut self) {}
}

/// Interrupts tasks and lets loaders go. Called on a thread of its own, one call at a time, so that a call that waits
/// for user code delays no answer about code.
pub trait Canceller: Send + Sync + 'static {
    /// Interrupts a task if it is the one that runs in that slot; it may have ended meanwhile, and another may have
    /// begun. Whether it was interrupted.
    fn cancel(&self, task_id: u64, slot: u16) -> bool;

    /// Drops these loaders (see `TaskFrame.loader`): no task will use them again.
    fn release(&self, loaders: &[Bytes]);
}

/// The worker's end of its links.
pub struct WorkerProcess {
    control: Arc<ControlLink>,
    slots: Mutex<Vec<(u16, Arc<SlotLink>)>>,
    class_paths: ClassPaths,
    flusher: Arc<Flusher>,
}

impl WorkerProcess {
    /// Takes the control link over and sends the hello. Starts a thread: in a Python worker, call it after the fork.
    ///
    /// # Errors
    /// `Unavailable` when the node is gone.
    pub fn connect(control_fd: RawFd, hello: HelloInfo) -> Result<Arc<Self>> {
        let control = Arc::new(ControlLink::new(take_over(control_fd)?));
        keep_waiting_pipe();
        let release = hello.language_version.split('.').next().and_then(|release| release.parse().ok());
        let class_paths = ClassPaths::new(control.clone(), hello.language, release.unwrap_or(0));
        control.send(0, Message::Hello(hello.into_frame("")))?;
        Ok(Arc::new(Self { control, slots: Mutex::default(), class_paths, flusher: Flusher::start()? }))
    }

    /// Sends a hello that says why this process cannot work: the node's start of the worker fails with it.
    pub fn refuse(control_fd: RawFd, hello: HelloInfo, problem: &str) -> Result<()> {
        ControlLink::new(take_over(control_fd)?).send(0, Message::Hello(hello.into_frame(problem)))
    }

    /// Answers the node until it is gone; then returns, and the process must exit at once. Give it a thread of its
    /// own: without it, class paths and cancels do not work.
    pub fn serve_control(&self, canceller: Arc<dyn Canceller>) -> Result<()> {
        let interrupter = Interrupter::start(canceller, self.control.clone())?;
        let served = self.control.serve(|request_id, command| self.obey(request_id, command, &interrupter));
        self.control.close();
        served
    }

    /// Runs the tasks of a slot on this thread until the node closes its link. When every slot has returned, the
    /// process must exit.
    pub fn serve_slot(&self, slot: u16, link_fd: RawFd, runner: &mut dyn TaskRunner) -> Result<()> {
        let link = Arc::new(SlotLink::new(take_over(link_fd)?)?);
        self.slots.lock().push((slot, link.clone()));
        self.flusher.watch(&link);
        let served = link.serve(&self.flusher, slot, runner);
        self.slots.lock().retain(|(_, other)| !Arc::ptr_eq(other, &link));
        served
    }

    /// The class path of that digest: one round trip for all that ask at the same time. The most recent ones are kept,
    /// and those that somebody holds.
    ///
    /// # Errors
    /// Those of the node; `Unavailable` when it does not answer in time: never to be taken for absence.
    pub fn class_path(&self, digest: Digest) -> Result<Arc<WorkerClassPath>> {
        self.class_paths.get(digest)
    }

    /// Tells the node what became of loaders that were released.
    ///
    /// # Errors
    /// `Unavailable` when the node is gone.
    pub fn report_loaders(&self, report: v1::LoaderReport) -> Result<()> {
        self.control.send(0, Message::LoaderReport(report))
    }

    /// Python: tells the node which modules of distributions tasks have imported, so that later processes have them.
    ///
    /// # Errors
    /// `Unavailable` when the node is gone.
    pub fn report_imports(&self, modules: Vec<String>) -> Result<()> {
        self.control.send(0, Message::Imported(v1::Imported { modules }))
    }

    fn obey(&self, request_id: u64, command: Command, interrupter: &Interrupter) -> Result<()> {
        match command {
            Command::TakeBack(v1::TakeBack { slot }) => {
                let link = self
                    .slots
                    .lock()
                    .iter()
                    .find(|(number, _)| u32::from(*number) == slot)
                    .map(|(_, link)| link.clone());
                let task_ids = link.map_or_else(Vec::new, |link| link.take_back());
                self.control.send(request_id, Message::TakenBack(v1::TakenBack { slot, task_ids }))
            }
            Command::Cancel(v1::CancelTask { task_id }) => self.cancel(request_id, task_id, interrupter),
            Command::ReleaseLoaders(v1::ReleaseLoaders { loaders }) => {
                self.class_paths.forget();
                interrupter.release(loaders);
                Ok(())
            }
            Command::Ping(v1::Ping {}) => self.control.send(request_id, Message::Pong(v1::Pong {})),
            // Answers are the control link's own; a fork is the zygote's.
            Command::ClassPath(_) | Command::Entry(_) | Command::Fork(_) => Ok(()),
        }
    }

    fn cancel(&self, request_id: u64, task_id: u64, interrupter: &Interrupter) -> Result<()> {
        let slots = self.slots.lock().clone();
        let mut removed = false;
        for (slot, link) in slots {
            match link.cancel(task_id) {
                inbox::Cancelled::Removed => {
                    removed = true;
                    break;
                }
                inbox::Cancelled::Runs => {
                    interrupter.interrupt(request_id, task_id, slot);
                    return Ok(());
                }
                inbox::Cancelled::Unknown => {}
            }
        }
        let report = v1::CancelReport { task_id, removed, interrupted: false };
        self.control.send(request_id, Message::CancelReport(report))
    }
}

/// The pipe of a JVM's clients is not inherited by what tasks start.
fn keep_waiting_pipe() {
    let name = std::env::var(WAITING_VARIABLE).ok().and_then(|name| name.parse::<WaitingPipe>().ok());
    if let Some(pipe) = name {
        // SAFETY: fcntl only looks at the number, and the launcher gave it to this process.
        unsafe { libc::fcntl(pipe.descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Makes a descriptor that the launcher left open this process's own: not inherited by what tasks start.
fn take_over(descriptor: RawFd) -> Result<OwnedFd> {
    // SAFETY: fcntl only looks at the number.
    let valid = descriptor >= 0 && unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
    if !valid {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "connect to the node",
            format!("descriptor {descriptor} is not open"),
        )
        .hint("workers are started by a node; start one with: haulier node"));
    }
    // SAFETY: the descriptor is open, and the launcher gave it to this process for this purpose alone.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The link broke while something was done: the node is gone.
fn node_gone(operation: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "the node is gone").with_source(cause)
}
