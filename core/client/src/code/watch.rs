//! Whether files below the import roots of a Python client have changed, for one system call.
//!
//! Watches the folders that were read, and knows nothing else of what they hold. Where the kernel cannot watch (too many
//! folders), the times and sizes of the files are compared instead.

use std::{
    collections::HashMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use haulier_pack::IGNORE_FILE;
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use parking_lot::Mutex;

/// The folders of one reading, watched since each was read.
pub(crate) struct Watch {
    /// Names that begin with a dot, and data at the top, may matter: somebody has said what to bring back.
    hidden: bool,
    /// Without links.
    roots: Vec<PathBuf>,
    found: Mutex<Found>,
    buffer: Box<[u8]>,
}

#[derive(Default)]
struct Found {
    kernel: Option<Inotify>,
    /// The kernel has refused a folder: the watch is worth nothing.
    refused: bool,
    folders: Vec<Folder>,
    by_descriptor: HashMap<WatchDescriptor, usize>,
}

struct Folder {
    path: PathBuf,
    is_root: bool,
    /// Files of it are part of the code; of the others only new modules matter.
    is_kept: bool,
    /// Of its files before they were read, where the kernel does not watch.
    fingerprint: u64,
}

impl Watch {
    /// Watches nothing yet. `hidden`: names that begin with a dot, and data at the top, may matter. `by_kernel`: as long as
    /// the kernel can.
    pub(crate) fn begin(roots: &[PathBuf], hidden: bool, by_kernel: bool) -> Self {
        let kernel = if by_kernel { Inotify::init().inspect_err(complain).ok() } else { None };
        Self {
            hidden,
            roots: roots.iter().filter_map(|root| root.canonicalize().ok()).collect(),
            found: Mutex::new(Found { kernel, ..Found::default() }),
            buffer: vec![0; 4096].into(),
        }
    }

    /// Watches a folder. Call it before the folder is read, so that no change is missed.
    pub(crate) fn folder(&self, path: &Path) {
        let is_root = self.roots.iter().any(|root| root == path);
        let mut folder = Folder { path: path.to_owned(), is_root, is_kept: true, fingerprint: 0 };
        let mut found = self.found.lock();
        let number = found.folders.len();
        match &found.kernel {
            None => folder.fingerprint = folder.look(self.hidden),
            Some(kernel) => match kernel.watches().add(path, mask()) {
                Ok(descriptor) => {
                    found.by_descriptor.insert(descriptor, number);
                }
                // It went while we looked; its parent's event says so.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if found.refused => drop(error),
                Err(error) => {
                    complain(&error);
                    found.refused = true;
                }
            },
        }
        found.folders.push(folder);
    }

    /// Says that all has been read, and of which folders files are part of the code. `None`: the kernel could not watch
    /// all of them, so that they must be read again without it.
    pub(crate) fn complete(mut self, is_kept: impl Fn(&Path) -> bool) -> Option<Self> {
        let found = self.found.get_mut();
        if found.kernel.is_some() {
            found.folders.iter_mut().for_each(|folder| folder.is_kept = is_kept(&folder.path));
        }
        if found.refused { None } else { Some(self) }
    }

    /// Whether something has changed since the folders were read, or since the last call.
    pub(crate) fn changed(&mut self) -> bool {
        let hidden = self.hidden;
        let Found { kernel, folders, by_descriptor, .. } = self.found.get_mut();
        let Some(kernel) = kernel else {
            return folders.iter().any(|folder| folder.look(hidden) != folder.fingerprint);
        };
        let mut changed = false;
        loop {
            let events = match kernel.read_events(&mut self.buffer) {
                Ok(events) => events,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return changed,
                Err(_) => return true,
            };
            for event in events {
                let lost = event.mask.intersects(EventMask::Q_OVERFLOW | EventMask::DELETE_SELF | EventMask::MOVE_SELF);
                let folder = by_descriptor.get(&event.wd).and_then(|number| folders.get(*number));
                let name = event.name.map(|name| name.to_string_lossy());
                let is_folder = event.mask.contains(EventMask::ISDIR);
                let matters =
                    |folder: &Folder| name.as_ref().is_some_and(|name| folder.matters(name, is_folder, hidden));
                changed |= lost || folder.is_some_and(matters);
            }
        }
    }
}

fn mask() -> WatchMask {
    WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::MODIFY
        | WatchMask::MOVE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR
}

fn complain(error: &io::Error) {
    tracing::warn!(%error, "cannot watch for changes of modules; comparing times instead, which is slower");
}

impl Folder {
    /// What is in the folder now, as far as it matters.
    fn look(&self, hidden: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Ok(entries) = fs::read_dir(&self.path) else { return 0 };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort_unstable();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let Ok(metadata) = file.metadata() else { continue };
            if self.matters(&name, metadata.is_dir(), hidden) {
                file.hash(&mut hasher);
                if metadata.is_file() {
                    (metadata.len(), metadata.modified().ok()).hash(&mut hasher);
                }
            }
        }
        hasher.finish()
    }

    /// Whether a change of this name in the folder can change the code.
    fn matters(&self, name: &str, is_folder: bool, hidden: bool) -> bool {
        if name.ends_with('~') || name.ends_with(".pyc") || name == "__pycache__" {
            return false;
        }
        if name.starts_with('.') {
            return hidden || (self.is_root && name == IGNORE_FILE);
        }
        if is_folder {
            return !matches!(name, "node_modules" | "site-packages");
        }
        let is_module = [".py", ".so", ".pyd"].iter().any(|extension| name.ends_with(extension));
        is_module || (self.is_kept && (!self.is_root || hidden))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches as a reading does: each folder before what is in it.
    fn watch(root: &Path, kernel: bool) -> Watch {
        fn visit(watch: &Watch, folder: &Path) {
            watch.folder(folder);
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() && entry.file_name() != "__pycache__" {
                    visit(watch, &entry.path());
                }
            }
        }
        let watch = Watch::begin(&[root.to_owned()], false, kernel);
        visit(&watch, root);
        watch.complete(|folder| !folder.ends_with("results")).unwrap()
    }

    fn check_changes(kernel: bool) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (package, results) = (root.join("package"), root.join("results"));
        fs::create_dir_all(package.join("__pycache__")).unwrap();
        fs::create_dir(&results).unwrap();
        fs::write(package.join("__init__.py"), "").unwrap();
        let mut watched = watch(&root, kernel);
        assert!(!watched.changed());
        fs::write(package.join("__pycache__/x.pyc"), "noise").unwrap();
        fs::write(package.join(".__init__.py.swp"), "noise").unwrap();
        fs::write(root.join("out.csv"), "noise").unwrap();
        assert!(!watched.changed());
        fs::write(results.join("out.csv"), "noise").unwrap();
        // Where times are compared, it is not known which folders matter.
        assert_eq!(watched.changed(), !kernel);
        let changes: [(&str, &str); 5] = [
            ("package/__init__.py", "x = 1"),
            ("package/table.csv", "1,2"),
            ("results/module.py", ""),
            (IGNORE_FILE, "results/"),
            ("module.py", ""),
        ];
        for (path, text) in changes {
            let mut watched = watch(&root, kernel);
            fs::write(root.join(path), text).unwrap();
            assert!(watched.changed(), "{path}");
        }
        fs::create_dir(root.join("fresh")).unwrap();
        let mut watched = watch(&root, kernel);
        fs::write(root.join("fresh/module.py"), "").unwrap();
        assert!(watched.changed());
        let mut watched = watch(&root, kernel);
        fs::remove_dir_all(package).unwrap();
        assert!(watched.changed());
    }

    #[test]
    fn the_kernel_tells_what_changed() {
        check_changes(true);
    }

    #[test]
    fn times_tell_what_changed() {
        check_changes(false);
    }
}
