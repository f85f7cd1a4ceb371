//! Roots of units as files that the Python processes of all trust groups share, with the node's own bytecode.
//!
//! Only the node writes here. Bytecode is kept by root: what a compiler makes of the files of one unit is never executed
//! for another.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use haulier_model::{Digest, Root};
use haulier_store::Store;
use haulier_worker::PREPARED_FILES;
use parking_lot::Mutex;

/// The folder of them, which is no trust group.
const FOLDER: &str = "prepared";
/// A root that is larger is not prepared, in bytes and in files.
const MOST_BYTES: u64 = 256 << 20;
const MOST_FILES: usize = 20_000;
/// The size of a root in bytes, as text.
const SIZE: &str = "size";
/// What the compiler reads, and what it writes.
const LISTING: &str = "listing";
const COMPILED: &str = "compiled";
/// Flags of a file with bytecode: it belongs to the source for good, and is not compared.
const UNCHECKED: u32 = 1;

pub(crate) struct Prepared {
    folder: PathBuf,
    /// The most bytes of all; then the least recently used go.
    most: u64,
    next: AtomicU64,
    /// Units that were looked at, so that most submits look at nothing.
    seen: Mutex<HashSet<Digest>>,
}

/// A root that is being prepared; what is left of it goes with this.
pub(crate) struct Draft {
    folder: PathBuf,
    /// Where it will be when it is whole.
    target: PathBuf,
}

impl Drop for Draft {
    fn drop(&mut self) {
        // The next start of the node removes it otherwise.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Prepared {
    /// `most`: bytes of all roots; of what is in use nothing goes.
    pub(super) fn open(folder: &Path, most: u64) -> io::Result<Self> {
        let folder = folder.join(FOLDER);
        fs::create_dir(&folder)?;
        Ok(Self { folder, most, next: AtomicU64::new(0), seen: Mutex::default() })
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.folder == path
    }

    /// Whether a unit is looked at for the first time.
    pub(crate) fn is_new(&self, unit: Digest) -> bool {
        self.seen.lock().insert(unit)
    }

    /// Where a root is prepared, if it is; it counts as used now.
    pub(crate) fn find(&self, root: &Digest) -> Option<PathBuf> {
        let folder = self.folder.join(root.hex());
        let there = fs::File::open(&folder).ok()?;
        // Then it goes a little earlier.
        let _ = there.set_modified(SystemTime::now());
        Some(folder)
    }

    /// Writes the files of a root; `None` if it is prepared, too large, or has no modules. Blocks.
    pub(crate) fn write(&self, digest: &Digest, root: &Root, store: &Store) -> haulier_model::Result<Option<Draft>> {
        let target = self.folder.join(digest.hex());
        let size: u64 = root.entries.iter().map(|entry| entry.size).sum();
        let has_modules = root.entries.iter().any(|entry| is_source(entry.path.as_str()));
        if !has_modules || size > MOST_BYTES || root.entries.len() > MOST_FILES || target.exists() {
            return Ok(None);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let draft = Draft { folder: self.folder.join(format!(".draft-{number}")), target };
        draft.write(root, size, store)?;
        Ok(Some(draft))
    }

    /// Adds the roots that a directory of a class path leads to.
    pub(super) fn add_linked_from(&self, directory: &Path, linked: &mut HashSet<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let target = fs::read_link(entry.path()).ok();
            let root = target.as_deref().and_then(|target| target.strip_prefix(&self.folder).ok()?.iter().next());
            linked.extend(root.map(|root| self.folder.join(root)));
        }
    }

    /// Removes what nobody has used for `kept`, no class path in use names and no directory leads to: if its content is not
    /// known any more, and if all together is too large. A worker may lead a directory there as long as its class path is
    /// in use, and links are looked for only once.
    pub(super) fn sweep(
        &self,
        kept: Duration,
        linked: &HashSet<PathBuf>,
        is_named: impl Fn(&Digest) -> bool,
        is_known: impl Fn(&Digest) -> bool,
    ) -> io::Result<()> {
        let mut total = 0;
        let mut unused = Vec::new();
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let path = entry.path();
            let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()) else {
                continue;
            };
            let size =
                fs::read_to_string(path.join(SIZE)).ok().and_then(|size| size.parse().ok()).unwrap_or(MOST_BYTES);
            total += size;
            if !linked.contains(&path) && super::is_old(&path, kept)? {
                unused.push((is_known(&digest), entry.metadata()?.modified()?, size, path, digest));
            }
        }
        unused.sort_unstable();
        for (is_known, _, size, path, digest) in unused {
            if is_known && total <= self.most {
                break;
            }
            if is_named(&digest) {
                continue;
            }
            let aside = path.with_extension("old");
            fs::rename(&path, &aside)?;
            fs::remove_dir_all(aside)?;
            total -= size;
            self.seen.lock().clear();
        }
        Ok(())
    }
}

impl Draft {
    fn write(&self, root: &Root, size: u64, store: &Store) -> haulier_model::Result<()> {
        let files = self.folder.join(PREPARED_FILES);
        let cannot_write = |error| super::write_error(&self.folder, error);
        let (mut made, mut listing) = (HashSet::new(), String::new());
        for entry in &root.entries {
            let path = files.join(entry.path.as_str());
            let folder = path.parent().unwrap_or(&files);
            if !made.contains(folder) {
                fs::create_dir_all(folder).map_err(cannot_write)?;
                made.insert(folder.to_owned());
            }
            let bytes = if entry.size == 0 { None } else { Some(store.read(&entry.digest)?) };
            let mode = if entry.executable { 0o755 } else { 0o644 };
            let created = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
            let text = bytes.as_deref().unwrap_or_default();
            created.and_then(|mut file| file.write_all(text)).map_err(cannot_write)?;
            if is_source(entry.path.as_str()) {
                listing += &format!("{} {}\n", entry.digest.hex(), path.display());
            }
        }
        fs::write(self.listing(), listing).map_err(cannot_write)?;
        fs::write(self.folder.join(SIZE), size.to_string()).map_err(cannot_write)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn listing(&self) -> PathBuf {
        self.folder.join(LISTING)
    }

    /// The file for a compiler to write to.
    pub(crate) fn output(&self) -> io::Result<fs::File> {
        OpenOptions::new().write(true).create_new(true).open(self.folder.join(COMPILED))
    }

    /// Takes over what the compiler for an interpreter has written, also as the files that programs look for which a task
    /// starts. Blocks.
    pub(crate) fn take(&self, tag: &str) -> io::Result<()> {
        let compiled = fs::read(self.folder.join(COMPILED))?;
        let listing = fs::read_to_string(self.listing())?;
        let known: HashMap<Digest, &[u8]> = haulier_worker::bytecode_in(&compiled).collect();
        haulier_worker::keep_bytecode(&self.folder, tag, known.iter().map(|(digest, code)| (*digest, *code)))?;
        fs::remove_file(self.folder.join(COMPILED))?;
        let Some((cache_tag, magic)) = cache_tag(tag) else { return Ok(()) };
        for line in listing.lines() {
            let Some((digest, path)) = line.split_once(' ') else { continue };
            let Some((digest, code)) = digest.parse().ok().and_then(|digest| known.get_key_value(&digest)) else {
                continue;
            };
            place(code, digest, Path::new(path), cache_tag, magic)?;
        }
        Ok(())
    }

    /// Gives it its place. Blocks.
    pub(crate) fn publish(self) -> io::Result<()> {
        // Nobody needs it any more.
        let _ = fs::remove_file(self.listing());
        fs::rename(&self.folder, &self.target)
    }
}

/// A source whose path fits a line.
fn is_source(path: &str) -> bool {
    path.ends_with(".py") && !path.contains(['\n', '\r'])
}

/// Puts bytecode where an interpreter looks for it beside its source.
fn place(code: &[u8], digest: &Digest, source: &Path, cache_tag: &str, magic: [u8; 4]) -> io::Result<()> {
    let (Some(folder), Some(stem)) = (source.parent(), source.file_stem()) else { return Ok(()) };
    let folder = folder.join("__pycache__");
    fs::create_dir_all(&folder)?;
    let header = [magic.as_slice(), &UNCHECKED.to_le_bytes(), &digest.as_bytes()[..8]].concat();
    fs::write(folder.join(format!("{}.{cache_tag}.pyc", stem.to_string_lossy())), [&header, code].concat())
}

/// "cpython-311" and the magic number of "cpython-311-a70d0d0a-0"; `None` if it optimizes: such files are called otherwise.
fn cache_tag(tag: &str) -> Option<(&str, [u8; 4])> {
    let (rest, magic) = tag.strip_suffix("-0")?.rsplit_once('-')?;
    let magic = u32::from_str_radix(magic, 16).ok()?.to_be_bytes();
    Some((rest, magic))
}
