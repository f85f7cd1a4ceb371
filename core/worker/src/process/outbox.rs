//! Results of a slot that are not written yet.
//!
//! The slot's own thread writes them when it has nothing to run; the flusher writes those that wait behind a long task.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use haulier_model::{Error, Result};
use haulier_protocol::v1::ResultFrame;
use rustix::io::Errno;

use super::node_gone;
use crate::{frame, socket};

/// A result that has waited for so long is written although its slot is busy.
pub(super) const PATIENCE: Duration = Duration::from_micros(100);

#[derive(Default)]
pub(super) struct Outbox {
    bytes: BytesMut,
    /// When the first of the results that wait was added.
    since: Option<Instant>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, result: &ResultFrame) -> Result<()> {
        frame::encode(result, &mut self.bytes).map_err(|error| Error::internal("send a result", error.to_string()))
    }

    /// Starts the clock for what waits, because the slot's thread goes on to another task.
    pub(super) fn wait_from(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Whether it is time to write although the slot is busy.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.bytes.len() >= frame::BATCH || self.since.is_some_and(|since| now.duration_since(since) >= PATIENCE)
    }

    /// Writes everything, on the slot's own thread.
    pub(super) fn write(&mut self, socket: &OwnedFd) -> Result<()> {
        socket::write_all(socket, &self.bytes).map_err(|errno| node_gone("send results", errno))?;
        self.written(self.bytes.len());
        Ok(())
    }

    /// Writes what the socket takes now, on another thread.
    pub(super) fn write_now(&mut self, socket: &OwnedFd) -> Result<(), Errno> {
        let count = socket::write_now(socket, &self.bytes)?;
        self.written(count);
        Ok(())
    }

    fn written(&mut self, count: usize) {
        self.bytes.advance(count);
        if self.bytes.is_empty() {
            self.since = None;
            // One large result must not hold memory for ever.
            if self.bytes.capacity() > 4 * frame::BATCH {
                self.bytes = BytesMut::new();
            } else {
                self.bytes.clear();
            }
        }
    }
}
