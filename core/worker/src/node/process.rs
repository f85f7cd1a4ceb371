//! A process, from its start to its end: killing it and all it has started, and how it ended.

use std::{
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    pin::Pin,
    process::{Child, ExitStatus},
};

use parking_lot::Mutex;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::io::{Interest, unix::AsyncFd};

/// How a process will have ended: "exit code 7".
pub(super) type Exit = Pin<Box<dyn Future<Output = String> + Send>>;

/// A process that leads a group.
pub(super) struct Process {
    pid: u32,
    /// `None`: the process has ended, and its number may be another's.
    alive: Mutex<Option<OwnedFd>>,
}

impl Process {
    /// A process that may have ended.
    pub(super) fn new(pid: u32) -> Self {
        let descriptor = raw(pid).ok().and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Self { pid, alive: Mutex::new(descriptor) }
    }

    pub(super) fn id(&self) -> u32 {
        self.pid
    }

    /// Kills the process and its group, unless it has ended.
    pub(super) fn kill(&self) {
        if let Some(descriptor) = &*self.alive.lock() {
            kill_group(self.pid);
            // A process that has just been forked may not lead its group yet. Fails if it has ended.
            let _ = pidfd_send_signal(descriptor, Signal::KILL);
        }
    }

    /// The process has ended, and somebody else has waited for it.
    pub(super) fn ended(&self) {
        *self.alive.lock() = None;
    }

    /// Waits until a child of this process has ended, and ends its group.
    pub(super) async fn wait(&self, mut child: Child) -> io::Result<ExitStatus> {
        self.gone().await?;
        let mut alive = self.alive.lock();
        // The number is still the child's, until it is waited for.
        kill_group(self.pid);
        *alive = None;
        child.wait()
    }

    /// Waits until the process has ended, whosever child it is.
    pub(super) async fn gone(&self) -> io::Result<()> {
        let Some(descriptor) = self.alive.lock().as_ref().map(OwnedFd::try_clone).transpose()? else { return Ok(()) };
        // SAFETY: the descriptor is open, owned by the registration, and closed only with it.
        let ended =
            unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(io::Error::from)?;
        // The guard is of no use: a process ends once.
        drop(ended.readable().await?);
        Ok(())
    }
}

fn raw(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other(format!("no process {pid}")))
}

fn kill_group(pid: u32) {
    if let Ok(pid) = raw(pid) {
        // Fails if the group is empty.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// "exit code 7", "signal 9 (SIGKILL)".
pub(super) fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => describe_end(status.code(), status.signal().unwrap_or_default()),
        Err(error) => format!("unknown exit status ({error})"),
    }
}

pub(super) fn describe_end(code: Option<i32>, signal: i32) -> String {
    const NAMES: [(i32, &str); 10] = [
        (libc::SIGHUP, " (SIGHUP)"),
        (libc::SIGINT, " (SIGINT)"),
        (libc::SIGQUIT, " (SIGQUIT)"),
        (libc::SIGILL, " (SIGILL)"),
        (libc::SIGABRT, " (SIGABRT)"),
        (libc::SIGBUS, " (SIGBUS)"),
        (libc::SIGFPE, " (SIGFPE)"),
        (libc::SIGKILL, " (SIGKILL)"),
        (libc::SIGSEGV, " (SIGSEGV)"),
        (libc::SIGTERM, " (SIGTERM)"),
    ];
    match code {
        Some(code) => format!("exit code {code}"),
        None => {
            let name = NAMES.iter().find(|(number, _)| *number == signal).map_or("", |(_, name)| name);
            format!("signal {signal}{name}")
        }
    }
}
