//! The warm Python process that slot processes are forked from.

use std::{os::fd::RawFd, path::PathBuf};

use haulier_model::Result;

use crate::HelloInfo;

/// The zygote's end of its control link. Starts no thread.
pub struct Zygote {}

impl Zygote {
    /// Takes the control link over and sends the hello.
    pub fn connect(control_fd: RawFd, hello: HelloInfo) -> Result<Self> {
        let _ = (control_fd, hello);
        unimplemented!("signatures first")
    }

    /// Waits for the next request to fork, and meanwhile reports children that have ended. `None`: the node is gone,
    /// and the process must exit.
    ///
    /// The caller forks, and then: the parent calls [`Zygote::forked`] and drops the request; the child calls
    /// [`ForkRequest::enter_child`] and [`WorkerProcess::connect`](crate::WorkerProcess::connect).
    pub fn next(&mut self) -> Result<Option<ForkRequest>> {
        unimplemented!("signatures first")
    }

    /// Tells the node which process the fork has made.
    pub fn forked(&mut self, fork_id: u64, pid: u32) -> Result<()> {
        let _ = (fork_id, pid);
        unimplemented!("signatures first")
    }

    /// Tells the node that the fork could not be made.
    pub fn failed(&mut self, fork_id: u64, problem: &str) -> Result<()> {
        let _ = (fork_id, problem);
        unimplemented!("signatures first")
    }
}

/// A request to fork a slot process.
pub struct ForkRequest {}

impl ForkRequest {
    /// Which request this is: for [`Zygote::forked`].
    pub fn fork_id(&self) -> u64 {
        unimplemented!("signatures first")
    }

    /// In the child, before anything else: takes the output over, closes what is the zygote's, dies with the zygote,
    /// enters the temporary directory and confines itself. Starts no thread.
    pub fn enter_child(self) -> Result<ChildLinks> {
        unimplemented!("signatures first")
    }
}

/// What a forked slot process has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildLinks {
    /// For [`WorkerProcess::connect`](crate::WorkerProcess::connect).
    pub control_fd: RawFd,
    /// For [`WorkerProcess::serve_slot`](crate::WorkerProcess::serve_slot), slot 0.
    pub link_fd: RawFd,
    /// The working directory now; the caller sets `TMPDIR` and `HOME` in its interpreter.
    pub temp_dir: PathBuf,
    /// The directory that the class path is filled into.
    pub directory: Option<PathBuf>,
}
