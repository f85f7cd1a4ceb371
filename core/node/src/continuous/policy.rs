//! How long code stays, and how much of it: what nobody has used for longest goes first, and what is in use never.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use haulier_catalogue::{OperationId, Revision};
use haulier_model::{Digest, Error, ErrorKind, Result, Retry};
use haulier_store::Store;

use super::{gone, on_disk, record, record::ContinuousRecord};
use crate::core::NodeCore;

/// What is in use is written down at least so often.
const NOTED: Duration = Duration::from_secs(3600);
const LONGEST_PERIOD: Duration = Duration::from_secs(60);
const SHORTEST_PERIOD: Duration = Duration::from_millis(100);

/// A record as it was when it was looked at.
struct Reviewed {
    digest: Digest,
    record: ContinuousRecord,
    revision: Revision,
    in_use: bool,
    /// Somebody has named it since the last look.
    named: bool,
}

/// Looks now and then: notes what is in use, and lets go what was not used for long, and what is too much. Runs until the
/// node has gone.
pub(crate) async fn tend(node: Weak<NodeCore>) {
    loop {
        let Some(period) = node.upgrade().map(|node| node.limits.continuous_ttl / 10) else { return };
        tokio::time::sleep(period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD)).await;
        let Some(node) = node.upgrade() else { return };
        if let Err(error) = look(&node).await {
            tracing::debug!(%error, "the code that stays cannot be looked at now");
        }
    }
}

async fn look(node: &Arc<NodeCore>) -> Result<()> {
    let ttl = node.limits.continuous_ttl;
    for reviewed in review(node, true) {
        let idle = Duration::from_millis(reviewed.record.idle_ms());
        let used = reviewed.in_use || reviewed.named;
        if used && idle >= NOTED.min(ttl / 4) {
            note(node, reviewed).await?;
        } else if !used && idle > ttl {
            evict(node, &reviewed, "was not used for long").await?;
        }
    }
    keep_within_bytes(node).await
}

/// What stays, the least recently used first.
fn review(node: &NodeCore, forget_names: bool) -> Vec<Reviewed> {
    let mut known = node.continuous.0.lock();
    let review = |(digest, kept): (&Digest, &mut super::Kept)| {
        let (in_use, named) = (kept.is_in_use(), kept.named);
        kept.named &= !forget_names;
        Reviewed { digest: *digest, record: kept.record.clone(), revision: kept.revision, in_use, named }
    };
    let mut all: Vec<_> = known.iter_mut().map(review).collect();
    drop(known);
    all.sort_by_key(|reviewed| reviewed.record.last_used_ms());
    all
}

/// Writes down that code is in use. Somebody who was faster has done so.
async fn note(node: &NodeCore, mut reviewed: Reviewed) -> Result<()> {
    reviewed.record.used();
    let (key, value) = (record::key(&reviewed.digest), reviewed.record.encode());
    let catalogue = node.catalogue.shared();
    match catalogue.compare_and_set(&key, Some(reviewed.revision), value, OperationId::random()).await {
        Ok(revision) => {
            node.continuous.put(reviewed.digest, reviewed.record, revision);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        Err(error) => Err(error),
    }
}

/// Lets code go, unless somebody has used it meanwhile.
async fn evict(node: &NodeCore, reviewed: &Reviewed, reason: &str) -> Result<()> {
    let key = record::key(&reviewed.digest);
    match node.catalogue.shared().delete(&key, reviewed.revision, OperationId::random()).await {
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
        other => other?,
    }
    tracing::info!(snapshot = reviewed.digest.short(), "code stays no longer: it {reason}");
    drop(gone(node, &reviewed.digest));
    Ok(())
}

/// Lets the least recently used code go until another one fits. `ResourceExhausted` if all of it is in use.
pub(super) async fn make_room(node: &Arc<NodeCore>, newcomer: &Digest) -> Result<()> {
    let most = node.limits.continuous_count;
    let known = review(node, false);
    if known.iter().any(|reviewed| reviewed.digest == *newcomer) {
        return Ok(());
    }
    let mut excess = (known.len() + 1).saturating_sub(most);
    for reviewed in known.iter().filter(|reviewed| !reviewed.in_use) {
        if excess == 0 {
            break;
        }
        evict(node, reviewed, "had to make room").await?;
        excess -= 1;
    }
    if excess > 0 {
        let message = format!("the code of {most} snapshots stays and is in use, which is the limit");
        return Err(Error::new(ErrorKind::ResourceExhausted, "keep code", message)
            .with_retry(Retry::Later)
            .hint("haulier undeploy session:DIGEST, or haulier node --continuous-count N"));
    }
    keep_within_bytes(node).await
}

async fn keep_within_bytes(node: &Arc<NodeCore>) -> Result<()> {
    let known = review(node, false);
    let (store, digests) = (node.store.clone(), known.iter().map(|one| one.digest).collect::<Vec<_>>());
    let sizes: Vec<u64> = on_disk(move || Ok(digests.iter().map(|digest| size_of(&store, digest).0).collect())).await?;
    let mut total: u64 = sizes.iter().sum();
    for (reviewed, size) in known.iter().zip(sizes).filter(|(reviewed, _)| !reviewed.in_use) {
        if total <= node.limits.continuous_bytes {
            break;
        }
        evict(node, reviewed, "had to make room").await?;
        total -= size;
    }
    Ok(())
}

/// Bytes of a snapshot's files that are here, and of all of them; zero for what is not known here. Blocks.
pub(super) fn size_of(store: &Store, digest: &Digest) -> (u64, u64) {
    let Ok(roots) = store.manifest(digest).and_then(|manifest| store.roots(&manifest)) else { return (0, 0) };
    let entries = || roots.iter().flat_map(|root| &root.entries);
    let held = entries().filter(|entry| store.contains(&entry.digest)).map(|entry| entry.size).sum();
    (held, entries().map(|entry| entry.size).sum())
}
