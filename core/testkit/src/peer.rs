//! A client with code of its own, as the bindings make one: peer loading without a JVM or an interpreter at the client.
use std::{path::PathBuf, sync::Arc, time::Duration};

use haulier::{
    Cluster, CodeReference, CodeScope, Codec, ConnectOptions, DeploymentMode, Language, Result, RootKind, Submission,
    Target, Value,
};

use crate::answers;

/// The longest time for a task.
const DEADLINE: Duration = Duration::from_secs(60);

/// A client whose class path is given.
pub struct PeerClient {
    /// The connection.
    pub cluster: Cluster,
    scope: Arc<CodeScope>,
    language: Language,
    mode: Option<DeploymentMode>,
}

impl PeerClient {
    /// Connects; tasks are written in `language` and loaded from `roots`.
    ///
    /// # Panics
    /// If the connection fails.
    pub async fn connect(options: ConnectOptions, language: Language, roots: Vec<PathBuf>) -> Self {
        let cluster = options.connect().await.expect("a connection");
        let kind = if language == Language::Java { RootKind::Jvm } else { RootKind::Python };
        let scope = cluster.code_scope(kind, roots);
        Self { cluster, scope, language, mode: None }
    }

    /// Says who shares with its tasks, whatever the session says.
    #[must_use]
    pub fn in_mode(mut self, mode: DeploymentMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Ends its code, as a binding does when a class loader has gone, and begins again with these roots.
    pub fn begin_again(&mut self, roots: Vec<PathBuf>) {
        self.cluster.close_scope(&self.scope);
        let kind = if self.language == Language::Java { RootKind::Jvm } else { RootKind::Python };
        self.scope = self.cluster.code_scope(kind, roots);
    }

    /// Calls an entry point; `start` is the class or module that the closure begins with.
    ///
    /// # Errors
    /// Those of the code, of the submit and of the task.
    ///
    /// # Panics
    /// If there is no answer at all.
    pub async fn call(&self, target: Target, start: &str, entry_point: &str, arguments: &[Value]) -> Result<Value> {
        let outcomes = self.submit(target, start, entry_point, arguments).await?;
        outcomes.into_iter().next().expect("one outcome").1
    }

    /// As [`Self::call`], on every node: each node's name with its result.
    ///
    /// # Errors
    /// Those of the code and of the submit.
    ///
    /// # Panics
    /// As [`Self::call`].
    pub async fn broadcast(
        &self,
        start: &str,
        entry_point: &str,
        arguments: &[Value],
    ) -> Result<Vec<(String, Result<Value>)>> {
        self.submit(Target::All, start, entry_point, arguments).await
    }

    async fn submit(
        &self,
        target: Target,
        start: &str,
        entry_point: &str,
        arguments: &[Value],
    ) -> Result<Vec<(String, Result<Value>)>> {
        let submission = Submission {
            code: Some(self.prepare(start).await?),
            payload: haulier::encode_arguments(arguments),
            deadline: Some(DEADLINE),
            target,
            mode: self.mode,
            ..Submission::new(self.language, entry_point, Codec::Values)
        };
        answers(&self.cluster, submission).await
    }

    /// Prepares on a thread of its own, as a binding does: the call blocks.
    async fn prepare(&self, start: &str) -> Result<CodeReference> {
        let (scope, start) = (self.scope.clone(), vec![start.to_owned()]);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || sender.send(scope.prepare(&start)));
        receiver.await.expect("no panic")
    }
}
