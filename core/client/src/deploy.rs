//! Deploying: what is deployed, under which name, and how; and the handle of a deployment that is under way.

mod content;
mod remote;
mod requirements;
mod source;
mod transfer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use haulier_model::{Error, ErrorKind, Result};
use haulier_pack::ReadOptions;
use haulier_protocol::v1;
use haulier_requirements::{Requirement, Requirements};
use tokio::sync::watch;

use self::{
    content::Content,
    source::{Expected, Source},
    transfer::Transfer,
};
use crate::{Cluster, DeployedUnit, runtime};

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeployProgress {
    /// The sources are being read.
    Reading,
    /// The node fetches the sources: URLs, Maven coordinates.
    Fetching {
        /// Bytes that have come.
        done: u64,
        /// Bytes of the file that is being fetched; 0 if that is not known.
        total: u64,
    },
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

/// Where a source came from: kept with the unit and shown by `inspect`, never used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitOrigin {
    /// The source as it was named: a path, a URL, Maven coordinates.
    pub source: String,
    /// SHA-256 of the file as it was, in hexadecimal; empty for folders.
    pub sha256: String,
    /// What it was resolved to: "org.apache.commons:commons-lang3:jar:3.14.0", or the URL; empty for paths.
    pub coordinates: String,
}

/// How Maven coordinates are resolved by a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MavenOptions {
    /// Only the artifact itself. Default: also what it depends on at run time.
    pub no_dependencies: bool,
    /// "group:artifact" with wildcards: only dependencies that match one of these. Default: all.
    pub include: Vec<String>,
    /// "group:artifact" with wildcards: no dependency that matches one of these, nor what only it needs.
    pub exclude: Vec<String>,
    /// URLs of repositories that are asked besides those of settings.xml and Central.
    pub repositories: Vec<String>,
}

pub(crate) type Callback = Arc<dyn Fn(DeployProgress) + Send + Sync>;

/// A deployment in the making; [`Deploy::send`] or [`Deploy::start`] does it.
#[must_use = "nothing is deployed before send() or start()"]
#[derive(Clone)]
pub struct Deploy {
    cluster: Cluster,
    name: String,
    version: String,
    sources: Vec<Source>,
    replace: bool,
    opaque: bool,
    nodes: String,
    sha256: String,
    maven: MavenOptions,
    requirements: Requirements,
    uv: Option<PathBuf>,
    progress: Callback,
}

impl Cluster {
    /// Begins a deployment of `name`. An empty `version` takes the artifact's own (the manifest of a jar, the metadata of
    /// a wheel, Maven coordinates), or, if it has none, asks for the next revision (`0.0.N`).
    pub fn deploy(&self, name: impl Into<String>, version: impl Into<String>) -> Deploy {
        Deploy {
            cluster: self.clone(),
            name: name.into(),
            version: version.into(),
            sources: Vec::new(),
            replace: false,
            opaque: false,
            nodes: String::new(),
            sha256: String::new(),
            maven: MavenOptions::default(),
            requirements: Requirements::default(),
            uv: None,
            progress: Arc::new(|_| {}),
        }
    }
}

impl Deploy {
    /// Adds a jar.
    pub fn jar(self, path: impl AsRef<Path>) -> Self {
        self.add(Expected::File, path.as_ref(), None)
    }

    /// Adds a folder of classes and jars, or of Python modules.
    pub fn folder(self, path: impl AsRef<Path>) -> Self {
        self.add(Expected::Folder, path.as_ref(), None)
    }

    /// Adds a jar, zip, folder, Python file, package folder or wheel; or what the node is to fetch itself: a URL
    /// (`https:`, `http:`, `s3:`, `ftp:`), Maven coordinates (`org.acme:pricing:1.2.0`) or a Python requirement
    /// (`requests==2.32.3`, `pypi:requests`). All sources of a deployment are of the one or of the other kind.
    pub fn source(self, path: impl AsRef<Path>) -> Self {
        self.add(Expected::Anything, path.as_ref(), None)
    }

    /// Adds a file that something else was resolved to, and says what that was.
    pub fn resolved(self, path: impl AsRef<Path>, origin: UnitOrigin) -> Self {
        self.add(Expected::Anything, path.as_ref(), Some(origin))
    }

    fn add(mut self, expected: Expected, path: &Path, origin: Option<UnitOrigin>) -> Self {
        self.sources.push(Source { expected, path: path.to_owned(), origin });
        self
    }

    /// Another version than the one that the deployment was begun with.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Replaces other bytes under the same name and version, atomically. Default: false, which is a conflict.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Keeps the exact bytes of each archive besides its entries, so that [`Cluster::download`] gives them back. Default:
    /// only of archives that are signed, or that have more in them than entries (a script in front, comments). Folders and
    /// Python files have no such bytes and are refused.
    pub fn opaque(mut self, opaque: bool) -> Self {
        self.opaque = opaque;
        self
    }

    /// Which nodes must have the unit before [`Deploy::send`] returns: "one", "majority", "all", or names of nodes with
    /// commas between them. Default: the majority. Nodes that are lost are not waited for, and no node for more than 10
    /// seconds: it fetches the unit when a task needs it.
    pub fn nodes(mut self, nodes: impl Into<String>) -> Self {
        self.nodes = nodes.into();
        self
    }

    /// What the file behind the one URL must hash to: SHA-256, in hexadecimal. Default: anything.
    pub fn sha256(mut self, sha256: impl Into<String>) -> Self {
        self.sha256 = sha256.into();
        self
    }

    /// How the node resolves Maven coordinates.
    pub fn maven(mut self, options: MavenOptions) -> Self {
        self.maven = options;
        self
    }

    /// Adds Python requirements: `requirements.txt`, `pylock.toml`, `pyproject.toml` or `uv.lock`. All that a deployment has are resolved
    /// here, by uv, to exact versions with hashes, of wheels only; a file in which every line has both is taken as it is.
    /// The unit has the result as a source of its own, and a node makes an environment of it.
    ///
    /// Errors of [`Deploy::send`]: `NotFound` if uv is not installed or a distribution is nowhere, `InvalidArgument` if
    /// there is no solution, `Unavailable` if the index cannot be reached.
    pub fn requirements(mut self, path: impl AsRef<Path>) -> Self {
        self.requirements.files.push(path.as_ref().to_owned());
        self
    }

    /// Adds one Python requirement, resolved as [`Deploy::requirements`] says: `requests==2.32.3`. A unit may consist of
    /// requirements alone; of a single one it takes the version by default. `InvalidArgument` for a URL, a path or an
    /// option.
    pub fn requirement(mut self, requirement: &str) -> Result<Self> {
        self.requirements.texts.push(requirement.parse::<Requirement>()?);
        Ok(self)
    }

    /// The program that resolves requirements. Default: `HAULIER_UV`, else `uv` on the `PATH`, else `python3 -m uv`.
    pub fn uv(mut self, program: impl Into<PathBuf>) -> Self {
        self.uv = Some(program.into());
        self
    }

    /// Calls `callback` with the progress, on another thread. It must be quick.
    pub fn progress(mut self, callback: impl Fn(DeployProgress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(callback);
        self
    }

    /// Deploys: reads the sources in their order, sends what the cluster lacks, and waits until tasks can use the unit. A
    /// connection that breaks is made again, and what has arrived is not sent twice. Dropping the future stops it; then
    /// nothing is deployed.
    ///
    /// Errors: `InvalidArgument` for a name, version or source that is not acceptable, `Conflict` if the version is
    /// there with other bytes, `Canceled` if it is undeployed meanwhile.
    pub async fn send(self) -> Result<DeployedUnit> {
        let operation = match self.version.as_str() {
            "" => format!("deploy {}", self.name),
            version => format!("deploy {}:{version}", self.name),
        };
        self.check(&operation)?;
        if self.sources.iter().any(|source| source.is_remote()) {
            return remote::deploy(self, operation).await;
        }
        (self.progress)(DeployProgress::Reading);
        let lock = requirements::lock(self.requirements, self.uv).await;
        let lock = lock.map_err(|error| in_step(error, &operation))?;
        let mut sources = self.sources;
        // Where nothing else is deployed, the version of the distribution counts.
        let locked_version = lock.as_ref().filter(|_| sources.is_empty()).and_then(|lock| lock.version.clone());
        sources.extend(lock.as_ref().map(|lock| lock.source.clone()));
        if sources.is_empty() {
            return Err(no_source(&operation));
        }
        let known = self.cluster.known_digests();
        let opaque = self.opaque;
        let read = move || {
            let options = ReadOptions { known: Some(&known), opaque, ..ReadOptions::default() };
            Content::read(&sources, &options)
        };
        let content = runtime::run_blocking(read).await?;
        let start = v1::DeployStart {
            name: self.name,
            replace: self.replace,
            nodes: self.nodes,
            artifact_version: match locked_version {
                _ if !self.version.is_empty() => String::new(),
                Some(version) => version.to_string(),
                None => content.artifact_version(),
            },
            version: self.version,
            ..content.start()
        };
        let session = self.cluster.session_for(&operation)?;
        let transfer = Transfer::new(session, operation, content, self.progress);
        let mut unit = runtime::run(transfer.run(start)).await?;
        unit.warnings.extend(lock.into_iter().flat_map(|lock| lock.warnings));
        Ok(unit)
    }

    /// Deploys as [`Deploy::send`] does, in the background.
    ///
    /// ```no_run
    /// # async fn example(cluster: haulier::Cluster) -> haulier::Result<()> {
    /// let deployment = cluster.deploy("pricing", "1.2.0").jar("pricing.jar").start()?;
    /// println!("{:?}", deployment.progress());
    /// let unit = deployment.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Errors: `Closed` if the runtime of this process was shut down.
    pub fn start(mut self) -> Result<Deployment> {
        let (sender, progress) = watch::channel(DeployProgress::Reading);
        let callback = std::mem::replace(&mut self.progress, Arc::new(|_| {}));
        self.progress = Arc::new(move |now| {
            sender.send_replace(now);
            callback(now);
        });
        Ok(Deployment { running: runtime::handle()?.spawn(self.send()), progress })
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
        if self.sources.is_empty() && self.requirements.is_empty() {
            return Err(no_source(operation));
        }
        let remote = self.sources.iter().filter(|source| source.is_remote()).count();
        if remote != 0 && remote != self.sources.len() {
            let hint = "deploy them as two units; a task can name both";
            return invalid("some sources are paths here, and some are to be fetched by the node", hint);
        }
        if remote != 0 && !self.requirements.is_empty() {
            let hint = "give them as sources, too: haulier deploy NAME pypi:requests --on-node";
            return invalid("requirements are resolved here, and the sources are to be fetched by the node", hint);
        }
        self.sources.iter().try_for_each(|source| source.check(operation))
    }
}

fn no_source(operation: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, operation, "no source is given").hint("haulier deploy NAME PATH...")
}

/// An error of a step of a deployment, which says which one.
fn in_step(error: Error, operation: &str) -> Error {
    let step = error.operation().to_owned();
    error.in_operation(operation).context("step", step)
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

/// A deployment that is under way. Dropping it lets it go on.
#[derive(Debug)]
pub struct Deployment {
    running: tokio::task::JoinHandle<Result<DeployedUnit>>,
    progress: watch::Receiver<DeployProgress>,
}

impl Deployment {
    /// How far it is.
    pub fn progress(&self) -> DeployProgress {
        *self.progress.borrow()
    }

    /// Whether it has ended, well or not.
    pub fn is_done(&self) -> bool {
        self.running.is_finished()
    }

    /// Waits for its end. Errors: those of [`Deploy::send`]; `Canceled` after [`Deployment::cancel`].
    pub async fn wait(self) -> Result<DeployedUnit> {
        self.running.await.unwrap_or_else(|error| {
            let canceled = Error::new(ErrorKind::Canceled, "deploy", "the deployment was cancelled");
            Err(if error.is_cancelled() { canceled } else { Error::internal("deploy", error.to_string()) })
        })
    }

    /// Stops it, unless it has ended: nothing is deployed then.
    pub fn cancel(&self) {
        self.running.abort();
    }
}
