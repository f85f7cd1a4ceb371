//! One task on this node, from submit to answer.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Language};
use haulier_protocol::v1::{self, TaskState};

use crate::{
    broadcast::Reply, class_paths::ResolvedClassPath, loaders::LiveLoader, past_tasks::TaskCode,
    payloads::StoredPayload, pythons::PythonRuntime, session::Session,
};

/// Which workers can run a task: a trust group's, of a language; Python also by class path and interpreter, Java by release.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PoolKey {
    pub(crate) group: Arc<str>,
    pub(crate) language: Language,
    pub(crate) environment: Option<Bytes>,
    /// The release of Java, where it is not that of the node's default.
    pub(crate) java: Option<u16>,
    /// What runs Python; keeps its environment on disk.
    pub(crate) python: Option<Arc<PythonRuntime>>,
}

/// How the trust groups of code that identities share begin. No token has a name with a space.
const SHARED: &str = "code ";

/// The trust group of code that several identities share.
pub(crate) fn shared_group(class_path: &Digest) -> Arc<str> {
    format!("{SHARED}{}", class_path.hex()).into()
}

/// Whether a trust group is that of code, and of no single identity.
pub(crate) fn is_shared(group: &str) -> bool {
    group.starts_with(SHARED)
}

/// Where the tasks of one class path and session run; shared by all of them.
pub(crate) struct Placement {
    pub(crate) class_path: Arc<ResolvedClassPath>,
    pub(crate) isolated: bool,
    /// Keeps the loader in its workers.
    pub(crate) live: Arc<LiveLoader>,
    /// What is known of it when nothing needs it any more.
    pub(crate) code: Arc<TaskCode>,
}

#[derive(Clone)]
pub(crate) enum Payload {
    Inline(Bytes),
    Stored(Arc<StoredPayload>),
}

pub(crate) struct Run {
    /// The node's number of this task.
    pub(crate) id: u64,
    /// The client's number.
    pub(crate) task_id: u64,
    pub(crate) session: Arc<Session>,
    pub(crate) placement: Arc<Placement>,
    pub(crate) entry_point: String,
    pub(crate) codec: i32,
    pub(crate) payload: Payload,
    pub(crate) result_codecs: Vec<i32>,
    pub(crate) requires: Vec<String>,
    pub(crate) units: Vec<String>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) reply: Reply,
}

impl Run {
    /// What is being done, for messages: "run pricing:1.2.0 com.acme.Price".
    pub(crate) fn operation(&self) -> String {
        operation(&self.units, &self.entry_point)
    }

    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, self.operation(), message)
    }

    /// Answers with an error.
    pub(crate) fn fail(&self, node: &str, error: Error) {
        let state = if error.kind() == ErrorKind::Canceled { TaskState::Canceled } else { TaskState::Failed };
        let outcome = v1::Outcome { node: node.to_owned(), error: Some(error.into()), ..Default::default() };
        self.answer(state, outcome, None);
    }

    /// Answers whoever waits.
    pub(crate) fn answer(&self, state: TaskState, outcome: v1::Outcome, payload: Option<StoredPayload>) {
        self.reply.answer(&self.session, self.task_id, state, outcome, payload);
    }

    pub(crate) fn class_path(&self) -> Digest {
        self.placement.class_path.digest
    }
}

/// What is being done with a task, for messages.
pub(crate) fn operation(units: &[String], entry_point: &str) -> String {
    match (units.is_empty(), entry_point.is_empty()) {
        (true, true) => "run a task".to_owned(),
        (true, false) => format!("run {entry_point}"),
        (false, true) => format!("run a task with {}", units.join(", ")),
        (false, false) => format!("run {} {entry_point}", units.join(" ")),
    }
}

/// Why a task is to end before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StopReason {
    Canceled,
    Deadline,
    SessionEnded,
}

impl StopReason {
    /// `how` says what ended the task: "before it began", "by interrupt", "with its worker".
    pub(crate) fn error(self, run: &Run, how: &str) -> Error {
        match self {
            Self::Deadline => run
                .error(ErrorKind::DeadlineExceeded, format!("the deadline passed; the task was stopped {how}"))
                .hint("give it a longer timeout"),
            Self::Canceled | Self::SessionEnded => run.error(ErrorKind::Canceled, format!("canceled {how}")),
        }
    }
}
