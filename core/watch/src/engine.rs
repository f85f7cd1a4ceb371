//! Runs a watch: looks at the storage, carries out what the machine decides, says how it stands. It has no rules of its
//! own but when to look.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, OptionFuture},
    stream::FuturesUnordered,
};
use haulier_model::{Digest, Result};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    folder_events::FolderEvents,
    machine::{Job, Machine, Outcome, Work},
    options::WatchOptions,
    status::WatchStatus,
    storage::{StoredFile, WatchedStorage},
    take::{FETCHES, Taker, within},
    units::{Units, WatchedUnit},
};

/// How many units are deployed or undeployed at the same time.
const JOBS: usize = 4;
/// How long a listing may take. The storage gives up much earlier when nothing arrives.
const LIST_DEADLINE: Duration = Duration::from_secs(600);
/// How long the node may take to say what is deployed.
const UNITS_DEADLINE: Duration = Duration::from_secs(60);
/// How long a watch that ends waits for what it has begun at the node.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// How often at most a status is made while units come and go.
const STATUS_GAP: Duration = Duration::from_millis(100);

/// A storage that is kept in step with the units of a node, once it runs.
pub struct Watch {
    storage: Arc<dyn WatchedStorage>,
    units: Arc<dyn Units>,
    options: WatchOptions,
    handle: WatchHandle,
    status: watch::Sender<WatchStatus>,
}

/// What others see of a watch, and may tell it.
#[derive(Clone)]
pub struct WatchHandle {
    status: watch::Receiver<WatchStatus>,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    confirmed: AtomicBool,
    notify: Notify,
}

impl WatchHandle {
    /// How the watch stands now.
    pub fn status(&self) -> WatchStatus {
        self.status.borrow().clone()
    }

    /// The status and its changes; closed when the watch has ended.
    pub fn subscribe(&self) -> watch::Receiver<WatchStatus> {
        self.status.clone()
    }

    /// Says that what is gone from the storage is meant to be: ends an outage that more than half of the units are gone,
    /// and makes the watch look at once. Does nothing else.
    pub fn confirm(&self) {
        self.told.confirmed.store(true, Ordering::Release);
        self.told.notify.notify_one();
    }

    /// Makes the watch look at once.
    pub fn look(&self) {
        self.told.notify.notify_one();
    }
}

impl Watch {
    /// A watch of `storage` for the node `units`. It does nothing until it runs.
    pub fn new(storage: Arc<dyn WatchedStorage>, units: Arc<dyn Units>, options: WatchOptions) -> Self {
        let first = Machine::new(options.settle).status(&options.id, storage.url(), 0);
        let (status, receiver) = watch::channel(first);
        let handle = WatchHandle { status: receiver, told: Arc::default() };
        Self { storage, units, options, handle, status }
    }

    /// How to see it and to talk to it, before and while it runs.
    pub fn handle(&self) -> WatchHandle {
        self.handle.clone()
    }

    /// Watches until `stop` is cancelled. What it has begun at the node then gets 10 seconds to end; what is half fetched
    /// is thrown away. Never fails: what goes wrong is in the status.
    pub async fn run(self, stop: CancellationToken) {
        Run::new(self, stop).run().await;
    }
}

type Look = BoxFuture<'static, Result<(Vec<StoredFile>, Vec<WatchedUnit>)>>;

struct Run {
    options: WatchOptions,
    interval: Duration,
    told: Arc<Told>,
    status: watch::Sender<WatchStatus>,
    taker: Arc<Taker>,
    events: Option<FolderEvents>,
    machine: Machine,
    jobs: FuturesUnordered<BoxFuture<'static, (Job, Outcome)>>,
    queue: VecDeque<Job>,
    look: Option<Look>,
    looked: Option<Instant>,
    /// Something may have changed since the last look began.
    woken: bool,
    began: Instant,
    began_ms: u64,
    reported: Option<Instant>,
}

impl Run {
    fn new(watch: Watch, stop: CancellationToken) -> Self {
        let Watch { storage, units, options, handle, status } = watch;
        let folder = storage.folder().map(ToOwned::to_owned);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            interval: options.interval_of(folder.is_some()),
            told: handle.told,
            status,
            taker: Arc::new(Taker {
                storage,
                units,
                temp: options.temp.clone(),
                prefix: format!("watch-{}-", Digest::of(options.id.as_bytes()).short()),
                limit: options.limit,
                fetches: Semaphore::new(FETCHES),
                stop,
            }),
            events: folder.map(FolderEvents::new),
            machine: Machine::new(options.settle),
            jobs: FuturesUnordered::new(),
            queue: VecDeque::new(),
            look: None,
            looked: None,
            woken: false,
            began: Instant::now(),
            began_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            reported: None,
            options,
        }
    }

    async fn run(mut self) {
        let stop = self.taker.stop.clone();
        let told = Arc::clone(&self.told);
        self.taker.clear().await;
        while !stop.is_cancelled() {
            self.begin_jobs();
            self.report();
            let next = self.next_look();
            let events = self.events.as_ref().map(FolderEvents::changed);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(looked) = OptionFuture::from(self.look.as_mut()) => self.looked(looked),
                Some((job, outcome)) = self.jobs.next() => self.finished(job, outcome),
                Some(()) = OptionFuture::from(events) => self.woken = true,
                () = told.notify.notified() => self.told(),
                () = tokio::time::sleep_until(next), if self.look.is_none() => self.begin_look(),
            }
        }
        self.look = None;
        let rest = async { while self.jobs.next().await.is_some() {} };
        if tokio::time::timeout(STOP_DEADLINE, rest).await.is_err() {
            tracing::warn!(watch = self.options.id, "a deployment of a watch was still under way when it ended");
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// When to look next: in the interval, or earlier if there is a reason.
    fn next_look(&self) -> Instant {
        let Some(looked) = self.looked else { return self.began };
        let gap = looked + self.options.gap();
        if self.woken {
            return gap;
        }
        match (self.machine.pause(), self.machine.due()) {
            (Some(pause), _) => looked + pause,
            (None, Some(due)) => (self.began + due).min(looked + self.interval).max(gap),
            (None, None) => (looked + self.interval).max(gap),
        }
    }

    fn begin_look(&mut self) {
        self.woken = false;
        self.looked = Some(Instant::now());
        let taker = Arc::clone(&self.taker);
        self.look = Some(Box::pin(async move {
            let files = within(LIST_DEADLINE, "list the watched storage", taker.storage.list()).await?;
            let units = within(UNITS_DEADLINE, "list the units of a watch", taker.units.deployed()).await?;
            Ok((files, units))
        }));
    }

    fn looked(&mut self, looked: Result<(Vec<StoredFile>, Vec<WatchedUnit>)>) {
        self.look = None;
        match looked {
            Ok((files, units)) => self.queue = self.machine.observe(files, &units, self.now()),
            Err(error) => {
                self.queue.clear();
                self.machine.look_failed(&error);
                // The pause begins when the failure is known, not when the look began.
                self.looked = Some(Instant::now());
            }
        }
        self.reported = None;
    }

    fn told(&mut self) {
        if self.told.confirmed.swap(false, Ordering::AcqRel) {
            self.machine.confirm();
            self.reported = None;
        }
        self.woken = true;
    }

    fn begin_jobs(&mut self) {
        while self.jobs.len() < JOBS
            && let Some(job) = self.queue.pop_front()
        {
            if !self.machine.begin(&job) {
                continue;
            }
            let taker = Arc::clone(&self.taker);
            self.jobs.push(Box::pin(async move {
                let outcome = match &job.work {
                    Work::Take(found) => taker.take(found).await,
                    Work::Remove(id) => taker.remove(id).await,
                };
                (job, outcome)
            }));
        }
    }

    fn finished(&mut self, job: Job, outcome: Outcome) {
        match (&outcome, &job.work) {
            (Outcome::Failed(error), _) => {
                tracing::warn!(unit = job.key, %error, "out of step with the watched storage")
            }
            (Outcome::Done, Work::Remove(id)) => tracing::info!(unit = %id, "undeployed, as it went from the storage"),
            _ => {}
        }
        self.machine.finished(job, outcome, self.now());
        if self.jobs.is_empty() {
            self.reported = None;
        }
    }

    /// Says how things stand, if it is not what was said last.
    fn report(&mut self) {
        if self.reported.is_some_and(|reported| self.jobs.is_empty() || reported.elapsed() < STATUS_GAP) {
            return;
        }
        self.reported = Some(Instant::now());
        let status = self.machine.status(&self.options.id, self.taker.storage.url(), self.began_ms);
        self.status.send_if_modified(|last| {
            let modified = *last != status;
            *last = status;
            modified
        });
    }
}
