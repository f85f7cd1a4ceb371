//! Starts workers, each in a process of its own.

use std::{
    path::{Path, PathBuf},
    process::Child,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Language, Result};
use haulier_protocol::{v1, waiting::WAITING_VARIABLE};
use parking_lot::Mutex;
use tokio::{
    net::unix::pipe,
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    NodeSide, Worker, WorkerId, WorkerSpec, commands,
    link::Link,
    output::Output,
    process::{Exit, Process, describe},
    requests::Requests,
    shared::{Life, Shared},
    spawner::{Spawn, Spawner},
    waiting,
    zygote::{Lessons, Zygotes},
};
use crate::{HelloInfo, launcher::FIRST_DESCRIPTOR, socket};

/// Where the parts of an installation are.
#[derive(Clone, Debug)]
pub struct SupervisorOptions {
    /// The `haulier` binary; run as `haulier exec-worker`.
    pub launcher: PathBuf,
    /// The folder with `haulier-worker.jar`, `haulier-api.jar`, `libhaulier_jni.so` and `python/`.
    pub home: PathBuf,
    /// What JVM workers accept as serialized objects: a pattern of `java.io.ObjectInputFilter`. `None`: every class of
    /// the task, within limits of depth and array length.
    pub serial_filter: Option<String>,
}

/// Starts workers. Clones share one; when the last one and the last worker are dropped, no process remains.
#[derive(Clone)]
pub struct Supervisor {
    parts: Arc<Parts>,
}

struct Parts {
    options: SupervisorOptions,
    spawner: Arc<Spawner>,
    zygotes: Arc<Zygotes>,
    next_worker: AtomicU64,
}

/// A process that was started, and its links.
pub(super) struct Started {
    pub(super) process: Arc<Process>,
    pub(super) exit: Exit,
    pub(super) control: Arc<Link>,
    pub(super) slots: Vec<Arc<Link>>,
    pub(super) waiting: pipe::Receiver,
    pub(super) output: Arc<Output>,
    pub(super) reading: JoinHandle<()>,
    /// It was forked from a template.
    pub(super) preloaded: bool,
    pub(super) keeps: Box<dyn Send + Sync>,
}

impl Supervisor {
    /// Starts the thread that all workers are spawned from. They die with it.
    ///
    /// # Errors
    /// `NotFound` when there is no launcher.
    pub fn start(options: SupervisorOptions) -> Result<Self> {
        if !options.launcher.is_file() {
            let message = format!("there is no launcher {}", options.launcher.display());
            return Err(Error::new(ErrorKind::NotFound, "start workers", message)
                .hint("name the installation: haulier node --home DIR"));
        }
        let spawner = Arc::new(Spawner::start(&options.launcher)?);
        let zygotes = Arc::new(Zygotes::new(options.clone(), spawner.clone()));
        Ok(Self { parts: Arc::new(Parts { options, spawner, zygotes, next_worker: AtomicU64::new(1) }) })
    }

    /// Starts a worker and waits for its hello. Call it on a tokio runtime: the worker is looked after there.
    ///
    /// # Errors
    /// `Incompatible` when its build differs from ours, `WorkerLost` with status and last output when it ends before
    /// the hello, `DeadlineExceeded` after `spec.start_timeout`, `InvalidArgument` for a specification that makes no
    /// sense. Nothing of the worker remains then, and `lost` is not called.
    pub async fn start_worker(&self, spec: WorkerSpec, node: Arc<dyn NodeSide>) -> Result<Arc<Worker>> {
        commands::check(&spec)?;
        let deadline = Instant::now() + spec.start_timeout;
        let started = timeout_at(deadline, self.launch(&spec, true)).await.map_err(|_| too_late(&spec, ""))??;
        let preloaded = started.1.preloaded;
        match self.attempt(started, &spec, node.clone(), deadline).await {
            Err(error) if preloaded && matches!(error.kind(), ErrorKind::WorkerLost | ErrorKind::DeadlineExceeded) => {
                self.parts.zygotes.distrust(&spec, &error);
                let started =
                    timeout_at(deadline, self.launch(&spec, false)).await.map_err(|_| too_late(&spec, ""))??;
                self.attempt(started, &spec, node, deadline).await
            }
            result => result,
        }
    }

    /// Makes a worker of a process that was started.
    async fn attempt(
        &self,
        (id, started): (WorkerId, Started),
        spec: &WorkerSpec,
        node: Arc<dyn NodeSide>,
        deadline: Instant,
    ) -> Result<Arc<Worker>> {
        let lessons = self.parts.zygotes.lessons(spec);
        let (worker, hello) = look_after(id, spec.language, node, lessons, started);
        match greet(&worker, spec, hello, deadline).await {
            Ok(hello) => {
                // The first and only one to set it.
                let _ = worker.hello.set(hello);
                Ok(Arc::new(worker))
            }
            Err(error) => {
                worker.kill();
                worker.shared.end().await;
                Err(error)
            }
        }
    }

    /// Ends the interpreters that Python workers are forked from, if they have no workers and were not used for `limit`;
    /// those that have imported modules, too.
    pub fn end_idle_zygotes(&self, limit: Duration) {
        self.parts.zygotes.end_idle(limit);
    }

    /// A program has gone: no more workers are forked from its interpreters.
    pub fn end_zygotes_of(&self, program: &Path) {
        self.parts.zygotes.forget(program);
    }

    async fn launch(&self, spec: &WorkerSpec, preloaded: bool) -> Result<(WorkerId, Started)> {
        let id = WorkerId(self.parts.next_worker.fetch_add(1, Ordering::Relaxed));
        let started = match spec.language {
            Language::Python => self.parts.zygotes.fork(id, spec, preloaded).await?,
            Language::Java | Language::Rust => self.spawn_java(id, spec).await?,
        };
        Ok((id, started))
    }

    async fn spawn_java(&self, id: WorkerId, spec: &WorkerSpec) -> Result<Started> {
        let mut instructions = commands::java(&self.parts.options, spec)?;
        let (mut links, mut descriptors) = (Vec::new(), Vec::new());
        for _ in 0..=spec.slots {
            let (ours, theirs) = socket::pair().map_err(|errno| no_descriptors(errno.into()))?;
            links.push(Link::new(ours).map_err(no_descriptors)?);
            descriptors.push(theirs);
        }
        let (waiting, told) = waiting::open().map_err(no_descriptors)?;
        let number = FIRST_DESCRIPTOR as usize + descriptors.len();
        let name = waiting::name(&told, number).map_err(no_descriptors)?;
        instructions.environment.push((WAITING_VARIABLE.to_owned(), name));
        instructions.descriptors += 1;
        descriptors.push(told);
        let (output, writer, reading) = Output::open(id.to_string()).map_err(no_descriptors)?;
        let child = self.parts.spawner.spawn(Spawn { instructions, descriptors, output: writer }).await?;
        let (process, exit) = watch_child(child);
        let slots = links.split_off(1);
        let control = links.remove(0);
        let keeps = Box::new(self.parts.spawner.clone());
        Ok(Started { process, exit, control, slots, waiting, output, reading, preloaded: false, keeps })
    }
}

impl Supervisor {
    pub(super) fn options(&self) -> &SupervisorOptions {
        &self.parts.options
    }

    pub(super) fn spawner(&self) -> &Spawner {
        &self.parts.spawner
    }
}

/// A child process, and how it will have ended.
pub(super) fn watch_child(child: Child) -> (Arc<Process>, Exit) {
    let process = Arc::new(Process::new(child.id()));
    let waiting = process.clone();
    (process, Box::pin(async move { describe(waiting.wait(child).await) }))
}

pub(super) fn no_descriptors(error: std::io::Error) -> Error {
    Error::new(ErrorKind::ResourceExhausted, "start a worker", error.to_string())
        .hint("raise the limit of open files: ulimit -n")
        .with_source(error)
}

/// Starts the tasks that look after a process until its end.
fn look_after(
    id: WorkerId,
    language: Language,
    node: Arc<dyn NodeSide>,
    lessons: Option<Lessons>,
    started: Started,
) -> (Worker, oneshot::Receiver<v1::WorkerHello>) {
    let Started { process, exit, control, slots, waiting, output, reading, preloaded: _, keeps } = started;
    let unclaimed = node.clone();
    let shared = Arc::new(Shared {
        id,
        language,
        node,
        lessons,
        process,
        output,
        control,
        slots,
        requests: Requests::new(Box::new(move |tasks| unclaimed.returned(id, tasks))),
        requested: AtomicBool::new(false),
        killed: AtomicBool::new(false),
        state: Mutex::new(Life::Starting),
        broken: OnceLock::new(),
        breaks: Notify::new(),
        ended: watch::Sender::new(None),
        _keeps: keeps,
    });
    let (sender, hello) = oneshot::channel();
    let mut readers = vec![tokio::spawn(shared.clone().read_control(sender))];
    readers.extend((0..shared.slots.len()).map(|slot| tokio::spawn(shared.clone().read_slot(slot as u16))));
    readers.push(reading);
    tokio::spawn(waiting::read(shared.clone(), waiting));
    tokio::spawn(shared.clone().attend(exit, readers));
    (Worker { shared, hello: OnceLock::new() }, hello)
}

/// Waits for the hello and checks it; from then on a loss is the node's business.
async fn greet(
    worker: &Worker,
    spec: &WorkerSpec,
    hello: oneshot::Receiver<v1::WorkerHello>,
    deadline: Instant,
) -> Result<HelloInfo> {
    let shared = &worker.shared;
    let heard = async {
        match hello.await {
            Ok(hello) => Ok(hello),
            Err(_) => Err(shared.end().await),
        }
    };
    let hello = match timeout_at(deadline, heard).await {
        Ok(Ok(hello)) => check_hello(hello, spec.language)?,
        Ok(Err(status)) => return Err(ended_early(spec, &status, &shared.output.last())),
        Err(_) => return Err(too_late(spec, &shared.output.last())),
    };
    let mut state = shared.state.lock();
    if *state == Life::Ended {
        drop(state);
        return Err(ended_early(spec, "at once", &shared.output.last()));
    }
    *state = Life::Running;
    Ok(hello)
}

/// What a worker or a zygote must say about itself to be used.
pub(super) fn check_hello(hello: v1::WorkerHello, language: Language) -> Result<HelloInfo> {
    let operation = format!("start a {} worker", language.name());
    let (version, build) = (haulier_protocol::PROTOCOL_VERSION, haulier_protocol::build_id());
    if hello.protocol_version != version || hello.build_id != build {
        let message = format!(
            "the worker is of build {} (protocol {}), the node of build {build} (protocol {version})",
            hello.build_id, hello.protocol_version
        );
        return Err(Error::new(ErrorKind::Incompatible, operation, message)
            .hint("install node and worker from one distribution, and name it: haulier node --home DIR"));
    }
    if !hello.problem.is_empty() {
        return Err(Error::new(ErrorKind::Unavailable, operation, hello.problem));
    }
    let said = Language::try_from(hello.language())?;
    if said != language {
        return Err(Error::new(ErrorKind::Incompatible, operation, format!("it is a {} worker", said.name())));
    }
    Ok(HelloInfo { language, language_version: hello.language_version, capabilities: hello.capabilities })
}

pub(super) fn ended_early(spec: &WorkerSpec, status: &str, output: &str) -> Error {
    let message = format!("it ended before it was ready: {status}; its last output: {}", shown(output));
    Error::new(ErrorKind::WorkerLost, operation(spec), message).context("program", spec.program.display().to_string())
}

fn too_late(spec: &WorkerSpec, output: &str) -> Error {
    let message = format!("it was not ready after {:?}; its last output: {}", spec.start_timeout, shown(output));
    Error::new(ErrorKind::DeadlineExceeded, operation(spec), message)
        .context("program", spec.program.display().to_string())
}

fn operation(spec: &WorkerSpec) -> String {
    format!("start a {} worker", spec.language.name())
}

fn shown(output: &str) -> &str {
    match output.trim() {
        "" => "none",
        output => output,
    }
}
