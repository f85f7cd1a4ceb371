//! A class path inside a worker: names to mapped bytes.

use std::path::Path;

use haulier_model::{Digest, Error, Result};

use crate::Delegation;

/// A class path: ordered roots, their names, and a way to their bytes. Late entries are fetched from the node when
/// they are asked for.
pub struct WorkerClassPath {}

impl WorkerClassPath {
    /// Its digest.
    pub fn digest(&self) -> Digest {
        unimplemented!("signatures first")
    }

    /// Python: the directory that holds the class path.
    pub fn directory(&self) -> Option<&Path> {
        unimplemented!("signatures first")
    }

    /// Who is asked for a class ("com.acme.Price"), a resource ("com/acme/price.txt") or a module ("acme.price").
    pub fn delegation(&self, name: &str) -> Delegation {
        let _ = name;
        unimplemented!("signatures first")
    }

    /// The first entry of that path ("com/acme/Price.class"); in a multi-release root the one for this runtime.
    ///
    /// # Errors
    /// When the bytes cannot be had for now. Only `None` means absent.
    pub fn find(&self, path: &str) -> Result<Option<Found>> {
        let _ = path;
        unimplemented!("signatures first")
    }

    /// The entries of that path in all roots, in order.
    pub fn find_all(&self, path: &str) -> Result<Vec<Found>> {
        let _ = path;
        unimplemented!("signatures first")
    }

    /// The entry of that path in one root.
    pub fn find_in(&self, root: usize, path: &str) -> Result<Option<Found>> {
        let _ = (root, path);
        unimplemented!("signatures first")
    }

    /// Whether a root has that path; asks nobody.
    pub fn contains(&self, path: &str) -> bool {
        let _ = path;
        unimplemented!("signatures first")
    }

    /// Every path, in the order of the roots; one that several roots have comes once.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// Python: makes a top-level module, package or file exist in [`Self::directory`], with its metadata. `false`: the
    /// class path has no such name.
    pub fn fill(&self, top_level: &str) -> Result<bool> {
        let _ = top_level;
        unimplemented!("signatures first")
    }

    /// The labels of the roots in order, for messages and code sources.
    pub fn searched(&self) -> Vec<String> {
        unimplemented!("signatures first")
    }

    /// The error for a class, module or resource that the class path does not have: what was searched, the nearest
    /// names, the command that would deploy it.
    pub fn not_found(&self, name: &str) -> Error {
        let _ = name;
        unimplemented!("signatures first")
    }
}

/// An entry of a class path with its bytes.
pub struct Found {
    /// The label of its root: "session ab12/classes", "pricing:1.2.0/pricing.jar".
    pub label: String,
    /// The index of its root.
    pub root: usize,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl Found {
    /// The bytes, mapped from the node's store.
    pub fn bytes(&self) -> &[u8] {
        unimplemented!("signatures first")
    }
}
