//! Code that stays after its sessions have left, in the continuous mode: a record of each snapshot in the catalogue, the
//! content that has come to this node, and the loaders that are held. Must never know how tasks run.

mod following;
mod policy;
mod record;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use haulier_catalogue::{OperationId, Revision};
use haulier_model::{Digest, Error, ErrorKind, Result, Retry};
use haulier_protocol::v1;
use parking_lot::Mutex;

pub(crate) use self::{
    following::{entries, follow},
    policy::tend,
    record::{NAME, PREFIX, digest_of, is_reference},
};
use crate::{
    code::Snapshot, core::NodeCore, identity::Identity, loaders::LiveLoader, run::StopReason, session::Session,
};
use record::ContinuousRecord;

/// How often a record is written again if somebody else was faster.
const ATTEMPTS: usize = 20;
/// The longest time that a task waits for the record of its code.
const WRITE: Duration = Duration::from_secs(3);
/// Loaders that are held for one snapshot: it may be used with several units.
const MOST_LOADERS: usize = 16;

/// The code that stays, as this node knows it.
#[derive(Default)]
pub(crate) struct Continuous(Mutex<HashMap<Digest, Kept>>);

struct Kept {
    record: ContinuousRecord,
    revision: Revision,
    loaders: VecDeque<Arc<LiveLoader>>,
    /// Somebody has named it since this was last looked at.
    named: bool,
}

impl Kept {
    /// Whether somebody but this holds one of its loaders.
    fn is_in_use(&self) -> bool {
        self.loaders.iter().any(|loader| Arc::strong_count(loader) > 1)
    }
}

impl Continuous {
    /// Lets loaders of a unit go, which nobody can submit with any more.
    pub(crate) fn forget_unit(&self, unit: &Digest) {
        let mut forgotten = Vec::new();
        for kept in self.0.lock().values_mut() {
            let (gone, stays): (VecDeque<_>, _) = kept.loaders.drain(..).partition(|loader| loader.uses(unit));
            kept.loaders = stays;
            forgotten.extend(gone);
        }
        drop(forgotten);
    }

    /// The snapshots that stay.
    pub(crate) fn snapshots(&self) -> Vec<Digest> {
        self.0.lock().keys().copied().collect()
    }

    /// Notes a use, and holds a loader for as long as the code stays; false if the record does not have the identity yet.
    fn is_kept_for(&self, snapshot: &Digest, identity: &Identity, loader: Option<&Arc<LiveLoader>>) -> bool {
        let forgotten = {
            let mut known = self.0.lock();
            let Some(kept) = known.get_mut(snapshot).filter(|kept| kept.record.is_of(identity.name())) else {
                return false;
            };
            kept.named = true;
            let fresh = loader.filter(|loader| !kept.loaders.iter().any(|held| Arc::ptr_eq(held, loader)));
            kept.loaders.extend(fresh.cloned());
            (kept.loaders.len() > MOST_LOADERS).then(|| kept.loaders.pop_front())
        };
        drop(forgotten);
        true
    }

    /// Whether what is known of a snapshot was written before `revision`.
    fn is_older(&self, snapshot: &Digest, revision: Revision) -> bool {
        self.0.lock().get(snapshot).is_some_and(|kept| kept.revision < revision)
    }

    /// Takes over what the catalogue has; false if nothing but the time of the last use is new.
    fn put(&self, snapshot: Digest, record: ContinuousRecord, revision: Revision) -> bool {
        let mut known = self.0.lock();
        match known.get_mut(&snapshot) {
            Some(kept) if kept.revision >= revision => false,
            Some(kept) => {
                let news = !kept.record.differs_in_use_only(&record);
                (kept.record, kept.revision) = (record, revision);
                news
            }
            None => {
                known.insert(snapshot, Kept { record, revision, loaders: VecDeque::new(), named: false });
                true
            }
        }
    }
}

/// Makes code stay, if it does not yet, and holds a loader for it. Errors: `Unavailable` when its record cannot be written
/// in time, `ResourceExhausted` when all that stays is in use; code is not run of which nobody would know that it goes.
pub(crate) async fn keep(
    node: &Arc<NodeCore>,
    session: &Session,
    digest: Digest,
    snapshot: &Snapshot,
    loader: &Arc<LiveLoader>,
) -> Result<()> {
    if node.continuous.is_kept_for(&digest, &session.identity, Some(loader)) {
        return Ok(());
    }
    let written = tokio::time::timeout(WRITE, write(node, session, digest, snapshot, loader)).await;
    let written = written.unwrap_or_else(|_| {
        let message = format!("the catalogue did not answer within {WRITE:?}");
        Err(Error::new(ErrorKind::Unavailable, "keep code", message))
    });
    written.map_err(|error| {
        tracing::warn!(%error, snapshot = digest.short(), session = session.id, "code of the continuous mode cannot stay");
        if error.kind() == ErrorKind::ResourceExhausted {
            return error.in_operation("run a task");
        }
        let message = format!("its code cannot stay, as the continuous mode wants it: {}", error.message());
        Error::new(ErrorKind::Unavailable, "run a task", message)
            .with_retry(Retry::Later)
            .context("snapshot", digest.short())
            .hint("submit again later, or in the mode 'shared'; haulier nodes shows the owner of the catalogue")
            .with_source(error)
    })
}

async fn write(
    node: &Arc<NodeCore>,
    session: &Session,
    digest: Digest,
    snapshot: &Snapshot,
    loader: &Arc<LiveLoader>,
) -> Result<()> {
    policy::make_room(node, &digest).await?;
    let lease = node.store.lease([digest]);
    let (store, manifest) = (node.store.clone(), snapshot.manifest.clone());
    on_disk(move || {
        store.put(&manifest.encode())?;
        store.settle_known(&manifest)
    })
    .await?;
    let (catalogue, key) = (node.catalogue.shared(), record::key(&digest));
    let origin = format!("{}@{}", session.id, session.origin.as_deref().unwrap_or(&node.name));
    for _ in 0..ATTEMPTS {
        let current = catalogue.get(&key).await?;
        let revision = current.as_ref().map(|current| current.revision);
        let mut record = match &current {
            Some(current) => ContinuousRecord::parse(current)?,
            None => ContinuousRecord::new(&snapshot.names()),
        };
        record.brought(session.identity.name(), &origin);
        match catalogue.compare_and_set(&key, revision, record.encode(), OperationId::random()).await {
            Ok(revision) => {
                if current.is_none() {
                    tracing::info!(snapshot = digest.short(), by = session.identity.name(), "code stays: continuous");
                }
                node.continuous.put(digest, record, revision);
                node.continuous.is_kept_for(&digest, &session.identity, Some(loader));
                drop(lease);
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::Conflict, "keep code", "others write its record again and again").hint("submit again"))
}

/// Runs what blocks for the disk.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("keep code", error.to_string()))?
}

/// What "session:" and the beginning of a digest mean to somebody who has brought that code.
async fn find(node: &NodeCore, reference: &str, identity: &Identity) -> Result<(Digest, ContinuousRecord, Revision)> {
    let prefix = record::prefix_of(reference)?;
    let listing = node.catalogue.shared().list(&format!("{PREFIX}{prefix}")).await?;
    let mut found = Vec::new();
    for stored in &listing.records {
        let record = ContinuousRecord::parse(stored)?;
        if record.is_of(identity.name()) {
            found.push((record::digest_of(&stored.key)?, record, stored.revision));
        }
    }
    let operation = "find code of a session";
    match found.len() {
        0 => Err(Error::new(ErrorKind::NotFound, operation, format!("no code '{reference}' of yours stays here"))
            .hint("haulier sessions; code stays that ran in the continuous mode")),
        1 => Ok(found.remove(0)),
        many => Err(Error::new(ErrorKind::Conflict, operation, format!("'{reference}' means {many} snapshots"))
            .hint("give more digits: haulier sessions --output json")),
    }
}

/// Finds code that stays, and has its structure here. Errors: `NotFound`, `Conflict` for an ambiguous digest,
/// `Unavailable` if no node that is there has it.
pub(crate) async fn resolve(
    node: &Arc<NodeCore>,
    reference: &str,
    identity: &Identity,
) -> Result<(Digest, Arc<Snapshot>)> {
    let (digest, record, revision) = find(node, reference, identity).await?;
    let names = record.names().to_vec();
    node.continuous.put(digest, record, revision);
    node.continuous.is_kept_for(&digest, identity, None);
    following::take_structure(node, digest).await?;
    let store = node.store.clone();
    let manifest = on_disk(move || store.manifest(&digest)).await?;
    Ok((digest, Arc::new(Snapshot::new(manifest, names))))
}

/// The same reference with the whole digest, for another node.
pub(crate) async fn whole_reference(node: &NodeCore, reference: &str, identity: &Identity) -> Result<String> {
    Ok(record::reference(&find(node, reference, identity).await?.0))
}

/// Lets code go: its loaders when they are idle, its content with the next collection. `force` cancels the tasks of this
/// node that run with it.
pub(crate) async fn undeploy(
    node: &Arc<NodeCore>,
    reference: &str,
    identity: &Identity,
    force: bool,
) -> Result<v1::Unit> {
    let operation = format!("undeploy {reference}");
    let (digest, record, _) =
        find(node, reference, identity).await.map_err(|error| error.in_operation(operation.clone()))?;
    remove(node, &digest).await.map_err(|error| error.in_operation(operation))?;
    let loaders = gone(node, &digest);
    if force {
        for run in node.scheduler.runs_with_loaders(&loaders) {
            node.scheduler.stop(run, StopReason::Canceled, false);
        }
    }
    tracing::info!(snapshot = digest.short(), force, by = identity.name(), "undeployed");
    Ok(record.as_unit(&digest))
}

/// Deletes a record, whoever writes it meanwhile.
async fn remove(node: &NodeCore, digest: &Digest) -> Result<()> {
    let (catalogue, key) = (node.catalogue.shared(), record::key(digest));
    for _ in 0..ATTEMPTS {
        let Some(current) = catalogue.get(&key).await? else { return Ok(()) };
        match catalogue.delete(&key, current.revision, OperationId::random()).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            other => return other,
        }
    }
    Err(Error::new(ErrorKind::Conflict, "", "others write its record again and again").with_retry(Retry::Now))
}

/// The record is gone: nothing is held for it any more. Who is connected begins anew with the next submit. Returns the
/// loaders that were held.
fn gone(node: &NodeCore, digest: &Digest) -> Vec<Arc<LiveLoader>> {
    let kept = node.continuous.0.lock().remove(digest);
    let sessions: Vec<_> = node.sessions.lock().values().cloned().collect();
    for session in sessions {
        session.placements.forget_source(haulier_model::ClassPathSource::Snapshot(*digest));
        session.loaders.forget_continuous(digest);
    }
    kept.map(|kept| kept.loaders.into()).unwrap_or_default()
}

/// What stays of the sessions of an identity, those first that were used last.
pub(crate) async fn list(node: &NodeCore, identity: &Identity) -> Result<Vec<v1::ContinuousCode>> {
    let records = node.catalogue.shared().list(PREFIX).await?.records;
    let mut own = Vec::new();
    for stored in &records {
        let record = ContinuousRecord::parse(stored)?;
        if record.is_of(identity.name()) {
            own.push((record::digest_of(&stored.key)?, record));
        }
    }
    own.sort_by_key(|(_, record)| std::cmp::Reverse(record.last_used_ms()));
    let store = node.store.clone();
    on_disk(move || {
        let described = |(digest, record): (Digest, ContinuousRecord)| {
            let (held, size) = policy::size_of(&store, &digest);
            record.described(&digest, held, size)
        };
        Ok(own.into_iter().map(described).collect())
    })
    .await
}
