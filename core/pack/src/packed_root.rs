//! A root read from disk: its entries, and a way to their bytes.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    io::Write,
    path::{Path, PathBuf},
};

use haulier_model::{Digest, Result, Root};

use crate::{
    DenyList, LeftOut, Limits, ReadOptions, Selection,
    content::Content,
    paths::Twin,
    refusal::{self, InOperation},
    source,
};

/// A root read from disk: its entries, and a way to their bytes.
///
/// The entries and their digests are fixed when it is read; so are the bytes that it gives later, or it gives none.
#[derive(Clone)]
pub struct PackedRoot {
    /// The name in messages: "pricing.jar", "classes", "mypackage". Not part of the identity.
    pub name: String,
    /// The entries, in the order of the archive, or sorted by path for a folder.
    pub root: Root,
    digest: Digest,
    /// Indices of the entries, sorted by path.
    by_path: Box<[u32]>,
    content: Content,
    skipped: Vec<String>,
    left_out: Vec<LeftOut>,
    left_out_more: usize,
    twins: Vec<Twin>,
    file: Option<PathBuf>,
    folders: Option<(PathBuf, HashSet<PathBuf>)>,
    /// Python: the paths of packages that have places of their own, and these places.
    packages: Vec<(String, PathBuf)>,
}

impl PackedRoot {
    /// Reads what `deploy` takes:
    /// - a `.jar`, or a `.zip` with classes: one root; jars at any depth of a `.zip` become roots of their own;
    /// - a `.jar` or `.war` with a class path inside (`BOOT-INF`, `WEB-INF`): one root of what is beside it, then one
    ///   of its classes and one for each of its jars;
    /// - a folder with classes or jars: one root of all that is no jar, then one for each jar, by path;
    /// - a `.py` file; a folder with `__init__.py`, which keeps its name as the name of the package; a folder with
    ///   Python sources but without `__init__.py`, or such a `.zip`, whose content is importable;
    /// - a `.whl`, laid out as if it were installed;
    /// - a `haulier-requirements.txt`, the lock of Python requirements.
    ///
    /// Entries of other jars stay as they are, also jars in jars and `META-INF/versions`. An entry that is not acceptable
    /// refuses the source. Files of folders are read again for their bytes.
    ///
    /// Errors: `NotFound` and `PermissionDenied` for the file itself, `InvalidArgument` with the reason,
    /// `ResourceExhausted` beyond a limit.
    pub fn read_source(path: &Path, limits: &Limits) -> Result<Vec<Self>> {
        Self::read_source_as(path, &ReadOptions { limits: limits.clone(), ..ReadOptions::default() })
    }

    /// As [`PackedRoot::read_source`], with options. Archives that are signed, or that have more in them than entries,
    /// are opaque in any case: their roots have an [`Original`](haulier_model::Original).
    pub fn read_source_as(path: &Path, options: &ReadOptions<'_>) -> Result<Vec<Self>> {
        source::read_source(path, options).in_source(path)
    }

    /// Reads an element of a JVM client's class path: an archive or a folder; several roots come of an archive that has
    /// a class path inside. A folder is copied into an unlinked
    /// temporary file, so late reads never see newer bytes; of an archive each read is verified.
    ///
    /// What `deny` matches, and entries that cannot travel, are left out; see [`PackedRoot::skipped`]. The limits and
    /// errors are those of [`PackedRoot::read_source`].
    pub fn read_class_roots(path: &Path, deny: &DenyList, limits: &Limits) -> Result<Vec<Self>> {
        source::read_class_roots(path, deny, limits).in_operation(|| format!("read class path '{}'", path.display()))
    }

    /// Reads an import root of a Python client, an element of `sys.path`: each module and package at the top of `dir`,
    /// with its resources, and the metadata of distributions. Left out are hidden folders, `__pycache__`, compiled
    /// sources, virtual environments, `node_modules`, `site-packages`, folders at the top that cannot be imported or have
    /// no source, what [`IGNORE_FILE`](crate::IGNORE_FILE) at the top of `dir` names, and what is denied; but not what
    /// the selection includes. See [`PackedRoot::left_out`]. `on_folder` is told of each folder before it is read.
    /// Files are copied as by [`PackedRoot::read_class_roots`], none if they are more than the limits allow.
    ///
    /// Errors: those of [`PackedRoot::read_source`]; `ResourceExhausted` names the folder that is too large.
    pub fn read_python_root(
        dir: &Path,
        selection: &Selection,
        limits: &Limits,
        on_folder: &(dyn Fn(&Path) + Sync),
    ) -> Result<Self> {
        source::read_python_root(dir, selection, limits, on_folder)
            .in_operation(|| format!("read modules in '{}'", dir.display()))
    }

    /// Reads packages and modules of a Python client that are imported under other names than their places would give
    /// them, as editable installs do: folders or `.py` files by their dotted names. They become one root, in which each is
    /// where its name says. The ignore file is that at the top of each folder, its paths begin with the package's name.
    /// What is left out otherwise, `on_folder`, limits and errors are those of [`PackedRoot::read_python_root`].
    pub fn read_python_packages(
        packages: &[(String, PathBuf)],
        selection: &Selection,
        limits: &Limits,
        on_folder: &(dyn Fn(&Path) + Sync),
    ) -> Result<Self> {
        source::read_python_packages(packages, selection, limits, on_folder)
            .in_operation(|| "read packages of editable installs".to_owned())
    }

    /// Reads an archive that is an element of `sys.path` of a Python client: a zipapp, an egg. Each late read of it is
    /// verified. What `deny` matches, what is compiled, and entries that cannot travel are left out. Limits and errors are
    /// those of [`PackedRoot::read_source`].
    pub fn read_python_archive(path: &Path, deny: &DenyList, limits: &Limits) -> Result<Self> {
        source::read_python_archive(path, deny, limits).in_operation(|| format!("read modules in '{}'", path.display()))
    }

    pub(crate) fn new(name: String, root: Root, content: Content, skipped: Vec<String>) -> Result<Self> {
        let count = u32::try_from(root.entries.len())
            .map_err(|_| refusal::limit("more entries than a root can hold", u64::from(u32::MAX)))?;
        let mut by_path: Box<[u32]> = (0..count).collect();
        by_path.sort_unstable_by_key(|index| root.entries[*index as usize].path.as_str());
        let packed = Self {
            name,
            digest: root.digest(),
            root,
            by_path,
            content,
            skipped,
            left_out: Vec::new(),
            left_out_more: 0,
            twins: Vec::new(),
            file: None,
            folders: None,
            packages: Vec::new(),
        };
        for entry in &packed.root.entries {
            let path = entry.path.as_str();
            if packed.starts(path, "/").next().is_some() {
                return Err(refusal::refused(format!("'{path}' is a file, and a folder of other entries")));
            }
        }
        Ok(packed)
    }

    pub(crate) fn without(self, left_out: Vec<LeftOut>, more: usize) -> Self {
        Self { left_out, left_out_more: more, ..self }
    }

    pub(crate) fn without_twins(self, twins: Vec<Twin>) -> Self {
        Self { twins, ..self }
    }

    /// What is left out because another entry has its name where names have no case.
    pub(crate) fn twins(&self) -> &[Twin] {
        &self.twins
    }

    pub(crate) fn of_file(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    /// The archive that the root was read from, if it is a file of its own: no folder, and not inside another archive.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(crate) fn of_folder(self, dir: &Path, kept: HashSet<PathBuf>) -> Self {
        Self { folders: Some((dir.to_owned(), kept)), ..self }
    }

    pub(crate) fn of_packages(self, packages: Vec<(String, PathBuf)>, kept: HashSet<PathBuf>) -> Self {
        Self { folders: Some((PathBuf::from(&self.name), kept)), packages, ..self }
    }

    /// Where the entry at `path` is, or was left out: its file, as far as that is known. Of "" the root itself.
    pub fn place_of(&self, path: &str) -> PathBuf {
        if let Some((package, place)) = self.package_of(path) {
            let rest = path[package.len()..].trim_start_matches('/');
            // A module is a file: there is nothing below it.
            return if place.is_file() { place.to_owned() } else { place.join(rest) };
        }
        let folder = self.folders.as_ref().map(|(dir, _)| dir.as_path()).or(self.file());
        folder.unwrap_or(Path::new(&self.name)).join(path)
    }

    /// The folder of the ignore file that the entry at `path` is judged by.
    pub(crate) fn ignored_in(&self, path: &str) -> PathBuf {
        match self.package_of(path) {
            Some((_, place)) if place.is_file() => place.parent().unwrap_or(place).to_owned(),
            Some((_, place)) => place.to_owned(),
            None => self.place_of(""),
        }
    }

    fn package_of(&self, path: &str) -> Option<(&str, &Path)> {
        let is_in = |package: &str| path.strip_prefix(package).is_some_and(|rest| rest.starts_with(['/', '.']));
        let found = self.packages.iter().find(|(package, _)| path == package || is_in(package));
        found.map(|(package, place)| (package.as_str(), place.as_path()))
    }

    /// Python: whether entries were read from this folder, a path without links.
    pub fn reads_from(&self, folder: &Path) -> bool {
        self.folders.as_ref().is_some_and(|(_, kept)| kept.contains(folder))
    }

    /// The identity of the root: the digest of `root.encode()`, computed when it was read.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The index of the entry at `path`, exactly as written.
    pub fn index_of(&self, path: &str) -> Option<usize> {
        let found = self.by_path.binary_search_by(|index| self.path(*index).cmp(path)).ok()?;
        Some(self.by_path[found] as usize)
    }

    /// The bytes of an entry, as its digest says; mapped where they are a private copy, read and verified otherwise.
    ///
    /// Errors: `SessionLost` with "SnapshotGone" if the file changed since; `InvalidArgument` for an unknown index.
    pub fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        let entry = self
            .root
            .entries
            .get(index)
            .ok_or_else(|| refusal::refused(format!("no entry {index}, there are {}", self.root.entries.len())));
        entry.and_then(|entry| self.content.bytes(index, entry)).in_operation(|| format!("read from {}", self.name))
    }

    /// Writes the bytes of an entry to `out` in parts, for entries that should not be in memory at once. If it fails,
    /// for the reasons of [`PackedRoot::bytes`] or of `out`, what was written is worth nothing.
    pub fn copy_to(&self, index: usize, out: &mut dyn Write) -> Result<()> {
        let entry = self
            .root
            .entries
            .get(index)
            .ok_or_else(|| refusal::refused(format!("no entry {index}, there are {}", self.root.entries.len())));
        entry
            .and_then(|entry| self.content.copy_to(index, entry, out))
            .in_operation(|| format!("read from {}", self.name))
    }

    /// Writes the archive as it was to `out` in parts. Errors: those of [`PackedRoot::copy_to`]; `InvalidArgument` if the
    /// root is not opaque.
    pub fn copy_original(&self, out: &mut dyn Write) -> Result<()> {
        let original = self.root.original.as_ref().ok_or_else(|| refusal::refused("its exact bytes are not kept"));
        original
            .and_then(|original| self.content.copy_original(&self.name, original, out))
            .in_operation(|| format!("read {}", self.name))
    }

    /// What was left out because it cannot travel, each with the reason; not what the deny list matched.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// What a rule left out of an import root, each with the rule: a folder once, bytecode not at all. No more than 1,000;
    /// [`PackedRoot::left_out_more`] counts the rest.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// How many more files and folders were left out than [`PackedRoot::left_out`] names.
    pub fn left_out_more(&self) -> usize {
        self.left_out_more
    }

    /// The indices of the entries whose paths start with `prefix` and then `rest`, sorted by path.
    pub(crate) fn starts<'a>(&'a self, prefix: &'a str, rest: &'a str) -> impl Iterator<Item = usize> + 'a {
        let first = self.by_path.partition_point(|index| {
            let path = self.path(*index).as_bytes();
            let (head, tail) = path.split_at(path.len().min(prefix.len()));
            head.cmp(prefix.as_bytes()).then_with(|| tail.cmp(rest.as_bytes())).is_lt()
        });
        self.by_path[first..]
            .iter()
            .take_while(move |index| self.path(**index).strip_prefix(prefix).is_some_and(|tail| tail.starts_with(rest)))
            .map(|index| *index as usize)
    }

    fn path(&self, index: u32) -> &str {
        self.root.entries[index as usize].path.as_str()
    }
}

impl fmt::Debug for PackedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedRoot")
            .field("name", &self.name)
            .field("kind", &self.root.kind)
            .field("digest", &self.digest)
            .field("entries", &self.root.entries.len())
            .finish_non_exhaustive()
    }
}
