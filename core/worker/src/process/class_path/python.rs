//! What only Python class paths have: the directory that an interpreter imports from, and bytecode for it.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use haulier_loader::{Place, TopLevel};
use haulier_model::{Error, Result};
use parking_lot::Mutex;

use super::WorkerClassPath;
use crate::process::{
    BYTECODE_FOLDER,
    bytecode::{self, Bytecode},
    fill::Directory,
};

/// The files of a prepared root, in its folder.
pub const PREPARED_FILES: &str = "files";

pub(super) struct PythonParts {
    directory: Directory,
    /// By root: where the node has prepared it; empty: nowhere.
    prepared: Vec<PathBuf>,
    /// By name at the top of the directory: the roots that it is from.
    chosen: Mutex<HashMap<String, Vec<usize>>>,
    /// Modules, by their paths without suffix, that are not made of source alone.
    odd: OnceLock<HashSet<String>>,
    /// Known once the interpreter has said what it is.
    compiled: OnceLock<Compiled>,
}

/// Bytecode for the interpreter of this process.
struct Compiled {
    tag: String,
    of_group: Bytecode,
    /// By root.
    prepared: Vec<OnceLock<Bytecode>>,
}

/// A module made of source, as an interpreter describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonModule {
    /// Its file.
    pub file: String,
    /// Of a package its folder.
    pub folder: Option<String>,
}

/// A file or a folder at the top of a Python class path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonTop {
    /// "acme", "acme.py", "acme-1.0.dist-info".
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is a module, or has one anywhere below.
    pub has_modules: bool,
}

impl PythonParts {
    pub(super) fn new(directory: PathBuf, prepared: Vec<String>) -> Self {
        Self {
            directory: Directory::new(directory),
            prepared: prepared.into_iter().map(PathBuf::from).collect(),
            chosen: Mutex::default(),
            odd: OnceLock::new(),
            compiled: OnceLock::new(),
        }
    }

    /// Where the node has prepared all of a top-level name.
    fn prepared(&self, item: &TopLevel) -> Option<PathBuf> {
        let root = item.places.first()?.root;
        let folder = self.prepared.get(root).filter(|folder| !folder.as_os_str().is_empty())?;
        item.places.iter().all(|place| place.root == root).then(|| folder.join(PREPARED_FILES))
    }
}

impl WorkerClassPath {
    /// Python: the directory that holds the class path.
    pub fn directory(&self) -> Option<&Path> {
        self.python.as_ref().map(|python| python.directory.path())
    }

    /// Python: makes a top-level module, package or file exist in [`Self::directory`], with its metadata. `false`: the
    /// class path has no such name.
    ///
    /// # Errors
    /// When the bytes cannot be had for now, or cannot be written. Only `false` means absent.
    pub fn fill(&self, top_level: &str) -> Result<bool> {
        let Some(python) = &self.python else {
            return Err(Error::internal("fill a class path", "the class path has no directory"));
        };
        let items = self.index.top_level(top_level);
        let is_there = |item: &&TopLevel| {
            python.directory.has(&item.name)
                || python.prepared(item).is_some_and(|files| python.directory.link(&item.name, &files))
        };
        let lacking: Vec<_> = items.iter().filter(|item| !is_there(item)).collect();
        let places: Vec<Place> = lacking.iter().flat_map(|item| item.places.iter().copied()).collect();
        self.fetch_all(&places)?;
        // The package itself comes first in the list and is written last: it appears together with its companions.
        for item in lacking.iter().rev() {
            let files = item.places.iter().map(|place| (self.index.entry(*place), self.known(*place)));
            python.directory.add(&item.name, files)?;
        }
        let found = !items.is_empty();
        let mut chosen = python.chosen.lock();
        for item in items {
            let mut roots: Vec<usize> = item.places.iter().map(|place| place.root).collect();
            roots.dedup();
            chosen.insert(item.name, roots);
        }
        Ok(found)
    }

    /// Python: the module of that name, if it is made of source and [`Self::directory`] has been filled with it.
    /// `folder`: where it must be found, where packages say so. Nothing is looked up on the disk.
    pub fn module(&self, name: &str, folder: Option<&str>) -> Option<PythonModule> {
        let python = self.python.as_ref()?;
        let stem = name.replace('.', "/");
        let own = python.directory.path().to_str()?;
        let parent = stem.rsplit_once('/').map_or("", |(parent, _)| parent);
        let is_there = |folder: &str| match folder.strip_prefix(own) {
            Some("") => parent.is_empty(),
            Some(below) => below.strip_prefix('/') == Some(parent),
            None => false,
        };
        if name.contains('/') || !folder.is_none_or(is_there) || self.odd(python).contains(&stem) {
            return None;
        }
        let package = format!("{stem}/__init__.py");
        if self.written(python, &package).is_some() {
            return Some(PythonModule { file: format!("{own}/{package}"), folder: Some(format!("{own}/{stem}")) });
        }
        let module = format!("{stem}.py");
        self.written(python, &module)?;
        Some(PythonModule { file: format!("{own}/{module}"), folder: None })
    }

    /// Python: what is at the top of [`Self::directory`] when all is there.
    pub fn tops(&self) -> Vec<PythonTop> {
        let mut tops: Vec<PythonTop> = Vec::new();
        let mut known = HashMap::new();
        for path in self.index.paths() {
            let (name, is_folder) = path.split_once('/').map_or((path, false), |(top, _)| (top, true));
            let at = *known.entry(name).or_insert_with(|| {
                tops.push(PythonTop { name: name.to_owned(), is_folder, has_modules: false });
                tops.len() - 1
            });
            tops[at].has_modules |= [".py", ".pyc", ".so"].iter().any(|suffix| path.ends_with(suffix));
        }
        tops
    }

    /// Python: says which interpreter loads from [`Self::directory`], as it calls itself in names of bytecode:
    /// "cpython-311". What other processes of the trust group have compiled is there from now on.
    pub fn loaded_by(&self, tag: &str) {
        let Some(python) = &self.python else { return };
        python.compiled.get_or_init(|| {
            let folder = group_folder(&python.directory);
            Compiled {
                tag: tag.to_owned(),
                of_group: folder.map(|folder| Bytecode::open(&folder, tag)).unwrap_or_default(),
                prepared: python.prepared.iter().map(|_| OnceLock::new()).collect(),
            }
        });
    }

    /// Python: the bytecode of a module, by its path from [`Self::directory`], if somebody who may has compiled it: the
    /// node for units, a process of the trust group for everything.
    pub fn bytecode(&self, path: &str) -> Option<&[u8]> {
        let python = self.python.as_ref()?;
        let compiled = python.compiled.get()?;
        let place = self.written(python, path)?;
        let digest = &self.index.entry(place).digest;
        let of_root = || {
            let folder = python.prepared.get(place.root).filter(|folder| !folder.as_os_str().is_empty())?;
            let opened = compiled.prepared.get(place.root)?.get_or_init(|| Bytecode::open(folder, &compiled.tag));
            opened.get(digest)
        };
        of_root().or_else(|| compiled.of_group.get(digest))
    }

    /// Python: keeps bytecode that the interpreter has made of modules, by their paths from [`Self::directory`], on a
    /// thread of its own. What cannot be kept is compiled again.
    pub fn keep_bytecode(&self, made: Vec<(String, Vec<u8>)>) {
        let Some(python) = &self.python else { return };
        let (Some(folder), Some(compiled)) = (group_folder(&python.directory), python.compiled.get()) else { return };
        let digest = |path: &str| Some(self.index.entry(self.written(python, path)?).digest);
        let known: Vec<_> = made.into_iter().filter_map(|(path, code)| Some((digest(&path)?, code))).collect();
        let tag = compiled.tag.clone();
        let keep = move || {
            let known = known.iter().map(|(digest, code)| (*digest, code.as_slice()));
            if let Err(error) = bytecode::keep_bytecode(&folder, &tag, known) {
                tracing::debug!(%error, folder = %folder.display(), "bytecode is not kept");
            }
        };
        // It may take no thread from the task.
        let _ = std::thread::Builder::new().name("haulier-bytecode".to_owned()).spawn(keep);
    }

    /// What a file of [`Self::directory`] is called in messages, by its path from there: "session ab12/src/acme/core.py",
    /// "pricing:1.2.0/pricing.whl/acme/core.py".
    pub fn shown(&self, path: &str) -> Option<String> {
        let place = self.index.first(path)?;
        Some(format!("{}/{path}", self.index.label(place.root)))
    }

    /// The entry that the directory has at that path, if it is there already.
    fn written(&self, python: &PythonParts, path: &str) -> Option<Place> {
        let top = path.split_once('/').map_or(path, |(top, _)| top);
        let chosen = python.chosen.lock();
        chosen.get(top)?.iter().find_map(|root| self.index.in_root(*root, path))
    }

    fn odd<'a>(&self, python: &'a PythonParts) -> &'a HashSet<String> {
        let stem = |path: &str| {
            let (folder, file) = path.rsplit_once('/').map_or(("", path), |(folder, file)| (folder, file));
            let name = file.split('.').next().unwrap_or(file);
            let odd = (file.ends_with(".so") || file.ends_with(".pyc")).then_some(name)?;
            Some(match (odd, folder) {
                ("__init__", folder) => folder.to_owned(),
                (odd, "") => odd.to_owned(),
                (odd, folder) => format!("{folder}/{odd}"),
            })
        };
        python.odd.get_or_init(|| self.index.paths().filter_map(stem).collect())
    }
}

/// The folder of the group's bytecode; `None`: the node has made none.
fn group_folder(directory: &Directory) -> Option<PathBuf> {
    let folder = directory.path().parent()?.join(BYTECODE_FOLDER);
    folder.is_dir().then_some(folder)
}
