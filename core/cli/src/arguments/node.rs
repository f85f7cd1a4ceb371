//! `haulier node`: how a node is set up.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use super::{Connection, environments::EnvironmentArguments, label, seconds};

/// An empty JVM has about as much, in bytes.
const LEAST_WORKER_MEMORY: u64 = 64 << 20;

/// `haulier node` starts a node; with one more word it is about a node that runs.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Node {
    #[command(subcommand)]
    pub(crate) action: Option<NodeAction>,
    #[command(flatten)]
    pub(crate) arguments: NodeArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeAction {
    /// Take a node out of service: it finishes what it has and takes nothing new.
    Drain(Drain),
}

#[derive(Args, Debug)]
pub(crate) struct Drain {
    /// Name of the node.
    pub(crate) name: String,
    /// Let it take tasks again.
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("tls").args(["tls_cert", "tls_key"]).multiple(true))]
pub(crate) struct NodeArguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7440", env = "HAULIER_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Folder for catalogue, code and caches [default: ~/.local/share/haulier].
    #[arg(long, value_name = "DIR", env = "HAULIER_DATA_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    /// What deployed code survives: "process" does not wait for the disk, so that a crash of the machine may lose code
    /// that was deployed shortly before.
    #[arg(long, value_enum, default_value_t = Durability::Machine, env = "HAULIER_DURABILITY")]
    pub(crate) durability: Durability,
    /// Name of the node, unique in the cluster [default: node- and the port].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Address that clients and other nodes dial, where it differs from the one listened on.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// Serve the HTTP gateway for deployments at this address; it always asks for a token of --token-file.
    #[arg(long, value_name = "IP:PORT", env = "HAULIER_ADMIN", requires = "token_file")]
    pub(crate) admin: Option<SocketAddr>,
    /// Name by which the gateway may be reached, besides loopback and its address. May be given again.
    #[arg(long, value_name = "HOST", requires = "admin")]
    pub(crate) admin_host: Vec<String>,
    /// Join the cluster of this node, which may be any of its members [default: be the first node of a cluster].
    #[arg(long, value_name = "HOST:PORT", env = "HAULIER_JOIN")]
    pub(crate) join: Option<String>,
    /// Give the node a label that tasks can ask for. May be given again.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Code of the node itself (a source as of `deploy`), which every task finds after its own. Can be repeated.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) local_code: Vec<PathBuf>,
    /// File with the token that the nodes of the cluster show each other, one line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) cluster_token_file: Option<PathBuf>,
    /// Dial other nodes by TLS, trusting the certificates in this PEM file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// File with the tokens that clients may present: one a line, or NAME TOKEN.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificate chain to serve TLS with, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Listen beyond loopback without TLS and token: whoever reaches the port can run code.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Rules that the node keeps.
    #[arg(long, value_enum, default_value_t = Profile::Development)]
    pub(crate) profile: Profile,
    /// Take no code from clients: tasks run from units alone.
    #[arg(long)]
    pub(crate) no_peer_loading: bool,
    /// Keep the directory of Python code that nobody uses for so long [default: 600].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) class_path_ttl: Option<Duration>,

    /// Let code of the continuous mode go when it was not used for so long [default: 604800, 7 days].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) continuous_ttl: Option<Duration>,
    /// Keep the code of at most so many snapshots of the continuous mode [default: 64].
    #[arg(long, value_name = "N")]
    pub(crate) continuous_count: Option<usize>,
    /// Keep at most so many bytes of it [default: 4294967296, 4 GiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) continuous_bytes: Option<u64>,
    /// Tasks that run at the same time for each language [default: the number of cores, at least 2].
    #[arg(long, visible_alias = "workers", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) slots: Option<u16>,
    /// Java to run JVM tasks with [default: java on the PATH]. Given again: a task runs on the oldest release that reads
    /// its classes.
    #[arg(long, value_name = "PATH", env = "HAULIER_JAVA", value_hint = ValueHint::ExecutablePath)]
    pub(crate) java: Vec<PathBuf>,
    /// What JVM tasks accept as serialized objects, as java.io.ObjectInputFilter writes it: '!com.acme.Danger;*'.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) serial_filter: Option<String>,
    /// Python to run Python tasks with [default: python3 on the PATH]. Given again: a task runs on the version of its
    /// client, if it is there, else on the first one.
    #[arg(long, value_name = "PATH", env = "HAULIER_PYTHON", value_hint = ValueHint::ExecutablePath)]
    pub(crate) python: Vec<PathBuf>,
    /// The uv that builds environments of Python units with requirements [default: uv on the PATH, else python -m uv].
    #[arg(long, value_name = "PATH", env = "HAULIER_UV", value_hint = ValueHint::ExecutablePath)]
    pub(crate) uv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) environments: EnvironmentArguments,
    /// Replace a JVM worker when so many class loaders stay in its memory though no task uses them any more; 0: never.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) max_leaked_loaders: usize,
    /// Replace a worker whose resident memory passes so many bytes, when its tasks have ended; what its statics and modules
    /// hold goes with it [default: never].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(LEAST_WORKER_MEMORY..))]
    pub(crate) max_worker_memory: Option<u64>,
    /// Fork Python workers from a bare interpreter, always: not from one that has imported what tasks of the same identity
    /// import from distributions.
    #[arg(long)]
    pub(crate) no_preloading: bool,
    /// Let tasks read this path, besides the system's folders and their own code. May be given again.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) readable: Vec<PathBuf>,
    /// Let tasks read and write this path, besides their temporary folder. May be given again.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) writable: Vec<PathBuf>,
    /// Folder with the workers' own code [default: ../lib/haulier beside this program].
    #[arg(long, value_name = "DIR", env = "HAULIER_HOME", value_hint = ValueHint::DirPath)]
    pub(crate) home: Option<PathBuf>,
    /// Stop when the process that started this one has ended.
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
    /// Write the address to this file when the node is ready.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// A crash of the machine.
    Machine,
    /// A crash of the node's process.
    Process,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Peer loading on loopback; a unit may be named without its version.
    Development,
    /// No peer loading; a unit is named with its version.
    Production,
}
