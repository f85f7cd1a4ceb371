//! The node as a whole: starts everything, holds what the parts share, ends everything.

use std::{
    collections::HashSet,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Weak, atomic::AtomicU64},
    time::{Duration, Instant},
};

use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::{
    MESSAGE_LIMIT, tls,
    v1::{
        cluster_service_server::ClusterServiceServer, deployment_service_server::DeploymentServiceServer,
        module_service_server::ModuleServiceServer, peer_service_server::PeerServiceServer,
        task_service_server::TaskServiceServer,
    },
};
use haulier_store::{Store, UnitRecord};
use haulier_worker::{Supervisor, SupervisorOptions};
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::{
    catalogue::NodeCatalogue,
    class_paths::ClassPaths,
    cluster::Cluster,
    content::Fetches,
    continuous::{self, Continuous},
    control::Tasks,
    core::{NodeCore, Pulse},
    deployments::Deployments,
    environments::{self, Bounds, Environments},
    gateway, holdings, housekeeping,
    jdks::Jdks,
    loaders::{self, Loaders},
    local_code::LocalCode,
    members::{Dialer, Members, Registration},
    modules::Modules,
    options::NodeBuilder,
    past_tasks::PastTasks,
    payloads::PayloadFolder,
    peers::Peers,
    pythons::Pythons,
    relays::Relays,
    schedule::Scheduler,
    units::Units,
    uploads::Uploads,
    watching, workers,
};

/// Payloads up to this size travel on the control stream, in bytes.
pub(crate) const INLINE_LIMIT: usize = 64 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A running node. Dropping it leaves the node running until the runtime ends; see [`Node::shutdown`].
pub struct Node {
    core: Arc<NodeCore>,
    address: SocketAddr,
    admin: Option<SocketAddr>,
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

    /// The address that its HTTP gateway listens on, if it has one.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
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
        // While the node is still served: the catalogue may be its own.
        self.core.members.leave(&*self.core.catalogue.shared()).await;
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
    tokio::spawn(stop.clone().run_until_cancelled_owned(housekeeping::run(Arc::downgrade(&core), released.units)));
    tokio::spawn(loaders::follow(Arc::downgrade(&core), released.loaders));
    let serving = serve(&core, &options, listener, stop.clone())?;
    if let Err(error) = core.members.start(&core, core.catalogue.shared(), &stop).await {
        stop.cancel();
        return Err(error);
    }
    tokio::spawn(
        stop.clone().run_until_cancelled_owned(holdings::follow(Arc::downgrade(&core), core.catalogue.shared())),
    );
    if core.peer_loading {
        let continuous = continuous::follow(Arc::downgrade(&core), core.catalogue.shared());
        tokio::spawn(stop.clone().run_until_cancelled_owned(continuous));
        tokio::spawn(stop.clone().run_until_cancelled_owned(continuous::tend(Arc::downgrade(&core))));
    }
    let admin = gateway::start(&core, &options, &data_dir, &stop).await.inspect_err(|_| stop.cancel())?;
    let watching = watching::follow(Arc::downgrade(&core), core.catalogue.shared(), stop.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(watching));
    tokio::spawn(stop.clone().run_until_cancelled_owned(stay_awake(Arc::downgrade(&core))));
    tracing::info!(node = core.name, %address, "serving");
    Ok(Node { core, address, admin, stop, serving })
}

/// Notes again and again that the process runs.
async fn stay_awake(node: Weak<NodeCore>) {
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(node) = node.upgrade() else { return };
        node.notice_sleep();
    }
}

/// What nobody uses any more.
struct Released {
    units: mpsc::UnboundedReceiver<UnitRecord>,
    loaders: mpsc::UnboundedReceiver<loaders::Released>,
}

fn open_environments(options: &NodeBuilder, data_dir: &Path) -> io::Result<Environments> {
    let limits = &options.limits;
    let bounds = Bounds {
        build: limits.build,
        count: limits.python_environments,
        bytes: limits.python_environment_bytes,
        entries: limits.python_environment_files,
        all_bytes: limits.python_environments_bytes,
        cache_bytes: limits.python_cache_bytes,
    };
    Environments::open(&data_dir.join("python"), options.uv.clone(), bounds)
}

async fn build(options: &NodeBuilder, data_dir: &Path, address: SocketAddr) -> Result<(Arc<NodeCore>, Released)> {
    let open = |error| cannot_use(data_dir, error);
    private_folder(data_dir).map_err(open)?;
    let data_dir = data_dir.canonicalize().map_err(open)?;
    let dialer = Dialer::new(options.cluster_token.clone(), options.tls_ca.clone())?;
    let mut own = registration(options, &data_dir, address).map_err(open)?;
    let catalogue = NodeCatalogue::open(options, &data_dir, &own, &dialer).await?;
    let store_dir = data_dir.join("store");
    let store = open_store(options, &store_dir, &catalogue).await?;
    let (units, released_units) = Units::new(store.clone(), options.production);
    let (loaders, released_loaders) = Loaders::new();
    let local = read_local_code(options, &store).await?;
    own.local_code = local.as_ref().map(|local| local.digest.to_string()).unwrap_or_default();
    let directories = class_path_folder(&data_dir).map_err(open)?;
    let class_paths = ClassPaths::open(&store, &directories, &options.limits, local).map_err(open)?;
    let python_environments = Arc::new(open_environments(options, &data_dir).map_err(open)?);
    let (payloads, temp) = passing_folders(&data_dir).map_err(open)?;
    let (supervisor, home) = start_supervisor(options, std::env::current_exe().map_err(open)?)?;
    let core = Arc::new_cyclic(|node| NodeCore {
        name: own.name.clone(),
        address: own.address.clone(),
        limits: options.limits.clone(),
        peer_loading: options.peer_loading_allowed(),
        slots: options.slots,
        jdks: Jdks::new(options.java.clone()),
        pythons: Pythons::new(options.python.clone(), options.limits.start),
        python_environments,
        runtimes: tokio::sync::OnceCell::new(),
        readable: options.readable.clone(),
        writable: options.writable.clone(),
        store,
        store_packs: store_dir.join("packs"),
        directories,
        units,
        uploads: Uploads::default(),
        class_paths,
        loaders,
        continuous: Continuous::default(),
        payloads,
        supervisor,
        scheduler: Arc::new(Scheduler::new(node.clone())),
        catalogue,
        members: Members::new(own, dialer),
        relays: Relays::default(),
        fetches: Fetches::default(),
        holdings: watch::Sender::new(HashSet::new()),
        look_again: Arc::default(),
        pulse: Pulse::default(),
        started: Instant::now(),
        home,
        data_dir,
        temp,
        next_temp: AtomicU64::new(1),
        tokens: options.tokens.clone(),
        sessions: Mutex::default(),
        past_tasks: PastTasks::default(),
    });
    environments::give_room(&core);
    Ok((core, Released { units: released_units, loaders: released_loaders }))
}

/// Where Python class paths are filled in. The folder that earlier nodes had for it goes: nothing there outlived its node.
fn class_path_folder(data_dir: &Path) -> io::Result<PathBuf> {
    match fs::remove_dir_all(data_dir.join("environments")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(data_dir.join("python/class-paths")),
    }
}

/// The folders for large payloads, and for what does not outlive a worker, emptied.
fn passing_folders(data_dir: &Path) -> io::Result<(PayloadFolder, PathBuf)> {
    let temp = data_dir.join("temp");
    empty_folder(&temp)?;
    Ok((PayloadFolder::open(data_dir.join("payloads"))?, temp))
}

fn cannot_use(data_dir: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "start a node", format!("cannot use {}: {error}", data_dir.display()))
        .hint("choose a folder that can be written: haulier node --data-dir DIR")
        .with_source(error)
}

/// A member leaves the records of undeployed units to the catalogue's owner.
async fn open_store(options: &NodeBuilder, folder: &Path, catalogue: &NodeCatalogue) -> Result<Store> {
    match &options.join {
        None => Store::open(folder, catalogue.shared(), options.durability).await,
        Some(_) => Store::open_member(folder, catalogue.shared(), options.durability).await,
    }
}

async fn read_local_code(options: &NodeBuilder, store: &Store) -> Result<Option<Arc<LocalCode>>> {
    let (store, paths) = (store.clone(), options.local_code.clone());
    let read = tokio::task::spawn_blocking(move || LocalCode::read(&store, &paths)).await;
    let local = read.map_err(|error| Error::internal("start a node", error.to_string()))??;
    Ok(local.map(Arc::new))
}

/// The supervisor of workers, and the folder with their own code.
fn start_supervisor(options: &NodeBuilder, program: PathBuf) -> Result<(Supervisor, PathBuf)> {
    let installed = || program.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join("lib/haulier");
    let home = workers::check_home(&options.home.clone().unwrap_or_else(installed))?;
    let launcher = options.launcher.clone().unwrap_or(program);
    let options = SupervisorOptions { launcher, home: home.clone(), serial_filter: options.serial_filter.clone() };
    Ok((Supervisor::start(options)?, home))
}

/// What this node says of itself.
fn registration(options: &NodeBuilder, data_dir: &Path, address: SocketAddr) -> io::Result<Registration> {
    let advertised = options.advertise.clone().unwrap_or_else(|| address.to_string());
    if options.advertise.is_none() && address.ip().is_unspecified() {
        tracing::warn!(%address, "other nodes and clients cannot dial this address: --advertise HOST:PORT");
    }
    let mut random = [0; 24];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let (incarnation, fresh) =
        random.split_first_chunk::<8>().map_or((0, &random[..]), |(first, rest)| (u64::from_le_bytes(*first), rest));
    let path = data_dir.join("node-id");
    let id = match fs::read_to_string(&path) {
        Ok(id) => id.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = Digest::of(fresh).hex();
            fs::write(&path, &id)?;
            id
        }
        Err(error) => return Err(error),
    };
    Ok(Registration {
        name: options.name.clone().unwrap_or_else(|| format!("node-{}", address.port())),
        id,
        incarnation,
        address: advertised,
        version: haulier_protocol::build_id().to_owned(),
        labels: options.labels.clone(),
        slots: options.slots,
        owns_catalogue: options.join.is_none(),
        process_id: std::process::id(),
        ..Registration::default()
    })
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
        .initial_connection_window_size(16 * 1024 * 1024)
        .max_frame_size(haulier_protocol::FRAME_SIZE);
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
    let mut router = server
        .add_service(TaskServiceServer::new(Tasks(core.clone())).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ModuleServiceServer::new(Modules(core.clone())).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(DeploymentServiceServer::new(Deployments(core.clone())).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ClusterServiceServer::new(Cluster(core.clone())))
        .add_service(PeerServiceServer::new(Peers(core.clone())).max_decoding_message_size(MESSAGE_LIMIT));
    if let Some(catalogue) = core.catalogue.service(core) {
        router = router.add_service(catalogue);
    }
    Ok(tokio::spawn(async move {
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await {
            tracing::error!(%error, "the server ended");
        }
    }))
}

/// Makes a folder that only its owner can enter, and empties it if it exists.
pub(crate) fn empty_folder(path: &Path) -> io::Result<()> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    private_folder(path)
}

pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700).create(path)
}
