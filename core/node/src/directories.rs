//! The directories that Python class paths are filled into: where they lie, and when they go.
//!
//! The class paths of a trust group lie beside each other, and beside the bytecode that its processes share: nothing of it
//! is ever given to another group. Beside all groups lies what the node has prepared of units, which all may read. Knows
//! neither class paths nor workers.

mod prepared;

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use haulier_model::{Digest, Error, ErrorKind, Result};
use parking_lot::Mutex;

/// The most bytes of bytecode that a trust group keeps; then the oldest goes.
const MOST_BYTECODE: u64 = 256 << 20;
/// The most bytes that are prepared of units.
const MOST_PREPARED: u64 = 2 << 30;
/// The name of the folder for bytecode, which is no digest.
const BYTECODE: &str = haulier_worker::BYTECODE_FOLDER;

pub(crate) use self::prepared::{Draft, Prepared};

pub(crate) struct Directories {
    folder: PathBuf,
    /// A directory that nobody uses stays for so long after its class path was last built.
    kept: Duration,
    pub(crate) prepared: Prepared,
    /// Held while one is made, and while it is found to be unused and loses its name: one that somebody has just asked
    /// for is not used yet.
    naming: Mutex<()>,
    /// One sweep at a time: each puts aside what it removes.
    sweeping: Mutex<()>,
}

impl Directories {
    /// `folder` holds them all; it is emptied.
    pub(crate) fn open(folder: &Path, kept: Duration) -> io::Result<Self> {
        crate::server::empty_folder(folder)?;
        let prepared = Prepared::open(folder, MOST_PREPARED)?;
        Ok(Self { folder: folder.to_owned(), kept, prepared, naming: Mutex::default(), sweeping: Mutex::default() })
    }

    /// The directory of a class path of a trust group; its workers fill it: what is there under its final name is whole.
    pub(crate) fn make(&self, group: &str, class_path: &Digest) -> Result<PathBuf> {
        let group = self.folder.join(&Digest::of(group.as_bytes()).hex()[..16]);
        let directory = group.join(class_path.hex());
        let make = || {
            fs::create_dir_all(group.join(BYTECODE))?;
            fs::create_dir_all(&directory)?;
            // It counts as unused from now on, at the earliest.
            fs::File::open(&directory)?.set_modified(SystemTime::now())
        };
        let _naming = self.naming.lock();
        make().map_err(|error| write_error(&directory, error))?;
        Ok(directory)
    }

    /// Removes the directories that are not in use any more, bytecode that is too much, and what was prepared and is not
    /// needed. Of a root, `is_named` says whether a class path in use has it, `is_known` whether its content is still
    /// there. Blocks.
    pub(crate) fn sweep(
        &self,
        is_used: impl Fn(&Path) -> bool,
        is_named: impl Fn(&Digest) -> bool,
        is_known: impl Fn(&Digest) -> bool,
    ) -> io::Result<()> {
        let _sweeping = self.sweeping.lock();
        let mut linked = HashSet::new();
        for group in fs::read_dir(&self.folder)? {
            let group = group?.path();
            if self.prepared.is_at(&group) {
                continue;
            }
            for directory in fs::read_dir(&group)?.flatten() {
                let path = directory.path();
                if directory.file_name() == BYTECODE {
                    shrink(&path, MOST_BYTECODE)?;
                } else if let Some(aside) = self.put_aside(&directory, &is_used)? {
                    fs::remove_dir_all(aside)?;
                } else {
                    self.prepared.add_linked_from(&path, &mut linked);
                }
            }
        }
        self.prepared.sweep(self.kept, &linked, is_named, is_known)
    }

    /// Takes its name from a directory that is old and not used; returns where its files are now.
    fn put_aside(&self, directory: &fs::DirEntry, is_used: impl Fn(&Path) -> bool) -> io::Result<Option<PathBuf>> {
        let path = directory.path();
        let _naming = self.naming.lock();
        if !is_old(&path, self.kept)? || is_used(&path) {
            return Ok(None);
        }
        let aside = path.with_extension("old");
        fs::rename(&path, &aside)?;
        Ok(Some(aside))
    }
}

fn is_old(directory: &Path, kept: Duration) -> io::Result<bool> {
    Ok(fs::metadata(directory)?.modified()?.elapsed().is_ok_and(|age| age > kept))
}

/// Removes the oldest files of a folder until the others are no more than `most` bytes.
fn shrink(folder: &Path, most: u64) -> io::Result<()> {
    let mut files = Vec::new();
    let mut total = 0;
    for file in fs::read_dir(folder)?.flatten() {
        // Another process may have replaced it meanwhile.
        let Ok(metadata) = file.metadata() else { continue };
        total += metadata.len();
        files.push((metadata.modified()?, metadata.len(), file.path()));
    }
    if total <= most {
        return Ok(());
    }
    files.sort_unstable();
    for (_, size, path) in files {
        if total <= most {
            break;
        }
        fs::remove_file(path)?;
        total -= size;
    }
    Ok(())
}

fn write_error(path: &Path, error: io::Error) -> Error {
    let kind =
        if error.kind() == io::ErrorKind::StorageFull { ErrorKind::ResourceExhausted } else { ErrorKind::Internal };
    Error::new(kind, "fill a Python class path", format!("cannot write {}: {error}", path.display()))
        .hint("check space and permissions of the node's data folder")
        .with_source(error)
}

#[cfg(test)]
mod tests;
