//! Starts workers, and answers what they ask.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use haulier_model::{Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::v1;
use haulier_worker::{Answer, Loss, NodeSide, Worker, WorkerId, WorkerSpec};

use crate::{class_paths::ResolvedClassPath, run::PoolKey, server::NodeCore};

/// Starts a worker for a pool; the scheduler hears how it went.
pub(crate) fn start(node: Arc<NodeCore>, key: PoolKey) {
    tokio::spawn(async move {
        let result = start_worker(&node, &key).await;
        if let Err(error) = &result {
            tracing::warn!(%error, language = key.language.name(), "cannot start a worker");
        }
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
    let temp_dir = node.fresh_temp_dir()?;
    let directory = if python { node.scheduler.environment(key) } else { None };
    let mut readable = node.readable.clone();
    readable.extend([node.store_packs.clone(), node.environments.clone(), node.payloads.path().to_owned()]);
    let mut writable = node.writable.clone();
    writable.push(node.payloads.path().join("results"));
    let spec = WorkerSpec {
        language: key.language,
        slots: if python { 1 } else { node.slots },
        program: program(node, key.language).await?,
        temp_dir,
        readable,
        writable,
        memory: node.limits.memory,
        directory,
        start_timeout: node.limits.start,
    };
    node.supervisor.start_worker(spec, Arc::new(Answers(Arc::downgrade(node)))).await
}

/// The interpreter itself: a shim would cost its own start each time, and could not be confined.
async fn program(node: &NodeCore, language: Language) -> Result<PathBuf> {
    if language != Language::Python {
        return on_path(&node.java, "--java");
    }
    let find = || async {
        let shim = on_path(&node.python, "--python")?;
        let mut command = tokio::process::Command::new(&shim);
        command.args(["-I", "-c", "import sys; print(sys.executable)"]).kill_on_drop(true);
        let failed = |problem: String| {
            Error::new(ErrorKind::Unavailable, "start a Python worker", format!("{} {problem}", shim.display()))
                .hint("install Python 3.11 or newer, or name it: haulier node --python PATH")
        };
        let output = tokio::time::timeout(node.limits.start, command.output())
            .await
            .map_err(|_| failed("does not answer".into()))?
            .map_err(|error| failed(format!("cannot be run: {error}")))?;
        let executable = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && Path::new(&executable).is_absolute() {
            return Ok(PathBuf::from(executable));
        }
        Err(failed(format!("does not work: {}", String::from_utf8_lossy(&output.stderr).trim())))
    };
    node.interpreter.get_or_try_init(find).await.cloned()
}

fn on_path(program: &Path, option: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = if program.components().count() > 1 {
        std::path::absolute(program).ok().filter(|path| path.is_file())
    } else {
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
    };
    found.ok_or_else(|| {
        Error::new(
            ErrorKind::Unavailable,
            "start a worker",
            format!("there is no '{}' on this node", program.display()),
        )
        .hint(format!("install it, or name it: haulier node {option} PATH"))
    })
}

/// What workers are told.
struct Answers(Weak<NodeCore>);

impl Answers {
    fn class_path_of(&self, digest: &[u8]) -> Result<(Arc<NodeCore>, Arc<ResolvedClassPath>)> {
        let node = self.0.upgrade().ok_or_else(|| Error::new(ErrorKind::Closed, "load code", "the node stops"))?;
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
        if let Some(node) = self.0.upgrade() {
            node.scheduler.finished(worker, slot, result);
        }
    }

    fn returned(&self, worker: WorkerId, task_ids: Vec<u64>) {
        if let Some(node) = self.0.upgrade() {
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
            node.class_paths.entries(&class_path, &request).await
        })
    }

    fn lost(&self, worker: WorkerId, loss: Loss) {
        if let Some(node) = self.0.upgrade() {
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
