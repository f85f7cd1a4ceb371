//! Which paths one root may hold together.

use std::{collections::HashMap, fmt};

use haulier_model::EntryPath;

/// What to do with an entry that cannot be part of a root, for its path or its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadEntry {
    /// Refuse the source: what is deployed is deployed whole.
    Refuse,
    /// Leave the entry out: a client's own class path works for it as it is, and one odd file is no reason to stop.
    Skip,
}

/// An entry that has no place in a root, because another one has it where names have no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Twin {
    /// Its path.
    pub(crate) path: String,
    /// The path of the other one.
    pub(crate) kept: String,
}

impl fmt::Display for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path == self.kept {
            write!(f, "'{}' is there twice", self.path)
        } else {
            write!(f, "'{}' differs from '{}' by case only", self.path, self.kept)
        }
    }
}

/// The paths of a root so far: in lower case, and as written where that is something else.
#[derive(Default)]
pub(crate) struct PathSet(HashMap<String, Option<Box<str>>>);

impl PathSet {
    /// Adds a path, unless it is there already, or one that differs by case only.
    pub(crate) fn add(&mut self, path: &EntryPath) -> Result<(), Twin> {
        let lower = path.as_str().to_lowercase();
        if let Some((lower, written)) = self.0.get_key_value(&lower) {
            let kept = written.as_deref().unwrap_or(lower).to_owned();
            return Err(Twin { path: path.as_str().to_owned(), kept });
        }
        let written = (lower != path.as_str()).then(|| path.as_str().into());
        self.0.insert(lower, written);
        Ok(())
    }
}
