//! The directories that Python class paths are filled into: where they lie, and when they go.
//!
//! The class paths of a trust group lie beside each other, and beside the bytecode that its processes share: nothing of it
//! is ever given to another group. Knows neither class paths nor workers.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use haulier_model::{Digest, Error, ErrorKind, Result};
use parking_lot::Mutex;

/// A directory that nobody uses stays for so long after its class path was last built: the same code often comes back.
const KEPT: Duration = Duration::from_secs(600);
/// The most bytes of bytecode that a trust group keeps; then the oldest goes.
const MOST_BYTECODE: u64 = 256 << 20;
/// The name of the folder for it, which is no digest.
const BYTECODE: &str = haulier_worker::BYTECODE_FOLDER;

pub(crate) struct Directories {
    folder: PathBuf,
    /// Held while one is made, and while it is found to be unused and loses its name: one that somebody has just asked
    /// for is not used yet.
    naming: Mutex<()>,
}

impl Directories {
    /// `folder` holds them all; it is emptied.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        crate::server::empty_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), naming: Mutex::default() })
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

    /// Removes the directories that are not in use any more, and bytecode that is too much. Blocks.
    pub(crate) fn sweep(&self, is_used: impl Fn(&Path) -> bool) -> io::Result<()> {
        for group in fs::read_dir(&self.folder)? {
            let group = group?.path();
            for directory in fs::read_dir(&group)?.flatten() {
                let path = directory.path();
                if directory.file_name() == BYTECODE {
                    shrink(&path, MOST_BYTECODE)?;
                } else if let Some(aside) = self.put_aside(&directory, &is_used)? {
                    fs::remove_dir_all(aside)?;
                }
            }
        }
        Ok(())
    }
}

impl Directories {
    /// Takes its name from a directory that is old and not used; returns where its files are now.
    fn put_aside(&self, directory: &fs::DirEntry, is_used: impl Fn(&Path) -> bool) -> io::Result<Option<PathBuf>> {
        let path = directory.path();
        let _naming = self.naming.lock();
        if !is_old(directory)? || is_used(&path) {
            return Ok(None);
        }
        let aside = path.with_extension("old");
        fs::rename(&path, &aside)?;
        Ok(Some(aside))
    }
}

fn is_old(directory: &fs::DirEntry) -> io::Result<bool> {
    Ok(directory.metadata()?.modified()?.elapsed().is_ok_and(|age| age > KEPT))
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
mod tests {
    use super::*;

    #[test]
    fn what_nobody_uses_goes_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let directories = Directories::open(&folder.path().join("directories")).unwrap();
        let made: Vec<PathBuf> = ["a", "b", "c"]
            .iter()
            .map(|name| directories.make("group", &Digest::of(name.as_bytes())).unwrap())
            .collect();
        assert_eq!(made[0].parent(), made[1].parent());
        assert_ne!(made[0].parent(), directories.make("other", &Digest::of(b"a")).unwrap().parent());
        let long_ago = SystemTime::now() - 2 * KEPT;
        for old in &made[..2] {
            fs::File::open(old).unwrap().set_modified(long_ago).unwrap();
        }
        directories.sweep(|path| path == made[1]).unwrap();
        assert_eq!(made.iter().map(|path| path.exists()).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn bytecode_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in ["old", "middle", "new"].iter().enumerate() {
            let path = folder.path().join(name);
            fs::write(&path, [0; 10]).unwrap();
            let age = Duration::from_secs(100 - number as u64);
            fs::File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
        }
        shrink(folder.path(), 20).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["middle", "new"]);
    }
}
