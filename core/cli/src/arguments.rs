//! What can be typed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};

/// Code goes to where it runs: a node, and everything to do with one.
#[derive(Debug, Parser)]
#[command(name = "haulier", version = haulier::version(), max_term_width = 100)]
#[command(after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 unavailable.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node until it is told to stop (SIGINT, SIGTERM), or take one out of service.
    Node(Box<Node>),
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Deploy jars, folders, Python files, packages or wheels as a named, versioned unit.
    Deploy(Deploy),
    /// Remove a version of a unit, or all of them.
    Undeploy(Undeploy),
    /// List units with their versions.
    #[command(visible_alias = "ls")]
    ListDeployments(ListDeployments),
    /// Show a unit with its files.
    Inspect(Inspect),
    /// Run a task of a unit and print what it returns.
    Run(Run),
    /// List the nodes of the cluster.
    Nodes(Nodes),
    /// Typed as `haulier node drain`.
    #[command(skip)]
    Drain(Drain),
}

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

/// How to reach the cluster and how to print.
#[derive(Args, Debug)]
pub(crate) struct Connection {
    /// Node to connect to; of several, HOST:PORT,HOST:PORT, the first that answers.
    #[arg(long, value_name = "HOST:PORT", env = "HAULIER_ADDRESS", default_value = "127.0.0.1:7440")]
    pub(crate) address: String,
    /// Token that the node asks for.
    #[arg(long, env = "HAULIER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Connect by TLS, trusting the certificates in this PEM file.
    #[arg(long, value_name = "FILE", env = "HAULIER_TLS_CA", value_hint = ValueHint::FilePath)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Form of the output, errors included.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct Deploy {
    /// Name of the unit.
    pub(crate) name: String,
    /// Jars, zips, folders, Python files, package folders or wheels, in the order in which they are searched.
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// Version; without it the next revision, 0.0.N.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) version: String,
    /// Replace other bytes under the same name and version.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Wait until these nodes have it: one, majority, all, or names with commas between them [default: majority].
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) nodes: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Undeploy {
    /// NAME (all versions), NAME:VERSION or NAME@sha256:...
    pub(crate) reference: String,
    /// Cancel running tasks instead of letting them finish.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct ListDeployments {
    /// Only versions of this unit.
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// NAME, NAME:VERSION or NAME@sha256:...
    pub(crate) reference: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// NAME, NAME:VERSION or NAME@sha256:...
    pub(crate) unit: String,
    /// com.acme.Price, com.acme.Price#of or mypackage.scoring:score.
    #[arg(value_name = "TASK")]
    pub(crate) entry_point: String,
    /// Arguments as JSON; @FILE takes one from a file, - from standard input.
    #[arg(value_name = "ARGUMENT", allow_negative_numbers = true)]
    pub(crate) arguments: Vec<String>,
    /// Run on every node and print each node's result.
    #[arg(long, conflicts_with_all = ["node", "key"])]
    pub(crate) broadcast: bool,
    /// Run on the node of this name.
    #[arg(long, value_name = "NAME", conflicts_with = "key")]
    pub(crate) node: Option<String>,
    /// Run always on the same node for the same key, as long as that node is there.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Run only on nodes with this label. May be given again: on nodes that have all of them.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Run again elsewhere if a node is lost that has the task; it may then run more than once.
    #[arg(long)]
    pub(crate) failover: bool,
    /// Give up after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<std::time::Duration>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Nodes {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// A label, as nodes have it and tasks ask for it.
fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() && !text.contains(char::is_control) => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a label is KEY=VALUE".to_owned()),
    }
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let number: f64 = text.parse().map_err(|_| "this is no number of seconds".to_owned())?;
    match std::time::Duration::try_from_secs_f64(number) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a time-out is more than 0 seconds".to_owned()),
    }
}

impl ClientCommand {
    pub(crate) fn connection(&self) -> &Connection {
        match self {
            Self::Deploy(Deploy { connection, .. })
            | Self::Undeploy(Undeploy { connection, .. })
            | Self::ListDeployments(ListDeployments { connection, .. })
            | Self::Inspect(Inspect { connection, .. })
            | Self::Run(Run { connection, .. })
            | Self::Drain(Drain { connection, .. })
            | Self::Nodes(Nodes { connection }) => connection,
        }
    }
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
    /// Name of the node, unique in the cluster [default: node- and the port].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Address that clients and other nodes dial, where it differs from the one listened on.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
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
    /// Tasks that run at the same time for each language [default: the number of cores, at least 2].
    #[arg(long, visible_alias = "workers", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) slots: Option<u16>,
    /// Java to run JVM tasks with [default: java on the PATH].
    #[arg(long, value_name = "PATH", env = "HAULIER_JAVA", value_hint = ValueHint::ExecutablePath)]
    pub(crate) java: Option<PathBuf>,
    /// Python to run Python tasks with [default: python3 on the PATH].
    #[arg(long, value_name = "PATH", env = "HAULIER_PYTHON", value_hint = ValueHint::ExecutablePath)]
    pub(crate) python: Option<PathBuf>,
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
pub(crate) enum Profile {
    /// Peer loading on loopback; a unit may be named without its version.
    Development,
    /// No peer loading; a unit is named with its version.
    Production,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_description_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn lines_that_are_typed() {
        for line in [
            "haulier node",
            "haulier node --listen 127.0.0.1:0 --data-dir d --exit-with-parent --ready-file r --workers 4",
            "haulier deploy pricing a.jar b.jar libs/ --version 1.2.0 --replace --nodes n1,n2",
            "haulier undeploy pricing:1.2.0 --force",
            "haulier ls",
            "haulier list-deployments pricing --output json",
            "haulier run pricing com.acme.Price 42 -7 -1.5 [1,2] @file.json -",
            "haulier run pricing com.acme.Price --broadcast --timeout 2.5 --address n1:7440",
            "haulier run pricing com.acme.Price --broadcast --label zone=a --label disk=ssd",
            "haulier run pricing com.acme.Price --key customer-7 --failover --address n1:7440,n2:7440",
            "haulier nodes --token t --tls-ca ca.pem",
            "haulier node --join n1:7440 --label zone=a --label disk= --cluster-token-file t --tls-ca ca.pem",
            "haulier node drain n2 --address n1:7440",
            "haulier node drain n2 --undo --output json",
        ] {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in [
            "haulier",
            "haulier node --tls-cert c.pem",
            "haulier node --slots 0",
            "haulier deploy pricing",
            "haulier run pricing",
            "haulier run a b --timeout 0",
            "haulier run a b --broadcast --node n1",
            "haulier run a b --broadcast --key k",
            "haulier run a b --node n1 --key k",
            "haulier run a b --label zone",
            "haulier run a b --label =a",
            "haulier node --label zone",
            "haulier node drain",
            "haulier node --name n1 drain n2",
            "haulier node drain n2 --listen 127.0.0.1:0",
            "haulier drain n2",
            "haulier ls --output xml",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_node_starts_or_is_drained() {
        let node = |line| match parse(line).expect(line).command {
            Command::Node(node) => node,
            Command::Client(other) => panic!("{line}: {other:?}"),
        };
        let starts = node("haulier node --label zone=a=b --label disk=");
        assert!(starts.action.is_none());
        let labels = [("zone", "a=b"), ("disk", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(starts.arguments.labels, labels);
        let Some(NodeAction::Drain(drain)) = node("haulier node drain n2 --undo").action else { panic!("no drain") };
        assert_eq!((drain.name.as_str(), drain.undo), ("n2", true));
    }
}
