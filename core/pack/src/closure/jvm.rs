//! Classes: follows constant pools.

use std::collections::HashSet;

use crate::{PackedRoot, class_file};

const MANIFEST: &str = "META-INF/MANIFEST.MF";
const VERSIONS: &str = "META-INF/versions/";

/// Finds the classes reachable from `start` ("com/acme/Task"; dots are taken as well) by the names in their constant
/// pools, over `roots`. Gives the indices of roots and entries, each once, in the order of discovery.
///
/// The first root that has a class wins, as on a class path. Of a multi-release jar all versions of the class are
/// given; of each jar that is used also its manifest, because a loader asks for it with the first class. Other
/// resources are not followed, nor are names that only exist in code. A class that cannot be read ends its branch: the
/// error is the JVM's to report.
pub fn jvm(roots: &[PackedRoot], start: &[String]) -> Vec<(usize, usize)> {
    let mut walk = Walk {
        roots,
        seen: HashSet::new(),
        found: Vec::new(),
        versions: versions(roots),
        used: vec![false; roots.len()],
        path: String::new(),
    };
    for name in start {
        walk.take(&name.replace('.', "/"));
    }
    let mut next = 0;
    while let Some(&(root, index)) = walk.found.get(next) {
        next += 1;
        let root = &roots[root];
        if root.root.entries[index].path.as_str().ends_with(".class")
            && let Ok(bytes) = root.bytes(index)
        {
            let _ended = class_file::visit(&bytes, &mut |name| walk.take(name));
        }
    }
    walk.found
}

/// For each root, the prefixes of its versions: "META-INF/versions/17/".
fn versions(roots: &[PackedRoot]) -> Vec<Vec<String>> {
    let of_root = |root: &PackedRoot| {
        let mut prefixes: Vec<String> = Vec::new();
        for index in root.starts(VERSIONS, "") {
            let path = root.root.entries[index].path.as_str();
            let Some((version, _)) = path[VERSIONS.len()..].split_once('/') else { continue };
            let prefix = &path[..=VERSIONS.len() + version.len()];
            if prefixes.last().is_none_or(|last| last != prefix) {
                prefixes.push(prefix.to_owned());
            }
        }
        prefixes
    };
    roots.iter().map(of_root).collect()
}

struct Walk<'a> {
    roots: &'a [PackedRoot],
    seen: HashSet<String>,
    found: Vec<(usize, usize)>,
    versions: Vec<Vec<String>>,
    /// Which roots gave a class.
    used: Vec<bool>,
    path: String,
}

impl Walk<'_> {
    fn take(&mut self, name: &str) {
        if self.seen.contains(name) {
            return;
        }
        self.seen.insert(name.to_owned());
        for (number, root) in self.roots.iter().enumerate() {
            let before = self.found.len();
            for prefix in std::iter::once("").chain(self.versions[number].iter().map(String::as_str)) {
                self.path.clear();
                self.path.extend([prefix, name, ".class"]);
                self.found.extend(root.index_of(&self.path).map(|index| (number, index)));
            }
            if self.found.len() > before {
                self.take_manifest(number);
                return;
            }
        }
    }

    fn take_manifest(&mut self, number: usize) {
        if !std::mem::replace(&mut self.used[number], true) {
            self.found.extend(self.roots[number].index_of(MANIFEST).map(|index| (number, index)));
        }
    }
}

#[cfg(test)]
mod tests;
