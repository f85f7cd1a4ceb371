//! Watched storages of the cluster: which there are is in the catalogue, and one node at a time looks at each.
//!
//! `watches/ID` says what is watched; `watching/ID` is a registration, so that it ends by itself: who holds it looks at the
//! storage, and writes there what it sees. Must never know how a storage is looked at.

mod records;
mod task;
mod units;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use haulier_catalogue::{Catalogue, OperationId};
use haulier_model::{Error, ErrorKind, Result, UnitReference};
use haulier_protocol::v1;
use haulier_sources::Storage;
use tokio_util::sync::CancellationToken;

use self::{
    records::{LEASES, WATCHES, Watched, lease_key, watch_key},
    task::Running,
};
use crate::core::NodeCore;

/// How often a node looks for storages that nobody looks at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the node that looks at a storage may take to stop.
const FAREWELL: Duration = Duration::from_secs(10);
/// The most storages that are watched.
const MOST_WATCHES: usize = 1000;

/// Watches a storage, or changes how it is watched.
pub(crate) async fn add(node: &Arc<NodeCore>, by: &str, request: &v1::AddWatchRequest) -> Result<v1::StorageWatch> {
    let operation = "watch a storage";
    let storage = Storage::open(&request.url).map_err(|error| error.in_operation(operation))?;
    if let Some(folder) = storage.folder()
        && (node.data_dir.starts_with(folder) || folder.starts_with(&node.data_dir))
    {
        let message = format!("'{}' has the node's own data in it", folder.display());
        return Err(Error::new(ErrorKind::InvalidArgument, operation, message).hint("watch a folder of its own"));
    }
    let catalogue = node.catalogue.shared();
    let id = records::id_of(storage.url());
    let known = catalogue.get(&watch_key(&id)).await?;
    if known.is_none() && catalogue.list(WATCHES).await?.records.len() >= MOST_WATCHES {
        let message = format!("{MOST_WATCHES} storages are watched already");
        return Err(Error::new(ErrorKind::ResourceExhausted, operation, message).hint("haulier watch remove ID"));
    }
    let mut watched = Watched {
        url: request.url.clone(),
        interval_ms: request.interval_ms,
        settle_ms: request.settle_ms,
        added_by: by.to_owned(),
        confirmed: 0,
    };
    if let Some(known) = &known {
        watched.confirmed = Watched::parse(known)?.confirmed + 1;
    }
    let revision = known.map(|record| record.revision);
    catalogue.compare_and_set(&watch_key(&id), revision, watched.encode(), OperationId::random()).await?;
    tracing::info!(watch = id, url = storage.url(), by, "a storage is watched");
    Ok(records::status(&id, &watched, None))
}

/// Watches a storage no longer.
pub(crate) async fn remove(node: &Arc<NodeCore>, request: &v1::RemoveWatchRequest) -> Result<v1::StorageWatch> {
    let operation = "remove a watch";
    let catalogue = node.catalogue.shared();
    let by_url = Storage::open(&request.watch).map(|storage| records::id_of(storage.url())).ok();
    let id = by_url.unwrap_or_else(|| request.watch.clone());
    let unknown = || {
        Error::new(
            ErrorKind::NotFound,
            operation,
            format!("no storage '{}' is watched", records::plain(&request.watch)),
        )
        .hint("haulier watch list")
    };
    let valid = id.len() <= records::LONGEST_ID && !id.is_empty();
    let record = if valid { catalogue.get(&watch_key(&id)).await? } else { None };
    let record = record.ok_or_else(unknown)?;
    let watched = Watched::parse(&record)?;
    let last = catalogue.get(&lease_key(&id)).await?;
    catalogue.delete(&watch_key(&id), record.revision, OperationId::random()).await?;
    tracing::info!(watch = id, "a storage is watched no longer");
    if request.undeploy {
        released(&*catalogue, &id).await?;
        let by = records::deployer(&id);
        for unit in node.store.list(None).await?.into_iter().filter(|unit| unit.deployed_by == by) {
            match node.undeploy(&UnitReference::from(unit.id.clone()), false, &by).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => drop(other.map_err(|error| error.in_operation(operation))?),
            }
        }
    }
    Ok(records::status(&id, &watched, last.as_ref()))
}

/// Waits until no node looks at the storage any more.
async fn released(catalogue: &dyn Catalogue, id: &str) -> Result<()> {
    let key = lease_key(id);
    let gone = async {
        loop {
            let listing = catalogue.list(&key).await?;
            if !listing.records.iter().any(|record| record.key == key) {
                return Ok(());
            }
            let mut changes = catalogue.watch(&key, listing.revision).await?;
            changes.next().await?;
        }
    };
    tokio::time::timeout(FAREWELL, gone).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, "remove a watch", "the node that looks at the storage does not stop")
            .hint("undeploy what is left by hand: haulier list-deployments"))
    })
}

/// The storages that are watched, with what the nodes that look at them say.
pub(crate) async fn list(node: &Arc<NodeCore>) -> Result<Vec<v1::StorageWatch>> {
    let catalogue = node.catalogue.shared();
    let watches = catalogue.list(WATCHES).await?.records;
    let leases = catalogue.list(LEASES).await?.records;
    let leases: HashMap<&str, _> =
        leases.iter().filter_map(|record| Some((record.key.strip_prefix(LEASES)?, record))).collect();
    let status = |record| {
        let watched = Watched::parse(record)?;
        let id = record.key.strip_prefix(WATCHES).unwrap_or_default();
        Ok(records::status(id, &watched, leases.get(id).copied()))
    };
    watches.iter().map(status).collect()
}

/// Takes what nobody looks at, and gives up what is watched no longer. Runs until it is dropped.
pub(crate) async fn follow(node: Weak<NodeCore>, catalogue: Arc<dyn Catalogue>, stop: CancellationToken) {
    let mut running: HashMap<String, Running> = HashMap::new();
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reported = false;
    loop {
        tick.tick().await;
        let Some(node) = node.upgrade() else { return };
        match look(&node, &*catalogue, &mut running, &stop).await {
            Ok(()) => reported = false,
            Err(error) if !reported => {
                tracing::warn!(%error, "not all watched storages can be looked at");
                reported = true;
            }
            Err(_) => {}
        }
    }
}

async fn look(
    node: &Arc<NodeCore>,
    catalogue: &dyn Catalogue,
    running: &mut HashMap<String, Running>,
    stop: &CancellationToken,
) -> Result<()> {
    let records = catalogue.list(WATCHES).await?.records;
    let wanted: HashMap<String, Watched> = records
        .iter()
        .filter_map(|record| Some((record.key.strip_prefix(WATCHES)?.to_owned(), Watched::parse(record).ok()?)))
        .collect();
    running.retain(|id, task| !task.is_done() && wanted.get(id).is_some_and(|watched| task.follow(watched)));
    let free = wanted.into_iter().filter(|(id, _)| !running.contains_key(id)).collect::<Vec<_>>();
    if free.is_empty() || node.members.own().draining {
        return Ok(());
    }
    let leases = catalogue.list(LEASES).await?.records;
    let mut failure = Ok(());
    for (id, watched) in free {
        if leases.iter().any(|record| record.key == lease_key(&id)) {
            continue;
        }
        match Running::take(node, &id, watched, stop).await {
            Ok(Some(task)) => drop(running.insert(id, task)),
            Ok(None) => {}
            // One that cannot be opened here keeps no other from being looked at.
            Err(error) => failure = Err(error.context("watch", id)),
        }
    }
    failure
}
