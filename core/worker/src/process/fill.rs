//! The directory that a Python class path is written into, one top-level name after the other.
//!
//! Several processes may fill the same directory: what is in it under its final name is whole.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use haulier_loader::RootEntry;
use haulier_model::{EntryPath, Error, ErrorKind, Result};
use parking_lot::Mutex;

use super::{bytecode::Bytecode, packs::Span};

pub(super) struct Directory {
    path: PathBuf,
    /// Names that are known to be there.
    filled: Mutex<HashSet<String>>,
    next: AtomicU64,
    /// Known once the interpreter has said what it is.
    bytecode: OnceLock<Option<Bytecode>>,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, filled: Mutex::default(), next: AtomicU64::new(0), bytecode: OnceLock::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Says which interpreter loads from it, as it calls itself in names of bytecode: "cpython-311".
    pub(super) fn loaded_by(&self, tag: &str) {
        self.bytecode.get_or_init(|| Bytecode::beside(&self.path, tag));
    }

    /// The bytecode of the group, if it keeps any.
    pub(super) fn bytecode(&self) -> Option<&Bytecode> {
        self.bytecode.get()?.as_ref()
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
        // The bytecode of a package has come with it.
        if let ([(entry, _)], Some(bytecode)) = (files.as_slice(), self.bytecode()) {
            bytecode.place(&entry.digest, &self.path.join(&*entry.path));
        }
        self.filled.lock().insert(name.to_owned());
        Ok(())
    }

    fn write(&self, draft: &Path, files: &[(&RootEntry, Span)]) -> io::Result<()> {
        for (entry, span) in files {
            // The node has checked the path, and this process checks what it writes.
            let path = EntryPath::new(&entry.path).map_err(io::Error::other)?;
            let path = draft.join(path.as_str());
            fs::create_dir_all(path.parent().unwrap_or(draft))?;
            let mode = if entry.executable { 0o755 } else { 0o644 };
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?.write_all(span.bytes())?;
            if let Some(bytecode) = self.bytecode() {
                bytecode.place(&entry.digest, &path);
            }
        }
        Ok(())
    }
}

fn publish(draft: &Path, name: &Path) -> io::Result<()> {
    match fs::rename(draft, name) {
        // Another process, or another thread, was faster.
        Err(_) if name.exists() => Ok(()),
        other => other,
    }
}
