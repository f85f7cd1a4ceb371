//! Puts what was written under its name, by rename. Until then it lies in a hidden folder beside, which goes in any case.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use haulier_model::{Error, ErrorKind, Result};
use rustix::{
    fs::{CWD, RenameFlags},
    io::Errno,
};
use tempfile::TempDir;

use super::{failed, layout::Target};

/// Files that are being written, for a folder.
pub(super) struct Staged {
    /// The new ones, under the names that they will have, and those that they replace.
    hidden: TempDir,
    folder: PathBuf,
    names: Vec<PathBuf>,
    force: bool,
}

impl Staged {
    /// Refuses what is there already, unless by `force`, before anything is sent.
    pub(super) fn new(folder: &Path, targets: &[Target], force: bool) -> Result<Self> {
        let names: Vec<PathBuf> = targets.iter().map(|target| target.path.as_str().into()).collect();
        let there = names.iter().map(|name| folder.join(name)).find(|path| path.symlink_metadata().is_ok());
        if let (Some(path), false) = (there, force) {
            return Err(exists(&path));
        }
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let hidden = tempfile::Builder::new().prefix(".haulier-download-").tempdir_in(folder);
        let hidden = hidden.map_err(|error| failed(folder, error))?;
        for part in ["new", "old"] {
            fs::create_dir(hidden.path().join(part)).map_err(|error| failed(folder, error))?;
        }
        Ok(Self { hidden, folder: folder.to_owned(), names, force })
    }

    /// Where the new files are written.
    pub(super) fn folder(&self) -> PathBuf {
        self.hidden.path().join("new")
    }

    /// Moves each to its name, and returns where they are. The first that fails ends it; each is whole or not there.
    pub(super) fn place(self) -> Result<Vec<PathBuf>> {
        let mut placed = Vec::with_capacity(self.names.len());
        for (number, name) in self.names.iter().enumerate() {
            let (from, to) = (self.folder().join(name), self.folder.join(name));
            let parent = to.parent().unwrap_or(&self.folder);
            fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
            let old = self.hidden.path().join("old").join(number.to_string());
            let set_aside = self.force && to.symlink_metadata().is_ok();
            if set_aside {
                fs::rename(&to, &old).map_err(|error| failed(&to, error))?;
            }
            if let Err(error) = rename(&from, &to) {
                if set_aside {
                    // The name was taken from it for a moment only; if that fails, too, the first error says more.
                    let _ = rename(&old, &to);
                }
                return Err(if error.kind() == io::ErrorKind::AlreadyExists {
                    exists(&to)
                } else {
                    failed(&to, error)
                });
            }
            placed.push(to);
        }
        Ok(placed)
    }
}

/// Renames, and never replaces.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot promise it.
        Err(Errno::INVAL | Errno::NOSYS) if to.symlink_metadata().is_err() => fs::rename(from, to),
        Err(Errno::INVAL | Errno::NOSYS) => Err(io::ErrorKind::AlreadyExists.into()),
        renamed => Ok(renamed?),
    }
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::Conflict, "", format!("'{}' is there already", path.display()))
        .hint("--force replaces it; --into FOLDER writes elsewhere")
}

#[cfg(test)]
mod tests {
    use haulier_model::EntryPath;

    use super::{super::layout::Form, *};

    fn staged(folder: &Path, force: bool) -> Result<Staged> {
        let target = |path: &str| Target { path: EntryPath::new(path).unwrap(), form: Form::Folder };
        Staged::new(folder, &[target("libs/a.jar"), target("classes")], force)
    }

    fn fill(staged: &Staged, text: &str) {
        fs::create_dir_all(staged.folder().join("libs")).unwrap();
        fs::create_dir_all(staged.folder().join("classes")).unwrap();
        fs::write(staged.folder().join("libs/a.jar"), text).unwrap();
        fs::write(staged.folder().join("classes/A.class"), text).unwrap();
    }

    #[test]
    fn what_is_there_is_replaced_by_force_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
        let first = staged(folder, false).unwrap();
        let late = staged(folder, false).unwrap();
        fill(&first, "1");
        fill(&late, "late");
        assert_eq!(first.place().unwrap(), [folder.join("libs/a.jar"), folder.join("classes")]);
        assert_eq!(late.place().unwrap_err().kind(), ErrorKind::Conflict, "it came in between");
        assert_eq!(staged(folder, false).err().map(|error| error.kind()), Some(ErrorKind::Conflict));
        assert_eq!((read("libs/a.jar"), read("classes/A.class")), ("1".to_owned(), "1".to_owned()));
        fs::write(folder.join("classes/Old.class"), "old").unwrap();
        let second = staged(folder, true).unwrap();
        fill(&second, "2");
        second.place().unwrap();
        assert_eq!((read("libs/a.jar"), read("classes/A.class")), ("2".to_owned(), "2".to_owned()));
        assert!(!folder.join("classes/Old.class").exists(), "a folder is replaced as a whole");
        let names: Vec<_> = fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "nothing hidden stays: {names:?}");
    }
}
