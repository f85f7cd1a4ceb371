//! Looks after one zygote or template: sends requests to fork, hears reports, and knows when the process has ended.
//!
//! A template runs code of distributions, so nothing that it says is believed without a look: its children are its own,
//! and it says no more than it has to.

use std::{
    any::Any,
    collections::HashMap,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::v1::{self, worker_command::Message as Command, worker_message::Message};
use tokio::{
    io::Interest,
    net::UnixStream,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    frame,
    node::process::{Exit, Process, describe_end},
    socket::{self, Read},
};

/// How long a zygote may take to read a request to fork, and then to fork. It runs no user code.
const FORK_DEADLINE: Duration = Duration::from_secs(5);

/// How long the kernel may take to end the children of a zygote that has died.
const ORPHAN_DEADLINE: Duration = Duration::from_secs(10);

/// How long a process that has closed its link may take to end, and what it has said to be read.
const AGONY: Duration = Duration::from_millis(500);

/// What a process may say before it serves, and nobody has heard yet.
const MOST_UNHEARD: usize = 128;

/// A request to fork.
pub(super) struct Fork {
    /// Its number is set when it is sent.
    pub(super) command: v1::Fork,
    /// Control link, slot link if it has one, output.
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) forked: oneshot::Sender<Result<Forked>>,
}

pub(super) struct Forked {
    pub(super) process: Arc<Process>,
    end: oneshot::Receiver<String>,
}

impl Forked {
    /// How the forked process will have ended.
    pub(super) fn exit(self) -> (Arc<Process>, Exit) {
        let Self { process, end } = self;
        (process.clone(), exit_of(process, end))
    }
}

/// The other end of an attendant. The process ends when `forks` is dropped.
pub(super) struct Attended {
    pub(super) forks: mpsc::UnboundedSender<Fork>,
    pub(super) ended: watch::Receiver<Option<String>>,
    /// What the process says about itself before it serves.
    pub(super) said: mpsc::Receiver<Message>,
}

/// Attends a process until its end, and drops `keeps` then.
pub(super) fn attend(
    link: OwnedFd,
    process: Arc<Process>,
    exit: Exit,
    keeps: Box<dyn Any + Send + Sync>,
) -> io::Result<Attended> {
    let link = std::os::unix::net::UnixStream::from(link);
    link.set_nonblocking(true)?;
    let stream = UnixStream::from_std(link)?;
    let (forks, requests) = mpsc::unbounded_channel();
    let (end, ended) = watch::channel(None);
    let (saying, said) = mpsc::channel(MOST_UNHEARD);
    let attendant = Attendant {
        stream,
        buffer: BytesMut::new(),
        process,
        saying,
        forking: HashMap::new(),
        children: HashMap::new(),
        next_fork: 1,
        keeps,
    };
    tokio::spawn(attendant.attend(requests, exit, end));
    Ok(Attended { forks, ended, said })
}

/// How a forked worker will have ended.
fn exit_of(process: Arc<Process>, end: oneshot::Receiver<String>) -> Exit {
    Box::pin(async move {
        match end.await {
            Ok(status) => {
                process.ended();
                status
            }
            // The zygote has ended, and its children are told to die; this one may not have heard it.
            Err(_) => {
                process.kill();
                let gone = timeout(ORPHAN_DEADLINE, process.gone()).await;
                process.ended();
                match gone {
                    Ok(_) => "its zygote ended".to_owned(),
                    Err(_) => format!("its zygote ended; killed, but has not ended within {ORPHAN_DEADLINE:?}"),
                }
            }
        }
    })
}

struct Attendant {
    stream: UnixStream,
    buffer: BytesMut,
    process: Arc<Process>,
    saying: mpsc::Sender<Message>,
    /// Requests by number; who waits, and until when.
    forking: HashMap<u64, (oneshot::Sender<Result<Forked>>, Instant)>,
    /// Children by request; told how they ended.
    children: HashMap<u64, oneshot::Sender<String>>,
    next_fork: u64,
    keeps: Box<dyn Any + Send + Sync>,
}

impl Attendant {
    async fn attend(mut self, requests: mpsc::UnboundedReceiver<Fork>, exit: Exit, end: watch::Sender<Option<String>>) {
        let status = self.outlive(requests, exit).await;
        end.send_replace(Some(status));
        // There may be a folder in it.
        let keeps = self.keeps;
        tokio::task::spawn_blocking(move || drop(keeps));
    }

    /// Serves requests until the process has ended; returns how it ended.
    async fn outlive(&mut self, mut requests: mpsc::UnboundedReceiver<Fork>, mut exit: Exit) -> String {
        let problem = loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(fork) => if let Err(problem) = self.request(fork).await {
                        break problem;
                    },
                    None => break "it was not wanted any more".to_owned(),
                },
                ready = self.stream.readable() => {
                    if let Err(problem) = ready.map_err(|error| error.to_string()).and_then(|()| self.hear()) {
                        break problem;
                    }
                }
                status = &mut exit => {
                    self.hear_the_rest().await;
                    return status;
                }
                () = self.overdue() => break format!("it has not forked for {FORK_DEADLINE:?}"),
            }
        };
        // No more requests: those that wait fail, and their senders learn it.
        drop(requests);
        // A zygote that ends closes its link first: its own status says more.
        match timeout(AGONY, &mut exit).await {
            Ok(status) => status,
            Err(_) => {
                self.process.kill();
                format!("{problem}; {}", exit.await)
            }
        }
    }

    /// Waits until a request is not answered in time.
    async fn overdue(&self) {
        match self.forking.values().map(|(_, deadline)| *deadline).min() {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    async fn request(&mut self, fork: Fork) -> Result<(), String> {
        let fork_id = self.next_fork;
        self.next_fork += 1;
        let Fork { mut command, descriptors, forked } = fork;
        command.fork_id = fork_id;
        let bytes = frame::encoded(&v1::WorkerCommand { request_id: 0, message: Some(Command::Fork(command)) })
            .map_err(|error| error.to_string())?;
        self.forking.insert(fork_id, (forked, Instant::now() + FORK_DEADLINE));
        match timeout(FORK_DEADLINE, self.send(&bytes, &descriptors)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("its link broke: {error}")),
            Err(_) => Err(format!("it has read nothing for {FORK_DEADLINE:?}")),
        }
    }

    /// The descriptors go with the first byte.
    async fn send(&self, bytes: &[u8], descriptors: &[OwnedFd]) -> io::Result<()> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut sent = 0;
        while sent < bytes.len() {
            self.stream.writable().await?;
            let written = self.stream.try_io(Interest::WRITABLE, || {
                let written = match sent {
                    0 => socket::write_with_descriptors(&self.stream, bytes, &descriptors)?,
                    _ => socket::write_now(&self.stream, &bytes[sent..])?,
                };
                if written == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(written) }
            });
            match written {
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what was said before the end.
    async fn hear_the_rest(&mut self) {
        let rest = async { while self.stream.readable().await.is_ok() && self.hear().is_ok() {} };
        // Whoever else holds the link has nothing to say.
        let _ = timeout(AGONY, rest).await;
    }

    /// Reads what is there.
    fn hear(&mut self) -> Result<(), String> {
        let buffer = &mut self.buffer;
        let read = self.stream.try_io(Interest::READABLE, || match socket::read_now(&self.stream, buffer)? {
            Read::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            other => Ok(other),
        });
        match read {
            Ok(Read::End) => return Err("it closed its link".to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("its link broke: {error}")),
        }
        while let Some(bytes) = frame::take(&mut self.buffer).map_err(|error| error.to_string())? {
            let message: v1::WorkerMessage = frame::decode(bytes).map_err(|error| error.to_string())?;
            match message.message {
                Some(said @ (Message::Hello(_) | Message::Preloading(_) | Message::Preloaded(_))) => {
                    // Who has heard enough listens no more.
                    self.saying.try_send(said).map_err(|_| "it says too much".to_owned())?;
                }
                Some(Message::ForkReport(report)) => self.report(report)?,
                _ => return Err("it sent what only a worker sends".to_owned()),
            }
        }
        Ok(())
    }

    fn report(&mut self, report: v1::ForkReport) -> Result<(), String> {
        let v1::ForkReport { fork_id, process_id, exited, exit_code, signal, problem } = report;
        if exited {
            if let Some(end) = self.children.remove(&fork_id) {
                let status = describe_end((signal == 0).then_some(exit_code), signal);
                // Fails if the start was given up.
                let _ = end.send(status);
            }
            return Ok(());
        }
        let Some((forked, _)) = self.forking.remove(&fork_id) else { return Ok(()) };
        if !problem.is_empty() {
            let error = Error::new(ErrorKind::Unavailable, "start a python worker", problem);
            // As above.
            let _ = forked.send(Err(error.hint("check the limit of processes: ulimit -u")));
            return Ok(());
        }
        let process = Process::child_of(self.process.id(), process_id)
            .map_err(|error| format!("process {process_id} is not its child: {error}"))?;
        let (ends, end) = oneshot::channel();
        self.children.insert(fork_id, ends);
        if let Err(Ok(unwanted)) = forked.send(Ok(Forked { process: Arc::new(process), end })) {
            unwanted.process.kill();
        }
        Ok(())
    }
}
