//! What roots say of the interpreter and the environment that they need: locks, extension modules, metadata of
//! distributions. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use haulier_model::{Digest, Root};

use super::{ResolvedClassPath, ResolvedRoot};
use crate::{environments::normal, pythons::ExtensionModule};

/// What a Python class path needs besides itself.
#[derive(Default)]
pub(super) struct PythonNeeds {
    locks: Vec<LockPlace>,
    extension_modules: Vec<ExtensionModule>,
    distributions: HashSet<String>,
    top_levels: Arc<HashSet<String>>,
}

/// Where a lock is.
#[derive(Clone, Debug)]
pub(crate) struct LockPlace {
    /// The index of its root.
    pub(crate) root: u32,
    /// The unit or session that has it: "model:1.0.0".
    pub(crate) owner: String,
    pub(crate) digest: Digest,
}

impl ResolvedClassPath {
    /// The locks in the order of the roots, equal ones once.
    pub(crate) fn locks(&self) -> &[LockPlace] {
        &self.python.locks
    }

    /// The extension modules of units that only certain interpreters load, one for each set of interpreters.
    pub(crate) fn extension_modules(&self) -> &[ExtensionModule] {
        &self.python.extension_modules
    }

    /// The normalised names of the distributions whose metadata is on the class path.
    pub(crate) fn distributions(&self) -> &HashSet<String> {
        &self.python.distributions
    }

    /// What can be imported from the top of the class path, and other names that are there; "NAME.dist-info" for each
    /// distribution, and "*.dist-info" if there is one.
    pub(crate) fn top_levels(&self) -> &Arc<HashSet<String>> {
        &self.python.top_levels
    }
}

impl PythonNeeds {
    pub(super) fn of(roots: &[ResolvedRoot]) -> Self {
        let mut needs = Self::default();
        let mut modules: BTreeMap<Vec<String>, String> = BTreeMap::new();
        let mut top_levels = HashSet::new();
        for (number, root) in (0..).zip(roots) {
            if let Some(at) = root.index.get(Root::LOCK) {
                let digest = root.root.entries[*at].digest;
                let owner = root.label.split('/').next().unwrap_or_default().to_owned();
                if !needs.locks.iter().any(|known| known.digest == digest) {
                    needs.locks.push(LockPlace { root: number, owner, digest });
                }
            }
            let paths = || root.root.entries.iter().map(|entry| entry.path.as_str());
            needs.distributions.extend(paths().filter_map(distribution));
            for name in paths().map(top_level) {
                if !top_levels.contains(name) {
                    top_levels.insert(name.to_owned());
                }
            }
            // A client's folders may hold what was built for others, and what no task needs.
            if root.snapshot.is_none() {
                for (suffixes, path) in tagged(paths()) {
                    modules.entry(suffixes).or_insert_with(|| format!("{}/{path}", root.label));
                }
            }
        }
        let modules = modules.into_iter().map(|(suffixes, label)| ExtensionModule { label, suffixes });
        needs.extension_modules = modules.collect();
        // What a process has looked up there would have been found by the tasks of this class path.
        top_levels.extend(needs.distributions.iter().map(|name| format!("{name}.dist-info")));
        if !needs.distributions.is_empty() {
            top_levels.insert("*.dist-info".to_owned());
        }
        needs.top_levels = Arc::new(top_levels);
        needs
    }
}

/// The name at the top that a path belongs to: "acme" of "acme/price.py", "acme.py" and "acme.abi3.so".
fn top_level(path: &str) -> &str {
    let top = path.split('/').next().unwrap_or_default();
    top.split('.').next().unwrap_or_default()
}

/// The normalised name of a distribution, from the path of a file of its metadata.
fn distribution(path: &str) -> Option<String> {
    let (folder, file) = path.split_once('/')?;
    let known = matches!(file, "METADATA" | "PKG-INFO");
    let stem = folder.strip_suffix(".dist-info").or_else(|| folder.strip_suffix(".egg-info")).filter(|_| known)?;
    normal(stem.split_once('-').map_or(stem, |(name, _)| name))
}

/// The extension modules for certain interpreters: what their files end with, and one of them. Left out are those that
/// every interpreter finds in some other form.
fn tagged<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<(Vec<String>, &'a str)> {
    let mut modules: BTreeMap<&str, (BTreeSet<&str>, &str, bool)> = BTreeMap::new();
    let mut sources = HashSet::new();
    for path in paths {
        let file = path.rfind('/').map_or(0, |at| at + 1);
        let Some(dot) = path[file..].find('.') else { continue };
        let (stem, suffix) = path.split_at(file + dot);
        if suffix == ".py" {
            sources.insert(stem);
        }
        if suffix.ends_with(".so") {
            let names_one = [".cpython-", ".pypy", ".graalpy"].iter().any(|start| suffix.starts_with(start));
            let module = modules.entry(stem).or_insert((BTreeSet::new(), path, true));
            module.0.insert(suffix);
            module.2 &= names_one;
        }
    }
    let needed = modules.into_iter().filter(|(stem, (_, _, tagged))| *tagged && !sources.contains(stem));
    needed.map(|(_, (suffixes, path, _))| (suffixes.into_iter().map(str::to_owned).collect(), path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_modules_for_certain_interpreters() {
        let paths = [
            "fast/core.cpython-311-x86_64-linux-gnu.so",
            "fast/core.cpython-312-x86_64-linux-gnu.so",
            "fast/stable.abi3.so",
            "fast/any.so",
            "compiled.cpython-312-x86_64-linux-gnu.so",
            "compiled.py",
            "fast.libs/libblas-1.2.so",
        ];
        let found = tagged(paths.into_iter());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, [".cpython-311-x86_64-linux-gnu.so", ".cpython-312-x86_64-linux-gnu.so"]);
    }

    #[test]
    fn names_at_the_top() {
        for path in ["acme/price.py", "acme.py", "acme.abi3.so", "acme.cpython-311-x86_64-linux-gnu.so", "acme/a.b/c"] {
            assert_eq!(top_level(path), "acme");
        }
    }

    #[test]
    fn distributions_by_their_metadata() {
        assert_eq!(distribution("Zope.Interface-5.0.dist-info/METADATA").as_deref(), Some("zope-interface"));
        assert_eq!(distribution("six.egg-info/PKG-INFO").as_deref(), Some("six"));
        assert_eq!(distribution("six-1.0.dist-info/RECORD"), None);
        assert_eq!(distribution("six/METADATA"), None);
    }
}
