//! Tasks that another node runs for a client of this one.
//!
//! For each client's session and each node there is one link: a session of this node at the other one. This node owns
//! the task: it hears the result, passes a cancel on, and decides what happens when the other node is lost.

mod code;
mod link;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use haulier::{NodeOutcome, TaskId};
use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::v1;
use parking_lot::Mutex;

use self::link::Link;
use crate::{
    admission,
    broadcast::Reply,
    core::NodeCore,
    members::Peer,
    payloads::StoredPayload,
    run::{self, Payload},
    server::INLINE_LIMIT,
    session::Session,
};

/// How often a task may move on to another node.
const MOST_MOVES: u32 = 3;

/// A task that goes to another node.
pub(crate) struct Passed {
    pub(crate) id: u64,
    pub(crate) session: Arc<Session>,
    pub(crate) submit: v1::Submit,
    pub(crate) payload: Payload,
    pub(crate) deadline: Option<Instant>,
    pub(crate) reply: Reply,
    /// How often it was with a node that was lost.
    pub(crate) moves: u32,
}

struct Running {
    task: Arc<Passed>,
    peer: Arc<Peer>,
    /// Its number on the link; `None`: it waits for the link.
    remote: Option<TaskId>,
    link: Arc<Link>,
}

/// The node's number of a task, and the name of the node that has it.
type Key = (u64, String);

/// All tasks that are with other nodes, and the links to them.
#[derive(Default)]
pub(crate) struct Relays {
    running: Mutex<BTreeMap<Key, Running>>,
    links: Mutex<HashMap<(Bytes, String), Arc<Link>>>,
}

impl Relays {
    /// Passes a task on to `peer`.
    pub(crate) fn pass_on(&self, node: &Arc<NodeCore>, task: Arc<Passed>, peer: Arc<Peer>) {
        let name = peer.name();
        let link = {
            let mut links = self.links.lock();
            let open = || Link::open(node, &task.session, peer.clone());
            links.entry((task.session.token.clone(), name.clone())).or_insert_with(open).clone()
        };
        peer.sent();
        let running = Running { task: task.clone(), peer: peer.clone(), remote: None, link: link.clone() };
        self.running.lock().insert((task.id, name.clone()), running);
        link.send(task.clone());
        // Both may have happened before the task was in the list, and then nobody else ends it.
        if peer.gone.is_cancelled() {
            let gone = Error::new(ErrorKind::Unavailable, "", "it has left the cluster");
            self.ended(node, task.id, &name, Err(gone), false);
        }
        if task.session.is_ended() {
            self.end_session(&task.session);
        }
    }

    /// Passes a cancel on; `false` if the task is not with another node.
    pub(crate) fn cancel(&self, node: &NodeCore, id: u64, force: bool) -> bool {
        let mut waiting = Vec::new();
        let sent: Vec<(Arc<Link>, TaskId)> = {
            let mut running = self.running.lock();
            let keys: Vec<Key> = parts(&running, id).cloned().collect();
            let mut sent = Vec::new();
            for key in keys {
                match running.get(&key).and_then(|running| Some((running.link.clone(), running.remote?))) {
                    Some(running) => sent.push(running),
                    None => waiting.extend(running.remove(&key)),
                }
            }
            sent
        };
        let known = !sent.is_empty() || !waiting.is_empty();
        for (link, remote) in sent {
            link.cancel(remote, force);
        }
        for Running { task, peer, .. } in waiting {
            peer.answered();
            let error = Error::new(ErrorKind::Canceled, "run a task", "canceled before it began");
            task.fail(&node.name, error);
        }
        known
    }

    /// Notes the number of a task on its link; `false` if nobody waits for the task any more.
    fn sent(&self, id: u64, peer: &str, remote: TaskId) -> bool {
        let mut running = self.running.lock();
        let found = running.get_mut(&(id, peer.to_owned()));
        found.map(|running| running.remote = Some(remote)).is_some()
    }

    fn is_wanted(&self, id: u64, peer: &str) -> bool {
        self.running.lock().contains_key(&(id, peer.to_owned()))
    }

    /// The end of a task, as its link tells it.
    fn ended(&self, node: &Arc<NodeCore>, id: u64, peer: &str, result: Result<Vec<NodeOutcome>>, delivered: bool) {
        let Some(Running { task, peer, .. }) = self.running.lock().remove(&(id, peer.to_owned())) else { return };
        peer.answered();
        match result {
            Ok(outcomes) => outcomes.into_iter().for_each(|outcome| task.answer(outcome)),
            Err(error) if is_loss(error.kind()) => move_on(node, task, &peer.name(), error.message(), delivered),
            Err(error) => task.fail(&peer.name(), error),
        }
    }

    /// A task that cannot be passed on to any node fails.
    fn refused(&self, id: u64, peer: &str, error: Error) {
        if let Some(Running { task, peer, .. }) = self.running.lock().remove(&(id, peer.to_owned())) {
            peer.answered();
            task.fail(&peer.name(), error);
        }
    }

    /// No task of the session will need the code of these snapshots any more.
    pub(crate) fn end_code(&self, session: &Session, snapshots: &[Digest]) {
        let links: Vec<Arc<Link>> = {
            let links = self.links.lock();
            let of_session = links.iter().filter(|((token, _), _)| *token == session.token);
            of_session.map(|(_, link)| link.clone()).collect()
        };
        if !snapshots.is_empty() {
            links.iter().for_each(|link| link.end_code(snapshots));
        }
    }

    /// A node is lost: what it had fails, or goes to another one.
    pub(crate) fn lost(&self, node: &Arc<NodeCore>, peer: &Peer, reason: &str) {
        let name = peer.name();
        let links: Vec<Arc<Link>> = {
            let mut links = self.links.lock();
            let keys: Vec<_> = links.keys().filter(|(_, of)| *of == name).cloned().collect();
            keys.iter().filter_map(|key| links.remove(key)).collect()
        };
        let tasks: Vec<Running> = {
            let mut running = self.running.lock();
            let keys: Vec<Key> = running.keys().filter(|(_, of)| *of == name).cloned().collect();
            keys.iter().filter_map(|key| running.remove(key)).collect()
        };
        for Running { task, peer, remote, .. } in tasks {
            peer.answered();
            move_on(node, task, &name, reason, remote.is_some());
        }
        // Their tasks are gone from the list, so that the end of a link tells nobody anything.
        links.iter().for_each(|link| link.close());
    }

    /// A link could not be made, or is over: the next task makes another one.
    fn forget(&self, session: &Session, peer: &str, link: &Arc<Link>) {
        let mut links = self.links.lock();
        let key = (session.token.clone(), peer.to_owned());
        if links.get(&key).is_some_and(|known| Arc::ptr_eq(known, link)) {
            links.remove(&key);
        }
    }

    /// A client's session has ended: so do its sessions at other nodes, and with them its tasks there.
    pub(crate) fn end_session(&self, session: &Session) {
        let links: Vec<Arc<Link>> = {
            let mut links = self.links.lock();
            let keys: Vec<_> = links.keys().filter(|(token, _)| *token == session.token).cloned().collect();
            keys.iter().filter_map(|key| links.remove(key)).collect()
        };
        let ended: Vec<Running> = {
            let mut running = self.running.lock();
            let of = |running: &Running| running.task.session.token == session.token;
            let keys: Vec<Key> =
                running.iter().filter(|(_, running)| of(running)).map(|(key, _)| key.clone()).collect();
            keys.iter().filter_map(|key| running.remove(key)).collect()
        };
        ended.iter().for_each(|running| running.peer.answered());
        links.iter().for_each(|link| link.close());
    }

    /// Tasks that are with other nodes.
    pub(crate) fn has(&self, id: u64) -> bool {
        parts(&self.running.lock(), id).next().is_some()
    }
}

/// The keys of a task: one, or one for each node of a broadcast.
fn parts(running: &BTreeMap<Key, Running>, id: u64) -> impl Iterator<Item = &Key> {
    running.range((id, String::new())..).map(|(key, _)| key).take_while(move |(of, _)| *of == id)
}

fn is_loss(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::SessionLost | ErrorKind::Unavailable | ErrorKind::Closed)
}

/// A task whose node is lost runs again elsewhere if it may, or if it has never run; otherwise it fails.
fn move_on(node: &Arc<NodeCore>, task: Arc<Passed>, peer: &str, reason: &str, delivered: bool) {
    let bound = matches!(
        task.submit.target.as_ref().and_then(|target| target.target.as_ref()),
        Some(v1::target::Target::Node(_) | v1::target::Target::All(_))
    );
    let may = (task.submit.failover || !delivered) && !bound && task.moves < MOST_MOVES;
    if may && !task.session.is_ended() && !task.is_late() {
        tracing::info!(task = task.id, from = peer, "a task goes to another node");
        return admission::route_again(node, &task);
    }
    let message = format!("the node '{peer}' was lost: {reason}");
    let error = Error::new(ErrorKind::WorkerLost, task.operation(), message).context("node", peer);
    task.fail(peer, error.hint("submit again, or submit with failover if the task may run twice"));
}

impl Passed {
    fn operation(&self) -> String {
        run::operation(&self.submit.units, &self.submit.entry_point)
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    pub(crate) fn fail(&self, node: &str, error: Error) {
        let error = if error.operation().is_empty() { error.in_operation(self.operation()) } else { error };
        let state = match error.kind() {
            ErrorKind::Canceled => v1::TaskState::Canceled,
            _ => v1::TaskState::Failed,
        };
        let outcome = v1::Outcome { node: node.to_owned(), error: Some(error.into()), ..Default::default() };
        self.reply.answer(&self.session, self.submit.task_id, state, outcome, None);
    }

    fn answer(&self, outcome: NodeOutcome) {
        let output = match outcome.result {
            Ok(output) => output,
            Err(error) => return self.fail(&outcome.node, error),
        };
        let codec = v1::Codec::from(output.codec).into();
        let mut answer = v1::Outcome { node: outcome.node, codec, ..Default::default() };
        let mut payload = None;
        if output.payload.len() > INLINE_LIMIT {
            payload = Some(StoredPayload::Memory(output.payload));
        } else {
            answer.payload = output.payload;
        }
        self.reply.answer(&self.session, self.submit.task_id, v1::TaskState::Completed, answer, payload);
    }
}
