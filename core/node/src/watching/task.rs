//! One storage that this node looks at, for as long as it holds the lease.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_catalogue::{Catalogue, OperationId, Revision};
use haulier_model::{ErrorKind, Result};
use haulier_sources::Storage;
use haulier_watch::{Watch, WatchHandle, WatchOptions};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    records::{Seen, Watched, lease_key},
    units::NodeUnits,
};
use crate::core::NodeCore;

/// How long the lease lives without being renewed.
const LEASE: Duration = Duration::from_secs(8);
/// How often it is renewed, and the most often that what is seen is written there.
const RENEW: Duration = Duration::from_secs(1);
/// Who could not renew the lease for so long stops, before another node can take it.
const GIVE_UP: Duration = Duration::from_secs(5);

/// A watch that runs on this node. Dropping it stops it.
pub(super) struct Running {
    watched: Mutex<Watched>,
    handle: WatchHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Takes the lease of a storage and begins to look at it; `None` if another node was faster.
    pub(super) async fn take(
        node: &Arc<NodeCore>,
        id: &str,
        watched: Watched,
        stop: &CancellationToken,
    ) -> Result<Option<Self>> {
        let storage = Arc::new(Storage::open(&watched.url)?);
        let catalogue = node.catalogue.shared();
        let units = Arc::new(NodeUnits::new(node, id, storage.url()));
        let mut options = WatchOptions::new(id, node.data_dir.join("watches"));
        options.interval = (watched.interval_ms > 0).then(|| Duration::from_millis(watched.interval_ms));
        if watched.settle_ms > 0 {
            options.settle = Duration::from_millis(watched.settle_ms);
        }
        let watch = Watch::new(storage, units, options);
        let handle = watch.handle();
        let first = Seen::new(&node.name, &handle.status()).encode();
        let revision = match catalogue.register(&lease_key(id), None, first, LEASE, OperationId::random()).await {
            Ok(revision) => revision,
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
            Err(error) => return Err(error),
        };
        tracing::info!(watch = id, "this node looks at the storage");
        let stop = stop.child_token();
        let lease = Lease { catalogue, key: lease_key(id), node: node.name.clone(), revision };
        let (following, stopping) = (handle.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let _stopped = stopping.clone().drop_guard();
            let running = tokio::spawn(watch.run(stopping.clone()));
            let kept = lease.keep(&following, &stopping).await;
            stopping.cancel();
            if let Err(error) = running.await {
                tracing::error!(%error, "a watch ended");
            }
            if let Some(lease) = kept {
                lease.give_up().await;
            }
            tracing::info!(watch = following.status().id, "this node looks at the storage no longer");
        });
        Ok(Some(Self { watched: Mutex::new(watched), handle, stop, task }))
    }

    pub(super) fn is_done(&self) -> bool {
        self.task.is_finished()
    }

    /// Takes over what has changed in the record; false if it must begin anew for that.
    pub(super) fn follow(&self, now: &Watched) -> bool {
        let mut known = self.watched.lock();
        if *known == *now {
            return true;
        }
        let same = Watched { confirmed: now.confirmed, added_by: now.added_by.clone(), ..known.clone() };
        if same != *now {
            return false;
        }
        if known.confirmed != now.confirmed {
            self.handle.confirm();
        }
        *known = same;
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The right to look at a storage.
struct Lease {
    catalogue: Arc<dyn Catalogue>,
    key: String,
    node: String,
    revision: Revision,
}

impl Lease {
    /// Renews the lease and writes down what is seen until the watch stops; `None` if the lease is lost before.
    async fn keep(mut self, handle: &WatchHandle, stop: &CancellationToken) -> Option<Self> {
        let mut written = Seen::new(&self.node, &handle.status());
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(RENEW) => {}
                () = stop.cancelled() => return Some(self),
            }
            let seen = Seen::new(&self.node, &handle.status());
            let outcome = if seen == written {
                self.catalogue.renew(&self.key, self.revision).await
            } else {
                self.write(&seen).await
            };
            match outcome {
                Ok(()) => {
                    written = seen;
                    renewed = Instant::now();
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {
                    tracing::info!(lease = self.key, "another node looks at the storage now, or none");
                    return None;
                }
                Err(error) if renewed.elapsed() > GIVE_UP => {
                    tracing::warn!(lease = self.key, %error, "the catalogue is away; the storage is not looked at");
                    return None;
                }
                Err(_) => {}
            }
        }
    }

    /// Lets another node take it. It ends by itself if this does not arrive.
    async fn give_up(self) {
        let given_up = self.catalogue.delete(&self.key, self.revision, OperationId::random());
        let _ = tokio::time::timeout(RENEW, given_up).await;
    }

    async fn write(&mut self, seen: &Seen) -> Result<()> {
        let operation = OperationId::random();
        let written = self.catalogue.register(&self.key, Some(self.revision), seen.encode(), LEASE, operation).await;
        self.revision = written?;
        Ok(())
    }
}
