//! What `import name` needs in a directory.

use std::collections::{HashMap, HashSet};

use haulier_model::RootKind;

use crate::{IndexRoot, Place};

/// A file or a folder at the top of a directory on `sys.path`, with the entries that make it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopLevel {
    /// Its name in the directory: "acme", "acme.py", "acme-1.0.dist-info".
    pub name: String,
    /// Its entries, of one root or, for a namespace package, of several. Their paths begin with `name`.
    pub places: Vec<Place>,
}

/// As CPython's path finder does: the first root with a regular package or a module of that name has it all; else the
/// folders of that name in all roots are one namespace package. Then comes what belongs to the distribution in the same
/// roots: metadata and libraries beside the package.
pub(crate) fn top_level(roots: &[IndexRoot], name: &str) -> Vec<TopLevel> {
    if name.is_empty() || name.contains('/') {
        return Vec::new();
    }
    let python = || roots.iter().enumerate().filter(|(_, root)| root.kind == RootKind::Python);
    let regular = python().find(|(_, root)| root.entries.iter().any(|entry| is_regular(&entry.path, name)));
    let chosen: Vec<(usize, &IndexRoot)> = match regular {
        Some(root) => vec![root],
        None => python().filter(|(_, root)| root.entries.iter().any(|entry| top(&entry.path) == name)).collect(),
    };
    let mut found = Collected::default();
    for (number, root) in chosen {
        for (entry, content) in root.entries.iter().enumerate() {
            let top = top(&content.path);
            if belongs(top, name) || is_companion(top) {
                found.add(top, &content.path, Place { root: number, entry });
            }
        }
    }
    found.items.sort_by_key(|item| is_companion(&item.name));
    found.items
}

#[derive(Default)]
struct Collected<'a> {
    items: Vec<TopLevel>,
    numbers: HashMap<&'a str, usize>,
    paths: HashSet<&'a str>,
}

impl<'a> Collected<'a> {
    fn add(&mut self, top: &'a str, path: &'a str, place: Place) {
        if !self.paths.insert(path) {
            return;
        }
        let number = *self.numbers.entry(top).or_insert_with(|| {
            self.items.push(TopLevel { name: top.to_owned(), places: Vec::new() });
            self.items.len() - 1
        });
        self.items[number].places.push(place);
    }
}

fn top(path: &str) -> &str {
    path.split_once('/').map_or(path, |(top, _)| top)
}

/// A package with `__init__`, or a module in one file.
fn is_regular(path: &str, name: &str) -> bool {
    match path.split_once('/') {
        Some((top, rest)) => top == name && !rest.contains('/') && is_module(rest, "__init__"),
        None => is_module(path, name),
    }
}

/// Whether a file makes the module of that path: "acme/price.py" and "acme/price/__init__.py" make "acme/price".
pub(crate) fn is_file_of(file: &str, module: &str) -> bool {
    let Some(rest) = file.strip_prefix(module) else { return false };
    match rest.strip_prefix('/') {
        Some(inside) => !inside.contains('/') && is_module(inside, "__init__"),
        None => !rest.contains('/') && is_module(file, module),
    }
}

/// "name.py", "name.so", "name.cpython-311-x86_64-linux-gnu.so".
fn is_module(file: &str, name: &str) -> bool {
    file.strip_prefix(name).is_some_and(|rest| rest == ".py" || (rest.starts_with('.') && rest.ends_with(".so")))
}

fn belongs(top: &str, name: &str) -> bool {
    top == name || is_module(top, name)
}

/// Metadata, and the folder where wheels keep the libraries of their extension modules.
fn is_companion(top: &str) -> bool {
    [".dist-info", ".egg-info", ".libs"].iter().any(|suffix| top.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use haulier_model::Digest;

    use super::*;
    use crate::RootEntry;

    fn root(paths: &[&str]) -> IndexRoot {
        let entry =
            |path: &&str| RootEntry { path: (*path).into(), digest: Digest::of(b""), size: 0, executable: false };
        IndexRoot {
            label: "root".into(),
            kind: RootKind::Python,
            peer: false,
            entries: paths.iter().map(entry).collect(),
        }
    }

    fn shown(roots: &[IndexRoot], name: &str) -> Vec<String> {
        let path = |place: &Place| roots[place.root].entries[place.entry].path.to_string();
        top_level(roots, name)
            .iter()
            .map(|item| format!("{}: {}", item.name, item.places.iter().map(path).collect::<Vec<_>>().join(" ")))
            .collect()
    }

    #[test]
    fn a_package_with_its_distribution() {
        let paths =
            ["numpy/__init__.py", "numpy/core/x.so", "numpy.libs/blas.so", "numpy-1.0.dist-info/METADATA", "other.py"];
        let roots = [root(&paths)];
        assert_eq!(
            shown(&roots, "numpy"),
            [
                "numpy: numpy/__init__.py numpy/core/x.so",
                "numpy.libs: numpy.libs/blas.so",
                "numpy-1.0.dist-info: numpy-1.0.dist-info/METADATA"
            ]
        );
        assert_eq!(shown(&roots, "other")[0], "other.py: other.py");
        assert!(
            shown(&roots, "nump").is_empty() && shown(&roots, "").is_empty() && shown(&roots, "numpy/core").is_empty()
        );
    }

    #[test]
    fn modules_in_one_file() {
        let roots = [root(&["fast.cpython-311-x86_64-linux-gnu.so", "faster.py", "fast.txt"])];
        assert_eq!(shown(&roots, "fast").len(), 1);
        assert_eq!(shown(&roots, "fast.txt"), ["fast.txt: fast.txt"]);
    }

    #[test]
    fn namespace_packages_are_merged_unless_a_regular_one_exists() {
        let portions = [root(&["ns/a/__init__.py", "ns/same.py"]), root(&["ns/b/__init__.py", "ns/same.py"])];
        assert_eq!(shown(&portions, "ns"), ["ns: ns/a/__init__.py ns/same.py ns/b/__init__.py"]);
        let regular = [root(&["ns/a.py"]), root(&["ns/__init__.py", "ns/b.py"])];
        assert_eq!(shown(&regular, "ns"), ["ns: ns/__init__.py ns/b.py"]);
    }
}
