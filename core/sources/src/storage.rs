//! Storages that can be listed: a folder, an FTP server, an S3 bucket, an HTTP listing. What each protocol needs is in
//! the modules below; here is what all have in common: names, order, limits, files that arrive.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use haulier_model::{EntryPath, Error, ErrorKind, Result, Retry};
use tempfile::TempPath;
use tokio::fs::OpenOptions;

use crate::{
    Deadlines,
    download::{Body, Download, Fetched},
    failure, location,
};

mod folder;
mod ftp;
mod listing;
mod s3;
mod site;

pub(crate) use folder::Folder;
pub(crate) use ftp::Ftp;
pub(crate) use s3::S3;
use site::Site;

/// The most files and folders that a listing may have.
const MAX_ENTRIES: usize = 100_000;
/// How deep folders may be nested.
const MAX_DEPTH: usize = 32;

/// A place whose files can be listed and fetched; cheap to clone.
///
/// ```no_run
/// use haulier_sources::Storage;
///
/// # async fn example() -> haulier_model::Result<()> {
/// let storage = Storage::open("s3://units/released?region=eu-central-1")?;
/// for file in storage.list().await? {
///     println!("{} {:?}", file.path, file.size);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Storage {
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    backend: Backend,
    deadlines: Deadlines,
}

/// A file of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Where it is below the storage's own path: relative, with '/', checked as an [`EntryPath`].
    pub path: String,
    /// Its size in bytes, if the storage says it.
    pub size: Option<u64>,
    /// When it was changed, in milliseconds since 1970, if the storage says it; FTP and HTTP know seconds only.
    pub modified_ms: Option<u64>,
    /// What changes when the bytes change: the ETag of HTTP and S3, inode and time of a local file.
    pub etag: Option<String>,
}

impl Storage {
    /// Opens the storage at `url`, without connecting to it:
    ///
    /// - `file:///folder`
    /// - `http://host/listing/`, `https://...`: pages with links, as Apache, nginx and Python's http.server make them
    /// - `ftp://user:password@host/folder`, below the folder that the login leads to; without a user, anonymous
    /// - `s3://bucket/prefix?endpoint=http://host:9000&region=eu-central-1`; by default endpoint and region are those of
    ///   the variables AWS_ENDPOINT_URL and AWS_REGION. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
    ///   AWS_PROFILE, a web identity or the container, and, if AWS_EC2_METADATA_DISABLED is "false", from the machine;
    ///   without any of them requests are anonymous.
    ///
    /// # Errors
    /// `InvalidArgument` says what is wrong with the URL.
    pub fn open(url: &str) -> Result<Self> {
        Self::open_with(url, Deadlines::default())
    }

    /// As [`Storage::open`], with other deadlines.
    ///
    /// # Errors
    /// As [`Storage::open`].
    pub fn open_with(url: &str, deadlines: Deadlines) -> Result<Self> {
        let url = location::parse(url)?;
        let backend = match url.scheme() {
            "file" => Backend::Folder(Folder::open(&url)?),
            "ftp" => Backend::Ftp(Ftp::open(&url, deadlines)?),
            "s3" => Backend::S3(S3::open(&url, deadlines)?),
            _ => Backend::Site(Site::open(&url, deadlines)?),
        };
        Ok(Self { shared: Arc::new(Shared { url: location::shown(&url), backend, deadlines }) })
    }

    /// The URL without credentials and without secrets of its query.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The folder, if the storage is one of this machine.
    pub fn folder(&self) -> Option<&Path> {
        match &self.shared.backend {
            Backend::Folder(folder) => Some(folder.root()),
            _ => None,
        }
    }

    /// All files, sorted by path. Hidden files and folders (".x"), and files that somebody still writes ("*.part",
    /// "*.tmp", "*~"), are left out, and so is what cannot be a file here, such as a key with "..".
    ///
    /// # Errors
    /// `NotFound` if the storage itself is not there (an S3 prefix without keys is there, and empty); any failure on the
    /// way, so that a part never looks like the whole; `ResourceExhausted` beyond 100,000 entries or 32 folders deep.
    pub async fn list(&self) -> Result<Vec<StoredFile>> {
        self.shared.backend.list(&format!("list {}", self.shared.url)).await
    }

    /// What is known of one file; None if there is no file of that name.
    ///
    /// # Errors
    /// `InvalidArgument` for a hostile path; failures of the storage.
    pub async fn stat(&self, path: &str) -> Result<Option<StoredFile>> {
        check_path(path)?;
        match self.shared.backend.stat(path, &self.operation("look at", path)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            answer => answer,
        }
    }

    /// Streams the file into a new file at `to`, hashing it on the way; failures that may pass are tried four times.
    ///
    /// # Errors
    /// `Conflict` if `to` exists; `ResourceExhausted` beyond `limit` bytes; `Unavailable` if the storage does not answer
    /// or stops in the middle. After an error, and when the call is dropped, there is no file.
    pub async fn fetch(&self, path: &str, to: &Path, limit: u64) -> Result<Fetched> {
        check_path(path)?;
        let operation = self.operation("fetch", path);
        let local = |error| failure::of_io(&operation, &error);
        let mut file = OpenOptions::new().write(true).create_new(true).open(to).await.map_err(local)?;
        let unfinished = TempPath::try_from_path(to).map_err(local)?;
        let silence = self.shared.deadlines.silence;
        let download = Download { operation: &operation, limit, silence, progress: None };
        let fetched = download.run(&mut file, || self.shared.backend.open(path, &operation)).await?;
        unfinished.keep().map_err(|error| local(error.error))?;
        Ok(fetched)
    }

    fn operation(&self, verb: &str, path: &str) -> String {
        format!("{verb} {} of {}", path.escape_debug(), self.shared.url)
    }
}

/// Shows the URL without credentials.
impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({})", self.shared.url)
    }
}

/// What differs between storages. Paths are checked before.
pub(crate) enum Backend {
    Folder(Folder),
    Ftp(Ftp),
    S3(S3),
    Site(Site),
}

impl Backend {
    async fn list(&self, operation: &str) -> Result<Vec<StoredFile>> {
        match self {
            Self::Folder(folder) => folder.list(operation).await,
            Self::Ftp(ftp) => ftp.list(operation).await,
            Self::S3(s3) => s3.list(operation).await,
            Self::Site(site) => site.list(operation).await,
        }
    }

    async fn stat(&self, path: &str, operation: &str) -> Result<Option<StoredFile>> {
        match self {
            Self::Folder(folder) => folder.stat(path, operation).await,
            Self::Ftp(ftp) => ftp.stat(path, operation).await,
            Self::S3(s3) => s3.stat(path, operation).await,
            Self::Site(site) => site.stat(path, operation).await.map(Some),
        }
    }

    /// Begins to read the bytes of a file.
    pub(crate) async fn open(&self, path: &str, operation: &str) -> Result<Body> {
        match self {
            Self::Folder(folder) => folder.open_file(path, operation).await,
            Self::Ftp(ftp) => ftp.open_file(path, operation).await,
            Self::S3(s3) => s3.open_file(path, operation).await,
            Self::Site(site) => site.open_file(path, operation).await,
        }
    }
}

/// A listing that grows, with its limits.
struct Found<'a> {
    operation: &'a str,
    files: BTreeMap<String, StoredFile>,
    seen: usize,
}

impl<'a> Found<'a> {
    fn new(operation: &'a str) -> Self {
        Self { operation, files: BTreeMap::new(), seen: 0 }
    }

    /// Counts an entry and says whether `path` belongs to the listing; an error beyond the limits.
    fn admits(&mut self, path: &str) -> Result<bool> {
        self.seen += 1;
        let full = |message: String| {
            Err(Error::new(ErrorKind::ResourceExhausted, self.operation, message)
                .with_retry(Retry::Never)
                .hint("choose a folder further down"))
        };
        if self.seen > MAX_ENTRIES {
            return full(format!("it has more than {MAX_ENTRIES} entries, the limit"));
        }
        if path.split('/').any(location::is_left_out) {
            return Ok(false);
        }
        if path.split('/').count() > MAX_DEPTH {
            return full(format!("folders are nested deeper than {MAX_DEPTH}, the limit"));
        }
        if EntryPath::new(path).is_err() || path.chars().any(char::is_control) {
            tracing::warn!(operation = self.operation, path, "left out: no file can have this path");
            return Ok(false);
        }
        Ok(true)
    }

    fn add(&mut self, file: StoredFile) {
        self.files.insert(file.path.clone(), file);
    }

    fn finish(self) -> Vec<StoredFile> {
        self.files.into_values().collect()
    }
}

fn check_path(path: &str) -> Result<()> {
    EntryPath::new(path).map(drop).map_err(|error| error.hint("give a path as the storage lists it: folder/name.jar"))
}

/// Joins the path of a folder, empty for the root, and a name in it.
fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
