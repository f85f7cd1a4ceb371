//! A connection to a cluster: the handle that users and bindings hold.

use std::{path::PathBuf, sync::Arc, time::Duration};

use haulier_model::{Error, ErrorKind, Result, RootKind};
use haulier_pack::KnownDigests;

use crate::{
    CodeScope, Completion, ConnectOptions, Submission, TaskId,
    direct::Directs,
    runtime,
    session::{Line, Session, Status},
    task::{Task, Units},
};

/// The longest wait for the answer to a question.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait for the end of a session.
const FAREWELL: Duration = Duration::from_secs(3);

/// A connection to a cluster; clones share it. It closes with the last clone.
///
/// A connection that breaks is resumed by itself: for 10 seconds tasks wait for it. When the node is gone, the client
/// goes on with another node of the cluster, or of the addresses that it was given: what had not been answered fails
/// with `SessionLost`, once, or is submitted again if it may run twice ([`Submission::failover`]). If no node can be
/// reached, later calls fail with `Unavailable` until one is back.
#[derive(Clone, Debug)]
pub struct Cluster {
    owner: Arc<Owner>,
}

/// Closes the session with the last handle; the tasks that drive the session do not keep it open.
#[derive(Debug)]
struct Owner {
    session: Arc<Session>,
    directs: Arc<Directs>,
    /// What the archives that were deployed have in them.
    known: Arc<KnownDigests>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.session.close();
        self.directs.close();
    }
}

impl Cluster {
    pub(crate) async fn connect(options: ConnectOptions) -> Result<Self> {
        let session = runtime::run(async {
            let session = Session::open(options).await?;
            Ok(Owner { directs: Directs::new(session.clone()), session, known: Arc::default() })
        });
        Ok(Self { owner: Arc::new(session.await?) })
    }

    /// Submits a task and returns at once; never blocks. `completion` is called once with the end of the task: one
    /// outcome, for [`Target::All`](crate::Target::All) one for each node. With an error here, it is never called.
    pub fn submit(&self, mut submission: Submission, completion: Completion) -> Result<TaskId> {
        if let Some(direct) = self.owner.directs.way_for(&submission)
            && direct.translate(&mut submission.code)
        {
            return direct.submit(submission, completion);
        }
        self.owner.session.submit(submission, completion)
    }

    /// Asks for the end of a task and returns at once: what had not begun is removed, what runs is interrupted; with
    /// `force` the worker is killed. The task completes all the same, with `Canceled` if the cancel came in time.
    /// Returns whether the task had not completed yet.
    pub fn cancel(&self, task: TaskId, force: bool) -> Result<bool> {
        let directly = self.owner.directs.cancel(task, force);
        directly.unwrap_or_else(|| self.owner.session.cancel(task, force))
    }

    /// The code of one class loader (JVM: the elements of its class path) or interpreter (Python: the import roots)
    /// of this client. Nothing is read before the first [`CodeScope::prepare`].
    pub fn code_scope(&self, kind: RootKind, roots: Vec<PathBuf>) -> Arc<CodeScope> {
        Arc::new(CodeScope::new(self.owner.session.clone(), kind, roots, Vec::new()))
    }

    /// The code of a Python interpreter: its import roots, and packages and modules that are in none of them, as folders
    /// or `.py` files by their dotted names, which is how editable installs may be. They are searched after the roots.
    pub fn python_scope(&self, roots: Vec<PathBuf>, packages: Vec<(String, PathBuf)>) -> Arc<CodeScope> {
        Arc::new(CodeScope::new(self.owner.session.clone(), RootKind::Python, roots, packages))
    }

    /// Ends a scope whose class loader has gone: the nodes let its code and their loaders of it go. Nothing may be submitted
    /// with it any more, and what was submitted must have ended. Does not block; a second call does nothing.
    pub fn close_scope(&self, scope: &CodeScope) {
        let ended = scope.end();
        if !ended.is_empty() {
            self.owner.directs.end_code(&ended);
        }
    }

    /// The task `entry_point` of a unit: a Java class or `Class#staticMethod`, or a Python `module:callable`.
    pub fn task(&self, units: impl Into<Units>, entry_point: impl Into<String>) -> Task {
        Task::new(self.clone(), units.into(), entry_point.into())
    }

    /// Ends the session: its tasks are cancelled and complete with `Canceled`; every later call fails with `Closed`.
    /// Waits until the node knows, for at most 3 seconds. A second call does nothing.
    pub async fn close(&self) {
        let session = self.owner.session.clone();
        if session.check("close").is_err() {
            return;
        }
        session.close();
        let directs = self.owner.directs.close();
        let ended = async move {
            for session in directs.iter().chain([&session]) {
                session.ended().await;
            }
        };
        // Neither a runtime that was shut down nor a node that is silent changes that this side is closed.
        let _ = runtime::run(async move { Ok(tokio::time::timeout(FAREWELL, ended).await) }).await;
    }

    /// Whether [`Cluster::close`] was called.
    pub fn is_closed(&self) -> bool {
        matches!(self.owner.session.status(), Status::Closed | Status::Ended)
    }

    /// The address of the node that this connection leads to, host:port.
    pub fn address(&self) -> String {
        self.owner.session.line().route.address().to_owned()
    }

    /// The name of the node that this connection leads to; empty while it is lost.
    pub fn node(&self) -> String {
        self.owner.session.welcome().node
    }

    /// The name of the session, for logs; empty while it is lost.
    pub fn session_id(&self) -> String {
        self.owner.session.welcome().session_id
    }

    /// Whether this client has a connection to the node of this name.
    pub(crate) fn is_direct(&self, node: &str) -> bool {
        let session = &self.owner.session;
        let own = matches!(session.status(), Status::Connected(_)) && session.is_with(node);
        own || self.owner.directs.leads_to(node)
    }

    /// Whether the node takes code from clients; if not, tasks run from units alone.
    pub fn peer_loading(&self) -> bool {
        self.owner.session.welcome().peer_loading
    }

    pub(crate) fn known_digests(&self) -> Arc<KnownDigests> {
        self.owner.known.clone()
    }

    /// The session, unless it is closed or was inherited over a fork.
    pub(crate) fn session_for(&self, operation: &str) -> Result<Arc<Session>> {
        let session = &self.owner.session;
        session.check(operation)?;
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, operation, "the connection was closed").hint("connect again"));
        }
        Ok(session.clone())
    }

    /// Asks a question on the runtime, with a deadline.
    pub(crate) async fn ask<T, F>(
        &self,
        operation: String,
        question: impl FnOnce(Arc<Line>, String) -> F + Send + 'static,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        self.ask_for(PATIENCE, operation, question).await
    }

    /// Asks a question that may take `patience`.
    pub(crate) async fn ask_for<T, F>(
        &self,
        patience: Duration,
        operation: String,
        question: impl FnOnce(Arc<Line>, String) -> F + Send + 'static,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let session = self.session_for(&operation)?;
        let late =
            Error::new(ErrorKind::Unavailable, &operation, format!("the node did not answer within {patience:?}"))
                .hint("look at the node's log, then try again");
        let asked = async move {
            session.settled().await;
            question(session.line(), operation).await
        };
        runtime::run(async move { tokio::time::timeout(patience, asked).await.unwrap_or(Err(late)) }).await
    }
}
