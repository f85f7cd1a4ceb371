//! Deploying: reads the sources, learns what the cluster lacks, sends that.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_pack::{Limits, PackedRoot};
use haulier_protocol::v1;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use v1::{deploy_request::Message, deploy_response};

use crate::{Cluster, DeployedUnit, code::Snapshot, runtime, session::Line, units};

/// The node must take or say something within this time; it syncs its disk before the last answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Chunks that wait for the connection.
const CHUNKS_AHEAD: usize = 8;

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeployProgress {
    /// The sources are being read.
    Reading,
    /// What the cluster lacks is being sent.
    Sending {
        /// Bytes handed to the connection.
        sent: u64,
        /// Bytes that are to be sent, as far as known.
        total: u64,
    },
    /// The node makes it durable and publishes it.
    Publishing,
}

type Callback = Arc<dyn Fn(DeployProgress) + Send + Sync>;

/// A deployment in the making; [`Deploy::send`] does it.
#[must_use = "nothing is deployed before send()"]
pub struct Deploy {
    cluster: Cluster,
    name: String,
    version: String,
    sources: Vec<(Expected, PathBuf)>,
    replace: bool,
    nodes: String,
    progress: Callback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Anything,
    File,
    Folder,
}

impl Cluster {
    /// Begins a deployment of `name`. An empty `version` asks for the next revision (`0.0.N`).
    pub fn deploy(&self, name: impl Into<String>, version: impl Into<String>) -> Deploy {
        Deploy {
            cluster: self.clone(),
            name: name.into(),
            version: version.into(),
            sources: Vec::new(),
            replace: false,
            nodes: String::new(),
            progress: Arc::new(|_| {}),
        }
    }
}

impl Deploy {
    /// Adds a jar.
    pub fn jar(self, path: impl AsRef<Path>) -> Self {
        self.add(Expected::File, path.as_ref())
    }

    /// Adds a folder of classes and jars, or of Python modules.
    pub fn folder(self, path: impl AsRef<Path>) -> Self {
        self.add(Expected::Folder, path.as_ref())
    }

    /// Adds a jar, zip, folder, Python file, package folder or wheel.
    pub fn source(self, path: impl AsRef<Path>) -> Self {
        self.add(Expected::Anything, path.as_ref())
    }

    fn add(mut self, expected: Expected, path: &Path) -> Self {
        self.sources.push((expected, path.to_owned()));
        self
    }

    /// Replaces other bytes under the same name and version, atomically. Default: false, which is a conflict.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Which nodes must have the unit before [`Deploy::send`] returns: "one", "majority", "all", or names of nodes with
    /// commas between them. Default: the majority. Nodes that are lost are not waited for, and no node for more than 10
    /// seconds: it fetches the unit when a task needs it.
    pub fn nodes(mut self, nodes: impl Into<String>) -> Self {
        self.nodes = nodes.into();
        self
    }

    /// Calls `callback` with the progress, on another thread. It must be quick.
    pub fn progress(mut self, callback: impl Fn(DeployProgress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(callback);
        self
    }

    /// Deploys: reads the sources in their order, sends what the cluster lacks, and waits until tasks can use the unit.
    /// Dropping the future stops it; then nothing is deployed, and what has arrived need not be sent again.
    ///
    /// Errors: `InvalidArgument` for a name, version or source that is not acceptable, `Conflict` if the version is
    /// there with other bytes.
    pub async fn send(self) -> Result<DeployedUnit> {
        let operation = match self.version.as_str() {
            "" => format!("deploy {}", self.name),
            version => format!("deploy {}:{version}", self.name),
        };
        self.check(&operation)?;
        (self.progress)(DeployProgress::Reading);
        let sources = self.sources;
        let content = runtime::run_blocking(move || read(&sources)).await?;
        let start = v1::DeployStart {
            name: self.name,
            version: self.version,
            replace: self.replace,
            roots: Digest::concatenate(&content.manifest.roots).into(),
            sources: content.roots.iter().map(|root| root.name.clone()).collect(),
            nodes: self.nodes,
        };
        let line = self.cluster.session_for(&operation)?.line();
        let transfer = Transfer { line, operation, content: Arc::new(content), progress: self.progress };
        runtime::run(transfer.run(start)).await
    }

    fn check(&self, operation: &str) -> Result<()> {
        let invalid =
            |message: &str, hint: &str| Err(Error::new(ErrorKind::InvalidArgument, operation, message).hint(hint));
        if let Err(error) = self.name.parse::<haulier_model::UnitName>() {
            return Err(error.in_operation(operation));
        }
        if !self.version.is_empty() {
            self.version.parse::<haulier_model::Version>().map_err(|error| error.in_operation(operation))?;
        }
        if self.sources.is_empty() {
            return invalid("no source is given", "haulier deploy NAME PATH...");
        }
        for (expected, path) in &self.sources {
            let shown = path.display();
            match expected {
                Expected::File if path.is_dir() => {
                    return invalid(&format!("'{shown}' is a folder, not a jar"), "use folder(path)");
                }
                Expected::Folder if path.is_file() => {
                    return invalid(&format!("'{shown}' is a file, not a folder"), "use jar(path) or source(path)");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Deploy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deploy")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

fn read(sources: &[(Expected, PathBuf)]) -> Result<Snapshot> {
    let limits = Limits::default();
    let mut roots = Vec::new();
    for (_, path) in sources {
        roots.extend(PackedRoot::read_source(path, &limits)?);
    }
    Ok(Snapshot::of(roots))
}

struct Transfer {
    line: Arc<Line>,
    operation: String,
    content: Arc<Snapshot>,
    progress: Callback,
}

impl Transfer {
    async fn run(self, start: v1::DeployStart) -> Result<DeployedUnit> {
        let refused = |status: tonic::Status| self.line.route.refused(&status, &self.operation);
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let started = sender.send(v1::DeployRequest { message: Some(Message::Start(start)) }).await;
        started.map_err(|_| self.ended())?;
        let request = self.line.route.request(ReceiverStream::new(receiver));
        let mut client = units::client(&self.line);
        let mut answers = self.within(client.deploy(request)).await?.map_err(refused)?.into_inner();
        let sent = Arc::new(AtomicU64::new(0));
        loop {
            let answer = self.within(answers.message()).await?.map_err(refused)?;
            match answer.and_then(|answer| answer.message).ok_or_else(|| self.ended())? {
                deploy_response::Message::Unit(unit) => return unit.try_into(),
                deploy_response::Message::Need(need) => {
                    let digests = Digest::split(&need.digests)?;
                    if let Err(error) = self.send(digests, &sender, &sent).await {
                        // If the node refused the pack, its reason says more than the broken stream.
                        let reason = self.within(answers.message()).await?;
                        return Err(reason.err().map_or(error, refused));
                    }
                }
            }
        }
    }

    /// Sends a pack from a thread that may block.
    async fn send(
        &self,
        digests: Vec<Digest>,
        sender: &mpsc::Sender<v1::DeployRequest>,
        sent: &Arc<AtomicU64>,
    ) -> Result<()> {
        let (content, sender, sent) = (self.content.clone(), sender.clone(), sent.clone());
        let (progress, ended) = (self.progress.clone(), self.ended());
        let total = content.size_of(&digests)? + sent.load(Ordering::Relaxed);
        let handle = Handle::current();
        runtime::run_blocking(move || {
            let send = |message: Message| {
                let sending = sender.send(v1::DeployRequest { message: Some(message) });
                match handle.block_on(async { tokio::time::timeout(PATIENCE, sending).await }) {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) | Err(_) => Err(ended.clone()),
                }
            };
            content.pack(&digests, &mut |chunk: Bytes| {
                let done = sent.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
                send(Message::Chunk(v1::PackChunk { data: chunk }))?;
                progress(DeployProgress::Sending { sent: done, total });
                Ok(())
            })?;
            send(Message::PackEnd(v1::DeployPackEnd {}))?;
            progress(DeployProgress::Publishing);
            Ok(())
        })
        .await
    }

    async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(PATIENCE, future).await.map_err(|_| {
            Error::new(ErrorKind::Unavailable, &self.operation, format!("the node said nothing for {PATIENCE:?}"))
                .hint("look at the node's log, then deploy again: what has arrived is not sent twice")
        })
    }

    fn ended(&self) -> Error {
        Error::new(ErrorKind::Unavailable, &self.operation, "the node ended the transfer")
            .hint("look at the node's log, then deploy again: what has arrived is not sent twice")
    }
}
