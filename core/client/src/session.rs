//! A session with a node: one control stream, resumed when it breaks, and everything that waits for it.
//!
//! Owns the lock around the state and the tasks that drive it. The lock is never held over a wait or a completion.

mod acks;
mod clock;
mod deadlines;
mod lanes;
mod line;
mod link;
mod membership;
mod payload;
mod places;
mod renewal;
mod state;
mod task;
#[cfg(test)]
mod tests;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use self::{
    line::Line,
    payload::{Persistence, client as data_client},
};
use self::{
    places::Places,
    state::{Phase, State, Submitted},
    task::Finished,
};
use crate::{
    Completion, ConnectOptions, Submission, TaskId,
    code::{self, Registry},
    relay::CodeSource,
    runtime,
};
use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::v1;
use parking_lot::{Mutex, RwLock};
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore, watch},
};

/// Payloads that travel at the same time.
const PARALLEL_PAYLOADS: usize = 8;
/// How long the node may take to end the stream after a goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all parts of a session share.
pub(crate) struct Session {
    state: Mutex<State>,
    /// Wakes the clock when something is due earlier than it knows.
    timer: Notify,
    /// Follows the phase, for those who wait for a change.
    status: watch::Sender<Status>,
    /// Forces the end of a stream whose node does not answer the goodbye.
    expired: Notify,
    payloads: Semaphore,
    /// The node that the session is with.
    line: RwLock<Arc<Line>>,
    /// Where else to go when that node is gone.
    places: Places,
    pub(crate) code: Registry,
    /// Who answers requests for code instead of `code`, where a node passes tasks on.
    source: Option<Arc<dyn CodeSource>>,
    pub(crate) options: ConnectOptions,
    runtime: Handle,
    process: u32,
}

/// A session that stands: what the node said at its beginning, its number, and the way to the node.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) welcome: v1::Welcome,
    pub(crate) epoch: u64,
    pub(crate) line: Arc<Line>,
}

/// The phase as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Submits and data streams go through; the number counts sessions.
    Connected(u64),
    /// They may go through soon.
    Resuming,
    /// They fail for now.
    Lost,
    /// They fail for good.
    Closed,
    /// Nothing of the session runs any more.
    Ended,
}

impl Session {
    /// Connects and begins to drive the session; runs on the runtime.
    pub(crate) async fn open(options: ConnectOptions) -> Result<Arc<Self>> {
        let session = Self::open_on(runtime::handle()?, options, None).await?;
        session.runtime.spawn(membership::run(session.clone()));
        Ok(session)
    }

    /// Connects to another node besides that of `main`, with the code of `main`; runs on the runtime.
    pub(crate) async fn open_beside(main: &Self, address: &str, timeout: Duration) -> Result<Arc<Self>> {
        let options = ConnectOptions { address: address.to_owned(), ..main.options.clone() }.connect_timeout(timeout);
        let code = main.code.beside();
        Self::begin(main.runtime.clone(), options, None, code).await
    }

    /// As [`Session::open`], on a given runtime, with a given source of code.
    pub(crate) async fn open_on(
        runtime: Handle,
        options: ConnectOptions,
        source: Option<Arc<dyn CodeSource>>,
    ) -> Result<Arc<Self>> {
        let code = Registry::new(&options.denied, &options.included)?;
        Self::begin(runtime, options, source, code).await
    }

    async fn begin(
        runtime: Handle,
        options: ConnectOptions,
        source: Option<Arc<dyn CodeSource>>,
        code: Registry,
    ) -> Result<Arc<Self>> {
        let addresses = options.addresses()?;
        let lines = addresses.iter().map(|address| Line::new(&options, address).map(Arc::new));
        let lines = lines.collect::<Result<Vec<_>>>()?;
        let session = Arc::new(Self {
            state: Mutex::new(State::new()),
            timer: Notify::new(),
            status: watch::Sender::new(Status::Resuming),
            expired: Notify::new(),
            payloads: Semaphore::new(PARALLEL_PAYLOADS),
            line: RwLock::new(lines[0].clone()),
            places: Places::new(addresses),
            code,
            source,
            options,
            runtime,
            process: std::process::id(),
        });
        let stream = link::open_first(&session, &lines).await?;
        session.runtime.spawn(link::drive(session.clone(), stream));
        session.runtime.spawn(clock::run(session.clone()));
        Ok(session)
    }

    /// See [`Cluster::submit`](crate::Cluster::submit).
    pub(crate) fn submit(self: &Arc<Self>, submission: Submission, completion: Completion) -> Result<TaskId> {
        let deadline = submission.deadline;
        let (submit, payload) = task::submit(submission);
        self.submit_message(submit, payload, deadline, completion)
    }

    /// Submits a ready-made message; its number and payload are set here.
    pub(crate) fn submit_message(
        self: &Arc<Self>,
        submit: v1::Submit,
        payload: Bytes,
        deadline: Option<Duration>,
        completion: Completion,
    ) -> Result<TaskId> {
        self.check("submit a task")?;
        match self.update(|state| state.submit(submit, payload, deadline, completion, Instant::now()))? {
            Submitted::Ready(task) => Ok(task),
            Submitted::Needs(task, again) => {
                self.runtime.spawn(payload::prepare(self.clone(), again));
                Ok(task)
            }
        }
    }

    /// See [`Cluster::cancel`](crate::Cluster::cancel).
    pub(crate) fn cancel(&self, task: TaskId, force: bool) -> Result<bool> {
        self.check("cancel a task")?;
        let (pending, finished) = self.update(|state| state.cancel(task, force));
        complete(finished);
        Ok(pending)
    }

    /// Tells the node that no task will need the code of these snapshots any more. What a connection that breaks loses of
    /// it, ends with the session.
    pub(crate) fn end_code(&self, snapshots: &[Digest], last_offer: u64) {
        let end = v1::CodeEnd { snapshots: Digest::concatenate(snapshots).into(), last_offer };
        self.update(|state| state.code_ends.push(end));
    }

    /// Says goodbye; what is unanswered completes now, on the calling thread.
    pub(crate) fn close(&self) {
        let closed = Error::new(ErrorKind::Closed, "", "the connection was closed").hint("connect again");
        let canceled = Error::new(ErrorKind::Canceled, "", "the connection was closed before the task ended");
        self.close_with(closed, &canceled);
    }

    /// As [`Session::close`], where there is nobody to talk to: what is unanswered fails with `error`.
    pub(crate) fn abandon(&self, error: &Error) {
        self.close_with(error.clone(), error);
    }

    fn close_with(&self, closed: Error, unanswered: &Error) {
        if self.process != std::process::id() {
            return;
        }
        let finished = self.update(|state| state.close(closed, unanswered));
        self.publish(Status::Closed);
        self.timer.notify_one();
        complete(finished);
    }

    /// Waits until nothing of the session runs any more.
    pub(crate) async fn ended(&self) {
        let mut status = self.status.subscribe();
        // An error would say that the sender is gone, but `self` has it.
        let _ = status.wait_for(|status| *status == Status::Ended).await;
    }

    pub(crate) fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Refuses a session that is closed or was inherited over a fork.
    pub(crate) fn check(&self, operation: &str) -> Result<()> {
        runtime::check_process(self.process, operation)
    }

    /// The counter of sessions: what was promised in one is worth nothing in the next.
    pub(crate) fn epoch(&self) -> u64 {
        match self.status() {
            Status::Connected(epoch) => epoch,
            _ => 0,
        }
    }

    /// What the node said at the beginning.
    pub(crate) fn welcome(&self) -> v1::Welcome {
        self.state.lock().welcome().clone()
    }

    /// Whether the session is with the node of this name.
    pub(crate) fn is_with(&self, node: &str) -> bool {
        self.state.lock().welcome().node == node
    }

    /// Follows the nodes of the cluster, as the node last told; empty before that.
    pub(crate) fn follow_nodes(&self) -> watch::Receiver<Arc<[v1::Node]>> {
        self.places.follow()
    }

    /// Follows the phase.
    pub(crate) fn follow_status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The way to the node that the session is with.
    pub(crate) fn line(&self) -> Arc<Line> {
        self.line.read().clone()
    }

    /// The session of this number, if it is the one of now.
    pub(crate) fn standing(&self, epoch: u64) -> Option<Standing> {
        let state = self.state.lock();
        (state.epoch() == epoch).then(|| Standing { welcome: state.welcome().clone(), epoch, line: self.line() })
    }

    /// Waits until it is known whether the session stands, for at most the time in which it may be resumed; whether it
    /// is known.
    pub(crate) async fn settled(&self) -> bool {
        let mut status = self.status.subscribe();
        let settled = status.wait_for(|status| *status != Status::Resuming);
        tokio::time::timeout(self.options.resume_window, settled).await.is_ok()
    }

    /// Waits until the session stands, for at most the time in which it may be resumed.
    pub(crate) async fn connected(&self, operation: &str) -> Result<Standing> {
        let waited = self.settled().await;
        let state = self.state.lock();
        match state.phase() {
            Phase::Connected => {
                // The line changes only while the phase is another one.
                Ok(Standing { welcome: state.welcome().clone(), epoch: state.epoch(), line: self.line() })
            }
            Phase::Lost(error) | Phase::Closed(error) => Err(error.clone().in_operation(operation)),
            Phase::Resuming => Err(Error::new(
                ErrorKind::Unavailable,
                operation,
                format!(
                    "the connection to {} is broken{}",
                    self.line().route.address(),
                    if waited { "" } else { " for too long" }
                ),
            )
            .hint("look whether the node runs: haulier nodes")),
        }
    }

    /// Answers a request for code of the session `epoch`, elsewhere.
    fn answer_for(self: &Arc<Self>, epoch: u64, request: v1::CodeRequest) {
        let Some(source) = &self.source else { return self.code.answer(self, epoch, request) };
        let (session, request_id) = (self.clone(), request.request_id);
        source.answer(
            request,
            Box::new(move |pack| match pack {
                Ok(pack) => code::send_answer(&session, epoch, request_id, pack),
                Err(error) => {
                    session.answer(epoch, v1::CodeAnswer { request_id, pack: Bytes::new(), error: Some(error.into()) });
                }
            }),
        );
    }

    /// Sends an answer to a request for code.
    pub(crate) fn answer(&self, epoch: u64, answer: v1::CodeAnswer) {
        self.update(|state| state.answer(epoch, answer));
    }

    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.runtime.spawn_blocking(work);
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Changes the state, then wakes whoever has something to do after it.
    fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, waker, rearm) = {
            let mut state = self.state.lock();
            let result = change(&mut state);
            (result, state.take_waker(), state.rearm())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        if rearm {
            self.timer.notify_one();
        }
        result
    }

    fn publish(&self, status: Status) {
        self.status.send_if_modified(|current| {
            let final_status = matches!(current, Status::Ended)
                || (matches!(current, Status::Closed) && !matches!(status, Status::Ended));
            let changes = !final_status && *current != status;
            if changes {
                *current = status;
            }
            changes
        });
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("address", &self.line().route.address())
            .field("status", &self.status())
            .finish()
    }
}

/// Calls completions. One that panics must not take the others with it.
fn complete(finished: impl IntoIterator<Item = Finished>) {
    for Finished { completion, result } in finished {
        if catch_unwind(AssertUnwindSafe(|| completion(result))).is_err() {
            tracing::error!("a completion panicked; its task has ended all the same");
        }
    }
}
