//! Folders: which files they have, in which order, and their copy.
//!
//! Links are followed as long as they stay inside, or are single modules of a client; each folder is read once.

use std::{
    fs::{DirEntry, FileType},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use haulier_model::{Entry, EntryPath, ErrorKind, Hasher, Result};

use crate::{
    LeftOut,
    content::{BLOCK_SIZE, Content, PrivateCopy, open, read_file},
    limits::Budget,
    paths::{BadEntry, PathSet, Twin},
    refusal,
    selection::{BYTECODE, Reach, Rules, Verdict},
};

/// Files and folders that are left out and named one by one; more of them are counted.
const MOST_LEFT_OUT: usize = 1000;

/// The most folders one in the other. Recursion is this deep, on stacks that may be small.
const MOST_DEPTH: usize = 128;

/// What is looked for in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// Every file.
    Jvm,
    /// What can belong to a Python package.
    Python,
}

/// A file in a folder.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: EntryPath,
    pub(crate) file: PathBuf,
    /// Taken because somebody asked for it, whatever it is.
    pub(crate) included: bool,
}

/// Told of each folder before it is read.
pub(crate) type OnFolder<'a> = &'a (dyn Fn(&Path) + Sync);

/// A search through a folder.
pub(crate) struct Search<'a> {
    root: PathBuf,
    flavor: Flavor,
    rules: &'a Rules<'a>,
    bad: BadEntry,
    most: usize,
    on_folder: OnFolder<'a>,
    /// The real paths of the folders from the root to the one that is read, to see loops.
    chain: Vec<PathBuf>,
    seen: usize,
    pub(crate) found: Vec<Found>,
    pub(crate) skipped: Vec<String>,
    pub(crate) left_out: Vec<LeftOut>,
    /// How many more are left out.
    pub(crate) left_out_more: usize,
}

/// What searches have come to.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) found: Vec<Found>,
    pub(crate) skipped: Vec<String>,
    pub(crate) left_out: Vec<LeftOut>,
    /// How many more are left out.
    pub(crate) left_out_more: usize,
}

impl Gathered {
    /// Adds what another search has come to.
    pub(crate) fn add(&mut self, other: Self) {
        self.found.extend(other.found);
        self.skipped.extend(other.skipped);
        self.left_out.extend(other.left_out);
        self.left_out_more += other.left_out_more;
    }
}

impl From<Search<'_>> for Gathered {
    fn from(search: Search<'_>) -> Self {
        let Search { found, skipped, left_out, left_out_more, .. } = search;
        Self { found, skipped, left_out, left_out_more }
    }
}

impl<'a> Search<'a> {
    /// A search in `root` that stops with `ResourceExhausted` after `most` files and folders.
    pub(crate) fn new(root: &Path, flavor: Flavor, rules: &'a Rules<'a>, bad: BadEntry, most: usize) -> Result<Self> {
        let root = root.canonicalize().map_err(|error| refusal::io(root, error))?;
        Ok(Self {
            root,
            flavor,
            rules,
            bad,
            most,
            on_folder: &|_| {},
            chain: Vec::new(),
            seen: 0,
            found: Vec::new(),
            skipped: Vec::new(),
            left_out: Vec::new(),
            left_out_more: 0,
        })
    }

    /// Tells of each folder before it is read.
    pub(crate) fn telling(self, on_folder: OnFolder<'a>) -> Self {
        Self { on_folder, ..self }
    }

    /// The folder that is searched, without links.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Finds all files in the folder and below; their paths start with `prefix`.
    pub(crate) fn everything(&mut self, prefix: &str) -> Result<()> {
        let root = self.root.clone();
        self.folder(&root, prefix, Reach::Ruled)
    }

    /// Finds the file, or all files in the folder, that `item` of the root is.
    pub(crate) fn item(&mut self, item: &DirEntry, reach: Reach) -> Result<()> {
        self.chain.push(self.root.clone());
        self.seen = 0;
        let result = self.visit(item, "", reach);
        self.chain.clear();
        result
    }

    /// How many files and folders the last [`Search::item`] has seen.
    pub(crate) fn seen(&self) -> usize {
        self.seen
    }

    /// Says that the next item was not looked into.
    pub(crate) fn nothing_seen(&mut self) {
        self.seen = 1;
    }

    /// Notes what is left out, and by which rule.
    pub(crate) fn leave_out(&mut self, path: &str, rule: String) {
        if self.left_out.len() == MOST_LEFT_OUT {
            self.left_out_more += 1;
        } else {
            self.left_out.push(LeftOut { path: path.to_owned(), rule });
        }
    }

    /// As [`Search::leave_out`], but for what nobody misses, or is in a folder that is left out.
    fn note(&mut self, path: &str, rule: String, within: Reach) {
        if within == Reach::Ruled && rule != BYTECODE {
            self.leave_out(path, rule);
        }
    }

    fn folder(&mut self, folder: &Path, path: &str, reach: Reach) -> Result<()> {
        if self.chain.len() >= MOST_DEPTH {
            return self.bad_entry(format!("'{path}' is deeper than {MOST_DEPTH} folders"));
        }
        (self.on_folder)(folder);
        let items = match folder.read_dir().and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
            Ok(items) => items,
            Err(error) => return self.unreadable(refusal::io(folder, error)),
        };
        let is_environment = || items.iter().any(|item| item.file_name() == "pyvenv.cfg");
        let ruled = self.flavor == Flavor::Python && reach == Reach::Ruled && !path.is_empty();
        let mut reach = reach;
        if ruled && is_environment() {
            self.leave_out(path, "virtual environment".to_owned());
            if !self.rules.leads_to_included(path) {
                return Ok(());
            }
            reach = Reach::Listed;
        }
        self.chain.push(folder.to_owned());
        for item in items {
            self.visit(&item, path, reach)?;
        }
        self.chain.pop();
        Ok(())
    }

    fn visit(&mut self, item: &DirEntry, parent: &str, reach: Reach) -> Result<()> {
        self.seen += 1;
        if self.seen > self.most {
            return Err(refusal::limit("more files and folders than allowed", self.most as u64));
        }
        let name = item.file_name();
        let Some(name) = name.to_str() else {
            return self.bad_entry(format!("'{}' is no UTF-8", name.to_string_lossy()));
        };
        let separator = if parent.is_empty() { "" } else { "/" };
        let path = format!("{parent}{separator}{name}");
        let file = item.path();
        // What is denied is not even looked at.
        if self.flavor == Flavor::Jvm && self.rules.denies(&path) {
            return Ok(());
        }
        match item.file_type() {
            Ok(kind) if kind.is_symlink() => {
                if self.flavor == Flavor::Python && self.rules.denies(&path) {
                    return Ok(());
                }
                match self.follow(&file, &path) {
                    Ok((file, kind)) => self.file_or_folder(file, kind, path, reach),
                    Err(reason) => self.bad_entry(reason),
                }
            }
            Ok(kind) => self.file_or_folder(file, kind, path, reach),
            Err(error) => self.unreadable(refusal::io(&file, error)),
        }
    }

    fn file_or_folder(&mut self, file: PathBuf, kind: FileType, path: String, within: Reach) -> Result<()> {
        let reach = match self.flavor {
            Flavor::Jvm => Reach::Ruled,
            Flavor::Python => match self.rules.judge(&path, kind.is_dir(), within) {
                Verdict::Take(reach) => reach,
                Verdict::LeaveOut(rule) => {
                    self.note(&path, rule, within);
                    return Ok(());
                }
                Verdict::Look(rule) => {
                    self.note(&path, rule, within);
                    Reach::Listed
                }
            },
        };
        if kind.is_dir() {
            return self.folder(&file, &path, reach);
        }
        if !kind.is_file() {
            return self.bad_entry(format!("'{path}' is no regular file"));
        }
        match EntryPath::new(&path) {
            Ok(path) => self.found.push(Found { path, file, included: reach == Reach::Whole }),
            Err(error) => return self.bad_entry(error.message().to_owned()),
        }
        Ok(())
    }

    /// Where a link leads, or why it is not followed.
    fn follow(&self, link: &Path, path: &str) -> Result<(PathBuf, FileType), String> {
        let target = link.canonicalize().map_err(|error| format!("'{path}' is a link to nothing: {error}"))?;
        if !target.starts_with(&self.root) && !self.may_leave(&target, path) {
            return Err(format!("'{path}' is a link that leaves the folder, to '{}'", target.display()));
        }
        if self.chain.contains(&target) {
            return Err(format!("'{path}' is a link to a folder that it is in"));
        }
        let metadata = target.metadata().map_err(|error| format!("'{path}' is a link to nothing: {error}"))?;
        Ok((target, metadata.file_type()))
    }

    /// Whether a link is followed out of the folder: if it is a module of a client's own, which imports it as it is.
    fn may_leave(&self, target: &Path, path: &str) -> bool {
        let is_module = |path: &str| path.ends_with(".py");
        let is_own = self.flavor == Flavor::Python && self.bad == BadEntry::Skip;
        let leaves = is_own && is_module(path) && target.to_str().is_some_and(is_module) && target.is_file();
        if leaves && let Some(folder) = target.parent() {
            (self.on_folder)(folder);
        }
        leaves
    }

    fn bad_entry(&mut self, reason: String) -> Result<()> {
        if self.bad == BadEntry::Refuse {
            return Err(refusal::refused(reason));
        }
        self.skipped.push(reason);
        Ok(())
    }

    fn unreadable(&mut self, error: haulier_model::Error) -> Result<()> {
        if self.bad == BadEntry::Refuse {
            return Err(error);
        }
        self.skipped.push(error.message().to_owned());
        Ok(())
    }
}

/// Whether the bytes are copied while they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The files are read again later.
    Paths,
    /// The bytes are copied into a temporary file without a name.
    Copy,
}

/// Files that were read.
pub(crate) struct Files {
    pub(crate) entries: Vec<Entry>,
    pub(crate) content: Content,
    pub(crate) skipped: Vec<String>,
    /// Left out, because another file has the name where names have no case.
    pub(crate) twins: Vec<Twin>,
}

impl Files {
    /// Reads files in the order of their paths.
    pub(crate) fn read(mut found: Vec<Found>, bad: BadEntry, keep: Keep, budget: &mut Budget<'_>) -> Result<Self> {
        found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        budget.add_entries(found.len())?;
        let mut copy = match keep {
            Keep::Paths => None,
            Keep::Copy => Some(Copying::new()?),
        };
        let (mut paths, mut files) = (PathSet::default(), Vec::new());
        let (mut entries, mut skipped, mut twins) = (Vec::with_capacity(found.len()), Vec::new(), Vec::new());
        let mut block = vec![0; BLOCK_SIZE];
        for Found { path, file, .. } in found {
            match paths.add(&path) {
                Ok(()) => {}
                Err(twin) if bad == BadEntry::Refuse => return Err(refusal::twin(&twin)),
                Err(twin) => {
                    twins.push(twin);
                    continue;
                }
            }
            let (opened, executable) = match open(&file) {
                Ok(opened) => opened,
                Err(error) if bad == BadEntry::Skip && error.kind() != ErrorKind::ResourceExhausted => {
                    skipped.push(error.message().to_owned());
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut hasher = Hasher::default();
            if let Some(copy) = &mut copy {
                copy.begin();
            }
            let size = read_file(opened, &file, budget.entry_size(), &mut block, &mut |bytes| {
                hasher.update(bytes);
                copy.as_mut().map_or(Ok(()), |copy| copy.write(bytes))
            })?;
            budget.add_size(path.as_str(), size)?;
            entries.push(Entry { path, digest: hasher.finish(), size, executable });
            files.push(file);
        }
        let content = match copy {
            Some(copy) => Content::Copy(copy.finish()?.into()),
            None => Content::Files(files.into()),
        };
        Ok(Self { entries, content, skipped, twins })
    }
}

/// A private copy that is being written.
struct Copying {
    file: BufWriter<std::fs::File>,
    offsets: Vec<u64>,
    size: u64,
}

impl Copying {
    fn new() -> Result<Self> {
        let file = tempfile::tempfile().map_err(Self::failed)?;
        Ok(Self { file: BufWriter::with_capacity(256 << 10, file), offsets: Vec::new(), size: 0 })
    }

    fn begin(&mut self) {
        self.offsets.push(self.size);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).map_err(Self::failed)
    }

    fn finish(self) -> Result<PrivateCopy> {
        let file = self.file.into_inner().map_err(|error| Self::failed(error.into_error()))?;
        PrivateCopy::map(file, self.offsets, self.size)
    }

    fn failed(error: std::io::Error) -> haulier_model::Error {
        refusal::io(&std::env::temp_dir(), error)
    }
}

#[cfg(test)]
mod tests;
