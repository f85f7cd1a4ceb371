//! The node's own code: on every class path of its tasks, after all that a task brings. Read once, at the start.

use std::{collections::HashSet, path::PathBuf};

use bytes::Bytes;
use haulier_model::{Digest, Error, Manifest, Result, Root};
use haulier_pack::{Limits, PackedRoot, stream::RecordWriter};
use haulier_store::{Lease, Store};

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
        let manifest = Manifest { roots: roots.iter().map(PackedRoot::digest).collect() };
        let entries = roots.iter().flat_map(|root| root.root.entries.iter().map(|entry| entry.digest));
        let lease = store.lease(manifest.roots.iter().copied().chain(entries));
        roots.iter().try_for_each(|root| keep(store, root))?;
        let names = roots.iter().map(|root| root.name.clone()).collect();
        Ok(Some(Self { digest: manifest.digest(), manifest, names, _lease: lease }))
    }
}

/// Puts a root and its entries into the store, as if they had been sent.
fn keep(store: &Store, root: &PackedRoot) -> Result<()> {
    let encoded = Root::encode(&root.root);
    let digest = root.digest();
    let entries = root.root.entries.iter().map(|entry| entry.digest);
    let mut missing: HashSet<Digest> = store.missing(entries.chain([digest])).into_iter().collect();
    let mut receiver = store.receive()?;
    let (mut writer, mut chunks) = (RecordWriter::default(), Vec::new());
    let mut flush = |chunks: &mut Vec<Bytes>| chunks.drain(..).try_for_each(|chunk| receiver.write(&chunk));
    if missing.remove(&digest) {
        writer.push(digest, &encoded, &mut chunks);
    }
    for (at, entry) in root.root.entries.iter().enumerate() {
        if missing.remove(&entry.digest) {
            let bytes = root.bytes(at).map_err(|error: Error| error.in_operation("read the node's own code"))?;
            writer.push(entry.digest, &bytes, &mut chunks);
            flush(&mut chunks)?;
        }
    }
    writer.finish(&mut chunks);
    flush(&mut chunks)?;
    receiver.finish(false).map(|_| ())
}
