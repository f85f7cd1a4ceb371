//! The errors of this crate, in one voice. Each names the source by the operation that the callers add.

use std::{io, path::Path};

use haulier_model::{Error, ErrorKind, Result, Retry};

use crate::{IGNORE_FILE, paths::Twin};

/// The source is not acceptable as it is; `problem` says why.
pub(crate) fn refused(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, "", problem)
}

/// Two entries of the source would be one where names have no case.
pub(crate) fn twin(twin: &Twin) -> Error {
    refused(format!("{twin}: where names have no case they are one file"))
        .hint(format!("rename one of them: mv '{}' NEW-NAME", twin.path))
}

/// As [`twin`], of a module that a task needs, in the import root `dir`.
pub(crate) fn twin_module(dir: &Path, twin: &Twin) -> Error {
    let (path, ignore_file) = (&twin.path, dir.join(IGNORE_FILE));
    refused(format!("{twin}: only one of them can travel, and the task needs both or either"))
        .in_operation(format!("read modules in '{}'", dir.display()))
        .context("module", dir.join(path).display().to_string())
        .hint(format!("rename one of them, or leave one at home: echo '/{path}' >> '{}'", ignore_file.display()))
}

/// The source is larger than allowed.
pub(crate) fn limit(problem: impl Into<String>, allowed: u64) -> Error {
    Error::new(ErrorKind::ResourceExhausted, "", problem)
        .with_retry(Retry::Never)
        .context("allowed", allowed.to_string())
        .hint("leave data out of the code, or raise the limit")
}

/// Reading or writing `path` failed.
pub(crate) fn io(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::ResourceExhausted
        }
        _ => ErrorKind::Unavailable,
    };
    let hint = match kind {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => format!("ls -ld '{}'", path.display()),
        ErrorKind::ResourceExhausted => format!("df '{}'", path.display()),
        _ => String::new(),
    };
    Error::new(kind, "", format!("'{}': {error}", path.display())).hint(hint).with_source(error)
}

/// The bytes of an entry are no longer those of the snapshot.
pub(crate) fn gone(path: &str, reason: &str) -> Error {
    Error::new(ErrorKind::SessionLost, "", format!("SnapshotGone: '{path}' changed after it was read: {reason}"))
        .with_retry(Retry::Never)
        .hint("restart the client, or run the command again, when the build has finished")
}

/// Names the operation of an error, so that every message says which source it is about.
pub(crate) trait InOperation<T> {
    fn in_operation(self, operation: impl FnOnce() -> String) -> Result<T>;

    /// Names the source; what it refuses without another hint is to be looked at.
    fn in_source(self, path: &Path) -> Result<T>;
}

impl<T> InOperation<T> for Result<T> {
    fn in_operation(self, operation: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.in_operation(operation()))
    }

    fn in_source(self, path: &Path) -> Result<T> {
        self.map_err(|error| {
            let error = error.in_operation(format!("read '{}'", path.display()));
            match (error.kind(), error.hint_text()) {
                (ErrorKind::InvalidArgument, "") => error.hint("look at the file (unzip -l FILE), and build it again"),
                _ => error,
            }
        })
    }
}
