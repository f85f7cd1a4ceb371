//! What an environment says of itself on disk. A folder with this file is whole; the time of the file is that of the last
//! use.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use haulier_model::Digest;
use serde::{Deserialize, Serialize};

/// The marker of an environment that is whole.
const FILE: &str = "haulier-environment.json";
/// Sets of locks that are noted for one environment.
const MOST_LOCKS: usize = 256;

/// What an environment was built from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The version of the interpreter.
    pub(super) python: String,
    /// Names and versions: "six==1.16.0".
    pub(super) distributions: Vec<String>,
    /// The digests of the locks of each class path that it is for. An empty set: a session asked for it.
    pub(super) locks: BTreeSet<BTreeSet<String>>,
    /// How many bytes it has; 0 in records that do not say.
    #[serde(default)]
    pub(super) bytes: u64,
}

impl Record {
    /// The record of the environment in `folder`; `None`: it is not whole.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Writes the record whole, or not at all.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let (path, fresh) = (folder.join(FILE), folder.join(format!("{FILE}.new")));
        fs::write(&fresh, serde_json::to_vec(self)?)?;
        fs::rename(fresh, path)
    }

    /// Notes that it is for class paths with these locks; false if that was known.
    pub(super) fn note(&mut self, locks: &BTreeSet<Digest>) -> bool {
        let locks: BTreeSet<String> = locks.iter().map(Digest::hex).collect();
        self.locks.len() < MOST_LOCKS && self.locks.insert(locks)
    }

    /// Whether all locks of one of its class paths are `deployed`.
    pub(super) fn is_of(&self, deployed: &BTreeSet<String>) -> bool {
        self.locks.iter().any(|locks| locks.is_subset(deployed))
    }
}

/// Whether an environment is whole and known to be for these locks.
pub(super) fn serves(folder: &Path, locks: &BTreeSet<Digest>) -> bool {
    Record::read(folder).is_some_and(|mut record| !record.note(locks))
}

/// Finds an environment on disk that is whole, and notes what it is for. Blocks.
pub(super) fn find(folder: &Path, locks: &BTreeSet<Digest>) -> bool {
    // `exists` follows the link: the interpreter may have gone.
    let Some(mut record) = Record::read(folder).filter(|_| folder.join("bin/python").exists()) else { return false };
    let noted = !record.note(locks) || record.write(folder).is_ok();
    touch(folder);
    noted
}

/// Notes that an environment is used.
pub(super) fn touch(folder: &Path) {
    // It may have been damaged meanwhile; then there is nothing to note.
    let _ =
        fs::File::options().append(true).open(folder.join(FILE)).and_then(|file| file.set_modified(SystemTime::now()));
}

/// When an environment was last used.
pub(super) fn last_use(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder.join(FILE)).ok()?.modified().ok()
}

/// What is in a folder of environments: the whole ones, and everything else.
pub(super) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Whether a folder is half built or about to go.
pub(super) fn is_hidden(folder: &Path) -> bool {
    folder.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_of_the_class_paths_that_it_was_used_for() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let mut record = Record::default();
        assert!(record.note(&[a, b].into()) && !record.note(&[a, b].into()));
        record.write(folder.path()).unwrap();
        assert_eq!(Record::read(folder.path()), Some(record.clone()));
        assert!(!record.is_of(&[a.hex()].into()));
        assert!(record.note(&[a].into()) && record.is_of(&[a.hex()].into()));
        assert!(serves(folder.path(), &[a, b].into()) && !serves(folder.path(), &[b].into()));
        assert!(!find(folder.path(), &[a, b].into()), "it has no interpreter");
        assert!(Record { locks: [BTreeSet::new()].into(), ..Record::default() }.is_of(&BTreeSet::new()));
    }
}
