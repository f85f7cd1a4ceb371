//! The node's end of one socket to a worker: frames out, frames in.
//!
//! Whoever sends a frame writes it to the socket at once if nobody else is writing; what does not fit is left to a task.
//! Nothing here blocks. Must never know what frames mean, beyond the task that one carries.

use std::{collections::VecDeque, os::fd::OwnedFd, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{io::Interest, net::UnixStream, runtime::Handle};

use crate::{
    frame,
    socket::{self, Read},
};

/// The task number of a frame that carries none.
pub(super) const NO_TASK: u64 = 0;

/// So many frames are written on the sender's own thread before a task takes over.
const TURNS: usize = 8;

pub(super) struct Link {
    stream: UnixStream,
    outgoing: Mutex<Outgoing>,
    runtime: Handle,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// What waits is still written; nothing new is taken.
    Closing,
    Closed,
}

#[derive(Default)]
struct Outgoing {
    waiting: VecDeque<Frame>,
    /// The tasks whose frames are being written.
    writing: Vec<u64>,
    /// Somebody writes, and will write what waits.
    busy: bool,
    state: State,
}

struct Frame {
    task: u64,
    bytes: Bytes,
}

impl Link {
    /// Takes the node's end of a socket pair.
    pub(super) fn new(socket: OwnedFd) -> std::io::Result<Arc<Self>> {
        let stream = std::os::unix::net::UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        Ok(Arc::new(Self { stream, outgoing: Mutex::default(), runtime: Handle::current() }))
    }

    /// Sends a frame, in order with all others. `false`: the link is closed.
    pub(super) fn send(self: &Arc<Self>, task: u64, bytes: Bytes) -> bool {
        {
            let mut outgoing = self.outgoing.lock();
            if outgoing.state != State::Open {
                return false;
            }
            if outgoing.busy {
                outgoing.waiting.push_back(Frame { task, bytes });
                return true;
            }
            outgoing.busy = true;
            outgoing.writing.push(task);
        }
        self.write_on(bytes);
        true
    }

    /// Writes, on the caller's thread, until nothing waits, the socket is full, or it was the caller's turn for long
    /// enough. The caller has set `busy`.
    fn write_on(self: &Arc<Self>, mut bytes: Bytes) {
        for _ in 0..TURNS {
            match socket::write_now(&self.stream, &bytes) {
                Ok(count) => bytes.advance(count),
                // The reader sees the end of the link. `busy` stays set: nothing more is written.
                Err(_) => return,
            }
            if !bytes.is_empty() {
                break;
            }
            match self.next_batch() {
                Some(batch) => bytes = batch,
                None => return,
            }
        }
        self.runtime.spawn(self.clone().write_rest(bytes));
    }

    /// The frames that wait, up to a batch; `None`: there are none, and nobody writes any more.
    fn next_batch(&self) -> Option<Bytes> {
        let mut outgoing = self.outgoing.lock();
        let Outgoing { waiting, writing, busy, state } = &mut *outgoing;
        writing.clear();
        let first = match waiting.pop_front() {
            Some(first) if *state != State::Closed => first,
            _ => {
                *busy = false;
                if *state == State::Closing {
                    self.shut_down();
                }
                return None;
            }
        };
        writing.push(first.task);
        if waiting.is_empty() || first.bytes.len() >= frame::BATCH {
            return Some(first.bytes);
        }
        let mut batch = BytesMut::with_capacity(frame::BATCH);
        batch.extend_from_slice(&first.bytes);
        while let Some(next) = waiting.pop_front_if(|next| batch.len() + next.bytes.len() <= frame::BATCH) {
            writing.push(next.task);
            batch.extend_from_slice(&next.bytes);
        }
        Some(batch.freeze())
    }

    async fn write_rest(self: Arc<Self>, mut bytes: Bytes) {
        loop {
            while !bytes.is_empty() {
                if self.stream.writable().await.is_err() {
                    return;
                }
                let written =
                    self.stream.try_io(Interest::WRITABLE, || match socket::write_now(&self.stream, &bytes)? {
                        0 => Err(std::io::ErrorKind::WouldBlock.into()),
                        count => Ok(count),
                    });
                match written {
                    Ok(count) => bytes.advance(count),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
            match self.next_batch() {
                Some(batch) => bytes = batch,
                None => return,
            }
        }
    }

    /// Takes back the tasks whose frames wait.
    pub(super) fn take_back(&self) -> Vec<u64> {
        self.outgoing.lock().waiting.drain(..).map(|frame| frame.task).collect()
    }

    /// Takes back one task, if its frame waits.
    pub(super) fn remove(&self, task: u64) -> bool {
        let waiting = &mut self.outgoing.lock().waiting;
        waiting.iter().position(|frame| frame.task == task).and_then(|position| waiting.remove(position)).is_some()
    }

    /// Whether a task's frame is being written: the worker may have a part of it.
    pub(super) fn is_writing(&self, task: u64) -> bool {
        self.outgoing.lock().writing.contains(&task)
    }

    /// Takes nothing new, writes what waits, and then tells the worker that nothing more will come.
    pub(super) fn finish(&self) {
        let mut outgoing = self.outgoing.lock();
        if outgoing.state == State::Open {
            outgoing.state = State::Closing;
            if !outgoing.busy {
                self.shut_down();
            }
        }
    }

    /// Takes nothing new; what waits is dropped.
    pub(super) fn close(&self) {
        let mut outgoing = self.outgoing.lock();
        outgoing.state = State::Closed;
        outgoing.waiting.clear();
    }

    /// Starts a task on the link's runtime, from any thread.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    fn shut_down(&self) {
        // Fails if the worker has gone.
        let _ = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write);
    }

    /// Reads frames until the link ends, and says why it has ended.
    pub(super) async fn read(&self, mut read: impl FnMut(Bytes) -> Result<(), String>) -> String {
        let mut buffer = BytesMut::with_capacity(frame::BATCH);
        loop {
            if let Err(error) = self.stream.readable().await {
                return format!("its link broke: {error}");
            }
            match self.read_once(&mut buffer) {
                Ok(Read::Some) => {}
                Ok(Read::Nothing) => continue,
                Ok(Read::End) => return "it closed its link".to_owned(),
                Err(error) => return format!("its link broke: {error}"),
            }
            loop {
                match frame::take(&mut buffer).map_err(|error| error.to_string()) {
                    Ok(None) => break,
                    Ok(Some(bytes)) => {
                        if let Err(problem) = read(bytes) {
                            return format!("it sent {problem}");
                        }
                    }
                    Err(problem) => return format!("it sent {problem}"),
                }
            }
        }
    }

    fn read_once(&self, buffer: &mut BytesMut) -> std::io::Result<Read> {
        let mut found = Read::Nothing;
        let read = self.stream.try_io(Interest::READABLE, || {
            found = socket::read_now(&self.stream, buffer)?;
            // Room was left, so nothing is left in the socket: wait for the next event without asking again.
            let emptied = found == Read::Some && buffer.len() < buffer.capacity();
            if emptied || found == Read::Nothing { Err(std::io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match read {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(found),
        }
    }
}
