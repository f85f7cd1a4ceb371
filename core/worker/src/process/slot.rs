//! A slot: its thread takes every task that is there, runs one after the other, and writes their results at once.

use std::{
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use haulier_model::{Error, Result};
use haulier_protocol::v1::TaskFrame;
use parking_lot::Mutex;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::retry_on_intr,
};

use super::{
    Task, TaskOutcome, TaskRunner,
    flusher::Flusher,
    inbox::{Cancelled, Inbox, InboxError},
    linger::Linger,
    node_gone,
    outbox::Outbox,
    task::result_frame,
};

pub(super) struct SlotLink {
    socket: OwnedFd,
    /// Signalled when another thread has read tasks while this slot waited for the socket.
    wake: OwnedFd,
    inbox: Mutex<Inbox>,
    outbox: Mutex<Outbox>,
}

impl SlotLink {
    pub(super) fn new(socket: OwnedFd) -> Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::internal("serve a slot", errno.to_string()).with_source(errno))?;
        Ok(Self { socket, wake, inbox: Mutex::default(), outbox: Mutex::default() })
    }

    /// Runs tasks until the node closes the link.
    pub(super) fn serve(&self, flusher: &Flusher, slot: u16, runner: &mut dyn TaskRunner) -> Result<()> {
        let mut linger = Linger::default();
        loop {
            self.wait(&mut linger)?;
            self.inbox.lock().read(&self.socket).map_err(broken)?;
            while let Some(frame) = self.begin(flusher)? {
                let mut task = Task::new(frame);
                let outcome = match task.open() {
                    Ok(()) => guarded(|| runner.run(slot, &task)),
                    Err(error) => TaskOutcome::Failed(error),
                };
                if task.frame.isolated {
                    runner.rest();
                }
                let result = result_frame(&task.frame, outcome);
                self.outbox.lock().push(&result)?;
            }
            if self.inbox.lock().is_over() {
                return Ok(());
            }
            runner.rest();
        }
    }

    /// Waits until there is something to read.
    fn wait(&self, linger: &mut Linger) -> Result<()> {
        let mut ready = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
        let gone = |errno| node_gone("read tasks", errno);
        let now = Timespec::default();
        let came = linger.until(|| retry_on_intr(|| poll(&mut ready, Some(&now))).map(|count| count > 0));
        if !came.map_err(gone)? {
            retry_on_intr(|| poll(&mut ready, None)).map_err(gone)?;
        }
        if ready[1].revents().contains(PollFlags::IN) {
            // Only the fact counts; without it the read would have to block.
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
        Ok(())
    }

    /// The next task. Results are written before, if there is none or if they have waited long enough; otherwise the
    /// flusher looks after them.
    fn begin(&self, flusher: &Flusher) -> Result<Option<TaskFrame>> {
        let task = self.inbox.lock().begin();
        let mut outbox = self.outbox.lock();
        if outbox.is_empty() {
            return Ok(task);
        }
        let now = Instant::now();
        if task.is_none() || outbox.is_due(now) {
            outbox.write(&self.socket)?;
        } else {
            outbox.wait_from(now);
            drop(outbox);
            flusher.rouse();
        }
        Ok(task)
    }

    /// Writes results that have waited long enough, as far as the socket takes them. `false`: none waits.
    pub(super) fn flush(&self, now: Instant) -> bool {
        // Whoever holds it is about to write, or adds a result: look again later.
        let Some(mut outbox) = self.outbox.try_lock() else { return true };
        if outbox.is_empty() {
            return false;
        }
        // A broken link is noticed by the slot's own thread.
        !(outbox.is_due(now) && outbox.write_now(&self.socket).is_err())
    }

    /// Takes back what has not begun, read or not.
    pub(super) fn take_back(&self) -> Vec<u64> {
        let mut inbox = self.inbox.lock();
        // A broken link is noticed by the slot's own thread.
        let _ = inbox.read_all(&self.socket);
        inbox.take_back()
    }

    pub(super) fn cancel(&self, task_id: u64) -> Cancelled {
        let mut inbox = self.inbox.lock();
        // As above.
        let _ = inbox.read_all(&self.socket);
        let found = inbox.cancel(task_id);
        if inbox.is_idle() && !inbox.is_empty() {
            // The thread waits for bytes that are no longer in the socket. The counter cannot overflow.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
        found
    }
}

/// A panic of a runner is its task's failure, and nobody else's.
fn guarded(run: impl FnOnce() -> TaskOutcome) -> TaskOutcome {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        TaskOutcome::Failed(Error::internal("run a task", format!("panicked: {}", text.unwrap_or("without a message"))))
    })
}

fn broken(error: InboxError) -> Error {
    match error {
        InboxError::Broken(errno) => node_gone("read tasks", errno),
        InboxError::Frame(error) => Error::internal("read tasks", error.to_string()).with_source(error),
    }
}
