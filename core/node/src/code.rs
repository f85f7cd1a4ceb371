//! The code of a session: snapshots that it has announced, offers that are under way, entries asked for late.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use haulier_model::{ClassPathSource, Digest, Error, ErrorKind, Manifest, Result};
use haulier_protocol::v1;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{core::NodeCore, session::Session};

type Waiting = Box<dyn FnOnce(Result<()>) + Send>;

/// A manifest that a session has announced, with the names of its roots.
pub(crate) struct Snapshot {
    pub(crate) manifest: Manifest,
    names: Vec<String>,
}

impl Snapshot {
    pub(crate) fn new(manifest: Manifest, names: Vec<String>) -> Self {
        Self { manifest, names }
    }

    /// The names of its roots, for messages.
    pub(crate) fn names(&self) -> Vec<String> {
        (0..self.manifest.roots.len()).map(|root| self.name(root)).collect()
    }

    /// What another node is told of it.
    pub(crate) fn announcement(&self) -> v1::SnapshotManifest {
        let roots = Digest::concatenate(&self.manifest.roots);
        v1::SnapshotManifest { roots: roots.into(), names: self.names.clone() }
    }

    /// The name of a root, for messages: of a stranger, so that only its plain characters are taken.
    pub(crate) fn name(&self, root: usize) -> String {
        let plain = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        match self.names.get(root).map(|name| name.chars().filter(plain).take(128).collect::<String>()) {
            Some(name) if !name.is_empty() => name,
            _ => format!("root-{root}"),
        }
    }
}

/// What a session has promised, and what it still owes.
#[derive(Default)]
pub(crate) struct SessionCode(Mutex<State>);

#[derive(Default)]
struct State {
    snapshots: HashMap<Digest, Arc<Snapshot>>,
    /// The last offer of each that had one.
    offers: HashMap<Digest, u64>,
    /// Their digests, oldest first.
    order: Vec<Digest>,
    complete: HashSet<u64>,
    waiting: HashMap<u64, Vec<Waiting>>,
    /// Asked of the client and not answered.
    requests: BTreeMap<u64, (v1::CodeRequest, oneshot::Sender<Result<()>>)>,
    last_request: u64,
}

impl SessionCode {
    /// A snapshot that this session has announced.
    pub(crate) fn snapshot(&self, digest: &Digest) -> Option<Arc<Snapshot>> {
        self.0.lock().snapshots.get(digest).cloned()
    }

    /// All snapshots, oldest first.
    pub(crate) fn snapshots(&self) -> Vec<(Digest, Arc<Snapshot>)> {
        let state = self.0.lock();
        state.order.iter().filter_map(|digest| Some((*digest, state.snapshots.get(digest)?.clone()))).collect()
    }

    /// The newest snapshot whose digest, in hexadecimal, begins with `prefix`.
    pub(crate) fn newest_snapshot(&self, prefix: &str) -> Option<(Digest, Arc<Snapshot>)> {
        let prefix = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        self.snapshots().into_iter().rev().find(|(digest, _)| digest.hex().starts_with(prefix))
    }

    /// Whether tasks that depend on this offer can begin.
    pub(crate) fn is_complete(&self, offer_id: u64) -> bool {
        offer_id == 0 || self.0.lock().complete.contains(&offer_id)
    }

    /// Calls `then` when the offer is complete: at once if it is (or if there is none).
    pub(crate) fn when_complete(&self, offer_id: u64, then: impl FnOnce(Result<()>) + Send + 'static) {
        if !self.is_complete(offer_id) {
            let mut state = self.0.lock();
            if !state.complete.contains(&offer_id) {
                state.waiting.entry(offer_id).or_default().push(Box::new(then));
                return;
            }
        }
        then(Ok(()));
    }

    /// The code of an offer is whole: tasks that wait for it begin.
    pub(crate) fn complete(&self, offer_id: u64, manifest: Manifest, names: Vec<String>) {
        let waiting = {
            let mut state = self.0.lock();
            let digest = manifest.digest();
            let State { snapshots, order, .. } = &mut *state;
            if let Entry::Vacant(vacant) = snapshots.entry(digest) {
                vacant.insert(Arc::new(Snapshot { manifest, names }));
                order.push(digest);
            }
            if offer_id != 0 {
                state.offers.insert(digest, offer_id);
            }
            state.complete.insert(offer_id);
            state.waiting.remove(&offer_id)
        };
        for then in waiting.into_iter().flatten() {
            then(Ok(()));
        }
    }

    /// Forgets those of `ended` that were not offered after `last_offer`, and returns them.
    pub(crate) fn forget(&self, mut ended: Vec<Digest>, last_offer: u64) -> Vec<Digest> {
        let mut state = self.0.lock();
        let State { snapshots, offers, order, .. } = &mut *state;
        ended.retain(|digest| offers.get(digest).is_none_or(|offer| *offer <= last_offer));
        ended.retain(|digest| snapshots.remove(digest).is_some());
        for digest in &ended {
            offers.remove(digest);
        }
        order.retain(|digest| snapshots.contains_key(digest));
        ended
    }

    /// The code of an offer was refused: the tasks that wait for it fail.
    pub(crate) fn refuse(&self, offer_id: u64, error: &Error) {
        let waiting = self.0.lock().waiting.remove(&offer_id);
        for then in waiting.into_iter().flatten() {
            then(Err(error.clone()));
        }
    }

    /// The answer to a request has arrived, or the client has said why it cannot be had.
    pub(crate) fn answered(&self, request_id: u64, result: Result<()>) {
        if let Some((_, waiting)) = self.0.lock().requests.remove(&request_id) {
            // The worker may have given up in the meantime.
            let _ = waiting.send(result);
        }
    }

    /// What the client was asked for and has not answered: a connection that broke may have lost question or answer.
    pub(crate) fn unanswered(&self) -> Vec<v1::CodeRequest> {
        self.0.lock().requests.values().map(|(request, _)| request.clone()).collect()
    }

    fn request(&self, snapshot: Digest, digests: &[Digest]) -> (v1::CodeRequest, oneshot::Receiver<Result<()>>) {
        let mut state = self.0.lock();
        state.last_request += 1;
        let request = v1::CodeRequest {
            request_id: state.last_request,
            snapshot: bytes::Bytes::copy_from_slice(snapshot.as_bytes()),
            digests: Digest::concatenate(digests).into(),
        };
        let (sender, receiver) = oneshot::channel();
        state.requests.insert(request.request_id, (request.clone(), sender));
        (request, receiver)
    }

    /// The session has ended: nobody waits any longer.
    pub(crate) fn end(&self, error: &Error) {
        let (requests, waiting) = {
            let mut state = self.0.lock();
            (std::mem::take(&mut state.requests), std::mem::take(&mut state.waiting))
        };
        for (_, sender) in requests.into_values() {
            let _ = sender.send(Err(error.clone()));
        }
        for then in waiting.into_values().flatten() {
            then(Err(error.clone()));
        }
    }
}

/// A class loader of the client has gone: its code, and the loaders that this session holds for it, go here and at the
/// nodes that tasks were passed on to.
pub(crate) fn end(node: &NodeCore, session: &Session, ended: &v1::CodeEnd) -> Result<()> {
    let snapshots = session.code.forget(Digest::split(&ended.snapshots)?, ended.last_offer);
    for snapshot in &snapshots {
        session.placements.forget_source(ClassPathSource::Snapshot(*snapshot));
        session.loaders.forget_manifest(snapshot);
    }
    node.relays.end_code(session, &snapshots);
    Ok(())
}

/// Asks the client of `session` for entries, and waits until they are in the store.
pub(crate) async fn fetch(session: &Session, snapshot: Digest, digests: &[Digest], limit: Duration) -> Result<()> {
    let operation = "fetch code from the client";
    let (request, answer) = session.code.request(snapshot, digests);
    let request_id = request.request_id;
    session.ask_for_code(request);
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(gone(operation, session)),
        Err(_) => {
            let error = Error::new(ErrorKind::Unavailable, operation, format!("no answer within {limit:?}"))
                .context("session", &session.id)
                .hint(
                    "submit again; deploy the code as a unit to be independent of the client: haulier deploy NAME PATH",
                );
            session.code.answered(request_id, Err(error.clone()));
            Err(error)
        }
    }
}

pub(crate) fn gone(operation: &str, session: &Session) -> Error {
    Error::new(ErrorKind::SessionLost, operation, "the client that has the code has gone")
        .context("session", &session.id)
        .hint("deploy the code as a unit to be independent of the client: haulier deploy NAME PATH")
}
