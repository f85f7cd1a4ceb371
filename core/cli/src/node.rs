//! `haulier node`: starts a node, says where it listens, and ends it when it is told to.

use std::{
    fs,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use haulier::{Error, ErrorKind, Result};
use haulier_node::{Limits, Node, NodeBuilder};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{DumpableBehavior, Pid, PidfdFlags, getppid, pidfd_open, set_dumpable_behavior},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tracing_subscriber::EnvFilter;

use crate::{
    arguments::{self, Format, NodeArguments, Profile},
    failure::Failure,
    output,
};

/// Runs a node until it is told to stop.
pub(crate) fn run(arguments: NodeArguments) -> ExitCode {
    let filter = EnvFilter::try_from_env("HAULIER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    // Taken before anything else, so that a parent that ends early is noticed.
    let parent = getppid();
    // The node holds tokens and the code of all its clients: no other process of this user reads its memory. What it
    // starts becomes readable again when it executes another program.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user can read the node's memory");
    }
    let runtime = runtime();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(serve(arguments, parent)),
        Err(error) => Err(failed("start the runtime", &error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::from(error).report(Format::Table),
    }
}

/// Half of the cores: the other half runs tasks, and a thread that must be woken costs more than it gives.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let threads = (cores / 2).max(1);
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().thread_name("haulier-node").build()
}

async fn serve(arguments: NodeArguments, parent: Option<Pid>) -> Result<()> {
    // Listened for from the start: a signal during the start ends the node as well.
    let stop = Stop::new(arguments.exit_with_parent, parent)?;
    let ready_file = arguments.ready_file.clone();
    let starting = builder(arguments)?.start();
    let mut stop = std::pin::pin!(stop.wait());
    let node = tokio::select! {
        node = starting => node?,
        reason = &mut stop => {
            tracing::info!(reason, "stopped during the start");
            return Ok(());
        }
    };
    let address = node.address();
    if let Some(path) = &ready_file {
        announce(path, &address.to_string())?;
    }
    output::say(&format!("haulier node {} listening on {address}", node.name()));
    if let Some(admin) = node.admin() {
        output::say(&format!("haulier node {} gateway on {admin}", node.name()));
    }
    let reason = stop.await;
    tracing::info!(reason, "stopping");
    node.shutdown().await;
    if let Some(path) = &ready_file {
        // It says that a node is there; whether it could be removed changes nothing.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

fn limits(arguments: &NodeArguments) -> Limits {
    let defaults = Limits::default();
    let environments = &arguments.environments;
    Limits {
        class_paths: arguments.class_path_ttl.unwrap_or(defaults.class_paths),
        continuous_ttl: arguments.continuous_ttl.unwrap_or(defaults.continuous_ttl),
        continuous_count: arguments.continuous_count.unwrap_or(defaults.continuous_count),
        continuous_bytes: arguments.continuous_bytes.unwrap_or(defaults.continuous_bytes),
        resident: arguments.max_worker_memory,
        preload: if arguments.no_preloading { std::time::Duration::ZERO } else { defaults.preload },
        python_environments: environments
            .python_environments
            .map_or(defaults.python_environments, |count| usize::try_from(count).unwrap_or(usize::MAX)),
        python_environments_bytes: environments.python_environments_bytes.unwrap_or(defaults.python_environments_bytes),
        python_environment_bytes: environments.python_environment_bytes.unwrap_or(defaults.python_environment_bytes),
        python_environment_files: environments.python_environment_files.unwrap_or(defaults.python_environment_files),
        python_cache_bytes: environments.python_cache_bytes.unwrap_or(defaults.python_cache_bytes),
        ..defaults
    }
}

fn builder(mut arguments: NodeArguments) -> Result<NodeBuilder> {
    let mut builder = workers(Node::builder(), &mut arguments)
        .limits(limits(&arguments))
        .listen(arguments.listen)
        .data_dir(arguments.data_dir.map_or_else(default_data_dir, Ok)?)
        .durability(match arguments.durability {
            arguments::Durability::Machine => haulier_node::Durability::Machine,
            arguments::Durability::Process => haulier_node::Durability::Process,
        })
        .insecure(arguments.insecure)
        .production(arguments.profile == Profile::Production);
    if arguments.no_peer_loading {
        builder = builder.peer_loading(false);
    }
    if let Some(name) = arguments.name {
        builder = builder.name(name);
    }
    if let Some(address) = arguments.advertise {
        builder = builder.advertise(address);
    }
    if let Some(address) = arguments.admin {
        builder = builder.admin(address);
    }
    builder = arguments.admin_host.into_iter().fold(builder, NodeBuilder::admin_host);
    if let Some(member) = arguments.join {
        builder = builder.join(member);
    }
    for (key, value) in arguments.labels {
        builder = builder.label(key, value);
    }
    builder = arguments.local_code.into_iter().fold(builder, NodeBuilder::local_code);
    if let Some(path) = arguments.cluster_token_file {
        builder = builder.cluster_token(cluster_token(&path)?);
    }
    if let Some(path) = arguments.tls_ca {
        builder = builder.tls_ca(read(&path)?);
    }
    if let Some(path) = arguments.token_file {
        for (name, token) in tokens(&path)? {
            builder = builder.token(name, token);
        }
    }
    if let (Some(certificate), Some(key)) = (arguments.tls_cert, arguments.tls_key) {
        builder = builder.tls(read(&certificate)?, read(&key)?);
    }
    builder = builder.max_leaked_loaders(arguments.max_leaked_loaders);
    Ok(builder)
}

/// What workers are, and what they may do.
fn workers(mut builder: NodeBuilder, arguments: &mut NodeArguments) -> NodeBuilder {
    if let Some(slots) = arguments.slots {
        builder = builder.slots(slots);
    }
    builder = arguments.java.drain(..).fold(builder, NodeBuilder::java);
    if let Some(pattern) = arguments.serial_filter.take() {
        builder = builder.serial_filter(pattern);
    }
    builder = arguments.python.drain(..).fold(builder, NodeBuilder::python);
    if let Some(path) = arguments.uv.take() {
        builder = builder.uv(path);
    }
    if let Some(path) = arguments.home.take() {
        builder = builder.home(path);
    }
    builder = arguments.readable.drain(..).fold(builder, NodeBuilder::readable);
    arguments.writable.drain(..).fold(builder, NodeBuilder::writable)
}

fn default_data_dir() -> Result<PathBuf> {
    let from = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let share = from("XDG_DATA_HOME").or_else(|| Some(from("HOME")?.join(".local/share")));
    share.map(|share| share.join("haulier")).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "start a node", "there is no home folder for its data")
            .hint("haulier node --data-dir DIR")
    })
}

/// Names and tokens: each line is a token, or a name and a token. A line that begins with # is a remark.
fn tokens(path: &Path) -> Result<Vec<(String, String)>> {
    let text = String::from_utf8(read(path)?).map_err(|error| failed(&path.display().to_string(), &error))?;
    let mut tokens = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [token] => tokens.push(("token".to_owned(), token.to_owned())),
            [name, token] => tokens.push((name.to_owned(), token.to_owned())),
            _ => return Err(bad_tokens(path, "a line has more than a name and a token")),
        }
    }
    if tokens.is_empty() { Err(bad_tokens(path, "it has no token")) } else { Ok(tokens) }
}

fn bad_tokens(path: &Path, problem: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "read the tokens", format!("{}: {problem}", path.display()))
        .hint("write one token a line, or NAME TOKEN")
}

/// The one token in a file that is nothing else.
fn cluster_token(path: &Path) -> Result<String> {
    let text = String::from_utf8(read(path)?).map_err(|error| failed(&path.display().to_string(), &error))?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(token), None) if !token.contains(char::is_whitespace) => Ok(token.to_owned()),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            "read the cluster's token",
            format!("{}: it is not one token on one line", path.display()),
        )
        .hint("make one: openssl rand -hex 32")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| failed(&format!("read {}", path.display()), &error))
}

fn failed(operation: &str, error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, operation, error.to_string()).hint("haulier node --help")
}

/// Writes the address so that a reader sees all of it or no file.
fn announce(path: &Path, address: &str) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let written = fs::write(&partial, format!("{address}\n")).and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| failed(&format!("write {}", path.display()), &error))
}

/// What ends a node.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    parent: Option<oneshot::Receiver<()>>,
}

impl Stop {
    fn new(with_parent: bool, parent: Option<Pid>) -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|error| failed("listen for signals", &error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            parent: with_parent.then(|| watch_parent(parent)),
        })
    }

    /// Waits: why the node is to stop.
    async fn wait(mut self) -> &'static str {
        let parent = async {
            match self.parent {
                // An error says the same: the watching thread is gone.
                Some(ended) => drop(ended.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "terminated",
            () = parent => "the parent process has ended",
        }
    }
}

/// Tells when `parent` has ended: at once if it already has. A signal on the parent's death would come when the thread
/// ends that started this process, and that may be earlier.
fn watch_parent(parent: Option<Pid>) -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    let descriptor = parent.and_then(|parent| pidfd_open(parent, PidfdFlags::empty()).ok());
    // If it ended before its descriptor was opened, this process has another parent by now.
    if let Some(descriptor) = descriptor.filter(|_| getppid() == parent) {
        std::thread::spawn(move || {
            let mut wait = [PollFd::new(&descriptor, PollFlags::IN)];
            while let Err(Errno::INTR) = poll(&mut wait, None) {}
            // The node may be stopping already.
            let _ = sender.send(());
        });
    }
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, "# people\nalice a1\n\nplain\n").unwrap();
        let expected = [("alice", "a1"), ("token", "plain")].map(|(name, token)| (name.to_owned(), token.to_owned()));
        assert_eq!(tokens(&path).unwrap(), expected);
        for bad in ["", "# nobody\n", "a b c\n"] {
            fs::write(&path, bad).unwrap();
            assert_eq!(tokens(&path).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad:?}");
        }
        assert!(tokens(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn a_cluster_has_one_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "# of the cluster\ns3cret\n").unwrap();
        assert_eq!(cluster_token(&path).unwrap(), "s3cret");
        for bad in ["", "# nothing\n", "a\nb\n", "name token\n"] {
            fs::write(&path, bad).unwrap();
            assert_eq!(cluster_token(&path).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad:?}");
        }
    }

    #[test]
    fn a_ready_file_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready");
        announce(&path, "127.0.0.1:1").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "127.0.0.1:1\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
