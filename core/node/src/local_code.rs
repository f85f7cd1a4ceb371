//! The node's own code: on every class path of its tasks, after all that a task brings. Read once, at the start.

use std::path::PathBuf;

use haulier_model::{Digest, Manifest, Result};
use haulier_pack::{Limits, PackedRoot, PackedRoots};
use haulier_store::{Lease, Store};

use crate::deployer::put_roots;

/// Code that this node gives to every task.
pub(crate) struct LocalCode {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    /// One name for each root.
    pub(crate) names: Vec<String>,
    /// Keeps its content from being collected.
    _lease: Lease,
}

impl LocalCode {
    /// Reads `paths` in their order into the store. Blocks. Errors: those of reading a source.
    pub(crate) fn read(store: &Store, paths: &[PathBuf]) -> Result<Option<Self>> {
        if paths.is_empty() {
            return Ok(None);
        }
        let mut roots = Vec::new();
        for path in paths {
            roots.extend(PackedRoot::read_source(path, &Limits::default()).map_err(|error| {
                error.in_operation(format!("read the node's own code {}", path.display())).hint("--local-code PATH")
            })?);
        }
        let roots = PackedRoots::of(roots);
        let lease = put_roots(store, &roots).map_err(|error| error.in_operation("read the node's own code"))?;
        let names = roots.names();
        Ok(Some(Self { digest: roots.digest, manifest: roots.manifest, names, _lease: lease }))
    }
}
