//! Starts workers, and answers what they ask.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use haulier_model::{Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::v1;
use haulier_worker::{Answer, Loss, NodeSide, Preloading, Worker, WorkerId, WorkerSpec};

use crate::{class_paths::ResolvedClassPath, core::NodeCore, pool::SPARE, run::PoolKey, runtimes};

/// Starts a worker for a pool; the scheduler hears how it went.
pub(crate) fn start(node: Arc<NodeCore>, key: PoolKey) {
    tokio::spawn(async move {
        let result = start_worker(&node, &key).await;
        node.scheduler.started(&key, result);
    });
}

async fn start_worker(node: &Arc<NodeCore>, key: &PoolKey) -> Result<Arc<Worker>> {
    let python = key.language == Language::Python;
    if python && node.scheduler.python_workers() > node.limits.python_workers {
        for worker in node.scheduler.retire(std::time::Duration::ZERO, &[]) {
            worker.kill();
        }
        if node.scheduler.python_workers() > node.limits.python_workers {
            let message = format!("all {} Python processes of this node are busy", node.limits.python_workers);
            return Err(Error::new(ErrorKind::ResourceExhausted, "start a worker", message).hint("submit again later"));
        }
    }
    let temp_of_group = python.then(|| node.temp_of(&key.group));
    let temp_dir = node.fresh_temp_dir(temp_of_group.as_deref())?;
    let answers = Arc::new(Answers { node: Arc::downgrade(node), temp_dir: temp_dir.clone() });
    let class_path = if python { node.scheduler.class_path(key) } else { None };
    let preloading = temp_of_group.zip(class_path.as_ref());
    let preloading = preloading.and_then(|(temp, (directory, names))| preloading_of(node, key, temp, directory, names));
    let mut readable = node.readable.clone();
    readable.extend([node.store_packs.clone(), node.directories.clone(), node.payloads.path().to_owned()]);
    let mut writable = node.writable.clone();
    writable.push(node.payloads.path().join("results"));
    let spec = WorkerSpec {
        language: key.language,
        slots: if python { 1 } else { node.slots.saturating_add(SPARE).min(WorkerSpec::SLOT_LIMIT) },
        program: match &key.python {
            Some(python) => python.program.clone(),
            None => runtimes::java(node, key.java).await?,
        },
        temp_dir,
        readable,
        writable,
        memory: node.limits.memory,
        directory: class_path.map(|(directory, _)| directory),
        preloading,
        node: node.name.clone(),
        start_timeout: node.limits.start,
    };
    node.supervisor.start_worker(spec, answers).await
}

/// What a Python worker may be forked with: nothing, if that is off.
fn preloading_of(
    node: &NodeCore,
    key: &PoolKey,
    temp_dir: PathBuf,
    directory: &Path,
    own_names: &Arc<HashSet<String>>,
) -> Option<Preloading> {
    let import_limit = Some(node.limits.preload).filter(|limit| !limit.is_zero())?;
    Some(Preloading {
        group: key.group.clone(),
        // The class paths of the group lie beside each other.
        writable: vec![temp_dir.clone(), directory.parent()?.to_owned()],
        temp_dir,
        own_names: own_names.clone(),
        import_limit,
        pause: node.limits.preload_pause,
    })
}

/// What a worker is told. Its temporary folder goes with this, after its end.
struct Answers {
    node: Weak<NodeCore>,
    temp_dir: PathBuf,
}

impl Drop for Answers {
    fn drop(&mut self) {
        let temp_dir = std::mem::take(&mut self.temp_dir);
        let remove = move || {
            if let Err(error) = std::fs::remove_dir_all(&temp_dir) {
                tracing::warn!(%error, folder = %temp_dir.display(), "the folder of a worker that has ended stays");
            }
        };
        // Without a runtime the node has ended, and its next start empties the folder of all.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(remove));
        }
    }
}

impl Answers {
    fn class_path_of(&self, digest: &[u8]) -> Result<(Arc<NodeCore>, Arc<ResolvedClassPath>)> {
        let node = self.node.upgrade().ok_or_else(|| Error::new(ErrorKind::Closed, "load code", "the node stops"))?;
        let digest = Digest::from_slice(digest)?;
        let class_path = node.class_paths.get(&digest).ok_or_else(|| {
            Error::new(ErrorKind::SessionLost, "load code", "the class path is no longer in use on this node")
                .context("class path", digest.short())
                .hint("submit the task again")
        })?;
        Ok((node, class_path))
    }
}

impl NodeSide for Answers {
    fn finished(&self, worker: WorkerId, slot: u16, result: v1::ResultFrame) {
        if let Some(node) = self.node.upgrade() {
            node.scheduler.finished(worker, slot, result);
        }
    }

    fn returned(&self, worker: WorkerId, task_ids: Vec<u64>) {
        if let Some(node) = self.node.upgrade() {
            node.scheduler.returned(worker, &task_ids);
        }
    }

    fn class_path(&self, _worker: WorkerId, class_path: Digest) -> Answer<v1::ClassPathAnswer> {
        let found = self.class_path_of(class_path.as_bytes());
        Box::pin(async move {
            let (node, class_path) = found?;
            let describe = move || node.class_paths.describe(&class_path);
            tokio::task::spawn_blocking(describe).await.map_err(|error| Error::internal("load code", error.to_string()))
        })
    }

    fn entries(&self, _worker: WorkerId, request: v1::EntryRequest) -> Answer<v1::EntryAnswer> {
        let found = self.class_path_of(&request.class_path);
        Box::pin(async move {
            let (node, class_path) = found?;
            crate::continuous::entries(&node, &class_path, &request).await
        })
    }

    fn waiting(&self, worker: WorkerId, tasks: usize) {
        if let Some(node) = self.node.upgrade() {
            node.scheduler.waiting(worker, tasks);
        }
    }

    fn loaders(&self, worker: WorkerId, report: v1::LoaderReport) {
        if let Some(node) = self.node.upgrade() {
            crate::leaks::hear(&node, worker, report);
        }
    }

    fn lost(&self, worker: WorkerId, loss: Loss) {
        if let Some(node) = self.node.upgrade() {
            node.scheduler.leaks.forget(worker);
            tracing::info!(%worker, status = loss.status, requested = loss.requested, "a worker has ended");
            node.scheduler.lost(worker, &loss);
        }
    }
}

/// The folders under `lib/haulier` that workers are made of; `NotFound` names what is missing.
pub(crate) fn check_home(home: &Path) -> Result<PathBuf> {
    let home = home.canonicalize().map_err(|error| {
        Error::new(ErrorKind::NotFound, "find the workers' code", format!("{}: {error}", home.display()))
            .hint("install the haulier-node package, or name the folder: haulier node --home .../lib/haulier")
    })?;
    for part in ["haulier-worker.jar", "haulier-api.jar", "libhaulier_jni.so", "python"] {
        if !home.join(part).exists() {
            tracing::warn!(home = %home.display(), part, "a part of the workers' code is missing; tasks of that language will fail");
        }
    }
    Ok(home)
}
