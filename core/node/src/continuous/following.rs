//! Follows the records of code that stays, and takes the code from the nodes that have it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use haulier_catalogue::{Catalogue, Changes, Event, Record};
use haulier_model::{Digest, Error, ErrorKind, Result, Retry};
use haulier_protocol::v1;
use tokio::sync::Semaphore;

use super::{
    gone, on_disk, record,
    record::{ContinuousRecord, PREFIX},
};
use crate::{class_paths::ResolvedClassPath, core::NodeCore, holdings::as_holders};

/// Snapshots that are fetched ahead at the same time.
const PARALLEL: usize = 2;
const PAUSE: Duration = Duration::from_millis(200);

/// Follows the records, and fetches ahead what other nodes have. After a gap it looks at everything.
pub(crate) async fn follow(node: Weak<NodeCore>, catalogue: Arc<dyn Catalogue>) {
    let permits = Arc::new(Semaphore::new(PARALLEL));
    loop {
        if let Err(error) = follow_once(&node, &*catalogue, &permits).await {
            tracing::warn!(%error, "code that stays cannot be followed; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        if node.strong_count() == 0 {
            return;
        }
    }
}

async fn follow_once(node: &Weak<NodeCore>, catalogue: &dyn Catalogue, permits: &Arc<Semaphore>) -> Result<()> {
    let Some(core) = node.upgrade() else { return Ok(()) };
    let mut members = core.members.watch();
    let listing = catalogue.list(PREFIX).await?;
    let known: Vec<Digest> = listing.records.iter().filter_map(|record| record::digest_of(&record.key).ok()).collect();
    for digest in core.continuous.snapshots().iter().filter(|digest| !known.contains(digest)) {
        drop(gone(&core, digest));
    }
    listing.records.iter().for_each(|record| learn(&core, record, permits));
    drop(core);
    let mut watch = catalogue.watch(PREFIX, listing.revision).await?;
    loop {
        tokio::select! {
            changes = watch.next() => {
                let Changes::Events(events) = changes? else { return Ok(()) };
                let Some(core) = node.upgrade() else { return Ok(()) };
                for event in events {
                    match event {
                        Event::Put(record) => learn(&core, &record, permits),
                        Event::Deleted { key, revision } => {
                            let digest = record::digest_of(&key)?;
                            if core.continuous.is_older(&digest, revision) {
                                drop(gone(&core, &digest));
                            }
                        }
                    }
                }
            }
            // Somebody has come who may have what was missing before.
            changed = members.changed() => {
                let (Ok(()), Some(core)) = (changed, node.upgrade()) else { return Ok(()) };
                core.continuous.snapshots().into_iter().for_each(|digest| fetch_ahead(&core, digest, permits));
            }
        }
    }
}

/// A record that cannot be read is of a newer version: it is left alone.
fn learn(node: &Arc<NodeCore>, stored: &Record, permits: &Arc<Semaphore>) {
    match (record::digest_of(&stored.key), ContinuousRecord::parse(stored)) {
        (Ok(digest), Ok(record)) => {
            if node.continuous.put(digest, record, stored.revision) {
                fetch_ahead(node, digest, permits);
            }
        }
        (Err(error), _) | (_, Err(error)) => tracing::warn!(%error, key = stored.key, "a record is not readable"),
    }
}

fn fetch_ahead(node: &Arc<NodeCore>, digest: Digest, permits: &Arc<Semaphore>) {
    if node.members.heard().is_empty() {
        return;
    }
    let (node, permits) = (Arc::downgrade(node), permits.clone());
    tokio::spawn(async move {
        let Ok(_permit) = permits.acquire().await else { return };
        let Some(node) = node.upgrade() else { return };
        if let Err(error) = take_all(&node, digest).await {
            tracing::info!(snapshot = digest.short(), %error, "code that stays is not here yet");
        }
    });
}

/// Takes whatever other nodes have of a snapshot. The rest is with the clients that brought it.
async fn take_all(node: &NodeCore, digest: Digest) -> Result<()> {
    take_structure(node, digest).await?;
    let store = node.store.clone();
    let missing = on_disk(move || {
        let manifest = store.manifest(&digest)?;
        Ok(store.missing(store.contents_of(&manifest).into_iter()))
    });
    let missing = missing.await?;
    if missing.is_empty() {
        return Ok(());
    }
    node.fetches.entries(&node.store, missing, as_holders(&node.members.heard())).await?;
    settle(node, digest).await
}

/// Has the manifest and the roots of a snapshot here: what tells which names there are.
pub(super) async fn take_structure(node: &NodeCore, digest: Digest) -> Result<()> {
    take(node, vec![digest]).await?;
    let store = node.store.clone();
    let roots = on_disk(move || store.manifest(&digest)).await?.roots;
    take(node, roots).await
}

async fn take(node: &NodeCore, wanted: Vec<Digest>) -> Result<()> {
    let missing = node.store.missing(wanted.into_iter());
    if missing.is_empty() {
        return Ok(());
    }
    let left = node.fetches.entries(&node.store, missing, as_holders(&node.members.heard())).await?;
    let Some(first) = left.first() else { return Ok(()) };
    let message = format!("no node that is there has {} of it", first.short());
    Err(Error::new(ErrorKind::Unavailable, "take code that stays", message)
        .with_retry(Retry::Later)
        .hint("haulier nodes; run it again from the program that has it"))
}

/// Gets what is here of a snapshot onto the disk.
async fn settle(node: &NodeCore, digest: Digest) -> Result<()> {
    let store = node.store.clone();
    on_disk(move || store.settle_known(&store.manifest(&digest)?)).await
}

/// Entries of a class path for a worker. Of code that stays, what no client gives is taken from the other nodes.
pub(crate) async fn entries(
    node: &Arc<NodeCore>,
    class_path: &Arc<ResolvedClassPath>,
    request: &v1::EntryRequest,
) -> Result<v1::EntryAnswer> {
    let staying: Vec<Digest> = class_path.staying().collect();
    let missing = if staying.is_empty() { Vec::new() } else { class_path.missing(&node.store, request) };
    let mut answer = node.class_paths.entries(class_path, request).await;
    if missing.is_empty() {
        return answer;
    }
    let peers = node.members.heard();
    if matches!(&answer, Err(error) if error.kind() == ErrorKind::SessionLost) && !peers.is_empty() {
        let left = node.fetches.entries(&node.store, missing, as_holders(&peers)).await?;
        if left.is_empty() {
            answer = node.class_paths.entries(class_path, request).await;
        }
    }
    if answer.is_ok() {
        let node = node.clone();
        tokio::spawn(async move {
            for digest in staying {
                if let Err(error) = settle(&node, digest).await {
                    tracing::warn!(%error, snapshot = digest.short(), "code that stays may not survive a crash of the machine");
                }
            }
        });
    }
    answer
}
