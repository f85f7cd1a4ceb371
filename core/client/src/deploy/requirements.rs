//! The Python requirements of a deployment: resolved here, and sent as a root that is their lock.

use std::{io::Write as _, path::PathBuf};

use haulier_model::{Digest, Error, ErrorKind, Result, Version};
use haulier_requirements::{Lock, Requirements, Uv};
use tempfile::TempDir;

use super::{Expected, Source, UnitOrigin};
use crate::runtime;

/// A lock as a file that can be read like any other source. The file goes when this is dropped.
pub(super) struct LockFile {
    pub(super) source: Source,
    /// The version of the one distribution, if nothing else is required.
    pub(super) version: Option<Version>,
    pub(super) warnings: Vec<String>,
    _folder: TempDir,
}

/// Resolves requirements, on the runtime; `None` if they come to nothing.
pub(super) async fn lock(requirements: Requirements, uv: Option<PathBuf>) -> Result<Option<LockFile>> {
    if requirements.is_empty() {
        return Ok(None);
    }
    let uv = uv.map(Uv::at);
    let (named, asked) = (requirements.named(), requirements.clone());
    let locked = runtime::run(async move { asked.lock(uv.as_ref()).await }).await?;
    if locked.lock.pins().is_empty() {
        return Ok(None);
    }
    let text = locked.lock.to_string();
    let origin = UnitOrigin {
        source: named,
        sha256: Digest::of(text.as_bytes()).hex(),
        coordinates: requirements.resolved_to(&locked.lock),
    };
    let (folder, path) = write(&text).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "write a lock of requirements", error.to_string())
            .hint("check space and permissions of the folder for temporary files: TMPDIR")
    })?;
    // A version that only Python knows ("1!2.0") is no version of a unit.
    let version = requirements.version(&locked.lock).and_then(|version| version.parse().ok());
    let source = Source { expected: Expected::Anything, path, origin: Some(origin) };
    Ok(Some(LockFile { source, version, warnings: locked.warnings, _folder: folder }))
}

fn write(text: &str) -> std::io::Result<(TempDir, PathBuf)> {
    let folder = tempfile::Builder::new().prefix("haulier-lock-").tempdir()?;
    let path = folder.path().join(Lock::FILE);
    std::fs::File::create(&path)?.write_all(text.as_bytes())?;
    Ok((folder, path))
}
