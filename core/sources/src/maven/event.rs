//! The request and the events of the resolving program: one JSON object each. It must never know processes.

use std::path::{Path, PathBuf};

use haulier_model::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::json;

use super::{MavenOptions, Progress};

/// The longest request that the program reads, in bytes.
const LONGEST: usize = 1 << 20;

/// One line of the program's output.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event {
    /// A file is on its way.
    Downloading { url: String, done: u64, total: Option<u64> },
    /// The class path may be incomplete.
    Warning { message: String },
    /// The last line of a resolution that worked.
    Resolved(Answer),
    /// The last line of one that did not.
    Error { kind: String, message: String, hint: String },
}

/// What the program found; nothing of it is verified yet.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) artifacts: Vec<Found>,
    pub(super) version: String,
}

/// One file that the program found.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) coordinates: String,
    pub(super) file: PathBuf,
    pub(super) repository: String,
    pub(super) sha256: String,
}

/// What the program is asked.
pub(super) fn request(operation: &str, coordinates: &str, options: &MavenOptions) -> Result<String> {
    let request = json!({
        "coordinates": [coordinates],
        "dependencies": options.dependencies,
        "include": options.include,
        "exclude": options.exclude,
        "repositories": options.repositories,
        "settings": text(operation, options.settings.as_deref())?,
        "local_repository": text(operation, options.local_repository.as_deref())?,
        "offline": options.offline,
    })
    .to_string();
    if request.len() > LONGEST {
        let message = format!("patterns and repositories are {} bytes long; {LONGEST} are allowed", request.len());
        return Err(Error::new(ErrorKind::InvalidArgument, operation, message).hint("use shorter patterns, with '*'"));
    }
    Ok(request)
}

/// A path as JSON knows it.
fn text<'a>(operation: &str, path: Option<&'a Path>) -> Result<Option<&'a str>> {
    let refuse = || {
        Error::new(
            ErrorKind::InvalidArgument,
            operation,
            "the path of the settings or the local repository is not UTF-8",
        )
        .hint("use another path, or a symbolic link to it")
    };
    path.map(|path| path.to_str().ok_or_else(refuse)).transpose()
}

impl Event {
    /// The event of a line; `None` if it is none.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

impl Progress {
    pub(super) fn new(url: String, done: u64, total: Option<u64>) -> Self {
        Self { url, done, total }
    }
}

/// The program's own error as the one error.
pub(super) fn failure(operation: &str, kind: &str, message: String, hint: String) -> Error {
    let kind = match kind {
        "NotFound" => ErrorKind::NotFound,
        "Unavailable" => ErrorKind::Unavailable,
        "PermissionDenied" => ErrorKind::PermissionDenied,
        "InvalidArgument" => ErrorKind::InvalidArgument,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, operation, message).hint(hint)
}
