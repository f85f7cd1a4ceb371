//! What clients in a worker say: how many of its tasks may wait for tasks of their own.

use std::{collections::HashMap, io, os::fd::OwnedFd, sync::Arc};

use haulier_protocol::waiting::{WaitingPipe, WaitingRecord};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::{io::AsyncReadExt, net::unix::pipe};

use super::shared::Shared;

/// Client libraries in one worker that are heard; more of them are not.
const MOST_SOURCES: usize = 64;

/// The node's end, and the worker's.
pub(super) fn open() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    Ok((pipe::Receiver::from_owned_fd(reader)?, writer))
}

/// How the pipe is named that is to have this number in the worker.
pub(super) fn name(writer: &OwnedFd, descriptor: usize) -> io::Result<String> {
    let inode = rustix::fs::fstat(writer)?.st_ino;
    Ok(WaitingPipe { descriptor: i32::try_from(descriptor).map_err(io::Error::other)?, inode }.to_string())
}

/// Reads until the worker has ended. What a task has forked may keep the pipe open for longer.
pub(super) async fn read(shared: Arc<Shared>, mut pipe: pipe::Receiver) {
    let hear = async {
        let mut sources: HashMap<u64, u32> = HashMap::new();
        let mut bytes = [0; WaitingRecord::SIZE];
        while pipe.read_exact(&mut bytes).await.is_ok() {
            let WaitingRecord { source, tasks } = WaitingRecord::from_bytes(bytes);
            if tasks == 0 {
                sources.remove(&source);
            } else if sources.len() < MOST_SOURCES || sources.contains_key(&source) {
                sources.insert(source, tasks);
            }
            let sum = sources.values().fold(0, |sum: u32, tasks| sum.saturating_add(*tasks));
            shared.node.waiting(shared.id, sum as usize);
        }
    };
    tokio::select! {
        () = hear => {}
        _ = shared.end() => {}
    }
}
