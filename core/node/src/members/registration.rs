//! What a node says of itself in the catalogue, and the task that keeps it there.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_catalogue::{Catalogue, OperationId, Record, Revision};
use haulier_model::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Where registrations are in the catalogue.
pub(crate) const PREFIX: &str = "nodes/";
/// A registration ends so long after its node was heard last by the owner of the catalogue. Who is alive is known much
/// earlier, by reports; this only clears the list.
const TTL: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(2);
/// A node that leaves waits so long for the owner's disk.
const FAREWELL: Duration = Duration::from_secs(4);

/// A node as the catalogue knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registration {
    pub(crate) name: String,
    /// Random, kept in the data folder: tells a node that came back from another one with its name.
    pub(crate) id: String,
    /// Random for each start.
    pub(crate) incarnation: u64,
    /// What others dial, host:port.
    pub(crate) address: String,
    /// The version of Haulier with its build.
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) slots: u16,
    /// Languages that can run there, with the version of the runtime.
    #[serde(default)]
    pub(crate) runtimes: BTreeMap<String, String>,
    /// The digest of the node's own code; empty if it has none.
    #[serde(default)]
    pub(crate) local_code: String,
    #[serde(default)]
    pub(crate) draining: bool,
    #[serde(default)]
    pub(crate) owns_catalogue: bool,
    pub(crate) process_id: u32,
}

impl Registration {
    pub(crate) fn parse(record: &Record) -> Result<Self> {
        serde_json::from_slice(&record.value).map_err(|error| {
            Error::new(ErrorKind::Incompatible, "read a node's registration", error.to_string())
                .context("record", &record.key)
                .hint("run the same version of haulier on all nodes")
        })
    }

    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a registration has only text and numbers")
    }

    fn key(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }
}

/// Registers a node; `Conflict` if another one has its name.
pub(crate) async fn register(catalogue: &dyn Catalogue, registration: &Registration) -> Result<Revision> {
    let key = registration.key();
    let expected = match catalogue.get(&key).await? {
        None => None,
        Some(record) => {
            let known = Registration::parse(&record)?;
            if known.id != registration.id {
                let message = format!("the cluster has a node '{}' at {}", known.name, known.address);
                return Err(Error::new(ErrorKind::Conflict, "join the cluster", message)
                    .hint("choose another name: haulier node --name NAME; or try again 10 s after that node's end"));
            }
            Some(record.revision)
        }
    };
    catalogue.register(&key, expected, registration.encode(), TTL, OperationId::random()).await
}

/// Takes the registration out: the node leaves in order.
pub(crate) async fn leave(catalogue: &dyn Catalogue, registration: &Registration, revision: Revision) {
    let key = registration.key();
    let left = catalogue.delete(&key, revision, OperationId::random());
    if !matches!(tokio::time::timeout(FAREWELL, left).await, Ok(Ok(()))) {
        tracing::info!("the catalogue did not take the farewell; the registration ends by itself");
    }
}

/// Keeps the registration alive, and writes it again when it has changed or was lost. Runs until it is dropped.
pub(crate) async fn keep(
    catalogue: Arc<dyn Catalogue>,
    mut current: tokio::sync::watch::Receiver<Registration>,
    revision: tokio::sync::watch::Sender<Revision>,
) {
    let mut away_since: Option<Instant> = None;
    loop {
        let changed = tokio::select! {
            () = tokio::time::sleep(RENEW) => false,
            changed = current.changed() => {
                if changed.is_err() {
                    return;
                }
                true
            }
        };
        let registration = current.borrow_and_update().clone();
        let known = *revision.borrow();
        let renewed = if changed { None } else { Some(catalogue.renew(&registration.key(), known).await) };
        let outcome = match renewed {
            Some(Ok(())) => Ok(known),
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => register(&*catalogue, &registration).await,
        };
        match outcome {
            Ok(now) => {
                revision.send_replace(now);
                if let Some(since) = away_since.take() {
                    tracing::info!(seconds = since.elapsed().as_secs(), "the catalogue is back");
                }
            }
            Err(error) => {
                if away_since.is_none() {
                    tracing::warn!(%error, "the registration cannot be renewed");
                }
                away_since.get_or_insert_with(Instant::now);
                if changed {
                    // What has changed must still be written.
                    current.mark_changed();
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}
