//! What class paths tasks had, for questions about them while they run and for some minutes after.
//!
//! Holds digests and names alone: no loader and no unit stays because of it. Must never know what became of a task.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_model::{Error, ErrorKind, Language, LoadingPolicy, Manifest, Result};
use parking_lot::Mutex;

use crate::{core::NodeCore, environments::PythonPlace, identity::Identity, session::Session};

/// How long what a task was is known after its end.
pub(crate) const KEPT: Duration = Duration::from_secs(600);
/// Sessions that have ended, and tasks of each, those that ended last.
const MOST_SESSIONS: usize = 64;
const MOST_TASKS: usize = 1_000;

const OPERATION: &str = "explain a name";

/// The class path that a task has or had.
#[derive(Clone, Debug)]
pub(crate) struct TaskCode {
    pub(crate) language: Language,
    pub(crate) policy: LoadingPolicy,
    pub(crate) parent_prefixes: Vec<String>,
    /// What its sources are made of, in order, and whether each is of a session.
    pub(crate) sources: Vec<(Manifest, bool)>,
    /// Of each root of that language, in order.
    pub(crate) labels: Vec<String>,
    /// What Python code runs with; `None` of a class path that no task has.
    pub(crate) python: Option<PythonPlace>,
}

/// The tasks of sessions that have ended.
#[derive(Default)]
pub(crate) struct PastTasks(Mutex<VecDeque<PastSession>>);

struct PastSession {
    id: String,
    identity: Identity,
    ended: Instant,
    tasks: HashMap<u64, Arc<TaskCode>>,
}

impl PastTasks {
    /// Keeps what is known of a session that is about to end.
    pub(crate) fn keep(&self, session: &Session) {
        let tasks: HashMap<_, _> = session.codes(MOST_TASKS).into_iter().collect();
        if tasks.is_empty() {
            return;
        }
        let (id, identity) = (session.id.clone(), session.identity.clone());
        let mut known = self.0.lock();
        known.retain(|past| past.ended.elapsed() < KEPT);
        if known.len() == MOST_SESSIONS {
            known.pop_front();
        }
        known.push_back(PastSession { id, identity, ended: Instant::now(), tasks });
    }

    fn find(&self, session: &str, identity: &Identity, task: u64) -> Option<Arc<TaskCode>> {
        let known = self.0.lock();
        let mut of_session = known.iter().filter(|past| past.id == session && past.identity == *identity);
        let past = of_session.find(|past| past.ended.elapsed() < KEPT)?;
        past.tasks.get(&task).cloned()
    }
}

/// The class path of "SESSION/NUMBER", a task of that identity. Errors: `InvalidArgument`, `NotFound` for one that this
/// node does not know, or does not know any more, or that did not run here.
pub(crate) fn code_of(node: &NodeCore, task: &str, identity: &Identity) -> Result<Arc<TaskCode>> {
    let named = task.split_once('/').and_then(|(session, number)| Some((session, number.parse().ok()?)));
    let (session, number) = named.ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, OPERATION, format!("'{task}' names no task"))
            .hint("a task is SESSION/NUMBER, as the error of one that has failed says it")
    })?;
    let open = node.session_of(session, identity).ok().filter(|session| session.origin.is_none());
    if let Some(code) = open.and_then(|session| session.code_of(number)) {
        return Ok(code);
    }
    node.past_tasks.find(session, identity, number).ok_or_else(|| {
        let message = format!(
            "this node does not know the class path of task {task}: it ended too long ago, or did not run here"
        );
        Error::new(ErrorKind::NotFound, OPERATION, message)
            .hint("run it again, or name its class path: haulier explain NAME --unit UNIT, or --session SESSION")
    })
}
