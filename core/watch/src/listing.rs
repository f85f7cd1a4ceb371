//! The files of a storage as units: which files belong to which, and whether they have changed.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use haulier_model::UnitId;

use crate::{
    naming::{self, Named},
    status::MOST_PROBLEMS,
    storage::StoredFile,
};

/// A unit in a storage.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: UnitId,
    /// The file at the top, or the folder, that is the unit.
    pub(crate) source: String,
    /// Sorted by path.
    pub(crate) files: Arc<[StoredFile]>,
    /// Of paths, sizes, times and tags of all files.
    pub(crate) fingerprint: u64,
    /// Another path that gives the same unit.
    pub(crate) twin: Option<String>,
}

/// A listing, read as units.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// By the key of name and version.
    pub(crate) units: BTreeMap<String, Found>,
    /// Paths that are no unit's; the first ones.
    pub(crate) ignored: Vec<String>,
    /// How many there are.
    pub(crate) ignored_count: usize,
}

impl Listing {
    pub(crate) fn new(mut files: Vec<StoredFile>) -> Self {
        files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let mut listing = Self::default();
        let mut sources: BTreeMap<String, (UnitId, Vec<StoredFile>)> = BTreeMap::new();
        for file in files {
            match Named::of(&file.path) {
                Some(Named { id, source }) => {
                    sources.entry(source).or_insert_with(|| (id, Vec::new())).1.push(file);
                }
                None => {
                    listing.ignored_count += 1;
                    if listing.ignored.len() < MOST_PROBLEMS {
                        listing.ignored.push(file.path);
                    }
                }
            }
        }
        for (source, (id, files)) in sources {
            listing.add(source, id, files);
        }
        listing
    }

    fn add(&mut self, source: String, id: UnitId, files: Vec<StoredFile>) {
        let key = naming::key(&id.name, &id.version);
        if let Some(first) = self.units.get_mut(&key) {
            first.twin.get_or_insert(source);
            return;
        }
        let mut hasher = DefaultHasher::new();
        files.hash(&mut hasher);
        let found = Found { id, source, files: files.into(), fingerprint: hasher.finish(), twin: None };
        self.units.insert(key, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(paths: &[(&str, u64)]) -> Listing {
        let file = |(path, size): &(&str, u64)| StoredFile {
            path: (*path).to_owned(),
            size: Some(*size),
            modified_ms: None,
            etag: None,
        };
        Listing::new(paths.iter().map(file).collect())
    }

    #[test]
    fn files_of_a_folder_are_one_unit() {
        let one = listing(&[("a/1/x.jar", 1), ("a/1/lib/y.jar", 2), ("b-2.jar", 3), ("readme.txt", 4)]);
        assert_eq!(one.units.keys().collect::<Vec<_>>(), ["a:1", "b:2"]);
        assert_eq!((one.units["a:1"].files.len(), one.ignored, one.ignored_count), (2, vec!["readme.txt".into()], 1));
        let other = listing(&[("a/1/lib/y.jar", 2), ("a/1/x.jar", 1), ("b-2.jar", 4)]);
        assert_eq!(one.units["a:1"].fingerprint, other.units["a:1"].fingerprint);
        assert_ne!(one.units["b:2"].fingerprint, other.units["b:2"].fingerprint);
        let renamed = listing(&[("a/1/z.jar", 1), ("a/1/lib/y.jar", 2)]);
        assert_ne!(one.units["a:1"].fingerprint, renamed.units["a:1"].fingerprint);
    }

    #[test]
    fn twins() {
        let twins = listing(&[("a-1.0.jar", 1), ("a/1.0/x.jar", 1), ("b-1.jar", 1), ("b-1.0.zip", 1), ("c-1.jar", 1)]);
        let found: Vec<_> = twins.units.values().map(|found| (found.source.as_str(), found.twin.as_deref())).collect();
        assert_eq!(found, [("a-1.0.jar", Some("a/1.0")), ("b-1.0.zip", Some("b-1.jar")), ("c-1.jar", None)]);
    }
}
