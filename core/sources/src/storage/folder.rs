//! A folder of this machine. Links are followed as long as they stay in it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use haulier_model::{Error, ErrorKind, Result};
use tokio::io::AsyncReadExt as _;
use url::Url;
use walkdir::{DirEntry, WalkDir};

use super::{Found, MAX_DEPTH, StoredFile};
use crate::{download::Body, failure, location};

/// How many bytes are read at once.
const CHUNK: usize = 256 << 10;

#[derive(Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn open(url: &Url) -> Result<Self> {
        let root = url.to_file_path().ok().filter(|_| url.query().is_none());
        let root = root.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "read a URL", format!("{} is no local folder", location::shown(url)))
                .hint("write it with three slashes: file:///folder")
        })?;
        Ok(Self { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) async fn list(&self, operation: &str) -> Result<Vec<StoredFile>> {
        let (folder, name) = (self.clone(), operation.to_owned());
        in_background(operation, move || folder.walk(&name)).await
    }

    pub(super) async fn stat(&self, path: &str, operation: &str) -> Result<Option<StoredFile>> {
        let (folder, path, name) = (self.clone(), path.to_owned(), operation.to_owned());
        in_background(operation, move || {
            let metadata = fs::metadata(folder.inside(&path, &name)?).map_err(|error| failure::of_io(&name, &error))?;
            Ok(metadata.is_file().then(|| stored(path, &metadata)))
        })
        .await
    }

    pub(super) async fn open_file(&self, path: &str, operation: &str) -> Result<Body> {
        let (folder, path, name) = (self.clone(), path.to_owned(), operation.to_owned());
        let file = in_background(operation, move || {
            let local = |error| failure::of_io(&name, &error);
            let real = folder.inside(&path, &name)?;
            // Asked before: opening a pipe would wait for its writer.
            if !fs::metadata(&real).map_err(local)?.is_file() {
                return Err(Error::new(ErrorKind::NotFound, &name, "it is no file").hint("check the path: ls -l"));
            }
            fs::File::open(real).map_err(local)
        })
        .await?;
        let name = operation.to_owned();
        let chunks = stream::try_unfold(tokio::fs::File::from_std(file), |mut file| async move {
            let mut chunk = Vec::with_capacity(CHUNK);
            let count = file.read_buf(&mut chunk).await?;
            Ok::<_, io::Error>((count > 0).then_some((chunk, file)))
        });
        // Not the size that it has now: a file that grows or shrinks meanwhile is what its last byte says.
        Ok(Body { length: None, chunks: chunks.map_err(move |error| failure::of_io(&name, &error)).boxed() })
    }

    fn walk(&self, operation: &str) -> Result<Vec<StoredFile>> {
        let local = |error| failure::of_io(operation, &error);
        if !fs::metadata(&self.root).map_err(local)?.is_dir() {
            return Err(Error::new(ErrorKind::NotFound, operation, "it is no folder").hint("check the path: ls -l"));
        }
        let mut found = Found::new(operation);
        let mut entries = WalkDir::new(&self.root).follow_links(true).min_depth(1).max_depth(MAX_DEPTH + 1).into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                // An editor's lock is a link to nothing.
                Err(error) if error.path().is_some_and(is_left_out) => continue,
                entry => entry.map_err(|error| unreadable(operation, error))?,
            };
            let Some(path) = self.relative(&entry) else { continue };
            if !found.admits(&path)? {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            if entry.path_is_symlink() {
                self.inside(&path, operation)?;
            }
            if entry.file_type().is_file() {
                found.add(stored(path, &entry.metadata().map_err(|error| unreadable(operation, error))?));
            }
        }
        Ok(found.finish())
    }

    /// The path below the root; None if it is no UTF-8, and so no path of a unit.
    fn relative(&self, entry: &DirEntry) -> Option<String> {
        let path = entry.path().strip_prefix(&self.root).ok()?.to_str();
        if path.is_none() {
            tracing::warn!(path = %entry.path().display(), "left out: the name is no UTF-8");
        }
        path.map(str::to_owned)
    }

    /// Where `path` really is; refused if links lead out of the folder.
    fn inside(&self, path: &str, operation: &str) -> Result<PathBuf> {
        let local = |error| failure::of_io(operation, &error);
        let root = fs::canonicalize(&self.root).map_err(local)?;
        let real = fs::canonicalize(self.root.join(path)).map_err(local)?;
        if real.starts_with(&root) {
            return Ok(real);
        }
        let message = format!("the link {} leads out of the folder", path.escape_debug());
        Err(Error::new(ErrorKind::InvalidArgument, operation, message).hint("copy the file instead of linking it"))
    }
}

fn stored(path: String, metadata: &fs::Metadata) -> StoredFile {
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    let modified_ms = u64::try_from(seconds).ok().map(|seconds| seconds * 1000 + nanoseconds as u64 / 1_000_000);
    let etag = Some(format!("{:x}-{seconds:x}.{nanoseconds:x}-{:x}", metadata.ino(), metadata.len()));
    StoredFile { path, size: Some(metadata.len()), modified_ms, etag }
}

fn is_left_out(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(location::is_left_out)
}

fn unreadable(operation: &str, error: walkdir::Error) -> Error {
    let place = error.path().map(|path| path.display().to_string()).unwrap_or_default();
    failure::of_io(operation, &error.into()).context("path", place)
}

async fn in_background<T: Send + 'static>(
    operation: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Error::internal(operation, error.to_string())))
}
