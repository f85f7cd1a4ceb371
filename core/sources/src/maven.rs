//! Maven coordinates become files, exactly as Maven would resolve them: with the user's settings.xml, mirrors,
//! credentials, proxies and local repository.
//!
//! Owns the call of the resolving program, a jar that comes with the distribution: what it is asked, how long it may be
//! silent, and that the files are what it says. It must never know what the files are for, nor read settings itself.
//!
//! ```no_run
//! use haulier_sources::maven::{MavenOptions, Resolver};
//!
//! # async fn example() -> haulier_model::Result<()> {
//! let resolver = Resolver::new("java", "/opt/haulier/lib/haulier/haulier-maven.jar");
//! let options = MavenOptions { exclude: vec!["org.slf4j:*".into()], ..MavenOptions::default() };
//! let resolved = resolver.resolve("org.apache.commons:commons-text:1.12.0", &options, |_| ()).await?;
//! for artifact in &resolved.artifacts {
//!     println!("{} {}", artifact.coordinates, artifact.file.display());
//! }
//! # Ok(())
//! # }
//! ```

use std::path::PathBuf;

use haulier_model::{Digest, Result};

mod coordinates;
mod event;
mod process;
mod verify;

/// How coordinates are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MavenOptions {
    /// Whether with what the artifact needs at run time: the scopes compile and runtime, without what is optional.
    /// Default: true.
    pub dependencies: bool,
    /// Keeps only the dependencies that match one of these patterns ("org.acme:*", "*:prices-*"). Default: all.
    pub include: Vec<String>,
    /// Leaves out the dependencies that match one of these patterns, and what only they need. Default: none.
    pub exclude: Vec<String>,
    /// Repositories that are asked first: a URL, or "id::URL" with the id of a server in settings.xml; without an id it
    /// is the host. Those of settings.xml and Maven Central follow. Default: none.
    pub repositories: Vec<String>,
    /// Whether only the local repository is asked. Default: false.
    pub offline: bool,
    /// Instead of `~/.m2/settings.xml`. A `settings-security.xml` beside it is used, too.
    pub settings: Option<PathBuf>,
    /// Instead of the one that the settings name, or `~/.m2/repository`.
    pub local_repository: Option<PathBuf>,
}

impl Default for MavenOptions {
    fn default() -> Self {
        Self {
            dependencies: true,
            include: Vec::new(),
            exclude: Vec::new(),
            repositories: Vec::new(),
            offline: false,
            settings: None,
            local_repository: None,
        }
    }
}

/// How far the download of one file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file, without credentials.
    pub url: String,
    /// How many bytes are here.
    pub done: u64,
    /// How many there will be, if the repository says so.
    pub total: Option<u64>,
}

/// What coordinates mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The artifact itself, then its dependencies in the order of Maven's class path.
    pub artifacts: Vec<Artifact>,
    /// The version of the artifact as it was asked for: of a snapshot without its time stamp.
    pub version: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// `g:a:extension:v` or `g:a:extension:classifier:v`; of a snapshot with its time stamp.
    pub coordinates: String,
    /// Where it is: in the local repository.
    pub file: PathBuf,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The id of the repository or mirror that it came from; "local" if it was installed on this machine.
    pub repository: String,
}

/// Resolves Maven coordinates by a program in a JVM, one process per call.
#[derive(Clone, Debug)]
pub struct Resolver {
    java: PathBuf,
    jar: PathBuf,
}

impl Resolver {
    /// A resolver that runs `java` (a path, or a command that is searched on `PATH`) with the program in `jar`
    /// (`lib/haulier/haulier-maven.jar` of the distribution). Neither needs to exist yet.
    pub fn new(java: impl Into<PathBuf>, jar: impl Into<PathBuf>) -> Self {
        Self { java: java.into(), jar: jar.into() }
    }

    /// Resolves `coordinates` ("g:a:v", "g:a:extension:v" or "g:a:extension:classifier:v"), with an exact version.
    ///
    /// `progress` hears of downloads: of each file, and ten times a second; it must not block. Dropping the future ends
    /// the process. The files are hashed again here, so that what is returned is what lies on this disk.
    ///
    /// # Errors
    /// - `InvalidArgument`: the coordinates, also ranges, LATEST and RELEASE; a pattern, a repository or settings.xml
    /// - `NotFound`: the artifact or something it needs is in no repository, or `java` or the jar is not there
    /// - `PermissionDenied`: a repository wants other credentials
    /// - `Unavailable`: a repository cannot be reached, or its bytes are not what its checksums say
    /// - `DeadlineExceeded`: ten minutes without a sign of life
    pub async fn resolve(
        &self,
        coordinates: &str,
        options: &MavenOptions,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Resolved> {
        let operation = coordinates::check(coordinates)?;
        let request = event::request(&operation, coordinates, options)?;
        let answer = process::run(&self.java, &self.jar, &operation, &request, &progress).await?;
        verify::verify(&operation, answer).await
    }
}
