//! A node as the cases need it: it writes down what it hears, and answers when it is told to.

use std::{
    collections::VecDeque,
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use haulier_model::{Digest, Error, Language, Result};
use haulier_protocol::v1;
use haulier_worker::{Answer, Loss, NodeSide, Supervisor, SupervisorOptions, Worker, WorkerId, WorkerSpec};
use tempfile::TempDir;
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

/// What a node hears.
#[allow(clippy::large_enum_variant, reason = "nearly all are results")]
pub enum Event {
    Finished(u16, v1::ResultFrame),
    Returned(Vec<u64>),
    ClassPath(oneshot::Sender<Result<v1::ClassPathAnswer>>),
    Entries(v1::EntryRequest, oneshot::Sender<Result<v1::EntryAnswer>>),
    Lost(Loss),
}

struct Recorder(UnboundedSender<Event>);

impl Recorder {
    fn asked<T: Send + 'static>(&self, event: impl FnOnce(oneshot::Sender<Result<T>>) -> Event) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        let _ = self.0.send(event(sender));
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(Error::internal("test", "not answered"))) })
    }
}

impl NodeSide for Recorder {
    fn finished(&self, _worker: WorkerId, slot: u16, result: v1::ResultFrame) {
        let _ = self.0.send(Event::Finished(slot, result));
    }

    fn returned(&self, _worker: WorkerId, task_ids: Vec<u64>) {
        let _ = self.0.send(Event::Returned(task_ids));
    }

    fn class_path(&self, _worker: WorkerId, _class_path: Digest) -> Answer<v1::ClassPathAnswer> {
        self.asked(Event::ClassPath)
    }

    fn entries(&self, _worker: WorkerId, request: v1::EntryRequest) -> Answer<v1::EntryAnswer> {
        self.asked(|sender| Event::Entries(request, sender))
    }

    fn waiting(&self, _worker: WorkerId, _tasks: usize) {}

    fn loaders(&self, _worker: WorkerId, _report: v1::LoaderReport) {}

    fn lost(&self, _worker: WorkerId, loss: Loss) {
        let _ = self.0.send(Event::Lost(loss));
    }
}

/// A directory for one worker, and what is to be started in it.
pub struct Site {
    pub directory: TempDir,
    pub spec: WorkerSpec,
    supervisor: Supervisor,
}

/// A worker, and what its node has heard.
pub struct Running {
    pub worker: Arc<Worker>,
    pub heard: Heard,
}

pub struct Heard {
    events: UnboundedReceiver<Event>,
    /// Results that came while another one was awaited.
    results: VecDeque<v1::ResultFrame>,
}

pub fn program() -> PathBuf {
    env::current_exe().unwrap()
}

pub fn supervisor() -> Supervisor {
    Supervisor::start(SupervisorOptions { launcher: program(), home: PathBuf::from("/usr"), serial_filter: None })
        .unwrap()
}

impl Site {
    pub fn new(language: Language) -> Self {
        Self::beside(language, supervisor())
    }

    /// With the zygotes of another site.
    pub fn beside(language: Language, supervisor: Supervisor) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut spec = WorkerSpec::new(language, program(), directory.path());
        spec.start_timeout = Duration::from_secs(10);
        Self { directory, spec, supervisor }
    }

    pub fn supervisor(&self) -> Supervisor {
        self.supervisor.clone()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn mode(self, mode: &str) -> Self {
        std::fs::write(self.path("mode"), mode).unwrap();
        self
    }

    pub fn slots(mut self, slots: u16) -> Self {
        self.spec.slots = slots;
        self
    }

    pub async fn try_start(&self) -> (Result<Arc<Worker>>, Heard) {
        let (sender, events) = unbounded_channel();
        let worker = self.supervisor.start_worker(self.spec.clone(), Arc::new(Recorder(sender))).await;
        (worker, Heard { events, results: VecDeque::new() })
    }

    pub async fn start(&self) -> Running {
        let (worker, heard) = self.try_start().await;
        Running { worker: worker.unwrap(), heard }
    }
}

impl Heard {
    pub async fn next(&mut self) -> Event {
        tokio::time::timeout(Duration::from_secs(20), self.events.recv())
            .await
            .expect("hears in time")
            .expect("is there")
    }

    /// The next result, whichever task it is of.
    pub async fn result(&mut self) -> v1::ResultFrame {
        if let Some(result) = self.results.pop_front() {
            return result;
        }
        match self.next().await {
            Event::Finished(_, result) => result,
            other => panic!("heard {}", other.name()),
        }
    }

    /// Whether a result has come before the loss that was awaited.
    pub fn has_result(&self) -> bool {
        !self.results.is_empty()
    }

    pub async fn lost(&mut self) -> Loss {
        loop {
            match self.next().await {
                Event::Lost(loss) => return loss,
                Event::Finished(_, result) => self.results.push_back(result),
                other => panic!("heard {}", other.name()),
            }
        }
    }

    /// The task that is held has begun; it ends when the sender is used or dropped.
    pub async fn begun(&mut self) -> oneshot::Sender<Result<v1::ClassPathAnswer>> {
        loop {
            match self.next().await {
                Event::ClassPath(answer) => return answer,
                Event::Finished(_, result) => self.results.push_back(result),
                other => panic!("heard {}", other.name()),
            }
        }
    }

    /// Nobody speaks any more.
    pub async fn nothing_more(&mut self) -> bool {
        tokio::time::timeout(Duration::from_secs(20), self.events.recv()).await.is_ok_and(|event| event.is_none())
    }
}

impl Event {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finished(..) => "a result",
            Self::Returned(_) => "returned tasks",
            Self::ClassPath(..) => "a question for a class path",
            Self::Entries(..) => "a question for entries",
            Self::Lost(_) => "a loss",
        }
    }
}

impl Running {
    pub fn submit(&self, task_id: u64, slot: u16, entry_point: &str, payload: impl Into<Bytes>) {
        assert!(self.worker.submit(slot, task(task_id, entry_point, payload)));
    }

    /// Runs a task on slot 0 and returns its result, or its error.
    pub async fn call(&mut self, entry_point: &str, payload: impl Into<Bytes>) -> Result<Bytes> {
        self.submit(999, 0, entry_point, payload);
        let result = self.heard.result().await;
        match result.error {
            Some(error) => Err(error.into()),
            None => Ok(result.payload),
        }
    }
}

pub fn task(task_id: u64, entry_point: &str, payload: impl Into<Bytes>) -> v1::TaskFrame {
    v1::TaskFrame {
        task_id,
        entry_point: entry_point.into(),
        payload: payload.into(),
        inline_limit: 1 << 20,
        ..v1::TaskFrame::default()
    }
}

/// Waits until a process that need not be a child has ended.
pub async fn gone(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    let Ok(descriptor) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { return true };
    let ended = move || {
        let mut ready = [rustix::event::PollFd::new(&descriptor, rustix::event::PollFlags::IN)];
        let deadline = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
        rustix::event::poll(&mut ready, Some(&deadline)).unwrap() > 0
    };
    tokio::task::spawn_blocking(ended).await.unwrap()
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
