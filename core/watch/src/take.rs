//! Takes a unit out of the storage: its files are fetched, looked at again, and deployed. It decides nothing.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use haulier_model::{Error, ErrorKind, Result};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    listing::Found,
    machine::Outcome,
    naming,
    storage::{StoredFile, WatchedStorage},
    units::Units,
};

/// How many files are fetched at the same time, over all units.
pub(crate) const FETCHES: usize = 4;
/// How long one file may take to be fetched. The storage gives up much earlier when nothing arrives.
const FETCH_DEADLINE: Duration = Duration::from_secs(3600);
/// How long one file may take to be asked for.
const STAT_DEADLINE: Duration = Duration::from_secs(120);
/// How long a unit may take to be deployed or undeployed.
const DEPLOY_DEADLINE: Duration = Duration::from_secs(600);

/// What all jobs share.
pub(crate) struct Taker {
    pub(crate) storage: Arc<dyn WatchedStorage>,
    pub(crate) units: Arc<dyn Units>,
    pub(crate) temp: PathBuf,
    /// What the names of this watch's folders in `temp` begin with.
    pub(crate) prefix: String,
    pub(crate) limit: u64,
    pub(crate) fetches: Semaphore,
    pub(crate) stop: CancellationToken,
}

/// Where the files of a unit lie while it is deployed.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    /// For each file, in their order.
    files: Vec<PathBuf>,
    /// What is deployed, in order.
    sources: Vec<PathBuf>,
}

/// Why files were not fetched.
enum Trouble {
    Changed,
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Taker {
    /// Deploys what was found, if it is still there unchanged after it has been read.
    pub(crate) async fn take(&self, found: &Found) -> Outcome {
        let operation = format!("deploy {} from {}", found.id, self.storage.url());
        let folder = match self.folder(found).await {
            Ok(folder) => folder,
            Err(error) => return Outcome::Failed(error.in_operation(operation)),
        };
        let outcome = match self.fetch_and_deploy(found, folder.path()).await {
            Ok(()) => Outcome::Done,
            Err(Trouble::Changed) => Outcome::Changed,
            Err(Trouble::Failed(error)) if error.operation().is_empty() => {
                Outcome::Failed(error.in_operation(operation))
            }
            Err(Trouble::Failed(error)) => Outcome::Failed(error),
        };
        // Thousands of files take a while to remove; if that fails, the next run removes them.
        let _ = tokio::task::spawn_blocking(move || drop(folder)).await;
        outcome
    }

    /// Undeploys a unit.
    pub(crate) async fn remove(&self, id: &haulier_model::UnitId) -> Outcome {
        match within(DEPLOY_DEADLINE, "undeploy", self.units.undeploy(&id.name, &id.version)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Outcome::Failed(error),
            _ => Outcome::Done,
        }
    }

    /// Removes what a run that was killed left in `temp`.
    pub(crate) async fn clear(&self) {
        let (temp, prefix) = (self.temp.clone(), self.prefix.clone());
        let clear = move || {
            let Ok(items) = std::fs::read_dir(&temp) else { return };
            let left = items.flatten().filter(|item| item.file_name().to_string_lossy().starts_with(&prefix));
            for item in left {
                if let Err(error) = std::fs::remove_dir_all(item.path()) {
                    tracing::warn!(path = %item.path().display(), %error, "what an earlier run left stays");
                }
            }
        };
        let _ = tokio::task::spawn_blocking(clear).await;
    }

    /// A new folder for the files.
    async fn folder(&self, found: &Found) -> Result<TempDir> {
        let listed = found.files.iter().filter_map(|file| file.size).fold(0, u64::saturating_add);
        if listed > self.limit {
            return Err(too_large(listed, self.limit));
        }
        let (temp, prefix) = (self.temp.clone(), self.prefix.clone());
        let made = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&temp)?;
            tempfile::Builder::new().prefix(&prefix).tempdir_in(&temp)
        });
        made.await.map_err(io::Error::other).and_then(|made| made).map_err(|error| local(&self.temp, &error))
    }

    async fn fetch_and_deploy(&self, found: &Found, folder: &Path) -> Result<(), Trouble> {
        let Layout { files, sources } = layout(found, folder);
        let fetched = tokio::select! {
            fetched = self.fetch_all(&found.files, &files) => fetched,
            () = self.stop.cancelled() => Err(Trouble::Changed),
        };
        // A file that changed while it was read may fail in any way; only that it changed counts.
        if !matches!(fetched, Err(Trouble::Changed)) {
            self.check_all(&found.files).await?;
        }
        fetched?;
        let deploy = self.units.deploy(&found.id.name, &found.id.version, sources);
        let digest = within(DEPLOY_DEADLINE, "deploy", deploy).await?;
        tracing::info!(unit = %found.id, %digest, source = found.source, "in step with the watched storage");
        Ok(())
    }

    async fn fetch_all(&self, files: &[StoredFile], to: &[PathBuf]) -> Result<(), Trouble> {
        let room = AtomicU64::new(self.limit);
        let room = &room;
        let pairs: Vec<(StoredFile, PathBuf)> = files.iter().cloned().zip(to.iter().cloned()).collect();
        let fetches = pairs.into_iter().map(|(file, to)| self.fetch(file, to, room));
        stream::iter(fetches).buffer_unordered(FETCHES).try_collect().await
    }

    /// Fetches one file; `room` is how many bytes the unit may still have.
    async fn fetch(&self, file: StoredFile, to: PathBuf, room: &AtomicU64) -> Result<(), Trouble> {
        let _turn = self.fetches.acquire().await.map_err(|_| Trouble::Changed)?;
        if let Some(folder) = to.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|error| local(folder, &error))?;
        }
        let limit = file.size.unwrap_or_else(|| room.load(Ordering::Relaxed));
        let fetch = self.storage.fetch(&file.path, &to, limit);
        let fetched = match within(FETCH_DEADLINE, "fetch", fetch).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Trouble::Changed),
            fetched => fetched?,
        };
        if file.size.is_some_and(|size| size != fetched.size) {
            return Err(Trouble::Changed);
        }
        let before = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(fetched.size));
        match before {
            Ok(_) => Ok(()),
            Err(room) => Err(too_large(self.limit - room + fetched.size, self.limit).into()),
        }
    }

    /// Whether all files are still what the listing said.
    async fn check_all(&self, files: &[StoredFile]) -> Result<(), Trouble> {
        let checks = files.iter().cloned().map(|file| async move {
            let _turn = self.fetches.acquire().await.map_err(|_| Trouble::Changed)?;
            match within(STAT_DEADLINE, "look at a file", self.storage.stat(&file.path)).await? {
                Some(now) if file.agrees(&now) => Ok(()),
                _ => Err(Trouble::Changed),
            }
        });
        let all = stream::iter(checks).buffer_unordered(FETCHES).try_collect();
        tokio::select! {
            checked = all => checked,
            () = self.stop.cancelled() => Err(Trouble::Changed),
        }
    }
}

/// Where the files of a unit go below `folder`. A single file is its own source. Of a folder, the archives directly in it
/// that are no jars are sources of their own; the rest is one, named as Python would import the unit.
fn layout(found: &Found, folder: &Path) -> Layout {
    let module = naming::module(&found.id.name);
    if let [only] = &*found.files
        && only.path == found.source
    {
        let is_python = naming::extension(&only.path).as_deref() == Some("py");
        let file = folder.join(if is_python { format!("{module}.py") } else { only.path.clone() });
        return Layout { files: vec![file.clone()], sources: vec![file] };
    }
    let (rest, archives) = (folder.join("unit").join(module), folder.join("archives"));
    let (mut files, mut sources) = (Vec::with_capacity(found.files.len()), Vec::new());
    for file in &*found.files {
        let inside = file.path.strip_prefix(&format!("{}/", found.source)).unwrap_or(&file.path);
        let is_archive = matches!(naming::extension(inside).as_deref(), Some("whl" | "zip")) && !inside.contains('/');
        let place = if is_archive { archives.join(inside) } else { rest.join(inside) };
        if is_archive {
            sources.push(place.clone());
        } else if sources.first() != Some(&rest) {
            sources.insert(0, rest.clone());
        }
        files.push(place);
    }
    Layout { files, sources }
}

/// Gives up after `deadline`.
pub(crate) async fn within<T>(deadline: Duration, operation: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
        let message = format!("not done after {} seconds", deadline.as_secs());
        Err(Error::new(ErrorKind::Unavailable, operation, message).hint("wait; it is tried again by itself"))
    })
}

fn too_large(bytes: u64, limit: u64) -> Error {
    Error::new(ErrorKind::InvalidArgument, "", format!("its files have {bytes} bytes, the limit is {limit}"))
        .hint("split the unit, or deploy it by 'haulier deploy'")
}

/// An error of this machine's own disk.
fn local(path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        // A name is a file and a folder at once, which a bucket can have and a disk cannot.
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidFilename => {
            ErrorKind::InvalidArgument
        }
        _ => ErrorKind::ResourceExhausted,
    };
    Error::new(kind, "", format!("'{}': {error}", path.display())).hint("df -h, and look at the names of the files")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Listing;

    fn sources(paths: &[&str]) -> (Vec<String>, Vec<String>) {
        let file = |path: &&str| StoredFile { path: (*path).into(), size: None, modified_ms: None, etag: None };
        let listing = Listing::new(paths.iter().map(file).collect());
        let Layout { files, sources } = layout(listing.units.values().next().unwrap(), Path::new("/t"));
        let text = |paths: Vec<PathBuf>| paths.iter().map(|path| path.display().to_string()).collect();
        (text(files), text(sources))
    }

    #[test]
    fn where_files_go() {
        for (paths, expected) in [
            (vec!["a-b-1.JAR"], vec!["/t/a-b-1.JAR"]),
            (vec!["a-b-1.py"], vec!["/t/a_b.py"]),
            (vec!["a.b/1/x.jar", "a.b/1/lib/y.zip"], vec!["/t/unit/a_b"]),
            (
                vec!["a/1/__init__.py", "a/1/z.whl", "a/1/b.zip"],
                vec!["/t/unit/a", "/t/archives/b.zip", "/t/archives/z.whl"],
            ),
            (vec!["a/1/z.whl"], vec!["/t/archives/z.whl"]),
        ] {
            assert_eq!(sources(&paths).1, expected, "{paths:?}");
        }
        assert_eq!(sources(&["a/1/lib/y.zip", "a/1/x y.jar"]).0, ["/t/unit/a/lib/y.zip", "/t/unit/a/x y.jar"]);
    }
}
