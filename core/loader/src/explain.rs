//! Where a name comes from and why: the rule that decides, the places that have it, who is in front of whom.
//!
//! The same words serve `haulier explain` and the errors of workers. Must never look at what a parent really has: that is
//! the JVM's or the interpreter's, and whoever knows it says it.

use std::fmt;

use haulier_model::{Digest, Language, RootKind};

use crate::{Delegation, Index, Place, RootEntry, Rule, python};

const NEAREST: usize = 3;

/// What a name means in its language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A class of the JVM: "com.acme.Price".
    Class,
    /// A file that is found by its path: "com/acme/prices.csv".
    Resource,
    /// A Python module or package: "acme.price".
    Module,
}

impl NameKind {
    /// "class", "resource" or "module".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Resource => "resource",
            Self::Module => "module",
        }
    }
}

/// A root that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedPlace {
    /// The root: "pricing:1.2.0/pricing.jar".
    pub label: String,
    /// The entry, or the folder of a namespace package: "com/acme/Price.class", "acme/".
    pub path: String,
    /// What its bytes hash to; `None` for a folder.
    pub digest: Option<Digest>,
    /// Its bytes.
    pub size: u64,
    /// Whether the root is of the session, so that its bytes may still be with the client.
    pub peer: bool,
}

/// What the parent has of a name: an interpreter, say, with its installed distributions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Parent {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// It has the name.
    Has {
        /// What of it: "numpy 2.1 of environment 1a2b3c4d (Python 3.11.7)".
        label: String,
        /// Where: the path of a file.
        path: String,
    },
    /// It does not; who was looked at.
    Lacks(String),
}

/// Where a name of a class path comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The name as it is written in its language.
    pub name: String,
    /// What it means.
    pub kind: NameKind,
    /// Who is asked, in which order.
    pub delegation: Delegation,
    /// What decides that.
    pub rule: Rule,
    /// The roots that have it, in the order in which they are searched: the first one counts. Those under
    /// `META-INF/versions` count before the general one of their root, on a JDK of that release or newer.
    pub places: Vec<ExplainedPlace>,
    /// The labels of all roots, where none has it.
    pub searched: Vec<String>,
    /// Names that look like it, where none has it.
    pub nearest: Vec<String>,
    /// What the parent has. [`Index::explain`] does not know it.
    pub parent: Parent,
}

impl Index {
    /// Explains a class ("com.acme.Price", "com/acme/Price.class"), a resource ("com/acme/prices.csv") or a module
    /// ("acme.price").
    ///
    /// ```
    /// # use haulier_loader::{Index, IndexOptions, IndexRoot, RootEntry};
    /// # use haulier_model::{Digest, Language, LoadingPolicy, RootKind};
    /// # let entry = |path: &str| RootEntry { path: path.into(), digest: Digest::of(path.as_bytes()), size: 1, executable: false };
    /// # let root = |label: &str| IndexRoot {
    /// #     label: label.into(), kind: RootKind::Jvm, peer: false, entries: vec![entry("com/acme/Price.class")],
    /// # };
    /// # let options = IndexOptions::new(Language::Java, LoadingPolicy::ChildFirst);
    /// let index = Index::new(options, vec![root("a.jar"), root("b.jar")]);
    /// let explanation = index.explain("com.acme.Price");
    /// assert_eq!(explanation.places[0].label, "a.jar");
    /// assert!(explanation.to_string().contains("shadowed: b.jar"));
    /// ```
    pub fn explain(&self, name: &str) -> Explanation {
        let (kind, name, places) = match self.language() {
            Language::Python => (NameKind::Module, name.to_owned(), self.places_of_module(name)),
            Language::Java | Language::Rust => self.places_in_jvm(name),
        };
        let (delegation, rule) = self.decide(&name);
        let is_absent = places.is_empty();
        Explanation {
            kind,
            delegation,
            rule,
            searched: if is_absent { self.searched().map(str::to_owned).collect() } else { Vec::new() },
            nearest: if is_absent { self.nearest(&name, NEAREST) } else { Vec::new() },
            places,
            name,
            parent: Parent::Unknown,
        }
    }

    fn places_in_jvm(&self, name: &str) -> (NameKind, String, Vec<ExplainedPlace>) {
        let class = name.strip_suffix(".class").unwrap_or(name).replace('/', ".");
        let path = format!("{}.class", class.replace('.', "/"));
        let as_class = !name.contains('/') || name.ends_with(".class");
        let places = self.places_of_path(&path);
        if as_class && (!places.is_empty() || !self.contains(name)) {
            return (NameKind::Class, class, places);
        }
        (NameKind::Resource, name.to_owned(), self.places_of_path(name))
    }

    fn places_of_path(&self, path: &str) -> Vec<ExplainedPlace> {
        let roots = 0..self.roots().len();
        let in_root = |root: usize| {
            let versions = self.versions_of(root).iter().filter_map(move |version| {
                let release = self.versioned(root, path, *version)?;
                // Each release once: `versioned` gives the newest that fits.
                self.entry(release).path.starts_with(&format!("META-INF/versions/{version}/")).then_some(release)
            });
            versions.chain(self.in_root(root, path))
        };
        roots.flat_map(in_root).map(|place| self.explained(place)).collect()
    }

    /// The module's file in the root that has its top-level package, then the same file in other roots.
    fn places_of_module(&self, name: &str) -> Vec<ExplainedPlace> {
        let path = name.replace('.', "/");
        let top = name.split('.').next().unwrap_or_default();
        let chosen = self.top_level(top);
        let chosen: Vec<Place> = chosen.iter().flat_map(|item| item.places.iter().copied()).collect();
        let is_it = |entry: &RootEntry| python::is_file_of(&entry.path, &path);
        let mut found: Vec<Place> = chosen.iter().copied().filter(|place| is_it(self.entry(*place))).collect();
        if found.is_empty() {
            let folder = format!("{path}/");
            let mut roots: Vec<usize> = chosen
                .iter()
                .filter(|place| self.entry(**place).path.starts_with(&folder))
                .map(|place| place.root)
                .collect();
            roots.dedup();
            return roots.into_iter().map(|root| self.folder(root, &folder)).collect();
        }
        for (root, content) in self.roots().iter().enumerate().filter(|(_, root)| root.kind == RootKind::Python) {
            let all = content.entries.iter().enumerate().filter(|(_, entry)| is_it(entry));
            let others = all.map(|(entry, _)| Place { root, entry }).filter(|place| !found.contains(place));
            found.extend(others.collect::<Vec<_>>());
        }
        found.into_iter().map(|place| self.explained(place)).collect()
    }

    fn explained(&self, place: Place) -> ExplainedPlace {
        let entry = self.entry(place);
        ExplainedPlace {
            label: self.label(place.root).to_owned(),
            path: entry.path.to_string(),
            digest: Some(entry.digest),
            size: entry.size,
            peer: self.roots()[place.root].peer,
        }
    }

    fn folder(&self, root: usize, path: &str) -> ExplainedPlace {
        let peer = self.roots()[root].peer;
        ExplainedPlace { label: self.label(root).to_owned(), path: path.to_owned(), digest: None, size: 0, peer }
    }
}

impl Explanation {
    /// What gives the name, in one line: "pricing:1.2.0/pricing.jar", or why nothing of the class path does.
    pub fn verdict(&self) -> String {
        match (&self.parent, self.places.first()) {
            (Parent::Has { label, .. }, Some(_)) if self.delegation == Delegation::ParentOnly => {
                format!("from {label}: what the class path has is never used")
            }
            (Parent::Has { label, .. }, None) => format!("from {label}"),
            (Parent::Has { label, .. }, Some(_)) if self.is_parent_first() => format!("from {label}"),
            (Parent::Lacks(who), None) => format!("absent: neither the class path nor {who} has it"),
            (Parent::Lacks(_), Some(first)) if self.delegation != Delegation::ParentOnly => {
                format!("from {}", first.label)
            }
            _ => self.verdict_of_class_path(),
        }
    }

    fn is_parent_first(&self) -> bool {
        matches!(self.delegation, Delegation::ParentFirst | Delegation::ParentOnly)
    }

    fn verdict_of_class_path(&self) -> String {
        let parent = match self.kind {
            NameKind::Module => "the interpreter's own packages",
            NameKind::Class | NameKind::Resource => "the platform and the API",
        };
        match (self.delegation, self.places.first()) {
            (Delegation::ParentOnly, None) => format!("from {parent} alone"),
            (Delegation::ParentOnly, Some(_)) => format!("from {parent} alone: what the class path has is never used"),
            (Delegation::ParentFirst, Some(first)) => {
                format!("from {parent} if it is there, else from {}", first.label)
            }
            (_, Some(first)) => format!("from {}", first.label),
            (Delegation::ChildOnly, None) => format!("absent, unless the platform has the {}", self.kind.name()),
            (_, None) => format!("absent, unless it is of {parent}"),
        }
    }
}

/// Several lines: the verdict, the rule, then every place.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}: {}", self.kind.name(), self.name, self.verdict())?;
        write!(f, "  rule: {}", self.rule)?;
        let first = self.places.first();
        let in_parent = match &self.parent {
            Parent::Has { label, path } => Some(format!("{label} ({path})")),
            Parent::Unknown | Parent::Lacks(_) => None,
        };
        let parent_counts = in_parent.is_some() && (first.is_none() || self.is_parent_first());
        if let Some(shown) = in_parent.as_ref().filter(|_| parent_counts) {
            write!(f, "\n  found: {shown}")?;
        }
        for (at, place) in self.places.iter().enumerate() {
            let ExplainedPlace { label, path, digest, size, peer } = place;
            let counts = self.delegation != Delegation::ParentOnly && !parent_counts;
            let is_used = counts && (at == 0 || digest.is_none());
            write!(f, "\n  {}: {label} ({path}", if is_used { "found" } else { "shadowed" })?;
            match digest {
                Some(_) if at > 0 && *digest == first.and_then(|first| first.digest) => {
                    f.write_str(", the same bytes")?
                }
                Some(digest) if at > 0 => write!(f, ", other bytes: {}", digest.short())?,
                Some(digest) => write!(f, ", {}, {size} bytes", digest.short())?,
                None => f.write_str(", a namespace package")?,
            }
            f.write_str(if *peer { ", of the session)" } else { ")" })?;
        }
        if let Some(shown) = in_parent.filter(|_| !parent_counts) {
            write!(f, "\n  shadowed: {shown}")?;
        }
        if first.is_none() && !parent_counts {
            let searched = self.searched.join(", ");
            write!(f, "\n  searched: {}", if searched.is_empty() { "an empty class path" } else { &searched })?;
        }
        if !self.nearest.is_empty() {
            write!(f, "\n  nearest: {}", self.nearest.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
