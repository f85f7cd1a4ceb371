//! Sessions that a node opens at another node, for tasks that it passes on. Not for programs: nodes accept them from
//! members of their cluster only.
//!
//! Everything that a client's session does holds here too: resume, credit, payloads, deadlines. What differs is who
//! speaks, and that code is asked of the node instead of class roots of this process.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use haulier_model::{DeploymentMode, Digest, Language, Result};
use haulier_protocol::v1;

use crate::{Completion, ConnectOptions, TaskId, session::Session};

/// Answers a request for code, once: the records of a pack, or why there are none.
pub type CodeReply = Box<dyn FnOnce(Result<Vec<u8>>) + Send>;

/// Where the code of a relayed session comes from.
pub trait CodeSource: Send + Sync {
    /// Answers elsewhere; must not block. The reply may be called on any thread.
    fn answer(&self, request: v1::CodeRequest, reply: CodeReply);
}

/// For whom tasks are passed on.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The node that the client is connected to, its session there, its identity.
    pub relay: v1::Relay,
    /// The client's language, the version of its runtime, and what its bytes depend on.
    pub language: Language,
    /// As in [`ConnectOptions::language`].
    pub language_version: String,
    /// As in [`ConnectOptions::capabilities`].
    pub capabilities: Vec<String>,
    /// As in [`ConnectOptions::mode`].
    pub mode: DeploymentMode,
    /// The client runs in a worker.
    pub inside_worker: bool,
}

/// A session at another node. Dropping it closes it: its tasks are cancelled there.
#[derive(Debug)]
pub struct Relay {
    session: Arc<Session>,
}

impl Relay {
    /// Opens a session at the node that `options` lead to. Runs on the current tokio runtime. Errors: those of
    /// [`ConnectOptions::connect`], and `PermissionDenied` if that node takes the caller for no member.
    pub async fn open(options: ConnectOptions, origin: Origin, source: Arc<dyn CodeSource>) -> Result<Self> {
        let options = options
            .language(origin.language, origin.language_version)
            .capabilities(origin.capabilities)
            .mode(origin.mode)
            .relay(origin.relay, origin.inside_worker);
        let session = Session::open_on(tokio::runtime::Handle::current(), options, Some(source)).await?;
        Ok(Self { session })
    }

    /// Passes a task on, and returns at once. Its number, payload and deadline in `submit` are replaced.
    pub fn submit(
        &self,
        submit: v1::Submit,
        payload: Bytes,
        deadline: Option<Duration>,
        completion: Completion,
    ) -> Result<TaskId> {
        self.session.submit_message(submit, payload, deadline, completion)
    }

    /// As [`Cluster::cancel`](crate::Cluster::cancel).
    pub fn cancel(&self, task: TaskId, force: bool) -> Result<bool> {
        self.session.cancel(task, force)
    }

    /// No task will need the code of these snapshots any more.
    pub fn end_code(&self, snapshots: &[Digest]) {
        self.session.end_code(snapshots, self.session.code.last_offer());
    }

    /// Says goodbye; tasks that are not answered complete with `Canceled` on the calling thread.
    pub fn close(&self) {
        self.session.close();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.session.close();
    }
}

impl fmt::Debug for dyn CodeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeSource")
    }
}
