//! Arguments and results that are too large for the control stream.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

/// Payloads up to this size stay in memory and travel inside the frames of the worker link; larger ones are files that
/// the other side maps.
pub(crate) const FRAME_LIMIT: u64 = 256 * 1024;

/// Bytes in memory, or a file that goes with its last owner.
#[derive(Debug)]
pub(crate) enum StoredPayload {
    Memory(Bytes),
    File { path: PathBuf, size: u64 },
}

impl StoredPayload {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

impl Drop for StoredPayload {
    fn drop(&mut self) {
        if let Self::File { path, .. } = self {
            // A file that is gone already is what is wanted.
            let _ = fs::remove_file(path);
        }
    }
}

/// Where payload files are; emptied at every start.
pub(crate) struct PayloadFolder {
    folder: PathBuf,
    next: AtomicU64,
}

impl PayloadFolder {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        crate::server::empty_folder(&folder)?;
        fs::create_dir(folder.join("results"))?;
        Ok(Self { folder, next: AtomicU64::new(1) })
    }

    /// A path that no other payload has.
    pub(crate) fn fresh(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{what}-{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Where a worker writes the large result of a run.
    pub(crate) fn result_path(&self, run: u64) -> PathBuf {
        self.folder.join(format!("results/{run}"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}
