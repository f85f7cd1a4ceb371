//! Whether files below the import roots of a Python client have changed, for one system call.
//!
//! Where the kernel cannot watch (too many folders), the times and sizes of the files are compared instead.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

pub(crate) struct Watch {
    roots: Vec<PathBuf>,
    kernel: Option<Kernel>,
    /// Of the files when the watch began, where the kernel cannot watch.
    fingerprint: Option<u64>,
}

struct Kernel {
    inotify: Inotify,
    /// The roots themselves: of what lies directly in them, only modules and folders matter.
    tops: Vec<WatchDescriptor>,
    buffer: Box<[u8]>,
}

impl Watch {
    pub(crate) fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots, kernel: None, fingerprint: None }
    }

    /// Begins to watch all folders that there are now. Call it before the files are read, so that no change is missed.
    pub(crate) fn begin(&mut self) {
        self.kernel = match Kernel::new(&self.roots) {
            Ok(kernel) => Some(kernel),
            Err(error) => {
                tracing::warn!(%error, "cannot watch for changes of modules; comparing times instead, which is slower");
                self.fingerprint = Some(fingerprint(&self.roots));
                None
            }
        };
    }

    /// Whether something has changed since [`Watch::begin`] or the last call; false before the first begin.
    pub(crate) fn changed(&mut self) -> bool {
        match &mut self.kernel {
            Some(kernel) => kernel.changed(),
            None => self.fingerprint.is_some_and(|begun| begun != fingerprint(&self.roots)),
        }
    }
}

impl Kernel {
    fn new(roots: &[PathBuf]) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let mask = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MODIFY
            | WatchMask::MOVE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let mut tops = Vec::new();
        for root in roots {
            let mut result = Ok(());
            folders(root, &mut |folder| {
                if result.is_ok() {
                    result = match inotify.watches().add(folder, mask) {
                        Ok(descriptor) => {
                            if folder == root {
                                tops.push(descriptor);
                            }
                            Ok(())
                        }
                        // It went while we looked; its parent's event says so.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                        Err(error) => Err(error),
                    };
                }
            });
            result?;
        }
        Ok(Self { inotify, tops, buffer: vec![0; 4096].into() })
    }

    fn changed(&mut self) -> bool {
        let mut changed = false;
        loop {
            let events = match self.inotify.read_events(&mut self.buffer) {
                Ok(events) => events,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return changed,
                Err(_) => return true,
            };
            for event in events {
                let folder = event.mask.contains(EventMask::ISDIR);
                let lost = event.mask.intersects(EventMask::Q_OVERFLOW | EventMask::DELETE_SELF | EventMask::MOVE_SELF);
                let name = event.name.map(|name| name.to_string_lossy());
                let top = self.tops.contains(&event.wd);
                changed |= lost || name.is_some_and(|name| matters(&name, folder, top));
            }
        }
    }
}

/// Whether a change of this name can change the code.
fn matters(name: &str, folder: bool, top: bool) -> bool {
    let noise = name.starts_with('.') || name.ends_with('~') || name.ends_with(".pyc") || name == "__pycache__";
    if folder { !noise && !is_foreign(name) } else { !noise && (!top || name.ends_with(".py")) }
}

fn is_foreign(name: &str) -> bool {
    matches!(name, "node_modules" | "site-packages" | "__pycache__")
}

/// Visits `root` and the folders below it that can hold modules.
fn folders(root: &Path, visit: &mut dyn FnMut(&Path)) {
    visit(root);
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && matters(&name, true, false) && !path.join("pyvenv.cfg").exists() {
            folders(&path, visit);
        }
    }
}

fn fingerprint(roots: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for root in roots {
        folders(root, &mut |folder| {
            let Ok(entries) = fs::read_dir(folder) else { return };
            let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort_unstable();
            for file in files {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                if let Ok(metadata) = file.metadata()
                    && metadata.is_file()
                    && matters(&name, false, folder == root)
                {
                    (&file, metadata.len(), metadata.modified().ok()).hash(&mut hasher);
                }
            }
        });
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_changes(kernel: bool) {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("package");
        fs::create_dir_all(package.join("__pycache__")).unwrap();
        fs::write(package.join("__init__.py"), "").unwrap();
        let mut watch = Watch::new(vec![folder.path().to_owned()]);
        let begin = |watch: &mut Watch| {
            watch.begin();
            if !kernel {
                watch.kernel = None;
                watch.fingerprint = Some(fingerprint(&watch.roots));
            }
        };
        assert!(!watch.changed());
        begin(&mut watch);
        assert!(!watch.changed());
        fs::write(package.join("__pycache__/x.pyc"), "noise").unwrap();
        fs::write(package.join(".__init__.py.swp"), "noise").unwrap();
        fs::write(folder.path().join("out.csv"), "noise").unwrap();
        assert!(!watch.changed());
        fs::write(package.join("__init__.py"), "x = 1").unwrap();
        assert!(watch.changed());
        fs::create_dir(folder.path().join("fresh")).unwrap();
        begin(&mut watch);
        fs::write(folder.path().join("fresh/module.py"), "").unwrap();
        assert!(watch.changed());
        begin(&mut watch);
        fs::remove_dir_all(package).unwrap();
        assert!(watch.changed());
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
