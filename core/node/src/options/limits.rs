//! The limits of a node, with their defaults. Knows nothing of who keeps to them.

use std::time::Duration;

/// Limits of sizes that a stranger controls, and of waits.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest argument or result, in bytes. Default 1 GiB.
    pub payload: u64,
    /// Tasks that may wait in one session before the client must hold back. Default 16,384.
    pub session_queue: u32,
    /// Tasks that may wait on the node. Default 1,000,000.
    pub queue: usize,
    /// Sessions. Default 10,000.
    pub sessions: usize,
    /// How long a session survives without a connection. Default 10 s.
    pub resume: Duration,
    /// How long a worker process may take to start. Default 20 s.
    pub start: Duration,
    /// How long the client may take to send code that a task needs. Default 30 s.
    pub code: Duration,
    /// How long a cancelled task may take to end by itself. Default 2 s.
    pub cancel: Duration,
    /// How long, after that, the other tasks of its worker may take before the worker is killed. Default 3 s.
    pub drain: Duration,
    /// How long a worker without tasks is kept. Default 60 s.
    pub idle: Duration,
    /// How long a warm interpreter is kept that Python workers are forked from. Default 10 min.
    pub zygote_idle: Duration,
    /// How long the import of a module may take that is to be there before the tasks of further Python processes; 0: none
    /// is. Default 10 s.
    pub preload: Duration,
    /// How long after such a preparation the next one for the same identity begins at the earliest. Default 30 s.
    pub preload_pause: Duration,
    /// Python processes. Default 32.
    pub python_workers: usize,
    /// A JVM worker in whose memory so many class loaders stay, although no task uses them any more, is replaced by a new
    /// one; 0: never. Default 8.
    pub leaked_loaders: usize,
    /// How long the directory of a Python class path stays after its last use. Default 10 min.
    pub class_paths: Duration,
    /// How long the build of a Python environment may take, downloads included. Default 10 min.
    pub build: Duration,
    /// Python environments on disk; of what is not in use the least recently used goes first. Default 32.
    pub python_environments: usize,
    /// Bytes of all of them, as for their number. Default 32 GiB.
    pub python_environments_bytes: u64,
    /// Bytes of one of them; a larger one is not built. Default 8 GiB.
    pub python_environment_bytes: u64,
    /// Files, links and folders of one of them, as for its bytes. Default 500,000.
    pub python_environment_files: u64,
    /// Bytes of the distributions that are kept unpacked to build more of them. Default 8 GiB.
    pub python_cache_bytes: u64,
    /// Memory of a worker process in bytes (the JVM's heap); `None`: the runtime's own default.
    pub memory: Option<u64>,
    /// A worker whose resident memory passes so many bytes is replaced after its tasks; at least 64 MiB. Default: never.
    pub resident: Option<u64>,
    /// How long code of the continuous mode stays after its last use. Default 7 days.
    pub continuous_ttl: Duration,
    /// Snapshots whose code stays; of what is not in use the least recently used goes first. Default 64.
    pub continuous_count: usize,
    /// Bytes of them on this node, as for their number. Default 4 GiB.
    pub continuous_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload: 1 << 30,
            session_queue: 16_384,
            queue: 1_000_000,
            sessions: 10_000,
            resume: Duration::from_secs(10),
            start: Duration::from_secs(20),
            code: Duration::from_secs(30),
            cancel: Duration::from_secs(2),
            drain: Duration::from_secs(3),
            idle: Duration::from_secs(60),
            zygote_idle: Duration::from_secs(600),
            preload: Duration::from_secs(10),
            preload_pause: Duration::from_secs(30),
            python_workers: 32,
            leaked_loaders: 8,
            class_paths: Duration::from_secs(600),
            build: Duration::from_secs(600),
            python_environments: 32,
            python_environments_bytes: 32 << 30,
            python_environment_bytes: 8 << 30,
            python_environment_files: 500_000,
            python_cache_bytes: 8 << 30,
            memory: None,
            resident: None,
            continuous_ttl: Duration::from_secs(7 * 24 * 3600),
            continuous_count: 64,
            continuous_bytes: 4 << 30,
        }
    }
}
