//! The commands about units: deploying, what is deployed, watched storages.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use super::{Connection, seconds};

#[derive(Args, Debug)]
pub(crate) struct Deploy {
    /// Name of the unit.
    pub(crate) name: String,
    /// Jars, zips, folders, Python files, package folders, wheels, URLs (https, http, s3, ftp), Maven coordinates
    /// (group:artifact:version) or Python requirements (requests==2.32.3, pypi:requests), in the order in which they are
    /// searched.
    #[arg(required_unless_present = "requirements", value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// Python requirements of the unit: requirements.txt, pylock.toml, pyproject.toml or uv.lock. uv resolves them here to exact
    /// versions with hashes; a file that has them already is taken as it is. May be given again.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "on_node")]
    pub(crate) requirements: Vec<PathBuf>,
    /// Version; without it the artifact's own, or, if it has none, the next revision, 0.0.N.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) version: String,
    /// Replace other bytes under the same name and version.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Keep the exact bytes of each archive, for haulier download; without it, of archives that are signed, or have more
    /// in them than entries (a script in front, comments).
    #[arg(long)]
    pub(crate) opaque: bool,
    /// Wait until these nodes have it: one, majority, all, or names with commas between them [default: majority].
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) nodes: String,
    /// What the file behind the URL must hash to (SHA-256, hexadecimal).
    #[arg(long, value_name = "DIGEST")]
    pub(crate) sha256: Option<String>,
    /// Let the node fetch URLs, Maven artifacts and requirements, with its own settings and credentials, instead of this machine.
    #[arg(long)]
    pub(crate) on_node: bool,
    #[command(flatten)]
    pub(crate) maven: Maven,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// How Maven coordinates are resolved. ~/.m2/settings.xml is honoured, with its mirrors, credentials and proxies.
#[derive(Args, Debug)]
#[command(next_help_heading = "Maven")]
pub(crate) struct Maven {
    /// Only the artifact, not what it depends on.
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Keep only dependencies that match (group:artifact, with *). May be given again.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) include: Vec<String>,
    /// Leave out dependencies that match (group:artifact, with *), and what only they need. May be given again.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,
    /// Ask this repository first (URL, or id::URL with a server of settings.xml). May be given again.
    #[arg(long, value_name = "URL")]
    pub(crate) repository: Vec<String>,
    /// Settings instead of ~/.m2/settings.xml.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "on_node")]
    pub(crate) maven_settings: Option<PathBuf>,
    /// Ask no repository but the local one.
    #[arg(long, conflicts_with = "on_node")]
    pub(crate) offline: bool,
    /// Java to resolve with [default: java on the PATH].
    #[arg(long, value_name = "PATH", env = "HAULIER_JAVA", value_hint = ValueHint::ExecutablePath)]
    pub(crate) java: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Alias {
    /// Name of the unit.
    pub(crate) name: String,
    /// The alias: "stable". Without it, the aliases are listed.
    pub(crate) alias: Option<String>,
    /// The version that it points to from now on; without it, the present one is shown.
    pub(crate) version: Option<String>,
    /// Remove the alias.
    #[arg(long, requires = "alias", conflicts_with = "version")]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Wait {
    /// NAME, NAME:VERSION, NAME:ALIAS or NAME@sha256:...
    pub(crate) reference: String,
    /// Wait for these nodes: one, majority, all, or names with commas between them.
    #[arg(long, default_value = "majority")]
    pub(crate) nodes: String,
    /// Give up after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Promote {
    /// The session: haulier sessions.
    pub(crate) session: String,
    /// Name of the unit.
    pub(crate) name: String,
    /// Version; without it the next revision, 0.0.N.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) version: String,
    /// The beginning of a snapshot's digest [default: the newest].
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) snapshot: String,
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
pub(crate) struct Sessions {
    /// List the JVM workers of this identity instead, with the class loaders that stay in their memory.
    #[arg(long)]
    pub(crate) loaders: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Gc {
    /// Only say what would go.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Watch {
    /// Watch a storage, or change how it is watched; for one that is watched, also says that what is missing is meant.
    Add(WatchAdd),
    /// Watch a storage no longer.
    Remove(WatchRemove),
    /// List what is watched, with state and last error.
    #[command(visible_alias = "ls")]
    List(WatchList),
}

#[derive(Args, Debug)]
pub(crate) struct WatchAdd {
    /// file:///srv/units, s3://bucket/units?endpoint=...&region=..., ftp://host/units or https://host/units/
    pub(crate) url: String,
    /// Look at it so often [default: 5 for folders, 30 else].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) interval: Option<Duration>,
    /// Take a file that has been unchanged for so long [default: 2].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) settle: Option<Duration>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct WatchRemove {
    /// Its id or URL: haulier watch list.
    pub(crate) watch: String,
    /// Undeploy what came from it.
    #[arg(long)]
    pub(crate) undeploy: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct WatchList {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Undeploy {
    /// NAME (all versions), NAME:VERSION, NAME@sha256:..., or session:DIGEST for code of the continuous mode.
    pub(crate) reference: String,
    /// Cancel running tasks instead of letting them finish, and remove aliases that point to it.
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
#[command(group = ArgGroup::new("class path").args(["unit", "session", "job"]).required(true).multiple(true))]
pub(crate) struct Explain {
    /// Class (com.acme.Price), resource (com/acme/prices.csv) or module (acme.price).
    pub(crate) name: String,
    /// Unit of the class path: NAME, NAME:VERSION or NAME@sha256:... May be given again; the order counts.
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: Vec<String>,
    /// Session whose code comes after the units; `haulier sessions` lists them.
    #[arg(long, value_name = "SESSION")]
    pub(crate) session: Option<String>,
    /// Task whose class path it is, in place of units and a session: as its error names it. One that has ended is known
    /// for ten minutes.
    #[arg(
        long,
        visible_alias = "task",
        value_name = "SESSION/NUMBER",
        conflicts_with_all = ["unit", "session", "language", "policy", "parent_first"]
    )]
    pub(crate) job: Option<String>,
    /// Beginning of the snapshot's digest [default: the newest of the session].
    #[arg(long, value_name = "DIGEST", requires = "session")]
    pub(crate) snapshot: Option<String>,
    /// Language of the name [default: the one that has it].
    #[arg(long, value_enum)]
    pub(crate) language: Option<Language>,
    /// Who is asked first.
    #[arg(long, value_enum, default_value_t = Policy::ChildFirst)]
    pub(crate) policy: Policy,
    /// Prefix of names that are asked at the parent first. May be given again.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) parent_first: Vec<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Classes and resources of the JVM.
    Java,
    /// Modules.
    Python,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// The class path, then the platform and the API.
    ChildFirst,
    /// The platform and the API, then the class path.
    ParentFirst,
    /// The class path alone, besides the platform and the API.
    SelfOnly,
}

#[derive(Args, Debug)]
pub(crate) struct Download {
    /// NAME, NAME:VERSION, NAME:ALIAS or NAME@sha256:...
    pub(crate) reference: String,
    /// Write into this folder, which is made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) into: PathBuf,
    /// Replace files and folders that are there.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
