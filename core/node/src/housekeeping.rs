//! What a node does now and then: ends idle workers, kills those that do not answer, replaces those that have grown too
//! large, removes units that nobody uses, frees content that nothing names.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use haulier_store::UnitRecord;
use haulier_worker::{Worker, WorkerId};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{core::NodeCore, environments, garbage, memory};

/// How often the node looks.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// How often content that nothing names is looked for.
const COLLECTION: Duration = Duration::from_secs(300);
/// How often it looks at the memory of workers.
const MEMORY: Duration = Duration::from_secs(1);
/// A worker that does not answer so many times in a row is taken for dead.
const SILENCES: u32 = 3;

/// Ends workers that have nothing to do, and removes units that nobody uses any more.
pub(crate) async fn run(node: Weak<NodeCore>, mut released: mpsc::UnboundedReceiver<UnitRecord>) {
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    let mut collection = tokio::time::interval_at(tokio::time::Instant::now() + COLLECTION, COLLECTION);
    let mut memory = tokio::time::interval(MEMORY);
    let silent = Arc::new(Mutex::new(HashMap::new()));
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let Some(node) = node.upgrade() else { return };
                for worker in node.scheduler.retire(node.limits.idle, &[]) {
                    worker.stop(Duration::from_secs(1)).await;
                }
                node.supervisor.end_idle_zygotes(node.limits.zygote_idle);
                tokio::spawn(tidy(node.clone()));
                for worker in node.scheduler.workers() {
                    tokio::spawn(listen(worker, silent.clone()));
                }
            }
            _ = memory.tick() => {
                let Some(node) = node.upgrade() else { return };
                memory::check(&node);
            }
            _ = collection.tick() => {
                let Some(node) = node.upgrade() else { return };
                if let Err(error) = node.collect(false, garbage::CACHE_AGE).await {
                    tracing::warn!(%error, "content that nothing names cannot be freed");
                }
            }
            record = released.recv() => {
                let (Some(node), Some(record)) = (node.upgrade(), record) else { return };
                node.remove_if_unused(record).await;
            }
        }
    }
}

/// Removes Python environments that nothing names any more.
async fn tidy(node: Arc<NodeCore>) {
    if let Err(error) = environments::tidy(&node, false).await {
        tracing::warn!(%error, "Python environments cannot be looked through");
    }
}

/// Kills a worker whose process does not answer any more, though no task can keep it from answering: it is stopped, or
/// the machine gives it no time.
async fn listen(worker: Arc<Worker>, silent: Arc<Mutex<HashMap<WorkerId, u32>>>) {
    if worker.responds().await || worker.is_lost() {
        silent.lock().remove(&worker.id());
        return;
    }
    let times = {
        let mut silent = silent.lock();
        let times = silent.entry(worker.id()).or_insert(0);
        *times += 1;
        *times
    };
    if times >= SILENCES {
        tracing::warn!(worker = %worker.id(), "killing a worker that does not answer");
        silent.lock().remove(&worker.id());
        worker.kill();
    }
}
