//! Sources of one deployment become files on this machine: paths stay, URLs are fetched, coordinates are resolved, and all
//! requirements together become one lock.

use std::{fs, path::PathBuf, sync::Arc};

use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_requirements::{Lock, Requirement, Requirements, Uv};
use tempfile::TempDir;

use crate::{
    FetchOptions, Source, fetch,
    maven::{MavenOptions, Resolver},
};

/// Called with what is being fetched, how many bytes of it there are, and how many there will be (0: not known).
pub type GatherProgress = Arc<dyn Fn(&str, u64, u64) + Send + Sync>;

/// How sources become files.
#[derive(Clone)]
pub struct Gathering {
    /// Resolves Maven coordinates.
    pub resolver: Resolver,
    /// How.
    pub maven: MavenOptions,
    /// Resolves requirements. Default: what [`Uv::find`] finds.
    pub uv: Option<Uv>,
    /// What the file behind the one URL must hash to, in hexadecimal. Default: anything.
    pub sha256: Option<String>,
    /// Below which folder what is fetched is put.
    pub folder: PathBuf,
    /// Hears how far it is.
    pub progress: GatherProgress,
}

/// A file, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatheredFile {
    /// Where it is: as named, in the folder for what was fetched, or in the local Maven repository.
    pub path: PathBuf,
    /// The source as it was named, without credentials.
    pub source: String,
    /// Its SHA-256 in hexadecimal; empty for paths, which are not read here.
    pub sha256: String,
    /// What the source was resolved to; empty for paths.
    pub coordinates: String,
}

/// The files of a deployment. What was fetched goes when this is dropped.
#[derive(Debug)]
pub struct Gathered {
    /// In the order of the sources; of Maven coordinates the artifact first, then its dependencies. The lock of all
    /// requirements comes last.
    pub files: Vec<GatheredFile>,
    /// The version in the coordinates, or of the distribution, if there is one source and it is such.
    pub version: Option<String>,
    fetched: Option<TempDir>,
}

impl Gathering {
    /// Gathers `sources` in their order.
    ///
    /// # Errors
    /// Those of [`fetch`] and of [`Resolver::resolve`]; `InvalidArgument` for a digest with other than one URL.
    pub async fn gather(&self, sources: &[Source]) -> Result<Gathered> {
        self.check_sha256(sources)?;
        let mut gathered = Gathered { files: Vec::new(), version: None, fetched: None };
        let mut required = Requirements::default();
        for (index, source) in sources.iter().enumerate() {
            let named = source.to_string();
            match source {
                Source::Path(path) => gathered.files.push(GatheredFile {
                    path: path.clone(),
                    source: named,
                    sha256: String::new(),
                    coordinates: String::new(),
                }),
                Source::Url(url) => {
                    let folder = gathered.folder(self)?.join(index.to_string());
                    fs::create_dir(&folder).map_err(|error| self.unwritable(&error))?;
                    let (progress, shown) = (self.progress.clone(), named.clone());
                    let options = FetchOptions {
                        sha256: self.sha256.clone(),
                        progress: Some(Arc::new(move |done, total| progress(&shown, done, total.unwrap_or(0)))),
                        ..FetchOptions::default()
                    };
                    let file = fetch(url.as_str(), &folder, &options).await?;
                    gathered.files.push(GatheredFile {
                        path: file.path,
                        coordinates: file.url,
                        source: named,
                        sha256: file.sha256,
                    });
                }
                Source::Requirement(requirement) => required.texts.push(Requirement::clone(requirement)),
                Source::Maven(coordinates) => {
                    let progress = |now: crate::maven::Progress| {
                        (self.progress)(&now.url, now.done, now.total.unwrap_or(0));
                    };
                    let resolved = self.resolver.resolve(coordinates, &self.maven, progress).await?;
                    gathered.version = (sources.len() == 1).then_some(resolved.version);
                    gathered.files.extend(resolved.artifacts.into_iter().map(|artifact| GatheredFile {
                        path: artifact.file,
                        source: named.clone(),
                        sha256: artifact.sha256.hex(),
                        coordinates: artifact.coordinates,
                    }));
                }
            }
        }
        if !required.is_empty() {
            self.lock(required, sources.len() == 1, &mut gathered).await?;
        }
        Ok(gathered)
    }

    /// Before anything is fetched.
    fn check_sha256(&self, sources: &[Source]) -> Result<()> {
        let Some(digest) = &self.sha256 else { return Ok(()) };
        if !matches!(sources, [Source::Url(_)]) {
            return Err(Error::new(ErrorKind::InvalidArgument, "deploy", "a digest is for one URL, and nothing else")
                .hint("haulier deploy NAME URL --sha256 DIGEST"));
        }
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let message = format!("'{}' is no SHA-256: it has 64 hexadecimal digits", digest.escape_debug());
            return Err(Error::new(ErrorKind::InvalidArgument, "deploy", message).hint("sha256sum FILE"));
        }
        Ok(())
    }

    /// Adds the lock of all requirements.
    async fn lock(&self, required: Requirements, alone: bool, gathered: &mut Gathered) -> Result<()> {
        (self.progress)(&required.named(), 0, 0);
        let lock = required.lock(self.uv.as_ref()).await?.lock;
        let text = lock.to_string();
        let path = gathered.folder(self)?.join(Lock::FILE);
        fs::write(&path, &text).map_err(|error| self.unwritable(&error))?;
        if alone {
            gathered.version = required.version(&lock).map(str::to_owned);
        }
        gathered.files.push(GatheredFile {
            path,
            source: required.named(),
            sha256: Digest::of(text.as_bytes()).hex(),
            coordinates: required.resolved_to(&lock),
        });
        Ok(())
    }

    fn unwritable(&self, error: &std::io::Error) -> Error {
        Error::new(ErrorKind::Unavailable, "fetch sources", format!("cannot write {}: {error}", self.folder.display()))
            .hint("check space and permissions of that folder")
    }
}

impl Gathered {
    fn folder(&mut self, gathering: &Gathering) -> Result<PathBuf> {
        if let Some(folder) = &self.fetched {
            return Ok(folder.path().to_owned());
        }
        let made = tempfile::Builder::new().prefix("sources-").tempdir_in(&gathering.folder);
        let made = made.map_err(|error| gathering.unwritable(&error))?;
        let path = made.path().to_owned();
        self.fetched = Some(made);
        Ok(path)
    }
}
