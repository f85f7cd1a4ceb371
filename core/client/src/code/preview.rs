//! What a submit would send, said beforehand.
//!
//! Looks at snapshots as offers do, and never talks to a node.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use haulier_model::{Digest, Result};
use haulier_pack::{LeftOut, PackedRoots};

use super::Scope;
use crate::session::Session;

/// What a submit would send of the client's own code, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodePreview {
    /// What travels with the submit: the closure of the callable, as far as this session has not offered it before. The
    /// node takes of it what it does not have.
    pub files: Vec<PreviewedFile>,
    /// The rest of the class roots: nothing of it travels unless the task asks for it while it runs.
    pub later: Vec<PreviewedFile>,
    /// What can never travel, and by which rule; at most 1,000 for each root.
    pub left_out: Vec<LeftOut>,
    /// How many more files and folders are left out.
    pub left_out_more: usize,
    /// Names that the closure imports and that are not among the client's own code: of installed distributions, the
    /// standard library, or nothing at all.
    pub foreign: Vec<String>,
}

/// A file of the client's own code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewedFile {
    /// The file.
    pub path: PathBuf,
    /// Its path from the root that it is in: what it is called on the node.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl CodePreview {
    /// The bytes of what travels with the submit; equal files count once.
    pub fn size(&self) -> u64 {
        let mut seen = HashSet::new();
        self.files.iter().filter(|file| seen.insert(file.digest)).map(|file| file.size).sum()
    }
}

impl Scope {
    pub(super) fn preview(&self, session: &Arc<Session>, start: &[String]) -> Result<CodePreview> {
        let _one_at_a_time = self.preparing.lock();
        self.look_for_changes();
        let changes = self.changes.load(std::sync::atomic::Ordering::Acquire);
        let snapshot = self.snapshot(session, changes)?;
        let (closure, foreign) = snapshot.closure_entries(self.kind, start);
        let mut new = snapshot.digests_of(&closure);
        session.code.offered.lock().retain_new_of_now(&mut new);
        let mut preview = of(&snapshot, &closure.into_iter().collect(), &new.into_iter().collect());
        preview.foreign = foreign;
        Ok(preview)
    }
}

/// What of a snapshot travels, if these entries are needed and these digests are not known.
fn of(snapshot: &PackedRoots, closure: &HashSet<(usize, usize)>, new: &HashSet<Digest>) -> CodePreview {
    let mut preview = CodePreview::default();
    for (number, root) in snapshot.roots.iter().enumerate() {
        for (index, entry) in root.root.entries.iter().enumerate() {
            let file = PreviewedFile {
                path: root.place_of(entry.path.as_str()),
                name: entry.path.as_str().to_owned(),
                size: entry.size,
                digest: entry.digest,
            };
            match (closure.contains(&(number, index)), new.contains(&entry.digest)) {
                (true, true) => preview.files.push(file),
                (true, false) => {}
                (false, _) => preview.later.push(file),
            }
        }
        let named =
            |out: &LeftOut| LeftOut { path: root.place_of(&out.path).display().to_string(), rule: out.rule.clone() };
        preview.left_out.extend(root.left_out().iter().map(named));
        let bad = |reason: &String| LeftOut { path: root.place_of("").display().to_string(), rule: reason.clone() };
        preview.left_out.extend(root.skipped().iter().map(bad));
        preview.left_out_more += root.left_out_more();
    }
    preview
}
