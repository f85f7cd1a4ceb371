//! The worker's end of its control link: requests to the node and their answers, and the node's commands.
//!
//! Must never run user code: whoever serves it must answer the node at any time.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU64, Ordering},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

use bytes::BytesMut;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::v1::{self, worker_command::Message as Command, worker_message::Message};
use parking_lot::Mutex;

use super::node_gone;
use crate::{
    frame,
    socket::{self, Read},
};

/// How long the node may take to answer: it may have to fetch code from a client, or from another node.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(120);

pub(super) struct ControlLink {
    socket: OwnedFd,
    /// Held while a frame is written, so that frames do not mix.
    writing: Mutex<()>,
    next_request: AtomicU64,
    /// Who waits for which answer. `None`: the node is gone, nobody may wait any more.
    waiting: Mutex<Option<HashMap<u64, SyncSender<Command>>>>,
}

impl ControlLink {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            writing: Mutex::new(()),
            next_request: AtomicU64::new(1),
            waiting: Mutex::new(Some(HashMap::new())),
        }
    }

    pub(super) fn send(&self, request_id: u64, message: Message) -> Result<()> {
        let message = v1::WorkerMessage { request_id, message: Some(message) };
        let bytes =
            frame::encoded(&message).map_err(|error| Error::internal("write to the node", error.to_string()))?;
        let _turn = self.writing.lock();
        socket::write_all(&self.socket, &bytes).map_err(|errno| node_gone("write to the node", errno))
    }

    /// Asks the node and waits for its answer.
    pub(super) fn ask(&self, operation: &str, message: Message) -> Result<Command> {
        let request_id = self.next_request.fetch_add(1, Ordering::Relaxed);
        let answer = self.expect(request_id, operation)?;
        let answered = self.send(request_id, message).and_then(|()| match answer.recv_timeout(ANSWER_DEADLINE) {
            Ok(command) => Ok(command),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::new(ErrorKind::Unavailable, operation, "the node is gone"))
            }
            Err(RecvTimeoutError::Timeout) => Err(Error::new(
                ErrorKind::Unavailable,
                operation,
                format!("the node has not answered for {} s", ANSWER_DEADLINE.as_secs()),
            )),
        });
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.remove(&request_id);
        }
        answered
    }

    fn expect(&self, request_id: u64, operation: &str) -> Result<Receiver<Command>> {
        let (sender, receiver) = sync_channel(1);
        match self.waiting.lock().as_mut() {
            Some(waiting) => waiting.insert(request_id, sender),
            None => return Err(Error::new(ErrorKind::Unavailable, operation, "the node is gone")),
        };
        Ok(receiver)
    }

    /// Reads until the node is gone: answers go to who waits, commands to `obey`.
    pub(super) fn serve(&self, mut obey: impl FnMut(u64, Command) -> Result<()>) -> Result<()> {
        let broken = |error: frame::FrameError| Error::internal("read from the node", error.to_string());
        let mut buffer = BytesMut::new();
        loop {
            match socket::read_some(&self.socket, &mut buffer) {
                Ok(Read::End) => return Ok(()),
                Ok(Read::Some | Read::Nothing) => {}
                Err(errno) => return Err(node_gone("read from the node", errno)),
            }
            while let Some(bytes) = frame::take(&mut buffer).map_err(broken)? {
                let v1::WorkerCommand { request_id, message } = frame::decode(bytes).map_err(broken)?;
                match message {
                    Some(answer @ (Command::ClassPath(_) | Command::Entry(_))) => self.answered(request_id, answer),
                    Some(command) => obey(request_id, command)?,
                    // A command of a newer node: the build ids are equal, so there is none.
                    None => {}
                }
            }
        }
    }

    fn answered(&self, request_id: u64, answer: Command) {
        let sender = self.waiting.lock().as_mut().and_then(|waiting| waiting.remove(&request_id));
        if let Some(sender) = sender {
            // Fails if the asker has just given up.
            let _ = sender.try_send(answer);
        }
    }

    /// Nobody waits for an answer any more.
    pub(super) fn close(&self) {
        *self.waiting.lock() = None;
    }
}
