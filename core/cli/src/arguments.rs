//! What can be typed.

mod environments;
mod node;
mod units;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use self::{
    node::{Drain, Durability, Node, NodeAction, NodeArguments, Profile},
    units::{
        Alias, Deploy, Download, Explain, Gc, Inspect, Language, ListDeployments, Maven, Policy, Promote, Sessions,
        Undeploy, Wait, Watch, WatchAdd, WatchList, WatchRemove,
    },
};

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
    /// Print a script that makes a shell complete these commands: source <(haulier completions bash)
    Completions(Completions),
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Deploy jars, folders, Python packages, wheels, URLs or Maven artifacts as a named, versioned unit.
    Deploy(Deploy),
    /// Remove a version of a unit, or all of them.
    Undeploy(Undeploy),
    /// Point a movable name to a version of a unit, list the names, or remove one.
    Alias(Alias),
    /// Wait until a unit is deployed and nodes have it.
    Wait(Wait),
    /// Make a unit of the code that a session runs.
    Promote(Promote),
    /// List the sessions of this identity at the node.
    Sessions(Sessions),
    /// Free content of the node that nothing names.
    Gc(Gc),
    /// Watch storages: what is in them is deployed.
    #[command(subcommand)]
    Watch(Watch),
    /// List units with their versions.
    #[command(visible_alias = "ls")]
    ListDeployments(ListDeployments),
    /// Show a unit with its files.
    Inspect(Inspect),
    /// Say where a class, a resource or a module comes from, which others shadow it, and why.
    Explain(Explain),
    /// Write what was deployed as a unit back into files.
    Download(Download),
    /// Run a task of a unit and print what it returns.
    Run(Run),
    /// List the nodes of the cluster.
    Nodes(Nodes),
    /// Typed as `haulier node drain`.
    #[command(skip)]
    Drain(Drain),
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
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
pub(crate) struct Run {
    /// NAME, NAME:VERSION, NAME@sha256:..., or session:DIGEST for code of the continuous mode.
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
            | Self::Explain(Explain { connection, .. })
            | Self::Download(Download { connection, .. })
            | Self::Run(Run { connection, .. })
            | Self::Drain(Drain { connection, .. })
            | Self::Alias(Alias { connection, .. })
            | Self::Wait(Wait { connection, .. })
            | Self::Promote(Promote { connection, .. })
            | Self::Sessions(Sessions { connection, .. })
            | Self::Gc(Gc { connection, .. })
            | Self::Watch(
                Watch::Add(WatchAdd { connection, .. })
                | Watch::Remove(WatchRemove { connection, .. })
                | Watch::List(WatchList { connection }),
            )
            | Self::Nodes(Nodes { connection }) => connection,
        }
    }
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
            "haulier deploy text org.apache.commons:commons-text:1.12.0 --exclude org.slf4j:* --no-deps --on-node",
            "haulier deploy pricing https://host/pricing.jar --sha256 00",
            "haulier deploy pricing signed.jar --opaque",
            "haulier download pricing:1.2.0",
            "haulier download pricing --into libs --force --output json",
            "haulier alias pricing",
            "haulier alias pricing stable",
            "haulier alias pricing stable 1.2.0",
            "haulier alias pricing stable --remove",
            "haulier wait pricing:1.2.0 --nodes all --timeout 5",
            "haulier promote 1a2b pricing --version 0.1.0",
            "haulier sessions --output json",
            "haulier gc --dry-run",
            "haulier watch add file:///srv/units --interval 1 --settle 0.5",
            "haulier watch remove file:///srv/units --undeploy",
            "haulier watch ls",
            "haulier completions bash",
            "haulier node --admin 127.0.0.1:0 --admin-host units.example --token-file t",
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
    }

    #[test]
    fn lines_that_are_refused() {
        for line in [
            "haulier",
            "haulier node --tls-cert c.pem",
            "haulier node --slots 0",
            "haulier node --admin 127.0.0.1:0",
            "haulier alias pricing --remove",
            "haulier alias pricing stable 1.0 --remove",
            "haulier completions tcsh",
            "haulier watch",
            "haulier deploy pricing",
            "haulier download",
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
            other => panic!("{line}: {other:?}"),
        };
        let starts = node("haulier node --label zone=a=b --label disk=");
        assert!(starts.action.is_none());
        let labels = [("zone", "a=b"), ("disk", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(starts.arguments.labels, labels);
        let Some(NodeAction::Drain(drain)) = node("haulier node drain n2 --undo").action else { panic!("no drain") };
        assert_eq!((drain.name.as_str(), drain.undo), ("n2", true));
    }
}
