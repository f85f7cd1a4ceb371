//! A running zygote or template, and the workers that are forked from it.

use std::{collections::HashSet, os::fd::OwnedFd, sync::Arc};

use haulier_model::{Error, Result};
use haulier_protocol::v1::{self, worker_message::Message};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::attendant::{Attended, Fork, Forked, attend};
use crate::{
    node::{
        SupervisorOptions, WorkerId, WorkerSpec, commands,
        link::Link,
        output::Output,
        spawner::{Spawn, Spawner},
        supervisor::{Started, check_hello, ended_early, no_descriptors, watch_child},
        waiting,
    },
    socket,
};

/// A process that workers are forked from. It ends when this is dropped.
pub(super) struct Zygote {
    forks: mpsc::UnboundedSender<Fork>,
    pub(super) ended: watch::Receiver<Option<String>>,
    output: Arc<Output>,
    /// When a child began or ended.
    pub(super) used: Mutex<Instant>,
    /// What a template has imported.
    pub(super) preloaded: Option<Preloaded>,
}

/// What a template has.
pub(super) struct Preloaded {
    /// What it was told to import.
    pub(super) modules: Vec<String>,
    /// The top-level names that it has loaded, or has looked for in vain.
    pub(super) names: HashSet<String>,
}

/// Held by a child.
pub(super) struct Child(pub(super) Arc<Zygote>);

impl Drop for Child {
    fn drop(&mut self) {
        *self.0.used.lock() = Instant::now();
    }
}

impl Zygote {
    pub(super) fn new(attended: Attended, output: Arc<Output>, preloaded: Option<Preloaded>) -> Self {
        let Attended { forks, ended, said: _ } = attended;
        Self { forks, ended, output, used: Mutex::new(Instant::now()), preloaded }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    fn status(&self) -> String {
        self.ended.borrow().clone().unwrap_or_else(|| "unknown".to_owned())
    }
}

impl Child {
    /// Forks; `descriptors` are those of the new process.
    pub(super) async fn fork(&self, command: v1::Fork, descriptors: Vec<OwnedFd>, spec: &WorkerSpec) -> Result<Forked> {
        let zygote = &self.0;
        *zygote.used.lock() = Instant::now();
        let (forked, answer) = oneshot::channel();
        let lost = || ended_early(spec, &format!("its zygote ended: {}", zygote.status()), &zygote.output.last());
        zygote.forks.send(Fork { command, descriptors, forked }).map_err(|_| lost())?;
        answer.await.map_err(|_| lost())?
    }
}

/// Starts the zygote for workers like `spec`.
pub(super) async fn start(
    spawner: &Arc<Spawner>,
    options: &SupervisorOptions,
    spec: &WorkerSpec,
) -> Result<Arc<Zygote>> {
    let instructions = commands::zygote(options, spec)?;
    let (ours, theirs) = socket::pair().map_err(|errno| no_descriptors(errno.into()))?;
    let (output, writer, _) = Output::open(format!("zygote of {}", spec.program.display())).map_err(no_descriptors)?;
    let child = spawner.spawn(Spawn { instructions, descriptors: vec![theirs], output: writer }).await?;
    let (process, exit) = watch_child(child);
    // The thread that it was spawned from must live as long.
    let mut attended = attend(ours, process, exit, Box::new(spawner.clone())).map_err(no_descriptors)?;
    match attended.said.recv().await {
        Some(Message::Hello(hello)) => drop(check_hello(hello, spec.language)?),
        Some(_) => return Err(Error::internal("start a zygote", "it is a template")),
        None => {
            // The attendant always says how the zygote ended; fails only with the runtime.
            let _ = attended.ended.wait_for(Option::is_some).await;
            let zygote = Zygote::new(attended, output, None);
            return Err(ended_early(spec, &zygote.status(), &zygote.output.last()));
        }
    }
    Ok(Arc::new(Zygote::new(attended, output, None)))
}

/// Forks a worker.
pub(super) async fn fork_worker(zygote: Child, id: WorkerId, spec: &WorkerSpec) -> Result<Started> {
    let pair = || socket::pair().map_err(|errno| no_descriptors(errno.into()));
    let (control, link) = (pair()?, pair()?);
    let (output, writer, reading) = Output::open(id.to_string()).map_err(no_descriptors)?;
    let control_link = Link::new(control.0).map_err(no_descriptors)?;
    let slot = Link::new(link.0).map_err(no_descriptors)?;
    let (waiting, told) = waiting::open().map_err(no_descriptors)?;
    let command = v1::Fork {
        fork_id: 0,
        temp_dir: commands::text(&spec.temp_dir)?.to_owned(),
        directory: spec.directory.as_deref().map_or(Ok(""), commands::text)?.to_owned(),
        template: None,
    };
    let (process, exit) = zygote.fork(command, vec![control.1, link.1, told, writer], spec).await?.exit();
    Ok(Started {
        process,
        exit,
        control: control_link,
        slots: vec![slot],
        waiting,
        output,
        reading,
        preloaded: zygote.0.preloaded.is_some(),
        keeps: Box::new(zygote),
    })
}
