//! The directory that a Python class path is written into, one top-level name after the other.
//!
//! Several processes may fill the same directory: what is in it under its final name is whole. What the node has prepared
//! is linked: it is the same for all, and no worker can write there.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use haulier_loader::RootEntry;
use haulier_model::{EntryPath, Error, ErrorKind, Result};
use parking_lot::Mutex;

use super::packs::Span;

pub(super) struct Directory {
    path: PathBuf,
    /// Names that are known to be there.
    filled: Mutex<HashSet<String>>,
    next: AtomicU64,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, filled: Mutex::default(), next: AtomicU64::new(0) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a top-level name is there.
    pub(super) fn has(&self, name: &str) -> bool {
        if self.filled.lock().contains(name) {
            return true;
        }
        let there = self.path.join(name).exists();
        if there {
            self.filled.lock().insert(name.to_owned());
        }
        there
    }

    /// Makes a top-level name lead to where the node has prepared it. `false`: it is not there.
    pub(super) fn link(&self, name: &str, prepared: &Path) -> bool {
        let target = prepared.join(name);
        if !target.exists() {
            return false;
        }
        let link = self.path.join(name);
        // What is there already is the same, from another process, unless it leads to what is no more.
        let linked = symlink(&target, &link).is_ok() || link.exists();
        if linked {
            self.filled.lock().insert(name.to_owned());
        }
        linked
    }

    /// Writes the files of a top-level name, whose paths begin with it, and makes them appear at once.
    pub(super) fn add<'a>(&self, name: &str, files: impl Iterator<Item = (&'a RootEntry, Span)>) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let draft = self.path.join(format!(".haulier-{}-{number}", std::process::id()));
        let files: Vec<_> = files.collect();
        let added = self.write(&draft, &files).and_then(|()| publish(&draft.join(name), &self.path.join(name)));
        // What is left of the draft is of no use, and its name will not be used again.
        let _ = fs::remove_dir_all(&draft);
        added.map_err(|error| {
            let kind = if error.kind() == io::ErrorKind::StorageFull {
                ErrorKind::ResourceExhausted
            } else {
                ErrorKind::Internal
            };
            Error::new(kind, format!("fill a class path with {name}"), error.to_string())
                .context("directory", self.path.to_string_lossy())
                .with_source(error)
        })?;
        self.filled.lock().insert(name.to_owned());
        Ok(())
    }

    fn write(&self, draft: &Path, files: &[(&RootEntry, Span)]) -> io::Result<()> {
        let mut made = HashSet::new();
        for (entry, span) in files {
            // The node has checked the path, and this process checks what it writes.
            let path = EntryPath::new(&entry.path).map_err(io::Error::other)?;
            let path = draft.join(path.as_str());
            let folder = path.parent().unwrap_or(draft);
            if !made.contains(folder) {
                fs::create_dir_all(folder)?;
                made.insert(folder.to_owned());
            }
            let mode = if entry.executable { 0o755 } else { 0o644 };
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?.write_all(span.bytes())?;
        }
        Ok(())
    }
}

fn publish(draft: &Path, name: &Path) -> io::Result<()> {
    match fs::rename(draft, name) {
        // Another process, or another thread, was faster.
        Err(_) if name.exists() => Ok(()),
        // What the node had prepared is no more.
        Err(_) if name.is_symlink() => fs::remove_file(name).and_then(|()| publish(draft, name)),
        other => other,
    }
}
