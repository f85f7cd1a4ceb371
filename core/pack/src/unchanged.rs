//! Roots that were read before, and that nothing on disk says have changed: they are not read again.
//!
//! Trusts times and sizes only where they can be trusted: of files that had been left alone for a while when they were
//! read. What was written a moment ago may be written again within one tick of the file system's clock.

use std::{
    collections::HashMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use haulier_model::{Digest, Error, Hasher, Result};

use crate::{PackedRoot, PackedRoots};

/// How long a file must have been left alone; file systems count in steps of up to two seconds.
const SETTLED: Duration = Duration::from_secs(3);
/// Paths that are remembered; beyond that it begins anew.
const MOST: usize = 1_000;
/// The most files and folders of a folder, and folders one in the other, that are looked at.
const MOST_FILES: usize = 100_000;
const MOST_DEPTH: usize = 128;

/// Roots by the path that they were read from. They keep what they have read, as a snapshot does.
#[derive(Default)]
pub struct UnchangedRoots(Mutex<HashMap<PathBuf, Known>>);

struct Known {
    stamp: Digest,
    roots: Vec<PackedRoot>,
}

impl UnchangedRoots {
    /// The roots of these paths, in their order. `read` reads the path that it is given, and is called for those that are
    /// new or may have changed, several at a time. Errors: those of `read`.
    pub fn read(
        &self,
        paths: &[PathBuf],
        read: impl Fn(&[PathBuf]) -> Result<PackedRoots> + Sync,
    ) -> Result<PackedRoots> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(paths.len()).max(1);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = paths.get(index) else { return Ok::<_, Error>(done) };
                done.push((index, self.of(path, &read)?));
            }
        };
        let mut done = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done = work()?;
            for other in others {
                done.extend(other.join().map_err(|_| Error::internal("read code", "a thread panicked"))??);
            }
            Ok::<_, Error>(done)
        })?;
        done.sort_by_key(|(index, _)| *index);
        Ok(PackedRoots::of(done.into_iter().flat_map(|(_, roots)| roots).collect()))
    }

    fn of(&self, path: &PathBuf, read: &impl Fn(&[PathBuf]) -> Result<PackedRoots>) -> Result<Vec<PackedRoot>> {
        let Some(stamp) = Stamp::of(path).filter(Stamp::is_settled).map(|stamp| stamp.digest()) else {
            return Ok(read(std::slice::from_ref(path))?.roots);
        };
        let known =
            |known: &HashMap<PathBuf, Known>| Some(known.get(path).filter(|known| known.stamp == stamp)?.roots.clone());
        if let Some(roots) = known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(roots);
        }
        let roots = read(std::slice::from_ref(path))?.roots;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(path.clone(), Known { stamp, roots: roots.clone() });
        Ok(roots)
    }
}

/// What the file system says of a file, or of all files below a folder.
struct Stamp {
    hasher: Hasher,
    newest: Duration,
    files: usize,
}

impl Stamp {
    /// `None` for what cannot be told by times: links, unreadable folders, very large ones, nothing at all.
    fn of(path: &Path) -> Option<Self> {
        let mut stamp = Self { hasher: Hasher::default(), newest: Duration::ZERO, files: 0 };
        let metadata = fs::metadata(path).ok()?;
        stamp.add(&metadata)?;
        if metadata.is_dir() {
            stamp.folder(path, 0)?;
        }
        Some(stamp)
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Option<()> {
        let mut entries = fs::read_dir(folder).ok()?.collect::<Result<Vec<_>, _>>().ok()?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let metadata = entry.metadata().ok()?;
            let name = entry.file_name();
            self.hasher.update(&(name.len() as u64).to_le_bytes());
            self.hasher.update(name.as_encoded_bytes());
            self.add(&metadata)?;
            if metadata.is_dir() {
                if depth >= MOST_DEPTH {
                    return None;
                }
                self.folder(&entry.path(), depth + 1)?;
            }
        }
        Some(())
    }

    fn add(&mut self, metadata: &Metadata) -> Option<()> {
        self.files += 1;
        if metadata.is_symlink() || self.files > MOST_FILES {
            return None;
        }
        let numbers = [metadata.dev(), metadata.ino(), metadata.size(), u64::from(metadata.mode())];
        numbers.iter().for_each(|number| self.hasher.update(&number.to_le_bytes()));
        for (seconds, nanos) in [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())] {
            self.hasher.update(&seconds.to_le_bytes());
            self.hasher.update(&nanos.to_le_bytes());
            let time = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
            self.newest = self.newest.max(time);
        }
        Some(())
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.newest + SETTLED < now
    }

    fn digest(self) -> Digest {
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs::FileTimes};

    use haulier_model::RootKind;

    use super::*;
    use crate::Selection;

    /// Reads, and counts how often a path was read.
    fn read(unchanged: &UnchangedRoots, paths: &[PathBuf]) -> (Digest, usize) {
        let count = AtomicUsize::new(0);
        let reader = |path: &[PathBuf]| {
            count.fetch_add(1, Ordering::Relaxed);
            PackedRoots::read(RootKind::Jvm, path, &Selection::default(), &|_| {})
        };
        (unchanged.read(paths, reader).unwrap().digest, count.into_inner())
    }

    #[test]
    fn what_was_written_a_moment_ago_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let unchanged = UnchangedRoots::default();
        let paths = [folder.path().to_owned(), folder.path().join("missing")];
        let last = Cell::new(None);
        for number in 0..100 {
            fs::write(folder.path().join("A.class"), format!("{number:04}")).unwrap();
            let (digest, count) = read(&unchanged, &paths);
            assert_eq!(count, 2);
            assert_ne!(last.replace(Some(digest)), Some(digest));
        }
    }

    #[test]
    fn what_was_left_alone_is_read_once() {
        // Files of the toolchain: nobody can set back the time of an inode's last change.
        let sysroot = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let path = PathBuf::from(String::from_utf8(sysroot.stdout).unwrap().trim()).join("bin");
        let unchanged = UnchangedRoots::default();
        let copy = tempfile::tempdir().unwrap();
        let fresh = copy.path().join("A.class");
        fs::write(&fresh, "x").unwrap();
        let old = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(1));
        fs::File::options().write(true).open(&fresh).unwrap().set_times(old).unwrap();
        let paths = [path, copy.path().to_owned()];
        let (first, count) = read(&unchanged, &paths);
        assert_eq!(count, 2);
        let (second, count) = read(&unchanged, &paths);
        assert_eq!(second, first);
        assert_eq!(count, 1, "a time that was set back makes no file old");
    }
}
