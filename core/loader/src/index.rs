//! The index of a class path: every name, and where its entry is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use haulier_model::{Digest, Language, LoadingPolicy, RootKind};

use crate::{
    Delegation, Rule, TopLevel,
    delegation::Rules,
    nearest::{self, Candidates},
    python,
};

const VERSIONS: &str = "META-INF/versions/";

/// A file of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootEntry {
    /// Where it is in the root: "com/acme/Price.class".
    pub path: Arc<str>,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it may be executed.
    pub executable: bool,
}

/// A root of a class path.
#[derive(Clone, Debug)]
pub struct IndexRoot {
    /// What messages call it: "pricing:1.2.0/pricing.jar".
    pub label: String,
    /// Which loader it is for. Roots of another language keep their number, but none of their names is found.
    pub kind: RootKind,
    /// Whether it is the session's.
    pub peer: bool,
    /// The files in order.
    pub entries: Vec<RootEntry>,
}

/// What governs a class path.
#[derive(Clone, Debug)]
pub struct IndexOptions {
    /// Whose names are looked up.
    pub language: Language,
    /// Who is asked first.
    pub policy: LoadingPolicy,
    /// Prefixes that the parent serves, besides those of the platform, the API and the logging APIs.
    pub parent_prefixes: Vec<String>,
}

impl IndexOptions {
    /// A language and a policy, without further prefixes.
    pub fn new(language: Language, policy: LoadingPolicy) -> Self {
        Self { language, policy, parent_prefixes: Vec::new() }
    }
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The number of the root.
    pub root: usize,
    /// The number of the entry in its root.
    pub entry: usize,
}

/// The names of a class path. A name that is not here is absent, known without asking anybody.
#[derive(Debug)]
pub struct Index {
    language: Language,
    rules: Rules,
    roots: Vec<IndexRoot>,
    /// For each path the roots that have it, in order.
    places: HashMap<Arc<str>, Vec<Place>>,
    /// For each root the versions under `META-INF/versions`, the newest first.
    versions: Vec<Vec<u32>>,
}

impl Index {
    /// Indexes `roots`, the first one being asked first. Of two entries with one path in one root the first counts.
    pub fn new(options: IndexOptions, roots: Vec<IndexRoot>) -> Self {
        let wanted = match options.language {
            Language::Python => RootKind::Python,
            Language::Java | Language::Rust => RootKind::Jvm,
        };
        let mut places: HashMap<Arc<str>, Vec<Place>> = HashMap::new();
        let mut versions = vec![Vec::new(); roots.len()];
        for (number, root) in roots.iter().enumerate().filter(|(_, root)| root.kind == wanted) {
            for (entry, RootEntry { path, .. }) in root.entries.iter().enumerate() {
                let known = places.entry(path.clone()).or_default();
                if known.last().is_none_or(|place| place.root != number) {
                    known.push(Place { root: number, entry });
                }
            }
            versions[number] = versions_of(root);
        }
        let rules = Rules::new(options.language, options.policy, options.parent_prefixes);
        Self { language: options.language, rules, roots, places, versions }
    }

    /// The first entry of that path.
    pub fn first(&self, path: &str) -> Option<Place> {
        self.places.get(path)?.first().copied()
    }

    /// The entries of that path in the order of the roots.
    pub fn all(&self, path: &str) -> &[Place] {
        self.places.get(path).map_or(&[], Vec::as_slice)
    }

    /// The entry of that path in one root.
    pub fn in_root(&self, root: usize, path: &str) -> Option<Place> {
        self.all(path).iter().copied().find(|place| place.root == root)
    }

    /// Whether a root has that path.
    pub fn contains(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// The entry at a place of this index.
    pub fn entry(&self, place: Place) -> &RootEntry {
        &self.roots[place.root].entries[place.entry]
    }

    /// The label of a root.
    pub fn label(&self, root: usize) -> &str {
        &self.roots[root].label
    }

    /// The roots in order.
    pub fn roots(&self) -> &[IndexRoot] {
        &self.roots
    }

    /// The labels of the roots in which names of this language are searched.
    pub fn searched(&self) -> impl Iterator<Item = &str> {
        let language = self.language;
        let searched = move |root: &&IndexRoot| (root.kind == RootKind::Python) == (language == Language::Python);
        self.roots.iter().filter(searched).map(|root| root.label.as_str())
    }

    /// Every path in the order of the roots; a path that several roots have comes once, at its first place.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().enumerate().flat_map(move |(root, content)| {
            content.entries.iter().enumerate().filter_map(move |(entry, RootEntry { path, .. })| {
                (self.first(path) == Some(Place { root, entry })).then_some(&**path)
            })
        })
    }

    /// Whether a root has versioned entries, so that its manifest decides whether it is a multi-release root.
    pub fn has_versions(&self, root: usize) -> bool {
        !self.versions[root].is_empty()
    }

    /// In a multi-release root the entry of `path` for a runtime of that feature release (17), if there is one besides
    /// the general one.
    pub fn versioned(&self, root: usize, path: &str, release: u32) -> Option<Place> {
        if path.starts_with("META-INF/") {
            return None;
        }
        let fitting = self.versions[root].iter().filter(|version| **version <= release);
        fitting.map(|version| format!("{VERSIONS}{version}/{path}")).find_map(|path| self.in_root(root, &path))
    }

    /// Who is asked for a class ("com.acme.Price"), a resource ("com/acme/price.txt") or a module ("acme.price").
    pub fn delegation(&self, name: &str) -> Delegation {
        self.decide(name).0
    }

    /// Who is asked for a name, and which rule says so.
    pub fn decide(&self, name: &str) -> (Delegation, Rule) {
        self.rules.decide(name, |class| self.contains(&format!("{}.class", class.replace('.', "/"))))
    }

    /// Whether a root has a class or a resource of that name. Two hash look-ups.
    pub fn has_name(&self, name: &str) -> bool {
        self.contains(name) || self.contains(&format!("{}.class", name.replace('.', "/")))
    }

    /// Whose names are looked up.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The versions under `META-INF/versions` of a root, the newest first.
    pub(crate) fn versions_of(&self, root: usize) -> &[u32] {
        &self.versions[root]
    }

    /// Names of this class path that look like `name`, the nearest first.
    pub fn nearest(&self, name: &str, limit: usize) -> Vec<String> {
        let candidates = Candidates { language: self.language, paths: self.places.keys() };
        nearest::nearest(candidates, name, limit)
    }

    /// Python: what must be in a directory so that `import name` works from it. Empty: absent.
    pub fn top_level(&self, name: &str) -> Vec<TopLevel> {
        python::top_level(&self.roots, name)
    }
}

/// Versions below 9 do not count.
fn versions_of(root: &IndexRoot) -> Vec<u32> {
    let version = |entry: &RootEntry| entry.path.strip_prefix(VERSIONS)?.split('/').next()?.parse::<u32>().ok();
    let versions: BTreeSet<u32> = root.entries.iter().filter_map(version).filter(|version| *version >= 9).collect();
    versions.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn root(label: &str, kind: RootKind, paths: &[&str]) -> IndexRoot {
        let entry = |path: &&str| RootEntry {
            path: (*path).into(),
            digest: Digest::of(format!("{label}/{path}").as_bytes()),
            size: 1,
            executable: false,
        };
        IndexRoot { label: label.into(), kind, peer: false, entries: paths.iter().map(entry).collect() }
    }

    fn index(roots: Vec<IndexRoot>) -> Index {
        Index::new(IndexOptions::new(Language::Java, LoadingPolicy::ChildFirst), roots)
    }

    #[test]
    fn order_of_roots() {
        let index = index(vec![
            root("a.jar", RootKind::Jvm, &["x/A.class", "x/B.class", "x/A.class"]),
            root("b.whl", RootKind::Python, &["x/C.class"]),
            root("c.jar", RootKind::Jvm, &["x/B.class", "x/D.class"]),
        ]);
        assert_eq!(index.first("x/B.class"), Some(Place { root: 0, entry: 1 }));
        assert_eq!(index.all("x/B.class"), [Place { root: 0, entry: 1 }, Place { root: 2, entry: 0 }]);
        assert_eq!(index.in_root(2, "x/B.class"), Some(Place { root: 2, entry: 0 }));
        assert_eq!(index.first("x/C.class"), None);
        assert!(!index.contains("x") && index.all("y").is_empty());
        assert_eq!(index.paths().collect::<Vec<_>>(), ["x/A.class", "x/B.class", "x/D.class"]);
        assert_eq!(index.searched().collect::<Vec<_>>(), ["a.jar", "c.jar"]);
        assert_eq!(index.entry(Place { root: 2, entry: 1 }).path.as_ref(), "x/D.class");
    }

    #[test]
    fn multi_release() {
        let paths = [
            "x/A.class",
            "META-INF/versions/9/x/A.class",
            "META-INF/versions/17/x/A.class",
            "META-INF/versions/21/x/A.class",
            "META-INF/versions/8/x/A.class",
            "META-INF/versions/17/x/New.class",
        ];
        let index =
            index(vec![root("plain.jar", RootKind::Jvm, &["x/A.class"]), root("multi.jar", RootKind::Jvm, &paths)]);
        assert!(!index.has_versions(0) && index.has_versions(1));
        let entry = |release| index.versioned(1, "x/A.class", release).map(|place| place.entry);
        assert_eq!((entry(8), entry(11), entry(17), entry(25)), (None, Some(1), Some(2), Some(3)));
        assert_eq!(index.versioned(1, "x/New.class", 17).map(|place| place.entry), Some(5));
        assert_eq!(index.versioned(0, "x/A.class", 17), None);
    }

    #[test]
    fn a_service_that_the_class_path_defines_is_its_own() {
        let index = index(vec![root("a.jar", RootKind::Jvm, &["com/acme/Codec.class"])]);
        assert_eq!(index.delegation("META-INF/services/com.acme.Codec"), Delegation::ChildOnly);
        assert_eq!(index.delegation("META-INF/services/com.acme.Other"), Delegation::ChildFirst);
    }
}
