//! The node's end of the link: what a node gives to its workers, and what it hears from them.
//!
//! Owns processes, their links and their last words. Must never know sessions or scheduling: which task goes to which
//! slot is decided by whoever calls [`Worker::submit`].

mod commands;
mod compiling;
mod link;
mod output;
mod process;
mod requests;
mod shared;
mod spawner;
mod supervisor;
mod waiting;
mod worker;
mod zygote;

use std::{collections::HashSet, fmt, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use haulier_model::{Digest, Language, Result};
use haulier_protocol::v1;

pub use supervisor::{Supervisor, SupervisorOptions};
pub use worker::Worker;

/// What the node will answer.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'static>>;

/// Names a worker for the lifetime of its node; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u64);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.0)
    }
}

/// What is to be started.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// [`Language::Java`] or [`Language::Python`].
    pub language: Language,
    /// Tasks at a time. A Python worker has one.
    pub slots: u16,
    /// `java` or `python3`: an absolute path.
    pub program: PathBuf,
    /// The worker's own directory: working directory, `TMPDIR` and `HOME`. It must exist.
    pub temp_dir: PathBuf,
    /// What the worker may read besides the system, its program and Haulier's home: the store's packs.
    pub readable: Vec<PathBuf>,
    /// Where the worker may write besides `temp_dir`.
    pub writable: Vec<PathBuf>,
    /// Limit of the heap (Java) or of private memory (Python) in bytes. `None`: what the runtime chooses.
    pub memory: Option<u64>,
    /// Python: the directory that the class path is filled into; the worker may write there.
    pub directory: Option<PathBuf>,
    /// Python: what workers of its trust group may be forked with. `None`: nothing but the interpreter.
    pub preloading: Option<Preloading>,
    /// The name of the node, which tasks can ask for. May be empty.
    pub node: String,
    /// How long the worker may take until its hello.
    pub start_timeout: Duration,
}

impl WorkerSpec {
    /// The most slots that a worker can have.
    pub const SLOT_LIMIT: u16 = 250;

    /// How long a worker may take to start unless the specification says otherwise.
    pub const START_TIMEOUT: Duration = Duration::from_secs(20);

    /// One slot, no limits, nothing to read or write but the system and `temp_dir`.
    pub fn new(language: Language, program: impl Into<PathBuf>, temp_dir: impl Into<PathBuf>) -> Self {
        Self {
            language,
            slots: 1,
            program: program.into(),
            temp_dir: temp_dir.into(),
            readable: Vec::new(),
            writable: Vec::new(),
            memory: None,
            directory: None,
            preloading: None,
            node: String::new(),
            start_timeout: Self::START_TIMEOUT,
        }
    }
}

/// What the Python workers of one trust group may share: a process, the template, that has imported what their tasks
/// import, and that they are forked from.
#[derive(Clone, Debug)]
pub struct Preloading {
    /// The trust group.
    pub group: Arc<str>,
    /// The folder that holds `temp_dir` of all its workers, and that of the template.
    pub temp_dir: PathBuf,
    /// What holds all that its workers may write to, `temp_dir` included: a template can give no more than it has.
    pub writable: Vec<PathBuf>,
    /// The top-level names of the worker's class path. A worker with a name that the template has is forked without it.
    pub own_names: Arc<HashSet<String>>,
    /// How long the import of one module may take.
    pub import_limit: Duration,
    /// How long after the start of a template the next one is started at the earliest.
    pub pause: Duration,
}

/// What a worker tells and asks its node. Called on the links' readers: nothing here may block.
pub trait NodeSide: Send + Sync + 'static {
    /// A task has ended.
    fn finished(&self, worker: WorkerId, slot: u16, result: v1::ResultFrame);

    /// These tasks had not begun, are no longer with the worker, and were not in the answer of the
    /// [`Worker::take_back`] or [`Worker::cancel`] that asked for them, because its deadline had passed. No result
    /// follows for them.
    fn returned(&self, worker: WorkerId, task_ids: Vec<u64>);

    /// The worker asks for the index of a class path.
    fn class_path(&self, worker: WorkerId, class_path: Digest) -> Answer<v1::ClassPathAnswer>;

    /// The worker asks for entries whose bytes were not on the node when the index was made.
    fn entries(&self, worker: WorkerId, request: v1::EntryRequest) -> Answer<v1::EntryAnswer>;

    /// So many of the worker's tasks may wait for tasks of their own. Nothing in it is to be believed, or bounded.
    fn waiting(&self, worker: WorkerId, tasks: usize);

    /// What became of loaders that the worker was told to release. Nothing in it is to be believed, or bounded.
    fn loaders(&self, worker: WorkerId, report: v1::LoaderReport);

    /// The process has ended, after a successful start; called exactly once. Everything submitted that has neither
    /// finished nor returned is lost. May come before the caller of `start_worker` has seen the worker.
    fn lost(&self, worker: WorkerId, loss: Loss);
}

/// The end of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// How it ended: "exit code 7", "signal 11 (SIGSEGV)".
    pub status: String,
    /// The last 8 KiB that it wrote to its standard output and error.
    pub last_output: String,
    /// Whether the node asked for it, by [`Worker::kill`], [`Worker::stop`] or dropping the worker.
    pub requested: bool,
}

/// What a cancel found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CancelReport {
    /// The task had not begun and is gone; no result follows for it.
    pub removed: bool,
    /// The task was running and was interrupted; its result follows.
    pub interrupted: bool,
}
