//! The node as a whole: starts everything, holds what the parts share, ends everything.

use std::{
    collections::HashMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use haulier_catalogue::RedbCatalogue;
use haulier_model::{Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::{
    MESSAGE_LIMIT, status, tls,
    v1::{
        self, cluster_service_server::ClusterServiceServer, deployment_service_server::DeploymentServiceServer,
        module_service_server::ModuleServiceServer, task_service_server::TaskServiceServer,
    },
};
use haulier_store::{Durability, Store, UnitRecord, UnitState};
use haulier_worker::{Supervisor, SupervisorOptions};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Status, metadata::MetadataMap, transport::Server};

use crate::{
    class_paths::ClassPaths,
    cluster::Cluster,
    control::Tasks,
    deployments::Deployments,
    housekeeping,
    identity::{Identity, Tokens},
    modules::Modules,
    options::{Limits, NodeBuilder},
    payloads::PayloadFolder,
    run::{PoolKey, StopReason},
    schedule::Scheduler,
    session::Session,
    units::Units,
    workers,
};

/// Payloads up to this size travel on the control stream, in bytes.
pub(crate) const INLINE_LIMIT: usize = 64 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(10);

/// What the parts of a node share.
pub(crate) struct NodeCore {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) limits: Limits,
    pub(crate) peer_loading: bool,
    pub(crate) slots: u16,
    pub(crate) java: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) interpreter: tokio::sync::OnceCell<PathBuf>,
    pub(crate) runtimes: tokio::sync::OnceCell<HashMap<String, String>>,
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) writable: Vec<PathBuf>,
    pub(crate) store: Store,
    pub(crate) store_packs: PathBuf,
    pub(crate) environments: PathBuf,
    pub(crate) units: Units,
    pub(crate) class_paths: ClassPaths,
    pub(crate) payloads: PayloadFolder,
    pub(crate) supervisor: Supervisor,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) started: Instant,
    temp: PathBuf,
    next_temp: AtomicU64,
    tokens: Tokens,
    sessions: Mutex<HashMap<Bytes, Arc<Session>>>,
}

/// A running node. Dropping it leaves the node running until the runtime ends; see [`Node::shutdown`].
pub struct Node {
    core: Arc<NodeCore>,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Node {
    /// Begins to describe a node.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// The address that the node listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// Stops serving, ends the sessions and the workers; returns within a few seconds.
    pub async fn shutdown(self) {
        let error = Error::new(ErrorKind::Unavailable, "", "the node stops").hint("connect to another node, or later");
        let sessions: Vec<_> = self.core.sessions.lock().values().cloned().collect();
        for session in sessions {
            self.core.end_session(&session, Some(error.clone()));
        }
        self.stop.cancel();
        let workers = self.core.scheduler.workers();
        let stopping = workers.iter().map(|worker| worker.stop(Duration::from_millis(500)));
        futures_util::future::join_all(stopping).await;
        if tokio::time::timeout(Duration::from_secs(2), self.serving).await.is_err() {
            tracing::debug!("connections were still open at the end");
        }
        let _ = fs::remove_dir_all(&self.core.temp);
    }
}

pub(crate) async fn start(options: NodeBuilder) -> Result<Node> {
    options.check()?;
    if options.insecure && options.beyond_loopback() {
        tracing::warn!(address = %options.listen, "INSECURE: whoever reaches this address can run code on this machine");
    }
    let operation = "start a node";
    let data_dir = options.data_dir.clone().ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, operation, "no data folder is given").hint("haulier node --data-dir DIR")
    })?;
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        Error::new(ErrorKind::Unavailable, operation, format!("cannot listen on {}: {error}", options.listen))
            .hint("choose another address: haulier node --listen 127.0.0.1:0")
    })?;
    let address = listener.local_addr().map_err(|error| Error::internal(operation, error.to_string()))?;
    let (core, released) = build(&options, &data_dir, address).await?;
    let stop = CancellationToken::new();
    tokio::spawn(stop.clone().run_until_cancelled_owned(core.scheduler.clone().balance()));
    tokio::spawn(stop.clone().run_until_cancelled_owned(core.scheduler.clone().watch_deadlines()));
    tokio::spawn(stop.clone().run_until_cancelled_owned(housekeeping::run(Arc::downgrade(&core), released)));
    let serving = serve(&core, &options, listener, stop.clone())?;
    tracing::info!(node = core.name, %address, "serving");
    Ok(Node { core, address, stop, serving })
}

async fn build(
    options: &NodeBuilder,
    data_dir: &Path,
    address: SocketAddr,
) -> Result<(Arc<NodeCore>, mpsc::UnboundedReceiver<UnitRecord>)> {
    let open = |error: io::Error| {
        Error::new(ErrorKind::Unavailable, "start a node", format!("cannot use {}: {error}", data_dir.display()))
            .hint("choose a folder that can be written: haulier node --data-dir DIR")
            .with_source(error)
    };
    private_folder(data_dir).map_err(open)?;
    let data_dir = data_dir.canonicalize().map_err(open)?;
    let catalogue = Arc::new(RedbCatalogue::open(&data_dir.join("catalogue.redb"))?);
    let store_dir = data_dir.join("store");
    let store = Store::open(&store_dir, catalogue, Durability::Machine).await?;
    let (units, released) = Units::new(store.clone(), options.production);
    let environments = data_dir.join("environments");
    let class_paths = ClassPaths::open(store.clone(), environments.clone(), options.limits.clone()).map_err(open)?;
    let payloads = PayloadFolder::open(data_dir.join("payloads")).map_err(open)?;
    let temp = data_dir.join("temp");
    empty_folder(&temp).map_err(open)?;
    let program = std::env::current_exe().map_err(open)?;
    let home = options
        .home
        .clone()
        .unwrap_or_else(|| program.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join("lib/haulier"));
    let home = workers::check_home(&home)?;
    let launcher = options.launcher.clone().unwrap_or(program);
    let supervisor = Supervisor::start(SupervisorOptions { launcher, home })?;
    let core = Arc::new_cyclic(|node| NodeCore {
        name: options.name.clone().unwrap_or_else(|| format!("node-{}", address.port())),
        address: options.advertise.clone().unwrap_or_else(|| address.to_string()),
        limits: options.limits.clone(),
        peer_loading: options.peer_loading_allowed(),
        slots: options.slots,
        java: options.java.clone(),
        python: options.python.clone(),
        interpreter: tokio::sync::OnceCell::new(),
        runtimes: tokio::sync::OnceCell::new(),
        readable: options.readable.clone(),
        writable: options.writable.clone(),
        store,
        store_packs: store_dir.join("packs"),
        environments,
        units,
        class_paths,
        payloads,
        supervisor,
        scheduler: Arc::new(Scheduler::new(node.clone())),
        started: Instant::now(),
        temp,
        next_temp: AtomicU64::new(1),
        tokens: options.tokens.clone(),
        sessions: Mutex::default(),
    });
    Ok((core, released))
}

fn serve(
    core: &Arc<NodeCore>,
    options: &NodeBuilder,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<JoinHandle<()>> {
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(16 * 1024 * 1024);
    if let Some(material) = &options.tls {
        server = server.tls_config(tls::server(&material.certificate, &material.key)).map_err(|error| {
            Error::new(
                ErrorKind::InvalidArgument,
                "start a node",
                format!("certificate or key cannot be used: {error}"),
            )
            .hint("give PEM files that belong together: --tls-cert CERT --tls-key KEY")
        })?;
    }
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let router = server
        .add_service(TaskServiceServer::new(Tasks(core.clone())).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ModuleServiceServer::new(Modules(core.clone())).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(DeploymentServiceServer::new(Deployments(core.clone())).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ClusterServiceServer::new(Cluster(core.clone())));
    Ok(tokio::spawn(async move {
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await {
            tracing::error!(%error, "the server ended");
        }
    }))
}

/// Starts a worker of the client's language, so that its first task finds one.
pub(crate) fn prepare_worker(node: &Arc<NodeCore>, session: &Session) {
    if session.language == Some(Language::Java) {
        let group = session.identity.name().into();
        node.scheduler.prepare(PoolKey { group, language: Language::Java, environment: None });
    }
}

impl NodeCore {
    pub(crate) fn identify(&self, metadata: &MetadataMap) -> Result<Identity, Status> {
        self.tokens.identify(metadata).map_err(|error| status::from_error(&error))
    }

    pub(crate) fn session(&self, token: &[u8]) -> Result<Arc<Session>> {
        let found = self.sessions.lock().get(token).cloned();
        found.ok_or_else(|| {
            Error::new(ErrorKind::SessionLost, "find the session", "the node does not have this session any more")
                .hint("connect again")
        })
    }

    pub(crate) fn new_session(&self, identity: Identity, hello: &v1::ClientHello) -> Result<Arc<Session>> {
        let mut random = [0; 48];
        let filled = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        if filled != Ok(random.len()) {
            return Err(Error::internal("connect", "the system gave no random bytes"));
        }
        let id = Digest::of(&random[32..]).short();
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
        for run in session.end(reason) {
            if !self.scheduler.stop_early(run) {
                self.scheduler.stop(run, StopReason::SessionEnded, false);
            }
        }
        session.code.end(&crate::code::gone("run a task", session));
        let loaders: Vec<Bytes> = session.placements.end().iter().map(|placement| placement.loader.clone()).collect();
        if loaders.is_empty() || session.mode != haulier_model::DeploymentMode::Private {
            return;
        }
        self.scheduler.release_loaders(session.identity.name(), &loaders);
        for worker in self.scheduler.retire(self.limits.idle, &loaders) {
            worker.kill();
        }
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
        let obsolete = match self.store.list(Some(&record.id.name)).await {
            Ok(units) => units.iter().any(|unit| {
                unit.id == record.id && unit.generation == record.generation && unit.state == UnitState::Obsolete
            }),
            Err(_) => false,
        };
        if obsolete && let Err(error) = self.store.remove(&record.id, record.generation).await {
            tracing::warn!(unit = %record.id, %error, "cannot remove an obsolete unit; the next start tries again");
        }
    }

    /// Removes what a deployment has made obsolete: a replaced generation, revisions past the retention.
    pub(crate) async fn remove_unused(&self, name: &haulier_model::UnitName) {
        let units = self.store.list(Some(name)).await.unwrap_or_default();
        for record in units.into_iter().filter(|unit| unit.state == UnitState::Obsolete) {
            self.remove_if_unused(record).await;
        }
    }

    /// A temporary folder for a worker.
    pub(crate) fn fresh_temp_dir(&self) -> Result<PathBuf> {
        let path = self.temp.join(self.next_temp.fetch_add(1, Ordering::Relaxed).to_string());
        private_folder(&path).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "start a worker", format!("cannot make {}: {error}", path.display()))
                .hint("check space and permissions of the node's data folder")
        })?;
        Ok(path)
    }
}

/// Makes a folder that only its owner can enter, and empties it if it exists.
pub(crate) fn empty_folder(path: &Path) -> io::Result<()> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    private_folder(path)
}

fn private_folder(path: &Path) -> io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700).create(path)
}
