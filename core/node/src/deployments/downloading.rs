//! What a unit gives back: its archives as they were, else its entries in order. Must never know what clients make of them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Root, UnitReference};
use haulier_protocol::v1;
use haulier_store::UnitRecord;

use crate::{content, core::NodeCore, modules::Messages};

/// A client that takes nothing for this time is given up. It writes to a disk that may be slow.
const DEAF: Duration = Duration::from_secs(120);

impl NodeCore {
    /// The unit that a reference means, whole on this node, and its roots.
    pub(super) async fn held_unit(&self, reference: &str) -> Result<(UnitRecord, Manifest)> {
        let record = self.store.resolve(&reference.parse::<UnitReference>()?).await?;
        self.hold_unit(&record).await?;
        let manifest = self.store.manifest(&record.digest)?;
        Ok((record, manifest))
    }
}

/// The archives that are kept as they were.
pub(super) fn originals(roots: &[Root]) -> Vec<v1::UnitOriginal> {
    let originals = roots.iter().enumerate().filter_map(|(index, root)| Some((index, root.original?)));
    let original = |(index, original): (usize, haulier_model::Original)| v1::UnitOriginal {
        root: index as u32,
        digest: Bytes::copy_from_slice(original.digest.as_bytes()),
        size: original.size,
    };
    originals.map(original).collect()
}

/// The content of a root, in order.
pub(super) async fn pack(
    node: &Arc<NodeCore>,
    reference: &str,
    index: usize,
) -> Result<Messages<v1::DownloadResponse>> {
    let operation = format!("download {reference}");
    let held = node.held_unit(reference).await.map_err(|error| error.in_operation(operation.clone()))?;
    let (record, Manifest { roots }) = held;
    let digest = roots.get(index).ok_or_else(|| {
        let message = format!("'{}' has {} sources, and no source {index}", record.id, roots.len());
        Error::new(ErrorKind::InvalidArgument, operation, message)
    })?;
    let roots = node.store.roots(&Manifest { roots: vec![*digest] })?;
    let chunks = content::packed(&node.store, contents(&roots[0]), DEAF);
    Ok(Box::pin(chunks.map(|chunk| chunk.map(|data| v1::DownloadResponse { chunk: Some(v1::PackChunk { data }) }))))
}

fn contents(root: &Root) -> Vec<Digest> {
    match &root.original {
        Some(original) => vec![original.digest],
        None => root.entries.iter().map(|entry| entry.digest).collect(),
    }
}
