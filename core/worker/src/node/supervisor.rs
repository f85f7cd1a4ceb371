//! Starts workers, each in a process of its own.

use std::{path::PathBuf, sync::Arc};

use haulier_model::Result;

use super::{NodeSide, Worker, WorkerSpec};

/// Where the parts of an installation are.
#[derive(Clone, Debug)]
pub struct SupervisorOptions {
    /// The `haulier` binary; run as `haulier exec-worker`.
    pub launcher: PathBuf,
    /// The folder with `haulier-worker.jar`, `haulier-api.jar`, `libhaulier_jni.so` and `python/`.
    pub home: PathBuf,
}

/// Starts workers. Clones share one; when the last one and the last worker are dropped, no process remains.
#[derive(Clone)]
pub struct Supervisor {}

impl Supervisor {
    /// Starts the thread that all workers are spawned from. They die with it.
    pub fn start(options: SupervisorOptions) -> Result<Self> {
        let _ = options;
        unimplemented!("signatures first")
    }

    /// Starts a worker and waits for its hello.
    ///
    /// # Errors
    /// `Incompatible` when its build differs from ours, `WorkerLost` with status and last output when it ends before
    /// the hello, `DeadlineExceeded` after `spec.start_timeout`, `InvalidArgument` for a specification that makes no
    /// sense. Nothing of the worker remains then, and `lost` is not called.
    pub async fn start_worker(&self, spec: WorkerSpec, node: Arc<dyn NodeSide>) -> Result<Arc<Worker>> {
        let _ = (spec, node);
        unimplemented!("signatures first")
    }
}
