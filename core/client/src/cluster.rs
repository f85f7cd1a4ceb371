//! A connection to a cluster.

use std::{path::PathBuf, sync::Arc};

use haulier_model::{Error, ErrorKind, Result, RootKind};

use crate::{CodeScope, Completion, ConnectOptions, Submission, TaskId};

/// A connection to a cluster; clones share it. It closes with the last clone.
#[derive(Clone, Debug)]
pub struct Cluster {}

/// A node as its cluster sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// The node's name, unique in the cluster.
    pub name: String,
    /// The address that clients dial, host:port.
    pub address: String,
    /// The version of Haulier with its build: "0.1.0+1a2b3c4d".
    pub version: String,
    /// Languages that run there with the versions of their runtimes: ("java", "17.0.15"), sorted.
    pub runtimes: Vec<(String, String)>,
    /// Tasks that wait on the node.
    pub queued: u32,
    /// Tasks that run on the node.
    pub executing: u32,
    /// The process id, for operators of one machine.
    pub process_id: u32,
    /// Seconds since the node started.
    pub uptime_seconds: u64,
}

impl Cluster {
    pub(crate) async fn connect(_options: ConnectOptions) -> Result<Self> {
        Err(unfinished("connect"))
    }

    /// Submits a task and returns at once; never blocks. `completion` is called once with the end of the task: one
    /// outcome, for [`Target::All`](crate::Target::All) one for each node. With an error here, it is never called.
    pub fn submit(&self, _submission: Submission, _completion: Completion) -> Result<TaskId> {
        Err(unfinished("submit"))
    }

    /// Asks for the end of a task and returns at once: what had not begun is removed, what runs is interrupted; with
    /// `force` the worker is killed. The task completes all the same, with `Canceled` if the cancel came in time.
    /// Returns whether the task had not completed yet.
    pub fn cancel(&self, _task: TaskId, _force: bool) -> Result<bool> {
        Err(unfinished("cancel"))
    }

    /// The code of one class loader (JVM: the elements of its class path) or interpreter (Python: the import roots)
    /// of this client. Nothing is read before the first [`CodeScope::prepare`].
    pub fn code_scope(&self, _kind: RootKind, _roots: Vec<PathBuf>) -> Arc<CodeScope> {
        Arc::new(CodeScope {})
    }

    /// The nodes of the cluster.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>> {
        Err(unfinished("list nodes"))
    }

    /// Ends the session: its tasks are cancelled and complete with `Canceled`; every later call fails with `Closed`.
    /// Waits until the node knows, for at most 2 seconds. A second call does nothing.
    pub async fn close(&self) {}

    /// Whether [`Cluster::close`] was called, or the node ended the connection for good.
    pub fn is_closed(&self) -> bool {
        true
    }
}

fn unfinished(operation: &str) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "the transport is not in place yet")
}
