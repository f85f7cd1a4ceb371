//! Units that are on their way to this node: listed as UPLOADING, and cancelled by an undeploy. In memory only: what an
//! upload leaves when the node ends is content that nothing names. Of one that breaks off it keeps what has arrived,
//! before another asks what is missing.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use haulier_model::{Selector, UnitName, UnitReference, Version};
use haulier_protocol::v1;
use haulier_store::Receiver;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long an upload waits for what others leave. Without it, it sends some bytes twice.
const PATIENCE: Duration = Duration::from_secs(20);

/// The uploads of a node. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Uploads(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Broken uploads whose remains are being kept.
    settling: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<u64, Running>,
    last: u64,
}

struct Running {
    name: UnitName,
    version: Option<Version>,
    by: String,
    began_ms: u64,
    cancelled: CancellationToken,
}

/// What a broken upload left is being kept, until this is dropped.
struct Settling(Arc<Shared>);

impl Settling {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.settling.send_modify(|count| *count += 1);
        Self(shared.clone())
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.settling.send_modify(|count| *count -= 1);
    }
}

/// An upload that is under way; it ends when this is dropped.
pub(crate) struct Upload {
    uploads: Uploads,
    id: u64,
    cancelled: CancellationToken,
}

impl Uploads {
    /// Notes that an upload begins.
    pub(crate) fn begin(&self, name: &UnitName, version: Option<&Version>, by: &str) -> Upload {
        let cancelled = CancellationToken::new();
        let mut state = self.0.state.lock();
        state.last += 1;
        let id = state.last;
        let began_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        state.running.insert(
            id,
            Running {
                name: name.clone(),
                version: version.cloned(),
                by: by.to_owned(),
                began_ms: u64::try_from(began_ms).unwrap_or(u64::MAX),
                cancelled: cancelled.clone(),
            },
        );
        Upload { uploads: self.clone(), id, cancelled }
    }

    /// Gives a receiver up on a thread that may block.
    pub(crate) fn give_up(&self, receiver: Receiver) {
        let settling = Settling::begin(&self.0);
        tokio::task::spawn_blocking(move || {
            drop(receiver);
            drop(settling);
        });
    }

    /// Returns when what broken uploads left is kept, or after a while.
    pub(crate) async fn settled(&self) {
        let mut settling = self.0.settling.subscribe();
        let _ = tokio::time::timeout(PATIENCE, settling.wait_for(|count| *count == 0)).await;
    }

    /// Cancels the uploads that a reference means, and says how many.
    pub(crate) fn cancel(&self, reference: &UnitReference) -> usize {
        let state = self.0.state.lock();
        let meant = state.running.values().filter(|upload| {
            upload.name == *reference.name()
                && match reference.selector() {
                    Selector::Latest => true,
                    Selector::Named(version) => upload.version.as_ref().is_some_and(|own| own.same_as(version)),
                    Selector::Digest(_) => false,
                }
        });
        meant.map(|upload| upload.cancelled.cancel()).count()
    }

    /// The uploads of a name, or all.
    pub(crate) fn list(&self, name: Option<&UnitName>) -> Vec<v1::Unit> {
        let state = self.0.state.lock();
        let meant = state.running.values().filter(|upload| name.is_none_or(|name| upload.name == *name));
        let unit = |upload: &Running| v1::Unit {
            name: upload.name.to_string(),
            version: upload.version.as_ref().map(ToString::to_string).unwrap_or_default(),
            digest: vec![0; haulier_model::Digest::SIZE].into(),
            state: v1::UnitState::Uploading.into(),
            deployed_at_ms: upload.began_ms,
            deployed_by: upload.by.clone(),
            ..v1::Unit::default()
        };
        meant.map(unit).collect()
    }
}

impl Upload {
    /// Returns when the upload is cancelled.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Whether it was.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.uploads.0.state.lock().running.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undeploy_cancels_what_it_means() {
        let uploads = Uploads::default();
        let name: UnitName = "orders".parse().unwrap();
        let first = uploads.begin(&name, Some(&"1.0".parse().unwrap()), "me");
        let counted = uploads.begin(&name, None, "me");
        assert_eq!(uploads.list(None).len(), 2);
        assert_eq!(uploads.cancel(&"orders:1.0.0".parse().unwrap()), 1);
        assert!(first.is_cancelled() && !counted.is_cancelled());
        assert_eq!(uploads.cancel(&"other".parse().unwrap()), 0);
        assert_eq!(uploads.cancel(&"orders".parse().unwrap()), 2);
        assert!(counted.is_cancelled());
        drop((first, counted));
        assert!(uploads.list(Some(&name)).is_empty());
    }
}
