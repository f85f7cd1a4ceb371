//! Which distribution of an interpreter or an environment gives a module. What is installed is asked once, and again when
//! its folders have changed; no code of a distribution runs. Must never know class paths: who comes first is decided
//! elsewhere.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use haulier_loader::Parent;
use haulier_model::{Error, ErrorKind, Result};
use parking_lot::Mutex;

use super::{
    Record,
    asking::{self, Folders},
    tame,
};
use crate::pythons::{Interpreter, PythonRuntime};

/// Prints where it looks, the names of the standard library, and what each distribution has at the top. What its metadata
/// does not say is in its list of files.
const QUESTION: &str = "\
import importlib.machinery, importlib.metadata, sys
paths = sys.argv[1:] or sys.path
suffixes = tuple(importlib.machinery.all_suffixes())
print('standard', *sorted(sys.stdlib_module_names), sep='\\t')
for path in paths:
    print('path', path, sep='\\t')
for one in importlib.metadata.distributions(path=paths):
    try:
        tops = set((one.read_text('top_level.txt') or '').split())
        for file in () if tops else one.files or ():
            top = file.parts[0]
            if len(file.parts) > 1:
                tops.update([top] if top.isidentifier() else ())
            elif top.endswith(suffixes):
                tops.add(top.partition('.')[0])
        print('gives', one.metadata['Name'], one.version, one.locate_file(''), *sorted(tops), sep='\\t')
    except Exception:
        pass
";

/// What a task runs with, by its place: it holds nothing.
#[derive(Clone, Debug)]
pub(crate) struct PythonPlace {
    interpreter: Arc<Interpreter>,
    /// The folder of the environment; `None` for an interpreter as it is.
    folder: Option<PathBuf>,
}

impl PythonPlace {
    /// Where a runtime is.
    pub(crate) fn of(runtime: &PythonRuntime) -> Self {
        let folder = runtime.environment.as_ref().map(|environment| environment.folder.clone());
        Self { interpreter: runtime.interpreter.clone(), folder }
    }

    /// An environment that is on disk, if it is.
    pub(super) fn built(interpreter: &Arc<Interpreter>, folder: PathBuf) -> Option<Self> {
        Record::read(&folder).map(|_| Self { interpreter: interpreter.clone(), folder: Some(folder) })
    }

    /// "environment 1a2b3c4d (Python 3.11.7)", "/usr/bin/python3.11 (Python 3.11.7)".
    fn label(&self) -> String {
        let version = &self.interpreter.version;
        match self.folder.as_ref().and_then(|folder| folder.file_name()) {
            Some(name) => format!("environment {:.8} (Python {version})", name.to_string_lossy()),
            None => format!("{} (Python {version})", self.interpreter.program.display()),
        }
    }
}

/// The answers of interpreters, by where they looked.
#[derive(Default)]
pub(super) struct Origins(Mutex<HashMap<PathBuf, Arc<Listing>>>);

/// What is installed at one place.
#[derive(Default)]
struct Listing {
    folders: Folders,
    standard: HashSet<String>,
    /// By top-level names, in the order in which they are found: the distribution, and its folder.
    tops: BTreeMap<String, Vec<(String, PathBuf)>>,
}

impl Origins {
    /// What the interpreter or environment has of a module: "acme.price".
    ///
    /// # Errors
    /// `Unavailable` if the interpreter does not say it within `patience`.
    pub(super) async fn find(&self, place: &PythonPlace, module: &str, patience: Duration) -> Result<Parent> {
        let key = place.folder.clone().unwrap_or_else(|| place.interpreter.program.clone());
        let known = self.0.lock().get(&key).cloned().filter(|known| known.folders.are_unchanged());
        let listing = match known {
            Some(known) => known,
            None => {
                let site = place.folder.as_deref().map(tame::site_packages).transpose()?;
                let said = asking::ask(&place.interpreter.program, QUESTION, site, patience).await;
                let said = said.map_err(|problem| {
                    Error::new(ErrorKind::Unavailable, "explain a name", problem)
                        .hint("try again; or look at the node's log")
                })?;
                let asked = Arc::new(read(&said));
                self.0.lock().insert(key, asked.clone());
                asked
            }
        };
        Ok(listing.parent(place, module))
    }

    /// Forgets an environment that has gone.
    pub(super) fn forget(&self, folder: &Path) {
        self.0.lock().remove(folder);
    }
}

impl Listing {
    fn parent(&self, place: &PythonPlace, module: &str) -> Parent {
        let top = module.split('.').next().unwrap_or(module);
        let shown = place.label();
        if self.standard.contains(top) {
            return Parent::Has { label: format!("the standard library of {shown}"), path: module.to_owned() };
        }
        let given = self.tops.get(top).map(Vec::as_slice).unwrap_or_default();
        let file = |folder: &Path| file_of(folder, module, &place.interpreter.suffixes);
        // A namespace may be that of several distributions.
        if let Some((distribution, path)) = given.iter().find_map(|(name, folder)| Some((name, file(folder)?))) {
            return Parent::Has { label: format!("{distribution} of {shown}"), path };
        }
        let loose = || self.folders.paths().find_map(file);
        match given.first() {
            Some((distribution, _)) => Parent::Lacks(format!("{distribution} of {shown}, which has {top}")),
            None => match loose() {
                Some(path) => Parent::Has { label: shown, path },
                None => Parent::Lacks(shown),
            },
        }
    }
}

/// The file of a module below a folder, or the folder of a namespace package.
fn file_of(folder: &Path, module: &str, suffixes: &[String]) -> Option<String> {
    if !module.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_')) {
        return None;
    }
    let path = module.replace('.', "/");
    let ends = ["/__init__.py", ".py"].into_iter().chain(suffixes.iter().map(String::as_str));
    let mut files = ends.map(|end| folder.join(format!("{path}{end}"))).filter(|file| file.is_file());
    let package = || Some(folder.join(&path)).filter(|folder| folder.is_dir());
    files.next().or_else(package).map(|found| found.display().to_string())
}

fn read(said: &str) -> Listing {
    let mut listing = Listing::default();
    for line in said.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["path", folder] if !folder.is_empty() => listing.folders.add(folder),
            ["standard", ref names @ ..] => listing.standard.extend(names.iter().map(|name| (*name).to_owned())),
            ["gives", name, version, folder, ref tops @ ..] => {
                for top in tops {
                    let places = listing.tops.entry((*top).to_owned()).or_default();
                    places.push((format!("{name} {version}"), folder.into()));
                }
            }
            _ => {}
        }
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_modules() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/b", "space/inner"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        for path in ["a/__init__.py", "a/b/c.py", "fast.abi3.so"] {
            std::fs::write(folder.path().join(path), "").unwrap();
        }
        let suffixes = [".abi3.so".to_owned()];
        let found = |module: &str| {
            let file = file_of(folder.path(), module, &suffixes)?;
            Some(file.strip_prefix(&format!("{}/", folder.path().display())).unwrap().to_owned())
        };
        let expected =
            [("a", "a/__init__.py"), ("a.b.c", "a/b/c.py"), ("fast", "fast.abi3.so"), ("space.inner", "space/inner")];
        for (module, file) in expected {
            assert_eq!(found(module).as_deref(), Some(file));
        }
        for none in ["a.x", "../a", "a..b", "", "/etc/passwd"] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn what_an_interpreter_says_is_read() {
        let listing = read("standard\tos\tre\npath\t/nowhere\ngives\tA-B\t1.0\t/x\ta\tb\ngives\tC\t2\t/y\tb\nnoise");
        assert!(listing.standard.contains("re") && listing.folders.are_unchanged());
        let of = |top: &str| listing.tops[top].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!((of("a"), of("b")), (vec!["A-B 1.0"], vec!["A-B 1.0", "C 2"]));
    }
}
