//! Units in use: references resolved once, and files removed only when nobody holds them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use haulier_model::{Digest, Error, ErrorKind, Result, Retry, Selector, UnitReference};
use haulier_store::{Store, UnitRecord};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

/// A unit that a class path uses. When the last one goes, an obsolete unit can be removed.
pub(crate) struct PinnedUnit {
    pub(crate) record: UnitRecord,
    released: mpsc::UnboundedSender<UnitRecord>,
}

impl Drop for PinnedUnit {
    fn drop(&mut self) {
        // The receiver is gone only when the node stops.
        let _ = self.released.send(self.record.clone());
    }
}

/// The units of this node's tasks.
pub(crate) struct Units {
    store: Store,
    production: bool,
    state: Mutex<State>,
    released: mpsc::UnboundedSender<UnitRecord>,
    changes: watch::Sender<()>,
}

/// How long a node waits to hear of a unit that another node has resolved.
const HEARSAY: Duration = Duration::from_secs(3);

#[derive(Default)]
struct State {
    /// What references resolve to, until something is deployed or undeployed.
    resolved: HashMap<String, Arc<PinnedUnit>>,
    pinned: HashMap<(Digest, u64), std::sync::Weak<PinnedUnit>>,
    epoch: u64,
}

impl Units {
    /// The receiver gets each unit that is no longer used.
    pub(crate) fn new(store: Store, production: bool) -> (Self, mpsc::UnboundedReceiver<UnitRecord>) {
        let (released, receiver) = mpsc::unbounded_channel();
        (Self { store, production, state: Mutex::default(), released, changes: watch::Sender::default() }, receiver)
    }

    /// Resolves a reference and pins what it names. Submits of the same reference share the result until a deployment
    /// changes.
    pub(crate) async fn pin(&self, reference: &str) -> Result<Arc<PinnedUnit>> {
        let epoch = {
            let state = self.state.lock();
            if let Some(unit) = state.resolved.get(reference) {
                return Ok(unit.clone());
            }
            state.epoch
        };
        let parsed: UnitReference = reference.parse()?;
        if self.production && *parsed.selector() == Selector::Latest {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "resolve a unit",
                format!("'{reference}' names no version"),
            )
            .hint(format!("in production name the version: {}:VERSION (haulier list-deployments)", parsed.name())));
        }
        let record = self.store.resolve(&parsed).await?;
        let mut state = self.state.lock();
        let key = (record.digest, record.generation);
        let known =
            state.pinned.get(&key).and_then(std::sync::Weak::upgrade).filter(|unit| unit.record.id == record.id);
        let unit = known.unwrap_or_else(|| Arc::new(PinnedUnit { record, released: self.released.clone() }));
        state.pinned.retain(|_, unit| unit.strong_count() > 0);
        state.pinned.insert(key, Arc::downgrade(&unit));
        if state.epoch == epoch {
            state.resolved.insert(reference.to_owned(), unit.clone());
        }
        Ok(unit)
    }

    /// Pins what another node has resolved to a digest. This node may not have heard of it yet, if it was cut off or
    /// stopped: then it waits a little, and the error is `Unavailable`, never that the unit is unknown.
    pub(crate) async fn pin_resolved(&self, reference: &str) -> Result<Arc<PinnedUnit>> {
        let mut changes = self.changes.subscribe();
        let heard = async {
            loop {
                match self.pin(reference).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        // The sender lives as long as these units.
                        let _ = changes.changed().await;
                    }
                    other => return other,
                }
            }
        };
        tokio::time::timeout(HEARSAY, heard).await.unwrap_or_else(|_| {
            let message = format!("this node has not heard of '{reference}' within {HEARSAY:?}");
            Err(Error::new(ErrorKind::Unavailable, "resolve a unit", message)
                .with_retry(Retry::Later)
                .hint("submit again; haulier nodes shows whether the node is well"))
        })
    }

    /// Resolves a reference, and waits for it to be deployed. Errors: those of resolving, at the end of `patience`.
    pub(crate) async fn resolve_when_deployed(
        &self,
        reference: &UnitReference,
        patience: Duration,
    ) -> Result<UnitRecord> {
        let mut changes = self.changes.subscribe();
        let deployed = async {
            loop {
                match self.store.resolve(reference).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        // The sender lives as long as these units.
                        let _ = changes.changed().await;
                    }
                    other => return other,
                }
            }
        };
        match tokio::time::timeout(patience, deployed).await {
            Ok(resolved) => resolved,
            Err(_) => self.store.resolve(reference).await,
        }
    }

    /// A deployment changed: references are resolved anew.
    pub(crate) fn changed(&self) {
        let forgotten = {
            let mut state = self.state.lock();
            state.epoch += 1;
            std::mem::take(&mut state.resolved)
        };
        drop(forgotten);
        self.changes.send_replace(());
    }

    /// The digests of the units that tasks or sessions use.
    pub(crate) fn in_use(&self) -> Vec<Digest> {
        let state = self.state.lock();
        let used = state.pinned.iter().filter(|(_, unit)| unit.strong_count() > 0);
        used.map(|((digest, _), _)| *digest).collect()
    }

    /// Whether a task or a session still uses the unit.
    pub(crate) fn is_pinned(&self, record: &UnitRecord) -> bool {
        let state = self.state.lock();
        state.pinned.get(&(record.digest, record.generation)).is_some_and(|unit| unit.strong_count() > 0)
    }
}
