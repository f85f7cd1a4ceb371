//! The folder of one upload: its files by their checked paths.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use haulier_model::{Digest, EntryPath, Error, ErrorKind};
use tempfile::TempDir;
use tokio::fs::File;

use crate::{
    engine::Content,
    options::{FILES, PATH_PARTS},
    problem::Problem,
};

/// How the names of all folders of uploads begin.
const PREFIX: &str = "gateway-upload-";

/// Makes `temp`, and removes what a crash left in it.
pub(crate) fn prepare(temp: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(temp)?;
    for entry in fs::read_dir(temp)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// A folder that is removed when it is dropped.
pub(crate) struct UploadFolder {
    directory: TempDir,
    /// Digests of the paths in lower case: of one size, however long a path is.
    seen: HashSet<Digest>,
}

impl UploadFolder {
    /// An empty folder in `temp`, for this user only.
    pub(crate) async fn new(temp: PathBuf) -> Result<Self, Problem> {
        let make = move || {
            let private = fs::Permissions::from_mode(0o700);
            let directory = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(temp)?;
            fs::create_dir(directory.path().join("files"))?;
            Ok(directory)
        };
        let directory = blocking(make).await.map_err(|error| failed("make a folder", error))?;
        Ok(Self { directory, seen: HashSet::new() })
    }

    fn files(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    fn archive(&self) -> PathBuf {
        self.directory.path().join("unit.zip")
    }

    /// What was uploaded.
    pub(crate) fn content(&self, zip: bool) -> Content {
        if zip { Content::Zip(self.archive()) } else { Content::Folder(self.files()) }
    }

    /// Begins the file `name`, which is checked.
    pub(crate) async fn create(&mut self, name: &str) -> Result<File, Problem> {
        let path =
            EntryPath::new(name).map_err(|error| error.hint("curl -F 'unitContent=@FILE;filename=folder/name' ..."))?;
        if name.split('/').count() > PATH_PARTS {
            let message = format!("'{}' has more than {PATH_PARTS} parts", name.escape_debug());
            return Err(Problem::bad_request(message, "a zip archive: .../units/zip/{id}/{version}"));
        }
        if self.seen.len() == FILES {
            let message = format!("there are more than {FILES} files");
            return Err(Problem::bad_request(message, "a zip archive: .../units/zip/{id}/{version}"));
        }
        if !self.seen.insert(Digest::of(name.to_lowercase().as_bytes())) {
            let message =
                format!("'{}' is there twice, or differs from another file by case only", name.escape_debug());
            return Err(Problem::bad_request(message, "send each file once"));
        }
        let target = self.files().join(path.as_str());
        let made = blocking(move || {
            fs::create_dir_all(target.parent().unwrap_or(&target))?;
            fs::File::create_new(&target)
        });
        made.await.map(File::from_std).map_err(|error| refused(name, error))
    }

    /// Begins the archive.
    pub(crate) async fn create_archive(&mut self) -> Result<File, Problem> {
        File::create_new(self.archive()).await.map_err(|error| failed("make a file", error))
    }

    /// Removes the folder with all that is in it.
    pub(crate) async fn remove(self) {
        let path = self.directory.path().to_owned();
        if let Err(error) = blocking(move || self.directory.close()).await {
            tracing::warn!(path = %path.display(), %error, "an upload's folder stays until the next start");
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Why a path that is well formed cannot be a file here.
fn refused(name: &str, error: io::Error) -> Problem {
    let problem = match error.kind() {
        io::ErrorKind::InvalidFilename => "has a name that is too long",
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            "is both a file and a folder"
        }
        _ => return failed("make a file", error),
    };
    Problem::bad_request(format!("'{}' {problem}", name.escape_debug()), "other file names")
}

/// The disk did not do what it should.
pub(super) fn failed(what: &str, error: io::Error) -> Problem {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::ResourceExhausted,
        _ => ErrorKind::Internal,
    };
    let message = format!("cannot {what} for an upload: {error}");
    Error::new(kind, "receive an upload", message).hint("df -h, on the node").with_source(error).into()
}
