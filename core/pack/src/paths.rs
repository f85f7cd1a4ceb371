//! Which paths one root may hold together.

use std::collections::HashSet;

use haulier_model::EntryPath;

/// What to do with an entry that cannot be part of a root, for its path or its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadEntry {
    /// Refuse the source: what is deployed is deployed whole.
    Refuse,
    /// Leave the entry out: a client's own class path works for it as it is, and one odd file is no reason to stop.
    Skip,
}

/// The paths of a root so far.
#[derive(Default)]
pub(crate) struct PathSet(HashSet<String>);

impl PathSet {
    /// Adds a path; the reason why not, if it is there already, or differs from one by case only.
    pub(crate) fn add(&mut self, path: &EntryPath) -> Result<(), String> {
        if self.0.insert(path.as_str().to_lowercase()) {
            Ok(())
        } else {
            Err(format!("'{path}' is there twice, or differs from another entry by case only"))
        }
    }
}
