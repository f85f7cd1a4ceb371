//! The node's end of zygotes: warm interpreters that Python workers are forked from.
//!
//! One for each program with the same confinement and limits; replaced at the next start after it has died. Its children
//! die with it.

use std::{
    collections::HashMap,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::v1::{self, worker_command::Message as Command, worker_message::Message};
use parking_lot::Mutex;
use tokio::{
    io::Interest,
    net::UnixStream,
    sync::{OnceCell, mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tracing::info;

use super::{
    SupervisorOptions, WorkerId, WorkerSpec, commands,
    link::Link,
    output::Output,
    process::{Exit, Process, describe_end},
    spawner::{Spawn, Spawner},
    supervisor::{Started, check_hello, ended_early, no_descriptors, watch_child},
};
use crate::{
    frame,
    socket::{self, Read},
};

/// How long a zygote may take to read a request to fork, and then to fork. It runs no user code.
const FORK_DEADLINE: Duration = Duration::from_secs(5);

/// How long the kernel may take to end the children of a zygote that has died.
const ORPHAN_DEADLINE: Duration = Duration::from_secs(10);

/// Zygotes at a time; beyond that the one goes that was not used for longest, unless all have children.
const MOST: usize = 8;

/// What workers that share a zygote have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    program: PathBuf,
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
    memory: Option<u64>,
}

type Cell = Arc<OnceCell<Arc<Zygote>>>;

#[derive(Default)]
pub(super) struct Zygotes {
    known: Mutex<HashMap<Kind, Cell>>,
}

/// A running zygote. Its process ends when this is dropped.
struct Zygote {
    forks: mpsc::UnboundedSender<Fork>,
    ended: watch::Receiver<Option<String>>,
    output: Arc<Output>,
    /// When a child began or ended.
    used: Mutex<Instant>,
    /// The thread that it was spawned from must live as long.
    _spawner: Arc<Spawner>,
}

/// Held by a child.
struct Child(Arc<Zygote>);

impl Drop for Child {
    fn drop(&mut self) {
        *self.0.used.lock() = Instant::now();
    }
}

/// A request to fork.
struct Fork {
    temp_dir: String,
    directory: String,
    /// Control link, slot link, output.
    descriptors: [OwnedFd; 3],
    forked: oneshot::Sender<Result<Forked>>,
}

struct Forked {
    process: Arc<Process>,
    end: oneshot::Receiver<String>,
}

impl Zygotes {
    /// Forks a worker, from a new zygote if there is none that lives.
    pub(super) async fn fork(
        &self,
        spawner: &Arc<Spawner>,
        options: &SupervisorOptions,
        id: WorkerId,
        spec: &WorkerSpec,
    ) -> Result<Started> {
        let zygote = Child(self.living(spawner, options, spec).await?);
        *zygote.0.used.lock() = Instant::now();
        let pair = || socket::pair().map_err(|errno| no_descriptors(errno.into()));
        let (control, link) = (pair()?, pair()?);
        let (output, writer, reading) = Output::open(id.to_string()).map_err(no_descriptors)?;
        let control_link = Link::new(control.0).map_err(no_descriptors)?;
        let slot = Link::new(link.0).map_err(no_descriptors)?;
        let (forked, answer) = oneshot::channel();
        let fork = Fork {
            temp_dir: commands::text(&spec.temp_dir)?.to_owned(),
            directory: spec.directory.as_deref().map_or(Ok(""), commands::text)?.to_owned(),
            descriptors: [control.1, link.1, writer],
            forked,
        };
        let lost = || ended_early(spec, &format!("its zygote ended: {}", zygote.0.status()), &zygote.0.output.last());
        zygote.0.forks.send(fork).map_err(|_| lost())?;
        let Forked { process, end } = answer.await.map_err(|_| lost())??;
        let exit = exit_of(process.clone(), end);
        Ok(Started {
            process,
            exit,
            control: control_link,
            slots: vec![slot],
            output,
            reading,
            keeps: Box::new(zygote),
        })
    }

    /// Ends zygotes without children that were not used for `limit`.
    pub(super) fn end_idle(&self, limit: Duration) {
        self.known.lock().retain(|kind, cell| {
            let goes = is_idle(cell) && used(cell).is_none_or(|used| used.elapsed() >= limit);
            if goes {
                info!(program = %kind.program.display(), "an idle zygote ends");
            }
            !goes
        });
    }

    /// Forgets the zygotes of a program; each ends with its last child.
    pub(super) fn forget(&self, program: &Path) {
        self.known.lock().retain(|kind, _| kind.program != program);
    }

    async fn living(
        &self,
        spawner: &Arc<Spawner>,
        options: &SupervisorOptions,
        spec: &WorkerSpec,
    ) -> Result<Arc<Zygote>> {
        let kind = Kind {
            program: spec.program.clone(),
            readable: spec.readable.clone(),
            writable: spec.writable.clone(),
            memory: spec.memory,
        };
        let cell = {
            let mut known = self.known.lock();
            if !known.contains_key(&kind) && known.len() >= MOST {
                make_room(&mut known);
            }
            let cell = known.entry(kind).or_default();
            if cell.get().is_some_and(|zygote| zygote.ended.borrow().is_some()) {
                *cell = Cell::default();
            }
            cell.clone()
        };
        cell.get_or_try_init(|| start(spawner, options, spec)).await.cloned()
    }
}

/// Whether a zygote could end without harm: it has no children, and nobody waits for it.
fn is_idle(cell: &Cell) -> bool {
    Arc::strong_count(cell) == 1 && cell.get().is_none_or(|zygote| Arc::strong_count(zygote) == 1)
}

fn used(cell: &Cell) -> Option<Instant> {
    cell.get().map(|zygote| *zygote.used.lock())
}

fn make_room(known: &mut HashMap<Kind, Cell>) {
    let idle = known.iter().filter(|(_, cell)| is_idle(cell));
    let Some(oldest) = idle.min_by_key(|(_, cell)| used(cell)).map(|(kind, _)| kind.clone()) else { return };
    info!(program = %oldest.program.display(), "a zygote makes room for another one");
    known.remove(&oldest);
}

async fn start(spawner: &Arc<Spawner>, options: &SupervisorOptions, spec: &WorkerSpec) -> Result<Arc<Zygote>> {
    let instructions = commands::zygote(options, spec)?;
    let (ours, theirs) = socket::pair().map_err(|errno| no_descriptors(errno.into()))?;
    let ours = std::os::unix::net::UnixStream::from(ours);
    ours.set_nonblocking(true).map_err(no_descriptors)?;
    let stream = UnixStream::from_std(ours).map_err(no_descriptors)?;
    let (output, writer, _) = Output::open(format!("zygote of {}", spec.program.display())).map_err(no_descriptors)?;
    let child = spawner.spawn(Spawn { instructions, descriptors: vec![theirs], output: writer }).await?;
    let (process, exit) = watch_child(child);
    let (forks, requests) = mpsc::unbounded_channel();
    let (end, mut ended) = watch::channel(None);
    let (said, hello) = oneshot::channel();
    let attendant = Attendant {
        stream,
        buffer: BytesMut::new(),
        process,
        hello: Some(said),
        forking: HashMap::new(),
        children: HashMap::new(),
        next_fork: 1,
    };
    tokio::spawn(attendant.attend(requests, exit, end));
    let zygote = Arc::new(Zygote {
        forks,
        ended: ended.clone(),
        output,
        used: Mutex::new(Instant::now()),
        _spawner: spawner.clone(),
    });
    match hello.await {
        Ok(hello) => check_hello(hello, spec.language)?,
        Err(_) => {
            // The attendant always says how the zygote ended; fails only with the runtime.
            let _ = ended.wait_for(Option::is_some).await;
            return Err(ended_early(spec, &zygote.status(), &zygote.output.last()));
        }
    };
    Ok(zygote)
}

impl Zygote {
    fn status(&self) -> String {
        self.ended.borrow().clone().unwrap_or_else(|| "unknown".to_owned())
    }
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

/// Looks after a zygote: sends requests, hears reports, and knows when it has ended.
struct Attendant {
    stream: UnixStream,
    buffer: BytesMut,
    process: Arc<Process>,
    hello: Option<oneshot::Sender<v1::WorkerHello>>,
    /// Requests by number; who waits, and until when.
    forking: HashMap<u64, (oneshot::Sender<Result<Forked>>, Instant)>,
    /// Children by request; told how they ended.
    children: HashMap<u64, oneshot::Sender<String>>,
    next_fork: u64,
}

impl Attendant {
    async fn attend(
        mut self,
        mut requests: mpsc::UnboundedReceiver<Fork>,
        mut exit: Exit,
        end: watch::Sender<Option<String>>,
    ) {
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
                    end.send_replace(Some(status));
                    return;
                }
                () = self.overdue() => break format!("it has not forked for {FORK_DEADLINE:?}"),
            }
        };
        // No more requests: those that wait fail, and their senders learn it.
        drop(requests);
        // A zygote that ends closes its link first: its own status says more.
        let status = match timeout(Duration::from_millis(500), &mut exit).await {
            Ok(status) => status,
            Err(_) => {
                self.process.kill();
                format!("{problem}; {}", exit.await)
            }
        };
        end.send_replace(Some(status));
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
        let Fork { temp_dir, directory, descriptors, forked } = fork;
        let command = Command::Fork(v1::Fork { fork_id, temp_dir, directory });
        let bytes = frame::encoded(&v1::WorkerCommand { request_id: 0, message: Some(command) })
            .map_err(|error| error.to_string())?;
        self.forking.insert(fork_id, (forked, Instant::now() + FORK_DEADLINE));
        match timeout(FORK_DEADLINE, self.send(&bytes, &descriptors)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("its link broke: {error}")),
            Err(_) => Err(format!("it has read nothing for {FORK_DEADLINE:?}")),
        }
    }

    /// The descriptors go with the first byte.
    async fn send(&self, bytes: &[u8], descriptors: &[OwnedFd]) -> std::io::Result<()> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut sent = 0;
        while sent < bytes.len() {
            self.stream.writable().await?;
            let written = self.stream.try_io(Interest::WRITABLE, || {
                let written = match sent {
                    0 => socket::write_with_descriptors(&self.stream, bytes, &descriptors)?,
                    _ => socket::write_now(&self.stream, &bytes[sent..])?,
                };
                if written == 0 { Err(std::io::ErrorKind::WouldBlock.into()) } else { Ok(written) }
            });
            match written {
                Ok(written) => sent += written,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there.
    fn hear(&mut self) -> Result<(), String> {
        let buffer = &mut self.buffer;
        let read = self.stream.try_io(Interest::READABLE, || match socket::read_now(&self.stream, buffer)? {
            Read::Nothing => Err(std::io::ErrorKind::WouldBlock.into()),
            other => Ok(other),
        });
        match read {
            Ok(Read::End) => return Err("it closed its link".to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("its link broke: {error}")),
        }
        while let Some(bytes) = frame::take(&mut self.buffer).map_err(|error| error.to_string())? {
            let message: v1::WorkerMessage = frame::decode(bytes).map_err(|error| error.to_string())?;
            match message.message {
                Some(Message::Hello(hello)) => {
                    if let Some(waiting) = self.hello.take() {
                        // Fails if the start was given up.
                        let _ = waiting.send(hello);
                    }
                }
                Some(Message::ForkReport(report)) => self.report(report),
                _ => return Err("it sent what only a worker sends".to_owned()),
            }
        }
        Ok(())
    }

    fn report(&mut self, report: v1::ForkReport) {
        let v1::ForkReport { fork_id, process_id, exited, exit_code, signal, problem } = report;
        if exited {
            if let Some(end) = self.children.remove(&fork_id) {
                let status = describe_end((signal == 0).then_some(exit_code), signal);
                // Fails if the start was given up.
                let _ = end.send(status);
            }
            return;
        }
        let Some((forked, _)) = self.forking.remove(&fork_id) else { return };
        if !problem.is_empty() {
            let error = Error::new(ErrorKind::Unavailable, "start a python worker", problem);
            // As above.
            let _ = forked.send(Err(error.hint("check the limit of processes: ulimit -u")));
            return;
        }
        let (ends, end) = oneshot::channel();
        self.children.insert(fork_id, ends);
        let process = Arc::new(Process::new(process_id));
        if let Err(Ok(unwanted)) = forked.send(Ok(Forked { process, end })) {
            unwanted.process.kill();
        }
    }
}
