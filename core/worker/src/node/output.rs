//! What a process writes to its standard output and error: logged, and its end kept.

use std::{collections::VecDeque, io, os::fd::OwnedFd, sync::Arc};

use parking_lot::Mutex;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::{io::AsyncReadExt, net::unix::pipe, task::JoinHandle};
use tracing::debug;

/// What the log calls it: HAULIER_LOG=info,haulier::output=debug shows what tasks print.
const TARGET: &str = "haulier::output";

/// How much of the output is kept, in bytes.
const KEPT: usize = 8 * 1024;

/// The last 8 KiB of a process's output.
#[derive(Default)]
pub(super) struct Output {
    last: Mutex<VecDeque<u8>>,
}

impl Output {
    /// A pipe to write into, and the task that reads it until all writers are gone. `name` is for the log.
    pub(super) fn open(name: String) -> io::Result<(Arc<Self>, OwnedFd, JoinHandle<()>)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let receiver = pipe::Receiver::from_owned_fd(reader)?;
        let output = Arc::new(Self::default());
        let reading = tokio::spawn(output.clone().read(receiver, name));
        Ok((output, writer, reading))
    }

    /// What was kept, from the beginning of a character on.
    pub(super) fn last(&self) -> String {
        let mut last = self.last.lock();
        let bytes = last.make_contiguous();
        let begin = bytes.iter().take(3).position(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
        String::from_utf8_lossy(&bytes[begin..]).into_owned()
    }

    async fn read(self: Arc<Self>, mut pipe: pipe::Receiver, name: String) {
        let mut chunk = vec![0; KEPT];
        let mut line = Vec::new();
        // An error ends it as the last writer does: there is nothing more to read.
        while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
            self.keep(&chunk[..count]);
            log(&name, &chunk[..count], &mut line);
        }
        log(&name, b"\n", &mut line);
    }

    fn keep(&self, bytes: &[u8]) {
        let mut last = self.last.lock();
        last.extend(bytes);
        let surplus = last.len().saturating_sub(KEPT);
        last.drain(..surplus);
    }
}

/// Logs whole lines; the rest waits in `line`.
fn log(name: &str, bytes: &[u8], line: &mut Vec<u8>) {
    if !tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
        return;
    }
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        line.extend_from_slice(piece);
        if piece.ends_with(b"\n") || line.len() > KEPT {
            let text = String::from_utf8_lossy(line);
            if !text.trim_end().is_empty() {
                debug!(target: TARGET, "{name}: {}", text.trim_end());
            }
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_is_kept_whole_characters_only() {
        let (output, writer, reading) = Output::open("test".into()).unwrap();
        let text = "é".repeat(KEPT);
        std::thread::spawn(move || {
            use std::io::Write;
            std::fs::File::from(writer).write_all(format!("{text}.").as_bytes()).unwrap();
        });
        reading.await.unwrap();
        let last = output.last();
        assert!(last.len() <= KEPT && last.len() > KEPT - 3, "{}", last.len());
        assert!(last.starts_with('é') && last.ends_with("é."), "{}", &last[..10]);
    }
}
