//! Tells that something has changed in a local folder. It never says what: that is for a look to find out.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use inotify::{EventMask, Inotify, WatchMask};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use walkdir::WalkDir;

/// The most folders that are watched; a storage with more is looked at in intervals only.
const MOST_FOLDERS: usize = 8_192;
/// How often a folder that could not be watched is tried again, and a watched one is checked to be the same still.
const CHECK: Duration = Duration::from_secs(5);

/// Changes in a folder, for as long as it is kept.
pub(crate) struct FolderEvents {
    changed: Arc<Notify>,
    task: JoinHandle<()>,
}

impl FolderEvents {
    pub(crate) fn new(root: PathBuf) -> Self {
        let changed = Arc::new(Notify::new());
        let task = tokio::spawn(follow(root, Arc::clone(&changed)));
        Self { changed, task }
    }

    /// Waits until something has changed since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for FolderEvents {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(root: PathBuf, changed: Arc<Notify>) {
    let mut said = false;
    loop {
        match watch(&root, &changed).await {
            Ok(()) => said = false,
            Err(error) if !said => {
                tracing::info!(%error, "changes of a watched folder are not told; it is looked at in intervals");
                said = true;
            }
            Err(_) => {}
        }
        changed.notify_one();
        tokio::time::sleep(CHECK).await;
    }
}

/// Watches the folder that `root` is now, until it is another one or none.
async fn watch(root: &Path, changed: &Notify) -> io::Result<()> {
    let inotify = Inotify::init()?;
    // SAFETY: `Inotify` owns its descriptor, which stays the same and open until it is dropped.
    let mut inotify =
        unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) }.map_err(io::Error::from)?;
    let identity = identity(root).await?;
    add_folders(&inotify, root).await?;
    // What changed before the kernel watched.
    changed.notify_one();
    let mut buffer = vec![0; 4096];
    loop {
        let Ok(ready) = timeout(CHECK, inotify.readable_mut()).await else {
            if self::identity(root).await? != identity {
                return Ok(());
            }
            continue;
        };
        let mut ready = ready?;
        let seen = read(ready.get_inner_mut(), &mut buffer)?;
        ready.clear_ready();
        if seen.intersects(EventMask::DELETE_SELF | EventMask::MOVE_SELF) && self::identity(root).await? != identity {
            return Ok(());
        }
        if seen.intersects(EventMask::ISDIR | EventMask::Q_OVERFLOW) {
            add_folders(&inotify, root).await?;
        }
        changed.notify_one();
    }
}

/// Reads all events that there are: what they say, taken together.
fn read(inotify: &mut Inotify, buffer: &mut [u8]) -> io::Result<EventMask> {
    let mut seen = EventMask::empty();
    loop {
        match inotify.read_events(buffer) {
            Ok(events) => events.for_each(|event| seen |= event.mask),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(seen),
            Err(error) => return Err(error),
        }
    }
}

/// What tells a folder from another one at the same path.
async fn identity(root: &Path) -> io::Result<(u64, u64)> {
    let metadata = tokio::fs::metadata(root).await?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Watches all folders that there are now; those that are watched already stay so.
async fn add_folders(inotify: &AsyncFd<Inotify>, root: &Path) -> io::Result<()> {
    let (mut watches, root) = (inotify.get_ref().watches(), root.to_owned());
    let add = move || {
        let mask = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MODIFY
            | WatchMask::ATTRIB
            | WatchMask::CLOSE_WRITE
            | WatchMask::MOVE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let folders = WalkDir::new(&root).into_iter().filter_map(Result::ok).filter(|item| item.file_type().is_dir());
        for (index, folder) in folders.enumerate() {
            if index == MOST_FOLDERS {
                return Err(io::Error::other(format!("there are more than {MOST_FOLDERS} folders")));
            }
            match watches.add(folder.path(), mask) {
                // It went while we looked; its parent's event says so.
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder.depth() > 0 => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(add).await.map_err(io::Error::other)?
}
