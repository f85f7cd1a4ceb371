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

/// Where a task runs or has run.
#[derive(Clone, Debug)]
pub(crate) enum TaskPlace {
    /// On this node, with this class path.
    Here(Arc<TaskCode>),
    /// On the node of this name, which knows more.
    There(Arc<str>),
}

/// The tasks of sessions that have ended.
#[derive(Default)]
pub(crate) struct PastTasks(Mutex<VecDeque<PastSession>>);

struct PastSession {
    id: String,
    identity: Identity,
    ended: Instant,
    tasks: HashMap<u64, TaskPlace>,
}

impl PastTasks {
    /// Keeps what is known of a session that is about to end.
    pub(crate) fn keep(&self, session: &Session) {
        let tasks: HashMap<_, _> = session.places(MOST_TASKS).into_iter().collect();
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

    fn find(&self, session: &str, identity: &Identity, task: u64) -> Vec<TaskPlace> {
        let known = self.0.lock();
        let of_session = known.iter().rev().filter(|past| past.id == session && past.identity == *identity);
        let fresh = of_session.filter(|past| past.ended.elapsed() < KEPT);
        fresh.filter_map(|past| past.tasks.get(&task).cloned()).collect()
    }
}

/// Where "SESSION/NUMBER" runs or has run, a task of that identity; `None` if this node does not know, or does not know
/// any more. Errors: `InvalidArgument` for what names no task.
pub(crate) fn place_of(node: &NodeCore, task: &str, identity: &Identity) -> Result<Option<TaskPlace>> {
    let named = task.split_once('/').and_then(|(session, number)| Some((session, number.parse().ok()?)));
    let (session, number) = named.ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, OPERATION, format!("'{task}' names no task"))
            .hint("a task is SESSION/NUMBER, as the error of one that has failed says it")
    })?;
    let open = node.sessions_of(session, identity);
    let mut places: Vec<TaskPlace> = open.iter().filter_map(|session| session.place_of(number)).collect();
    places.extend(node.past_tasks.find(session, identity, number));
    // A node may have passed a task on, and have got it back.
    let here = places.iter().position(|place| matches!(place, TaskPlace::Here(_))).unwrap_or(0);
    Ok(places.into_iter().nth(here))
}
