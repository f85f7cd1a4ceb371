//! What Python code imports that is not in its roots: names of installed distributions, for whoever turns them into
//! requirements. It reads no module and knows no distribution.

use std::collections::HashMap;

use haulier_model::{Digest, RootKind};

use super::{CodeScope, Scope};
use crate::CodeReference;

/// The most starts of one snapshot that are remembered.
const MOST: usize = 1024;

/// By what the closures of one snapshot begin with.
#[derive(Default)]
pub(super) struct Foreign {
    snapshot: Option<Digest>,
    names: HashMap<Vec<String>, Vec<String>>,
}

impl Foreign {
    /// Remembers what a walk has found.
    pub(super) fn note(&mut self, snapshot: Digest, start: &[String], names: Vec<String>) {
        if self.snapshot != Some(snapshot) || self.names.len() >= MOST {
            *self = Self { snapshot: Some(snapshot), names: HashMap::new() };
        }
        self.names.insert(start.to_vec(), names);
    }

    fn look_up(&self, snapshot: Digest, start: &[String]) -> Option<Vec<String>> {
        self.names.get(start).filter(|_| self.snapshot == Some(snapshot)).cloned()
    }
}

impl CodeScope {
    /// The top-level names that the modules of `start` and all that they import import in turn, and that no root has: the
    /// standard library, installed distributions, and what is nowhere. Of Python; none for the JVM.
    pub fn foreign(&self, reference: CodeReference, start: &[String]) -> Vec<String> {
        self.scope.foreign_names(reference.snapshot, start)
    }
}

impl Scope {
    fn foreign_names(&self, snapshot: Digest, start: &[String]) -> Vec<String> {
        if self.kind != RootKind::Python {
            return Vec::new();
        }
        if let Some(known) = self.foreign.lock().look_up(snapshot, start) {
            return known;
        }
        let kept = self.kept.lock().iter().find(|kept| kept.digest == snapshot).cloned();
        // One that is gone is older than what the task runs with.
        let names = kept.map(|kept| kept.closure_and_foreign(self.kind, start).1).unwrap_or_default();
        self.foreign.lock().note(snapshot, start, names.clone());
        names
    }
}
