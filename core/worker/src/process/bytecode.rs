//! Bytecode by the digest of its source, beside the directories of a trust group: what one of its processes has compiled,
//! the others take, also when the module comes again in other code.
//!
//! It never leaves the trust group: who may write it may write the modules themselves. Knows files, and nothing of what is
//! in them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use haulier_model::Digest;

/// The folder for it, beside the directories.
pub const BYTECODE_FOLDER: &str = "bytecode";

/// Magic number, flags, and the hash of the source, or its time and size.
const HEADER: usize = 16;
/// The bytecode belongs to the source for good: it is not compared.
const UNCHECKED: u32 = 1;

/// The folder of bytecode for one interpreter.
#[derive(Clone, Debug)]
pub(super) struct Bytecode {
    folder: PathBuf,
    /// What the interpreter calls itself in names of files: "cpython-311".
    tag: String,
}

impl Bytecode {
    /// `None`: the node has made no folder for it.
    pub(super) fn beside(directory: &Path, tag: &str) -> Option<Self> {
        let folder = directory.parent()?.join(BYTECODE_FOLDER);
        let is_name = !tag.is_empty() && tag.chars().all(|part| part.is_ascii_alphanumeric() || "-_.".contains(part));
        (is_name && folder.is_dir()).then(|| Self { folder, tag: tag.to_owned() })
    }

    /// Puts the bytecode of a source where an interpreter looks for it, if there is any.
    pub(super) fn place(&self, digest: &Digest, source: &Path) {
        let Some(target) = self.target(source) else { return };
        let kept = self.kept(digest);
        // Without it the module is compiled again, and nobody knows beforehand whether it is there.
        let _ = fs::hard_link(&kept, &target).or_else(|error| match (error.kind(), target.parent()) {
            (io::ErrorKind::NotFound, Some(folder)) if kept.exists() => {
                fs::create_dir_all(folder)?;
                fs::hard_link(&kept, &target)
            }
            _ => Err(error),
        });
    }

    /// Keeps what an interpreter has compiled from a source: for this directory, and for all others of the group.
    pub(super) fn keep(&self, digest: &Digest, source: &Path, compiled: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(code) = compiled.get(HEADER..) else { return Err(io::Error::other("this is no bytecode")) };
        let draft = self.folder.join(format!(".{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let header = [&compiled[..4], &UNCHECKED.to_le_bytes(), &digest.as_bytes()[..8]].concat();
        let kept = self.kept(digest);
        let written = fs::write(&draft, [&header, code].concat()).and_then(|()| fs::rename(&draft, &kept));
        if let Err(error) = written {
            // Nothing needs what is left of it.
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        // What another program has made for itself is compared with the time of the source: this is not.
        if let Some(target) = self.target(source) {
            let _ = fs::remove_file(target);
        }
        self.place(digest, source);
        Ok(())
    }

    fn kept(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.{}.pyc", digest.hex(), self.tag))
    }

    /// `acme/__pycache__/price.cpython-311.pyc` of `acme/price.py`.
    fn target(&self, source: &Path) -> Option<PathBuf> {
        let stem = source.file_name()?.to_str()?.strip_suffix(".py")?;
        Some(source.parent()?.join("__pycache__").join(format!("{stem}.{}.pyc", self.tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_placed_elsewhere() {
        let group = tempfile::tempdir().unwrap();
        let directories = ["one", "two"].map(|name| group.path().join(name));
        for directory in &directories {
            fs::create_dir_all(directory.join("acme")).unwrap();
        }
        assert!(Bytecode::beside(&directories[0], "cpython-311").is_none());
        fs::create_dir(group.path().join(BYTECODE_FOLDER)).unwrap();
        assert!(Bytecode::beside(&directories[0], "../x").is_none());
        let bytecode = Bytecode::beside(&directories[0], "cpython-311").unwrap();
        let digest = Digest::of(b"source");
        let compiled = [b"MAGI".as_slice(), &[0; 4], &[7; 8], b"code"].concat();
        bytecode.place(&digest, &directories[1].join("acme/price.py"));
        assert!(!directories[1].join("acme/__pycache__").exists());
        bytecode.keep(&digest, &directories[0].join("acme/price.py"), &compiled).unwrap();
        bytecode.place(&digest, &directories[1].join("acme/price.py"));
        let expected = [b"MAGI".as_slice(), &[1, 0, 0, 0], &digest.as_bytes()[..8], b"code"].concat();
        for directory in directories {
            assert_eq!(fs::read(directory.join("acme/__pycache__/price.cpython-311.pyc")).unwrap(), expected);
        }
        assert!(bytecode.keep(&digest, Path::new("x.py"), b"short").is_err());
        assert_eq!(fs::read_dir(group.path().join(BYTECODE_FOLDER)).unwrap().count(), 1);
    }
}
