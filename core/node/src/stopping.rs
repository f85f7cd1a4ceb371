//! Ends a task that runs: cooperative cancel and interrupt first, then the worker is drained and killed.

use std::sync::Arc;

use futures_util::future::join_all;
use haulier_worker::Worker;
use tokio::{sync::Notify, time::timeout};

use crate::{core::NodeCore, run::Run};

/// Returns when the task has ended, whatever it took. Each step has its deadline.
pub(crate) async fn stop_executing(
    node: Arc<NodeCore>,
    run: Arc<Run>,
    worker: Arc<Worker>,
    slot: u16,
    ended: Arc<Notify>,
    force: bool,
) {
    if !force {
        let report = worker.cancel(run.id).await;
        if report.removed {
            return node.scheduler.removed(worker.id(), slot, run.id);
        }
        if timeout(node.limits.cancel, ended.notified()).await.is_ok() {
            return;
        }
    }
    // The task is deaf. Its neighbours get time to finish, what has not begun goes to another worker.
    if !node.scheduler.drain(worker.id()) {
        return;
    }
    let back = node.scheduler.busy_slots(worker.id()).into_iter().map(|slot| {
        let (node, worker) = (&node, &worker);
        async move {
            let ids = worker.take_back(slot).await;
            node.scheduler.taken_back(worker.id(), slot, &ids);
        }
    });
    join_all(back).await;
    if node.scheduler.has_others(worker.id(), run.id)
        && !force
        && timeout(node.limits.drain, ended.notified()).await.is_ok()
    {
        // It ended after all; the drained worker goes when it is idle.
        worker.stop(node.limits.drain).await;
        return;
    }
    tracing::warn!(worker = %worker.id(), task = run.id, "killing the worker of a task that does not stop");
    worker.kill();
}
