//! Modules: takes whole packages and follows the imports in their sources.

use std::collections::HashSet;

use super::imports;
use crate::PackedRoot;

/// Finds the modules reachable from `start` (dotted names) by the imports in their sources, over `roots` in the order
/// of `sys.path`. Gives the indices of roots and entries, each once, in the order of discovery.
///
/// Of each name the whole top-level package is given, with its resources, or the top-level module: a package is loaded
/// as one, and most of what it imports by itself is inside. The first root with a regular package or module wins; a
/// namespace package is taken from all roots. Imports by a computed name are not followed.
///
/// Beside them the top-level names that are imported and that no root has.
pub fn python(roots: &[PackedRoot], start: &[String]) -> (Vec<(usize, usize)>, Vec<String>) {
    let mut walk = Walk { roots, seen: HashSet::new(), found: Vec::new(), foreign: Vec::new() };
    for name in start {
        walk.take(name.split('.').next().unwrap_or(name));
    }
    let mut next = 0;
    while let Some(&(root, index)) = walk.found.get(next) {
        next += 1;
        let root = &roots[root];
        if root.root.entries[index].path.as_str().ends_with(".py")
            && let Ok(bytes) = root.bytes(index)
        {
            imports::visit(&bytes, &mut |name| walk.take(name));
        }
    }
    (walk.found, walk.foreign)
}

struct Walk<'a> {
    roots: &'a [PackedRoot],
    seen: HashSet<String>,
    found: Vec<(usize, usize)>,
    foreign: Vec<String>,
}

impl Walk<'_> {
    fn take(&mut self, name: &str) {
        if name.is_empty() || self.seen.contains(name) {
            return;
        }
        self.seen.insert(name.to_owned());
        let roots = self.roots;
        let regular = roots.iter().position(|root| is_regular(root, name));
        let before = self.found.len();
        for (number, root) in roots.iter().enumerate() {
            if regular.is_none_or(|regular| regular == number) {
                self.found.extend(modules(root, name).map(|index| (number, index)));
                self.found.extend(root.starts(name, "/").map(|index| (number, index)));
            }
        }
        if self.found.len() == before {
            self.foreign.push(name.to_owned());
        }
    }
}

/// Whether importing `name` ends at this root: it has a module or a package with `__init__`.
fn is_regular(root: &PackedRoot, name: &str) -> bool {
    let package = root.starts(name, "/__init__.").any(|index| {
        let path = root.root.entries[index].path.as_str();
        is_module_here(&path[name.len() + 1..])
    });
    package || modules(root, name).next().is_some()
}

/// The files at the top that are the module `name`: a source, or machine code.
fn modules<'a>(root: &'a PackedRoot, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    root.starts(name, ".").filter(|index| is_module_here(root.root.entries[*index].path.as_str()))
}

fn is_module_here(file: &str) -> bool {
    !file.contains('/') && is_module(file)
}

/// Whether a file is one that is imported: a source, or machine code.
pub(crate) fn is_module(file: &str) -> bool {
    [".py", ".so", ".pyd"].iter().any(|extension| file.ends_with(extension))
}

/// The top-level name that a path belongs to.
pub(crate) fn top(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
