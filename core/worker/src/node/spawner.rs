//! The thread that all processes are spawned from.
//!
//! A worker's death signal belongs to the thread that spawned it, so this one lives as long as the supervisor and its
//! workers: when it ends, in order or not, so do they.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use haulier_model::{Error, ErrorKind, Result};
use std::os::unix::process::CommandExt;
use tokio::sync::oneshot;

use crate::{
    launcher::Instructions,
    socket::{self, DESCRIPTOR_LIMIT},
};

/// A process to spawn through the launcher.
pub(super) struct Spawn {
    pub(super) instructions: Instructions,
    /// What the process gets as descriptors 3 and on.
    pub(super) descriptors: Vec<OwnedFd>,
    /// Where its standard output and error go.
    pub(super) output: OwnedFd,
}

struct Job {
    command: Command,
    spawned: oneshot::Sender<std::io::Result<Child>>,
}

pub(super) struct Spawner {
    jobs: Sender<Job>,
    launcher: Box<Path>,
}

impl Spawner {
    pub(super) fn start(launcher: &Path) -> Result<Self> {
        let (jobs, received) = channel();
        thread::Builder::new()
            .name("haulier-spawn".into())
            .spawn(move || work(received))
            .map_err(|error| Error::internal("start a thread", error.to_string()).with_source(error))?;
        Ok(Self { jobs, launcher: launcher.into() })
    }

    pub(super) async fn spawn(&self, spawn: Spawn) -> Result<Child> {
        let program = spawn.instructions.program.display().to_string();
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Unavailable, format!("start {program}"), error.to_string())
                .context("launcher", self.launcher.display().to_string())
                .hint("check the limits of processes and descriptors: ulimit -a")
                .with_source(error)
        };
        let (spawned, child) = oneshot::channel();
        let command = self.command(spawn).map_err(failed)?;
        let ended = || std::io::Error::other("the spawning thread has ended");
        self.jobs.send(Job { command, spawned }).map_err(|_| failed(ended()))?;
        child.await.map_err(|_| failed(ended()))?.map_err(failed)
    }

    /// The descriptors wait in the launcher's standard input: nothing has to run between fork and exec.
    fn command(&self, spawn: Spawn) -> std::io::Result<Command> {
        let (ours, input) = socket::pair()?;
        let descriptors: Vec<_> = spawn.descriptors.iter().map(AsFd::as_fd).collect();
        for some in descriptors.chunks(DESCRIPTOR_LIMIT) {
            if socket::write_with_descriptors(&ours, b"d", some)? == 0 {
                return Err(std::io::Error::other("too many descriptors"));
            }
        }
        let mut command = Command::new(&*self.launcher);
        command
            .arg("exec-worker")
            .arg(serde_json::to_string(&spawn.instructions)?)
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(spawn.output.try_clone()?))
            .stderr(Stdio::from(spawn.output))
            .process_group(0);
        Ok(command)
    }
}

fn work(jobs: Receiver<Job>) {
    for Job { mut command, spawned } in jobs {
        if let Err(Ok(mut unwanted)) = spawned.send(command.spawn()) {
            // Whoever wanted it has gone. Fails if the process has ended, which is as good.
            let _ = unwanted.kill();
            let _ = unwanted.wait();
        }
    }
}
