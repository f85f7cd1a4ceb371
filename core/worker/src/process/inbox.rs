//! Tasks that were sent to a slot and have not begun.
//!
//! Two threads look into it: the slot's own, which begins tasks, and the one of the control link, which takes tasks
//! back. Whoever looks reads what is in the socket first, so that all that the node has sent is seen.

use std::{collections::VecDeque, os::fd::OwnedFd};

use bytes::BytesMut;
use haulier_protocol::v1::TaskFrame;
use rustix::io::Errno;

use crate::{
    frame::{self, FrameError},
    socket::{self, Read},
};

/// What a cancel found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    Removed,
    Runs,
    Unknown,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum InboxError {
    #[error("the link broke: {0}")]
    Broken(#[from] Errno),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

#[derive(Default)]
pub(super) struct Inbox {
    buffer: BytesMut,
    waiting: VecDeque<TaskFrame>,
    running: Option<u64>,
    ended: bool,
}

impl Inbox {
    /// Reads once; does not wait. What is left in the socket is there at the next call.
    pub(super) fn read(&mut self, socket: &OwnedFd) -> Result<Read, InboxError> {
        let read = socket::read_now(socket, &mut self.buffer)?;
        self.ended |= read == Read::End;
        while let Some(bytes) = frame::take(&mut self.buffer)? {
            self.waiting.push_back(frame::decode(bytes)?);
        }
        Ok(read)
    }

    /// Reads all that the node has sent until now; does not wait.
    pub(super) fn read_all(&mut self, socket: &OwnedFd) -> Result<(), InboxError> {
        while self.read(socket)? == Read::Some {}
        Ok(())
    }

    /// The next task; it runs from now on until the next call.
    pub(super) fn begin(&mut self) -> Option<TaskFrame> {
        let task = self.waiting.pop_front();
        self.running = task.as_ref().map(|task| task.task_id);
        task
    }

    /// Whether another task waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the node has closed the link, and all it sent has begun.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.waiting.is_empty()
    }

    /// Whether no task runs: the slot's thread waits for bytes, or is about to begin a task.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// Everything that has not begun.
    pub(super) fn take_back(&mut self) -> Vec<u64> {
        self.waiting.drain(..).map(|task| task.task_id).collect()
    }

    pub(super) fn cancel(&mut self, task_id: u64) -> Cancelled {
        if let Some(position) = self.waiting.iter().position(|task| task.task_id == task_id) {
            self.waiting.remove(position);
            Cancelled::Removed
        } else if self.running == Some(task_id) {
            Cancelled::Runs
        } else {
            Cancelled::Unknown
        }
    }
}
