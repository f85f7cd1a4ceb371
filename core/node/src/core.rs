//! What the parts of a node share, and what it does with its sessions.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use haulier_model::{DeploymentMode, Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::{status, v1};
use haulier_store::{Store, UnitRecord, UnitState};
use haulier_worker::Supervisor;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tonic::{Status, metadata::MetadataMap};

use crate::{
    catalogue::NodeCatalogue,
    class_paths::ClassPaths,
    content::Fetches,
    continuous::Continuous,
    environments::Environments,
    identity::{Identity, Tokens},
    jdks::Jdks,
    loaders::Loaders,
    members::{Members, Peer},
    options::Limits,
    past_tasks::PastTasks,
    payloads::PayloadFolder,
    pythons::Pythons,
    relays::Relays,
    run::{PoolKey, StopReason},
    schedule::Scheduler,
    server::private_folder,
    session::Session,
    units::Units,
    uploads::Uploads,
};

/// What the parts of a node share.
pub(crate) struct NodeCore {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) limits: Limits,
    pub(crate) peer_loading: bool,
    pub(crate) slots: u16,
    pub(crate) jdks: Jdks,
    pub(crate) pythons: Pythons,
    pub(crate) python_environments: Arc<Environments>,
    pub(crate) runtimes: tokio::sync::OnceCell<HashMap<String, String>>,
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) writable: Vec<PathBuf>,
    pub(crate) store: Store,
    pub(crate) store_packs: PathBuf,
    /// Where the Python class paths are, each in a directory.
    pub(crate) directories: PathBuf,
    pub(crate) units: Units,
    pub(crate) uploads: Uploads,
    pub(crate) class_paths: ClassPaths,
    pub(crate) loaders: Loaders,
    pub(crate) continuous: Continuous,
    pub(crate) payloads: PayloadFolder,
    pub(crate) supervisor: Supervisor,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) catalogue: NodeCatalogue,
    pub(crate) members: Members,
    pub(crate) relays: Relays,
    pub(crate) fetches: Fetches,
    /// Digests of the deployed units that are whole here.
    pub(crate) holdings: watch::Sender<HashSet<Digest>>,
    pub(crate) look_again: Arc<Notify>,
    pub(crate) pulse: Pulse,
    pub(crate) started: Instant,
    pub(crate) data_dir: PathBuf,
    /// Where the workers' own code is.
    pub(crate) home: PathBuf,
    pub(crate) temp: PathBuf,
    pub(crate) next_temp: AtomicU64,
    pub(crate) tokens: Tokens,
    pub(crate) sessions: Mutex<HashMap<Bytes, Arc<Session>>>,
    pub(crate) past_tasks: PastTasks,
}

/// Numbers that every submit looks at.
#[derive(Default)]
pub(crate) struct Pulse {
    /// Tasks that were admitted and wait for their class path.
    pub(crate) arriving: AtomicU32,
    /// When this process was last seen to run, in milliseconds since its start.
    awake: AtomicU64,
}

/// Starts a worker of the client's language, so that its first task finds one.
pub(crate) fn prepare_worker(node: &Arc<NodeCore>, session: &Session) {
    // Code that several identities share gets a worker of its own, which is not known yet.
    let shares = matches!(session.mode, DeploymentMode::Shared | DeploymentMode::Continuous);
    if session.language == Some(Language::Java) && !(shares && session.identity.is_verified()) {
        let group = session.identity.name().into();
        node.scheduler.prepare(PoolKey {
            group,
            language: Language::Java,
            environment: None,
            java: None,
            python: None,
        });
    }
}

impl NodeCore {
    pub(crate) fn identify(&self, metadata: &MetadataMap) -> Result<Identity, Status> {
        self.tokens.identify(metadata).map_err(|error| status::from_error(&error))
    }

    /// Refuses a call that does not come from a member of the cluster.
    pub(crate) fn identify_peer(&self, metadata: &MetadataMap) -> Result<(), Status> {
        self.tokens.identify_peer(metadata).map_err(|error| status::from_error(&error))
    }

    /// Tasks that wait or run here, or soon will.
    pub(crate) fn load(&self) -> u32 {
        let (queued, executing) = self.scheduler.load();
        queued.saturating_add(executing).saturating_add(self.pulse.arriving.load(Ordering::Relaxed))
    }

    /// Tasks here that `peer` has passed on.
    pub(crate) fn tasks_of(&self, peer: &str) -> u32 {
        let sessions = self.sessions.lock();
        let of_peer = sessions.values().filter(|session| session.origin.as_deref() == Some(peer));
        of_peer.map(|session| session.open_tasks()).sum()
    }

    /// A process that was stopped for a while may have missed deployments: what it remembers of them is forgotten, and
    /// references resolve anew.
    pub(crate) fn notice_sleep(&self) {
        const ASLEEP_MS: u64 = 1000;
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.pulse.awake.swap(now, Ordering::Relaxed);
        if now.saturating_sub(last) > ASLEEP_MS {
            tracing::info!(milliseconds = now.saturating_sub(last), "the node did not run");
            self.units_changed();
        }
    }

    /// A member is lost, or has left: what it had goes elsewhere or fails.
    pub(crate) fn peer_lost(self: &Arc<Self>, peer: &Peer, reason: &str) {
        self.relays.lost(self, peer, reason);
    }

    pub(crate) fn session(&self, token: &[u8]) -> Result<Arc<Session>> {
        let found = self.sessions.lock().get(token).cloned();
        found.ok_or_else(|| {
            Error::new(ErrorKind::SessionLost, "find the session", "the node does not have this session any more")
                .hint("connect again")
        })
    }

    /// A session by the name that operators see; only that of the same identity.
    pub(crate) fn session_of(&self, id: &str, identity: &Identity) -> Result<Arc<Session>> {
        let sessions = self.sessions.lock();
        let found = sessions.values().find(|session| session.id == id && session.identity == *identity);
        found.cloned().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "find a session", format!("this node has no session '{id}' of yours"))
                .hint("haulier sessions lists those of the node that you are connected to")
        })
    }

    /// The sessions of a client: its own, and those in which other nodes pass its tasks on to this one.
    pub(crate) fn sessions_of(&self, id: &str, identity: &Identity) -> Vec<Arc<Session>> {
        let sessions = self.sessions.lock();
        let of_client = sessions.values().filter(|session| session.id == id && session.identity == *identity);
        of_client.cloned().collect()
    }

    pub(crate) fn new_session(&self, identity: Identity, hello: &v1::ClientHello) -> Result<Arc<Session>> {
        let mut random = [0; 48];
        let filled = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        if filled != Ok(random.len()) {
            return Err(Error::internal("connect", "the system gave no random bytes"));
        }
        let id = match &hello.relay {
            Some(relay) => relay.session_id.clone(),
            None => Digest::of(&random[32..]).short(),
        };
        let token = Bytes::copy_from_slice(&random[..32]);
        let session = Arc::new(Session::new(id, token.clone(), identity, hello));
        let mut sessions = self.sessions.lock();
        if sessions.len() >= self.limits.sessions {
            let message = format!("{} sessions are open, which is the limit", sessions.len());
            return Err(Error::new(ErrorKind::ResourceExhausted, "connect", message).hint("connect again later"));
        }
        sessions.insert(token, session.clone());
        Ok(session)
    }

    /// A control stream has ended; if it was the current one, the session waits for another.
    pub(crate) fn stream_lost(self: &Arc<Self>, session: &Arc<Session>, stream: u64) {
        if !session.detach(stream) || session.is_ended() {
            return;
        }
        let (node, session) = (self.clone(), session.clone());
        tokio::spawn(async move {
            tokio::time::sleep(node.limits.resume).await;
            if session.is_lost_since(stream) {
                tracing::info!(session = session.id, "the client did not come back");
                node.end_session(&session, None);
            }
        });
    }

    /// Ends a session: its tasks are cancelled, its loaders and environments go.
    pub(crate) fn end_session(&self, session: &Arc<Session>, reason: Option<Error>) {
        if self.sessions.lock().remove(&session.token).is_none() {
            return;
        }
        self.past_tasks.keep(session);
        let runs = session.end(reason);
        // After its end, so that a task that is passed on meanwhile is seen by one of both.
        self.relays.end_session(session);
        for run in runs {
            if !self.scheduler.stop_early(run) {
                self.scheduler.stop(run, StopReason::SessionEnded, false);
            }
        }
        session.code.end(&crate::code::gone("run a task", session));
        // What its tasks still run with goes after them.
        session.placements.end();
        session.loaders.end();
    }

    /// References to units resolve anew, in every session.
    pub(crate) fn units_changed(&self) {
        self.units.changed();
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        for session in sessions {
            session.placements.forget_units();
        }
    }

    /// Removes the files of an obsolete unit when no task and no session uses it.
    pub(crate) async fn remove_if_unused(&self, record: UnitRecord) {
        if self.units.is_pinned(&record) {
            return;
        }
        let Ok(units) = self.store.list(Some(&record.id.name)).await else { return };
        if !units.iter().any(|unit| unit.digest == record.digest && unit.state == UnitState::Deployed) {
            self.forget_loaders_of(&record.digest);
        }
        let obsolete = units.iter().any(|unit| {
            unit.id == record.id && unit.generation == record.generation && unit.state == UnitState::Obsolete
        });
        if obsolete && let Err(error) = self.store.remove(&record.id, record.generation).await {
            tracing::warn!(unit = %record.id, %error, "cannot remove an obsolete unit; the next start tries again");
        }
        if obsolete {
            self.python_environments.look_again();
        }
    }

    /// No session keeps the loaders of a unit that is gone.
    fn forget_loaders_of(&self, unit: &Digest) {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        sessions.iter().for_each(|session| session.loaders.forget_manifest(unit));
        self.continuous.forget_unit(unit);
    }

    /// Removes what a deployment has made obsolete: a replaced generation, revisions past the retention.
    pub(crate) async fn remove_unused(&self, name: &haulier_model::UnitName) {
        let units = self.store.list(Some(name)).await.unwrap_or_default();
        for record in units.into_iter().filter(|unit| unit.state == UnitState::Obsolete) {
            self.remove_if_unused(record).await;
        }
    }

    /// Where the temporary folders of the Python workers of a trust group are.
    pub(crate) fn temp_of(&self, group: &str) -> PathBuf {
        self.temp.join(&Digest::of(group.as_bytes()).hex()[..16])
    }

    /// A temporary folder for a worker, in `folder` or by itself.
    pub(crate) fn fresh_temp_dir(&self, folder: Option<&Path>) -> Result<PathBuf> {
        let number = self.next_temp.fetch_add(1, Ordering::Relaxed).to_string();
        let path = folder.unwrap_or(&self.temp).join(number);
        private_folder(&path).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "start a worker", format!("cannot make {}: {error}", path.display()))
                .hint("check space and permissions of the node's data folder")
        })?;
        Ok(path)
    }
}
