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

    /// A process of which `parent` says that it has forked it; it may have ended.
    pub(super) fn child_of(parent: u32, pid: u32) -> io::Result<Self> {
        let process = Self::new(pid);
        // Once it is held, its number is that of no other process.
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if parent_in(&stat) == Some(parent) => Ok(process),
            Ok(_) => Err(io::Error::other(format!("it is no child of process {parent}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { pid, alive: Mutex::new(None) }),
            Err(error) => Err(error),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.pid
    }

    /// Kills the process and its group, unless it has ended.
    pub(super) fn kill(&self) {
        if let Some(descriptor) = &*self.alive.lock()
            // A process that has just been forked may not lead its group yet. If it has ended, and its parent knows it,
            // its number may be another's: then its group is let alone.
            && pidfd_send_signal(descriptor, Signal::KILL).is_ok()
        {
            kill_group(self.pid);
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

/// The parent in the text of `/proc/PID/stat`, whose second field is a name that may contain anything.
fn parent_in(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_one_of_its_parent() {
        let (own, parent) = (std::process::id(), std::os::unix::process::parent_id());
        assert!(Process::child_of(parent, own).is_ok());
        assert!(Process::child_of(own, own).is_err());
        assert!(Process::child_of(own, 1).is_err());
        assert_eq!(parent_in("12 (a) R (b c) S 7 12 12"), Some(7));
        assert_eq!(parent_in("12"), None);
    }
}
