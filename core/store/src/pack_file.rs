//! A pack on disk: contents one after the other, then a footer that says where each one is.
//!
//! Layout: the bytes of all contents; per content `[digest 32][offset u64 LE][size u64 LE]`; `[salt 16][count u64 LE]`
//! and the magic. The name of the file is the SHA-256 of the footer, so a footer that belongs to other bytes is noticed;
//! the salt makes each name unique, so that removing one pack never removes another of the same content.
//!
//! Contents do not overlap, but one may be made of the contents before it: a large entry, of the chunks that it came in.
//! They are found like all others, and the bytes are there once.
//!
//! A pack is made read-only once it is known to be on disk. One that is still writable when the store opens may have
//! been cut off by a crash of the machine, and is verified in full. Knows nothing of what the contents mean.

mod footer;
mod writer;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use fail::fail_point;
use haulier_model::{Digest, Error, ErrorKind, Result};
use memmap2::Mmap;
use parking_lot::Mutex;

use crate::disk;
pub(crate) use footer::Extent;
pub(crate) use writer::PackWriter;

const SYNCED_MODE: u32 = 0o444;

/// A pack that is whole. It is never changed, only removed.
pub(crate) struct Pack {
    pub(crate) path: Arc<Path>,
    length: u64,
    synced: AtomicBool,
    /// Whether a sync has failed: the system may have dropped bytes, and says so only once. Held while one is under way,
    /// so that whoever comes next knows.
    lost: Arc<Mutex<bool>>,
    mapping: Mutex<Option<Arc<Mmap>>>,
}

impl Pack {
    fn new(path: Arc<Path>, length: u64, synced: bool) -> Self {
        Self { path, length, synced: AtomicBool::new(synced), lost: Arc::default(), mapping: Mutex::new(None) }
    }

    /// Opens a pack left by an earlier process: its footer is checked, and all contents if they may not have reached
    /// the disk. The error says what is wrong with it.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<Extent>)> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let extents = footer::read(&file, metadata.len(), path)?;
        let synced = metadata.permissions().mode() & 0o222 == 0;
        let pack = Self::new(path.into(), metadata.len(), synced);
        if !synced {
            pack.verify(&extents)?;
        }
        Ok((pack, extents))
    }

    fn verify(&self, extents: &[Extent]) -> io::Result<()> {
        let mapping = self.map()?;
        // Parts are what they were if the content that is made of them is.
        for extent in extents.iter().filter(|extent| !extent.is_part) {
            let found = Digest::of(&mapping[extent.range()]);
            if found != extent.digest {
                return Err(footer::damaged(format!("content {} is {found}", extent.digest)));
            }
        }
        Ok(())
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    pub(crate) fn size(&self) -> u64 {
        self.length
    }

    /// The whole file in memory, kept for the next reader.
    pub(crate) fn mapping(&self) -> Result<Arc<Mmap>> {
        if let Some(mapping) = &*self.mapping.lock() {
            return Ok(mapping.clone());
        }
        let mapping = self.map().map_err(|error| disk::explain("read content", &self.path, error))?;
        if mapping.len() as u64 != self.length {
            let message = format!("a pack has {} bytes instead of {}", mapping.len(), self.length);
            return Err(Error::new(ErrorKind::Unavailable, "read content", message)
                .context("file", self.path.display().to_string())
                .hint("somebody changed the data folder; restart the node, and deploy again what it reports"));
        }
        let mapping = Arc::new(mapping);
        Ok(self.mapping.lock().get_or_insert(mapping).clone())
    }

    fn map(&self) -> io::Result<Mmap> {
        let file = File::open(&self.path)?;
        // SAFETY: a pack is never written or truncated after it was renamed into place, only unlinked, and an unlinked
        // file stays for as long as it is mapped. The data folder belongs to this process alone (it holds the lock).
        unsafe { Mmap::map(&file) }
    }
}

/// Returns once all `packs` are on disk, names included. The error has the pack that failed.
pub(crate) fn sync(packs: &[Arc<Pack>], folder: &Path) -> std::result::Result<(), (Option<Arc<Pack>>, io::Error)> {
    let fresh: Vec<&Arc<Pack>> = packs.iter().filter(|pack| !pack.is_synced()).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    fail_point!("sync::before", |_| Ok(()));
    for pack in &fresh {
        let mut lost = pack.lost.lock();
        let synced = File::open(&pack.path).and_then(|file| file.sync_all());
        *lost |= synced.is_err();
        synced.map_err(|error| (Some(Arc::clone(pack)), error))?;
        if *lost {
            // Another thread was told, so this one was not.
            return Err((Some(Arc::clone(pack)), io::Error::other("an earlier sync of the pack has failed")));
        }
        drop(lost);
        fail_point!("sync::after-file");
    }
    disk::sync_folder(folder).map_err(|error| (None, error))?;
    fail_point!("sync::after");
    for pack in fresh {
        // Only a hint for the next start: without it the pack is verified in full.
        if let Err(error) = fs::set_permissions(&pack.path, fs::Permissions::from_mode(SYNCED_MODE)) {
            tracing::debug!(pack = %pack.path.display(), %error, "a pack could not be made read-only");
        }
        pack.synced.store(true, Ordering::Release);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
