//! How a node is set up, and the rules about what may listen where.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use haulier_model::{Error, ErrorKind, Result};
use haulier_store::Durability;

use crate::{Node, identity::Tokens};

/// Limits of sizes that a stranger controls, and of waits.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest argument or result, in bytes. Default 1 GiB.
    pub payload: u64,
    /// Tasks that may wait in one session before the client must hold back. Default 16,384.
    pub session_queue: u32,
    /// Tasks that may wait on the node. Default 1,000,000.
    pub queue: usize,
    /// Sessions. Default 10,000.
    pub sessions: usize,
    /// How long a session survives without a connection. Default 10 s.
    pub resume: Duration,
    /// How long a worker process may take to start. Default 20 s.
    pub start: Duration,
    /// How long the client may take to send code that a task needs. Default 30 s.
    pub code: Duration,
    /// How long a cancelled task may take to end by itself. Default 2 s.
    pub cancel: Duration,
    /// How long, after that, the other tasks of its worker may take before the worker is killed. Default 3 s.
    pub drain: Duration,
    /// How long a worker without tasks is kept. Default 60 s.
    pub idle: Duration,
    /// How long a warm interpreter is kept that Python workers are forked from. Default 10 min.
    pub zygote_idle: Duration,
    /// Python processes. Default 32.
    pub python_workers: usize,
    /// A JVM worker in whose memory so many class loaders stay, although no task uses them any more, is replaced by a new
    /// one; 0: never. Default 8.
    pub leaked_loaders: usize,
    /// How long the build of a Python environment may take, downloads included. Default 10 min.
    pub build: Duration,
    /// Python environments on disk; of what is not in use the least recently used goes first. Default 32.
    pub python_environments: usize,
    /// Bytes of all of them, as for their number. Default 32 GiB.
    pub python_environments_bytes: u64,
    /// Bytes of one of them; a larger one is not built. Default 8 GiB.
    pub python_environment_bytes: u64,
    /// Files, links and folders of one of them, as for its bytes. Default 500,000.
    pub python_environment_files: u64,
    /// Bytes of the distributions that are kept unpacked to build more of them. Default 8 GiB.
    pub python_cache_bytes: u64,
    /// Memory of a worker process in bytes (the JVM's heap); `None`: the runtime's own default.
    pub memory: Option<u64>,
    /// A worker whose resident memory passes so many bytes is replaced after its tasks; at least 64 MiB. Default: never.
    pub resident: Option<u64>,
    /// How long code of the continuous mode stays after its last use. Default 7 days.
    pub continuous_ttl: Duration,
    /// Snapshots whose code stays; of what is not in use the least recently used goes first. Default 64.
    pub continuous_count: usize,
    /// Bytes of them on this node, as for their number. Default 4 GiB.
    pub continuous_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload: 1 << 30,
            session_queue: 16_384,
            queue: 1_000_000,
            sessions: 10_000,
            resume: Duration::from_secs(10),
            start: Duration::from_secs(20),
            code: Duration::from_secs(30),
            cancel: Duration::from_secs(2),
            drain: Duration::from_secs(3),
            idle: Duration::from_secs(60),
            zygote_idle: Duration::from_secs(600),
            python_workers: 32,
            leaked_loaders: 8,
            build: Duration::from_secs(600),
            python_environments: 32,
            python_environments_bytes: 32 << 30,
            python_environment_bytes: 8 << 30,
            python_environment_files: 500_000,
            python_cache_bytes: 8 << 30,
            memory: None,
            resident: None,
            continuous_ttl: Duration::from_secs(7 * 24 * 3600),
            continuous_count: 64,
            continuous_bytes: 4 << 30,
        }
    }
}

/// Certificate chain and key, as PEM.
#[derive(Clone)]
pub(crate) struct TlsMaterial {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// Collects what a node needs; see [`Node::builder`].
#[derive(Clone)]
pub struct NodeBuilder {
    pub(crate) name: Option<String>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) durability: Durability,
    pub(crate) listen: SocketAddr,
    pub(crate) advertise: Option<String>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) admin_hosts: Vec<String>,
    pub(crate) join: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) local_code: Vec<PathBuf>,
    pub(crate) cluster_token: Option<String>,
    pub(crate) tls_ca: Option<Vec<u8>>,
    pub(crate) tokens: Tokens,
    pub(crate) tls: Option<TlsMaterial>,
    pub(crate) insecure: bool,
    pub(crate) peer_loading: Option<bool>,
    pub(crate) production: bool,
    pub(crate) home: Option<PathBuf>,
    pub(crate) launcher: Option<PathBuf>,
    pub(crate) java: Vec<PathBuf>,
    pub(crate) serial_filter: Option<String>,
    pub(crate) python: Vec<PathBuf>,
    pub(crate) uv: Option<PathBuf>,
    pub(crate) slots: u16,
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) writable: Vec<PathBuf>,
    pub(crate) limits: Limits,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        Self {
            name: None,
            data_dir: None,
            durability: Durability::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7440)),
            advertise: None,
            admin: None,
            admin_hosts: Vec::new(),
            join: None,
            labels: BTreeMap::new(),
            local_code: Vec::new(),
            cluster_token: None,
            tls_ca: None,
            tokens: Tokens::default(),
            tls: None,
            insecure: false,
            peer_loading: None,
            production: false,
            home: None,
            launcher: None,
            java: Vec::new(),
            serial_filter: None,
            python: Vec::new(),
            uv: None,
            slots: u16::try_from(cores).unwrap_or(u16::MAX),
            readable: Vec::new(),
            writable: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl NodeBuilder {
    /// The node's name, unique in the cluster. Default: `node-` and the port.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where the node keeps its catalogue, code and caches. Required. One node uses a folder at a time.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// What deployed code survives. Default: a crash of the machine. The catalogue always does.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The address to listen on; port 0 takes a free port. Default `127.0.0.1:7440`.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The address that others dial, where it differs from the one listened on.
    #[must_use]
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.advertise = Some(address.into());
        self
    }

    /// Serves the HTTP gateway for deployments at this address; port 0 takes a free port. It always asks for a token, so
    /// [`NodeBuilder::token`] is needed, and beyond loopback TLS. Default: no gateway.
    #[must_use]
    pub fn admin(mut self, address: SocketAddr) -> Self {
        self.admin = Some(address);
        self
    }

    /// Adds a name by which the gateway may be reached (`Host`), besides those of loopback and its own address.
    #[must_use]
    pub fn admin_host(mut self, host: impl Into<String>) -> Self {
        self.admin_hosts.push(host.into());
        self
    }

    /// Joins the cluster of which the node at this address (`host:port`, or `host` for port 7440) is a member. Default:
    /// the node is the first of a cluster of its own, and owns its catalogue.
    #[must_use]
    pub fn join(mut self, address: impl Into<String>) -> Self {
        self.join = Some(address.into());
        self
    }

    /// Adds a label, by which tasks can choose nodes: `label("zone", "a")`.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Adds code of the node itself, a source as `deploy` takes it: every task of this node finds it after its own units
    /// and session. It is read once, at the start, and is part of what class paths on this node are.
    #[must_use]
    pub fn local_code(mut self, path: impl Into<PathBuf>) -> Self {
        self.local_code.push(path.into());
        self
    }

    /// The token that the nodes of a cluster show each other; all of them have the same one. Required to join beyond
    /// loopback, and where clients need tokens.
    #[must_use]
    pub fn cluster_token(mut self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.tokens.set_cluster(&token);
        self.cluster_token = Some(token);
        self
    }

    /// Dials other nodes by TLS, and trusts the certificates in this PEM. Default: no TLS.
    #[must_use]
    pub fn tls_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls_ca = Some(pem.into());
        self
    }

    /// Adds a token that clients must present; `name` is their identity in records. Without any token every client on
    /// the machine may connect.
    #[must_use]
    pub fn token(mut self, name: impl Into<String>, token: impl Into<String>) -> Self {
        self.tokens.add(name.into(), token.into());
        self
    }

    /// Serves TLS with this certificate chain and key, both PEM.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls = Some(TlsMaterial { certificate: certificate.into(), key: key.into() });
        self
    }

    /// Listens beyond loopback without TLS and token. Whoever reaches the port can run code.
    #[must_use]
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }

    /// Whether clients may send code along with tasks. Default: on loopback only, and never in production.
    #[must_use]
    pub fn peer_loading(mut self, allowed: bool) -> Self {
        self.peer_loading = Some(allowed);
        self
    }

    /// The production profile: no peer loading, and no reference to a unit without a version.
    #[must_use]
    pub fn production(mut self, production: bool) -> Self {
        self.production = production;
        self
    }

    /// The folder with the workers' own code: `haulier-worker.jar`, `haulier-api.jar`, `libhaulier_jni.so`, `python/`.
    /// Default: `../lib/haulier` beside the running program.
    #[must_use]
    pub fn home(mut self, path: impl Into<PathBuf>) -> Self {
        self.home = Some(path.into());
        self
    }

    /// The `haulier` binary, which confines itself and becomes a worker. Default: the running program.
    #[must_use]
    pub fn launcher(mut self, path: impl Into<PathBuf>) -> Self {
        self.launcher = Some(path.into());
        self
    }

    /// The `java` to start JVM workers with. Default: from the `PATH`. Called again: another one; a task then runs on the
    /// oldest release that reads all classes of its class path, and the first one is the default.
    #[must_use]
    pub fn java(mut self, path: impl Into<PathBuf>) -> Self {
        self.java.push(path.into());
        self
    }

    /// What JVM workers accept as serialized objects, a pattern of `java.io.ObjectInputFilter`: "!com.acme.Danger;*".
    /// Default: every class of the task, nested at most 1,000 deep.
    #[must_use]
    pub fn serial_filter(mut self, pattern: impl Into<String>) -> Self {
        self.serial_filter = Some(pattern.into());
        self
    }

    /// The `python3` to start Python workers with; its installed packages are what tasks can import besides their own
    /// code, unless their units have locks. Default: from the `PATH`. Called again: another one; a task then runs on the
    /// version of its client, and the first one is the default.
    #[must_use]
    pub fn python(mut self, path: impl Into<PathBuf>) -> Self {
        self.python.push(path.into());
        self
    }

    /// The `uv` that builds Python environments. Default: from the `PATH`, else the module of the Python.
    #[must_use]
    pub fn uv(mut self, path: impl Into<PathBuf>) -> Self {
        self.uv = Some(path.into());
        self
    }

    /// Tasks that run at the same time in a JVM worker, and Python processes of one environment. Default: the number of
    /// cores, at least 2.
    #[must_use]
    pub fn slots(mut self, slots: u16) -> Self {
        self.slots = slots.max(1);
        self
    }

    /// Lets workers read this path, besides the system's folders and their own code.
    #[must_use]
    pub fn readable(mut self, path: impl Into<PathBuf>) -> Self {
        self.readable.push(path.into());
        self
    }

    /// Lets workers read and write this path, besides their temporary folder.
    #[must_use]
    pub fn writable(mut self, path: impl Into<PathBuf>) -> Self {
        self.writable.push(path.into());
        self
    }

    /// Replaces a JVM worker when so many class loaders stay in its memory although no task uses them any more; 0: never.
    /// Default 8. See [`Limits::leaked_loaders`].
    #[must_use]
    pub fn max_leaked_loaders(mut self, count: usize) -> Self {
        self.limits.leaked_loaders = count;
        self
    }

    /// Changes limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts the node; it serves when this returns.
    ///
    /// # Errors
    /// `InvalidArgument` if the address is beyond loopback without TLS and token, `Unavailable` if the port is taken,
    /// `Conflict` if another node uses the data folder.
    pub async fn start(self) -> Result<Node> {
        crate::server::start(self).await
    }

    pub(crate) fn beyond_loopback(&self) -> bool {
        !self.listen.ip().is_loopback()
    }

    pub(crate) fn peer_loading_allowed(&self) -> bool {
        !self.production && self.peer_loading.unwrap_or(!self.beyond_loopback())
    }

    /// Submitting code is running code: beyond loopback it takes TLS and a token, or the operator's word.
    pub(crate) fn check(&self) -> Result<()> {
        let operation = "start a node";
        if self.beyond_loopback() && !self.insecure && (self.tls.is_none() || self.tokens.is_empty()) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                operation,
                format!("{} is beyond loopback, and whoever reaches it could run code", self.listen),
            )
            .hint("--token-file FILE --tls-cert CERT --tls-key KEY, or --insecure on a network that you trust"));
        }
        if self.admin.is_some() && self.tokens.is_empty() {
            let message = "the HTTP gateway always asks for a token, and the node has none";
            return Err(Error::new(ErrorKind::InvalidArgument, operation, message).hint("--token-file FILE"));
        }
        if let Some(admin) = self.admin
            && !admin.ip().is_loopback()
            && !self.insecure
            && self.tls.is_none()
        {
            let message = format!("{admin} is beyond loopback, and tokens would travel unprotected");
            return Err(Error::new(ErrorKind::InvalidArgument, operation, message)
                .hint("--tls-cert CERT --tls-key KEY, or --insecure on a network that you trust"));
        }
        if self.beyond_loopback() && self.join.is_some() && !self.insecure && self.cluster_token.is_none() {
            let message = "joining a cluster beyond loopback needs the cluster's token";
            return Err(Error::new(ErrorKind::InvalidArgument, operation, message)
                .hint("--cluster-token-file FILE, or --insecure on a network that you trust"));
        }
        if let Some(name) = &self.name
            && name.parse::<haulier_model::UnitName>().is_err()
        {
            return Err(Error::new(ErrorKind::InvalidArgument, operation, format!("'{name}' is no node name"))
                .hint("use letters, digits, '.', '_' and '-'"));
        }
        Ok(())
    }
}
