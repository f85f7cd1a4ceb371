//! One file by its URL, into a folder of this machine. It knows no storages as a whole and no units.

use std::{
    fmt, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use haulier_model::{Error, ErrorKind, Result};
use url::Url;

use crate::{
    Deadlines, Progress,
    download::{Body, Download, Fetched},
    failure, location,
    storage::{Backend, Folder, Ftp, S3},
    web::Web,
};

/// The most bytes that a file may have by default: 4 GiB.
pub const DEFAULT_LIMIT: u64 = 4 << 30;

/// How to fetch a file.
#[derive(Clone)]
pub struct FetchOptions {
    /// The SHA-256 that the file must have, in hexadecimal. Default: any.
    pub sha256: Option<String>,
    /// More bytes than this are refused. Default: [`DEFAULT_LIMIT`].
    pub limit: u64,
    /// Called as bytes arrive. Default: nobody.
    pub progress: Option<Progress>,
    /// How long to wait for the server.
    pub deadlines: Deadlines,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { sha256: None, limit: DEFAULT_LIMIT, progress: None, deadlines: Deadlines::default() }
    }
}

impl fmt::Debug for FetchOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchOptions").field("sha256", &self.sha256).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it came from, without credentials.
    pub url: String,
}

/// Fetches the file at `url` (file, ftp, http, https or s3) into `folder`, under the last part of the URL's path; a file
/// of that name is replaced at once when the new one is whole. Failures that may pass are tried four times.
///
/// # Errors
/// `InvalidArgument` for a URL that names no file, another SHA-256, redirects that are too many or leave https;
/// `NotFound`; `PermissionDenied`; `ResourceExhausted` beyond the limit or on a full disk; `Unavailable` if the server
/// does not answer, or stops in the middle. No error leaves a file.
pub async fn fetch(url: &str, folder: &Path, options: &FetchOptions) -> Result<FetchedFile> {
    let url = location::parse(url)?;
    let (name, shown) = (location::file_name(&url)?, location::shown(&url));
    let operation = format!("fetch {shown}");
    let local = |error| failure::of_io(&operation, &error);
    let unfinished = tempfile::Builder::new()
        .prefix(".haulier-")
        .suffix(".part")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder);
    let (file, unfinished) = unfinished.map_err(local)?.into_parts();
    let origin = Origin::of(&url, options.deadlines)?;
    let download = Download {
        operation: &operation,
        limit: options.limit,
        silence: options.deadlines.silence,
        progress: options.progress.as_ref(),
    };
    let fetched = download.run(&mut file.into(), || origin.open(&operation)).await?;
    check_sha256(&operation, options.sha256.as_deref(), &fetched)?;
    let path = folder.join(name);
    unfinished.persist(&path).map_err(|error| local(error.error))?;
    Ok(FetchedFile { path, sha256: fetched.sha256, size: fetched.size, url: shown })
}

enum Origin {
    Stored(Backend, String),
    Web(Web, Url),
}

impl Origin {
    fn of(url: &Url, deadlines: Deadlines) -> Result<Self> {
        let mut top = url.clone();
        top.set_path("/");
        let path = location::decoded_path(url)?;
        Ok(match url.scheme() {
            "file" => Self::Stored(Backend::Folder(Folder::open(&top)?), path),
            "ftp" => Self::Stored(Backend::Ftp(Ftp::open(&top, deadlines)?), path),
            "s3" => Self::Stored(Backend::S3(S3::open(&top, deadlines)?), path),
            _ => Self::Web(Web::new(deadlines)?, url.clone()),
        })
    }

    async fn open(&self, operation: &str) -> Result<Body> {
        match self {
            Self::Stored(backend, path) => backend.open(path, operation).await,
            Self::Web(web, url) => web.open(url.clone(), operation).await,
        }
    }
}

fn check_sha256(operation: &str, expected: Option<&str>, fetched: &Fetched) -> Result<()> {
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&fetched.sha256) => {
            let message = format!("the file has SHA-256 {}, not {expected}", fetched.sha256);
            Err(Error::new(ErrorKind::InvalidArgument, operation, message)
                .hint("find out which of the two is wrong before you run anything of it"))
        }
        _ => Ok(()),
    }
}
