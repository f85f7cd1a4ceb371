//! Sessions with other nodes than the one that a client is connected to: a task for a node by name goes there without a
//! detour, where the node can be reached.
//!
//! Nothing depends on them. The first task for a node asks for a session in the background; until it stands, when it
//! cannot be had, and when it is lost, tasks go through the client's own node. What shares a loader with other tasks of
//! the client's session (its own code in the private mode) always does: loaders belong to one session of a node.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_model::{DeploymentMode, Digest, Error, ErrorKind, Result};
use haulier_protocol::v1;
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    CodeReference, Completion, Submission, Target, TaskId, code,
    session::{Session, Status},
};

/// A node that is not known, or does not answer, by then is not reached directly. Nothing waits for it, so a busy node
/// has its time.
const DIAL: Duration = Duration::from_secs(5);
/// After a failure, and after a loss, a node is not dialled again for so long.
const REST: Duration = Duration::from_secs(10);
/// The most nodes that are reached directly.
const MOST: usize = 32;
/// Snapshots that are remembered as announced to a node.
const MOST_OFFERS: usize = 64;
/// The numbers of tasks have so many bits of their session's own.
const NUMBER_BITS: u32 = 48;

/// The direct sessions of a client.
#[derive(Debug)]
pub(crate) struct Directs {
    main: Arc<Session>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By the name of the node.
    ways: HashMap<String, Way>,
    last_lane: u16,
    closed: bool,
}

/// What is known of the direct way to a node.
#[derive(Debug)]
enum Way {
    Dialling,
    Stands(Arc<Direct>),
    /// There is none; it is not looked for before this time.
    Rests(Instant),
}

/// A session with a node that is not the client's own.
#[derive(Debug)]
pub(crate) struct Direct {
    node: String,
    /// What tells the numbers of its tasks from those of other sessions.
    lane: u16,
    session: Arc<Session>,
    /// The offers of snapshots that the node was told of; none while it is being told, or if it refused.
    offers: Mutex<HashMap<Digest, Option<u64>>>,
}

impl Directs {
    pub(crate) fn new(main: Arc<Session>) -> Arc<Self> {
        Arc::new(Self { main, table: Mutex::default() })
    }

    /// The direct session that a task can take now. If there is none but could be, it is asked for.
    pub(crate) fn way_for(self: &Arc<Self>, submission: &Submission) -> Option<Arc<Direct>> {
        let Target::Node(node) = &submission.target else { return None };
        // No lock is touched in a child of a fork; the client's own session refuses there.
        self.main.check("submit a task").ok()?;
        if !may_go(submission, self.main.options.mode) || self.main.is_with(node) {
            return None;
        }
        let mut table = self.table.lock();
        match table.ways.get(node) {
            Some(Way::Stands(direct)) if direct.is_connected() => return Some(direct.clone()),
            Some(way) if !way.is_rested() => return None,
            _ => {}
        }
        if table.has_room() {
            table.ways.insert(node.clone(), Way::Dialling);
            self.main.runtime().spawn(self.clone().dial(node.clone()));
        }
        None
    }

    /// Whether a session with this node stands.
    pub(crate) fn leads_to(&self, node: &str) -> bool {
        matches!(self.table.lock().ways.get(node), Some(Way::Stands(direct)) if direct.is_connected())
    }

    /// Asks for the end of a task that went directly; `None` if it did not.
    pub(crate) fn cancel(&self, task: TaskId, force: bool) -> Option<Result<bool>> {
        let lane = u16::try_from(task.0 >> NUMBER_BITS).ok().filter(|lane| *lane != 0)?;
        if let Err(error) = self.main.check("cancel a task") {
            return Some(Err(error));
        }
        let direct = self.standing().into_iter().find(|direct| direct.lane == lane);
        let number = TaskId(task.0 & ((1 << NUMBER_BITS) - 1));
        // The tasks of a session that is gone have ended.
        Some(direct.map_or(Ok(false), |direct| direct.session.cancel(number, force)))
    }

    /// Tells the nodes that no task will need the code of these snapshots any more.
    pub(crate) fn end_code(&self, snapshots: &[Digest]) {
        for direct in self.standing() {
            let mut offers = direct.offers.lock();
            for snapshot in snapshots {
                offers.remove(snapshot);
            }
            direct.session.end_code(snapshots, direct.session.code.last_offer());
        }
    }

    /// Ends all of them: what they lead to is over for the client.
    pub(crate) fn close(&self) -> Vec<Arc<Session>> {
        if self.main.check("close").is_err() {
            return Vec::new();
        }
        let sessions: Vec<_> = {
            let mut table = self.table.lock();
            table.closed = true;
            table.ways.drain().filter_map(|(_, way)| way.session()).collect()
        };
        sessions.iter().for_each(|session| session.close());
        sessions
    }

    fn standing(&self) -> Vec<Arc<Direct>> {
        let table = self.table.lock();
        let direct = |way: &Way| if let Way::Stands(direct) = way { Some(direct.clone()) } else { None };
        table.ways.values().filter_map(direct).collect()
    }

    /// Where a node that takes tasks can be dialled. The list of nodes comes some time after the connection.
    async fn address_of(&self, node: &str) -> Option<String> {
        let mut nodes = self.main.follow_nodes();
        let address = |nodes: &Arc<[v1::Node]>| {
            let found = nodes.iter().find(|known| known.name == node && known.state() == v1::NodeState::Alive)?;
            (!found.address.is_empty()).then(|| found.address.clone())
        };
        let known = timeout(DIAL, nodes.wait_for(|nodes| address(nodes).is_some())).await.ok()?.ok()?;
        address(&known)
    }

    async fn dial(self: Arc<Self>, node: String) {
        let Some(address) = self.address_of(&node).await else {
            tracing::debug!(node, "no node of this name takes tasks");
            self.rest(&node);
            return;
        };
        let direct = match self.open(&node, &address).await {
            Ok(session) => self.enter(&node, session),
            Err(error) => {
                tracing::debug!(node, address, %error, "no direct way to the node");
                self.rest(&node);
                return;
            }
        };
        let Some(direct) = direct else { return };
        tracing::debug!(node, address, "tasks for the node go there directly");
        let reason = self.follow(&direct, &address).await;
        self.rest(&node);
        direct.session.abandon(&lost(&node, &reason));
    }

    async fn open(&self, node: &str, address: &str) -> Result<Arc<Session>> {
        let session = Session::open_beside(&self.main, address, DIAL).await?;
        if session.is_with(node) {
            return Ok(session);
        }
        session.close();
        Err(Error::new(ErrorKind::Conflict, format!("connect to {address}"), "another node answers there"))
    }

    /// Lets tasks take the session, unless nobody is left to submit any.
    fn enter(&self, node: &str, session: Arc<Session>) -> Option<Arc<Direct>> {
        let direct = {
            let mut table = self.table.lock();
            if table.closed {
                None
            } else {
                let lane = table.next_lane();
                let offers = Mutex::default();
                let direct = Arc::new(Direct { node: node.to_owned(), lane, session: session.clone(), offers });
                table.ways.insert(node.to_owned(), Way::Stands(direct.clone()));
                Some(direct)
            }
        };
        if direct.is_none() {
            session.close();
        }
        direct
    }

    fn rest(&self, node: &str) {
        let mut table = self.table.lock();
        // After the close there is nothing to rest.
        if let Entry::Occupied(mut way) = table.ways.entry(node.to_owned()) {
            way.insert(Way::Rests(Instant::now() + REST));
        }
    }

    /// Waits until the session is over, or the cluster says that the node is: why.
    async fn follow(&self, direct: &Direct, address: &str) -> String {
        let mut status = direct.session.follow_status();
        let first = *status.borrow_and_update();
        let mut nodes = self.main.follow_nodes();
        let is_over = |status: &Status| *status != first && *status != Status::Resuming;
        // A node that is not in the list may be unknown to a node that has just started; its connection tells more.
        let is_elsewhere = |nodes: &Arc<[v1::Node]>| {
            let known = nodes.iter().find(|known| known.name == direct.node);
            known.is_some_and(|known| known.state() == v1::NodeState::Lost || known.address != address)
        };
        // An error would say that a session is gone that is held here.
        tokio::select! {
            _ = status.wait_for(is_over) => "its connection broke".to_owned(),
            _ = nodes.wait_for(is_elsewhere) => "the other nodes do not hear it".to_owned(),
        }
    }
}

impl Table {
    /// Whether one more node may be dialled.
    fn has_room(&mut self) -> bool {
        if self.ways.len() >= MOST {
            self.ways.retain(|_, way| !way.is_rested());
        }
        !self.closed && self.ways.len() < MOST
    }

    /// A number that no other session has.
    fn next_lane(&mut self) -> u16 {
        loop {
            self.last_lane = self.last_lane % LAST_LANE + 1;
            let lane = self.last_lane;
            if !self.ways.values().any(|way| matches!(way, Way::Stands(direct) if direct.lane == lane)) {
                return lane;
            }
        }
    }
}

/// The highest number of a session, so that numbers of tasks are positive in every language.
const LAST_LANE: u16 = i16::MAX as u16;

impl Way {
    fn is_rested(&self) -> bool {
        matches!(self, Self::Rests(until) if *until <= Instant::now())
    }

    fn session(self) -> Option<Arc<Session>> {
        if let Self::Stands(direct) = self { Some(direct.session.clone()) } else { None }
    }
}

impl Direct {
    fn is_connected(&self) -> bool {
        matches!(self.session.status(), Status::Connected(_))
    }

    /// Makes of a reference to code what this session takes. False, and nothing is done, if the node does not know the
    /// code yet.
    pub(crate) fn translate(self: &Arc<Self>, code: &mut Option<CodeReference>) -> bool {
        let Some(code) = code else { return true };
        let offer = self.offer(code.snapshot);
        code.offer_id = offer.unwrap_or(code.offer_id);
        offer.is_some()
    }

    pub(crate) fn submit(&self, submission: Submission, completion: Completion) -> Result<TaskId> {
        let node = self.node.clone();
        let completion: Completion = Box::new(move |result| {
            completion(result.map_err(|error| {
                if is_loss(error.kind()) { lost(&node, error.message()).in_operation(error.operation()) } else { error }
            }));
        });
        let number = self.session.submit(submission, completion)?.0;
        Ok(TaskId(number | u64::from(self.lane) << NUMBER_BITS))
    }

    /// The offer of a snapshot, if the node knows it. If not, it is told in the background.
    fn offer(self: &Arc<Self>, snapshot: Digest) -> Option<u64> {
        let mut offers = self.offers.lock();
        if let Some(offer) = offers.get(&snapshot) {
            return *offer;
        }
        if offers.len() >= MOST_OFFERS {
            offers.clear();
        }
        offers.insert(snapshot, None);
        let direct = self.clone();
        self.session.runtime().spawn(async move {
            match code::announce(&direct.session, snapshot.as_bytes()).await {
                Ok(offer) => drop(direct.offers.lock().insert(snapshot, Some(offer))),
                Err(error) => tracing::debug!(node = direct.node, %error, "code goes through another node"),
            }
        });
        None
    }
}

/// Whether a task is the same by any way: it shares nothing with other tasks of its session, and nobody else is to know
/// of it.
fn may_go(submission: &Submission, mode: DeploymentMode) -> bool {
    let of_session = submission.code.is_some() || submission.entry_point.is_empty();
    let shares = of_session && submission.mode.unwrap_or(mode) == DeploymentMode::Private;
    !shares && !submission.failover && submission.idempotency_key.is_empty()
}

fn is_loss(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::SessionLost | ErrorKind::Closed)
}

/// As the client's own node would say it.
fn lost(node: &str, reason: &str) -> Error {
    Error::new(ErrorKind::WorkerLost, "", format!("the node '{node}' was lost: {reason}"))
        .context("node", node)
        .hint("submit again, or submit with failover if the task may run twice")
}

#[cfg(test)]
mod tests {
    use haulier_model::{Codec, Language};

    use super::*;

    #[test]
    fn what_belongs_to_a_session_stays_in_it() {
        let named = || Submission::new(Language::Java, "a.B", Codec::Values);
        let code = CodeReference { snapshot: Digest::of(b"code"), offer_id: 1 };
        let of_the_client = Submission { code: Some(code), ..named() };
        let by_value = Submission::new(Language::Python, "", Codec::Pickle);
        for (submission, mode, expected) in [
            (named(), DeploymentMode::Private, true),
            (of_the_client.clone(), DeploymentMode::Private, false),
            (by_value.clone(), DeploymentMode::Private, false),
            (of_the_client.clone(), DeploymentMode::Shared, true),
            (of_the_client, DeploymentMode::Isolated, true),
            (by_value.clone(), DeploymentMode::Isolated, true),
            (Submission { mode: Some(DeploymentMode::Private), ..by_value.clone() }, DeploymentMode::Shared, false),
            (Submission { mode: Some(DeploymentMode::Shared), ..by_value }, DeploymentMode::Private, true),
            (Submission { failover: true, ..named() }, DeploymentMode::Private, false),
            (Submission { idempotency_key: "k".into(), ..named() }, DeploymentMode::Private, false),
        ] {
            assert_eq!(may_go(&submission, mode), expected, "{submission:?} in mode {mode:?}");
        }
    }

    #[test]
    fn numbers_of_sessions_come_again_only_when_they_are_free() {
        let mut table = Table { last_lane: LAST_LANE - 1, ..Table::default() };
        assert_eq!([table.next_lane(), table.next_lane()], [LAST_LANE, 1]);
        assert!(TaskId(u64::from(LAST_LANE) << NUMBER_BITS | 1).0.cast_signed() > 0);
    }
}
