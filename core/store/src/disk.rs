//! The folders of a store, and what errors of the disk mean to a user. Knows nothing of packs or units.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use fail::fail_point;
use haulier_model::{Error, ErrorKind, Result, Retry};

/// The folders of a store; this process is their only user while it exists.
pub(crate) struct Folders {
    /// Whole packs.
    pub(crate) packs: Arc<Path>,
    /// Packs that are being written; nothing in it outlives its process.
    pub(crate) incoming: PathBuf,
    /// Packs that failed a check, for a human to look at.
    pub(crate) damaged: PathBuf,
    _lock: File,
}

impl Folders {
    /// Makes the folders below `folder`, takes the lock, and empties `incoming`.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let below = |name: &str| folder.join(name);
        for name in ["", "packs", "incoming", "damaged"] {
            fs::create_dir_all(below(name)).map_err(|error| explain("open the store", &below(name), error))?;
        }
        let lock = lock(&below("lock"))?;
        let folders =
            Self { packs: below("packs").into(), incoming: below("incoming"), damaged: below("damaged"), _lock: lock };
        folders.empty_incoming().map_err(|error| explain("open the store", &folders.incoming, error))?;
        sync_folder(folder).map_err(|error| explain("open the store", folder, error))?;
        Ok(folders)
    }

    fn empty_incoming(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.incoming)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// Moves a pack that failed a check out of the way; the reason goes to the log.
    pub(crate) fn set_aside(&self, pack: &Path, reason: &str) {
        let target = self.damaged.join(pack.file_name().unwrap_or_default());
        fail_point!("open::before-set-aside");
        let moved = fs::rename(pack, &target);
        fail_point!("open::after-set-aside");
        match moved {
            Ok(()) => {
                tracing::warn!(pack = %pack.display(), moved_to = %target.display(), reason, "a pack is damaged; units that need it must be deployed again")
            }
            Err(error) => {
                tracing::warn!(pack = %pack.display(), %error, reason, "a pack is damaged, and could not be moved away; it is not used")
            }
        }
    }
}

fn lock(path: &Path) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| explain("open the store", path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(ErrorKind::Conflict, "open the store", "another node uses this data folder")
                .context("file", path.display().to_string())
                .hint("stop that node, or give this one a --data-dir of its own"))
        }
        Err(TryLockError::Error(error)) => Err(explain("open the store", path, error)),
    }
}

/// Returns once the names in `folder` are on disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Turns an error of the disk into one that says what to do.
pub(crate) fn explain(operation: &str, path: &Path, error: io::Error) -> Error {
    use io::ErrorKind::{FileTooLarge, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let (kind, what, hint) = match error.kind() {
        StorageFull => {
            (ErrorKind::ResourceExhausted, "the disk is full", "free space on the node's disk (df -h), then try again")
        }
        QuotaExceeded => {
            (ErrorKind::ResourceExhausted, "the disk quota is used up", "free space or raise the quota, then try again")
        }
        FileTooLarge => {
            (ErrorKind::ResourceExhausted, "the file is larger than allowed", "raise the file size limit (ulimit -f)")
        }
        PermissionDenied | ReadOnlyFilesystem => (
            ErrorKind::PermissionDenied,
            "the data folder cannot be written",
            "give the node's user write access to the data folder",
        ),
        NotFound => {
            (ErrorKind::Internal, "a file of the store is gone", "leave the data folder to the node; restart it")
        }
        _ if error.raw_os_error().is_some_and(is_out_of_files) => {
            (ErrorKind::ResourceExhausted, "too many files are open", "raise the limit of open files (ulimit -n)")
        }
        _ => (ErrorKind::Unavailable, "the disk failed", "check the node's disk and its kernel log"),
    };
    let retry = if kind == ErrorKind::ResourceExhausted { Retry::Later } else { Retry::Never };
    Error::new(kind, operation, format!("{what}: {error}"))
        .with_retry(retry)
        .context("file", path.display().to_string())
        .hint(hint)
        .with_source(error)
}

/// Whether this is `EMFILE` or `ENFILE`, for which the standard library has no kind.
fn is_out_of_files(code: i32) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(code, ENFILE | EMFILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_errors_say_what_to_do() {
        for (code, kind, words) in [
            (28, ErrorKind::ResourceExhausted, "full"),
            (122, ErrorKind::ResourceExhausted, "quota"),
            (27, ErrorKind::ResourceExhausted, "larger"),
            (24, ErrorKind::ResourceExhausted, "open"),
            (13, ErrorKind::PermissionDenied, "written"),
            (30, ErrorKind::PermissionDenied, "written"),
            (5, ErrorKind::Unavailable, "failed"),
        ] {
            let error = explain("receive", Path::new("/data/x"), io::Error::from_raw_os_error(code));
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains(words) && error.to_string().contains("/data/x"), "{error}");
            assert!(!error.hint_text().is_empty());
        }
    }
}
