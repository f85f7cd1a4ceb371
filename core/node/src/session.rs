//! Sessions: what a client has asked, what it has not yet been told, and the code that it has promised.
//!
//! A session survives the loss of its connection for a while. This module knows nothing of scheduling or of gRPC streams'
//! transport.

mod outbox;
mod tasks;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use haulier_model::{DeploymentMode, Error, Language};
use haulier_protocol::v1::{self, TaskState};
use parking_lot::Mutex;

use self::{outbox::Outbox, tasks::SessionTasks};
use crate::{
    code::SessionCode,
    identity::Identity,
    loaders::HeldLoaders,
    past_tasks::{TaskCode, TaskPlace},
    payloads::StoredPayload,
    placements::Placements,
};

pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) token: Bytes,
    pub(crate) identity: Identity,
    pub(crate) language: Option<Language>,
    pub(crate) language_version: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) mode: DeploymentMode,
    /// The node that passes tasks on, if this is no session of a client.
    pub(crate) origin: Option<String>,
    /// The client runs in a worker, of whichever node.
    pub(crate) inside_worker: bool,
    pub(crate) opened: Instant,
    pub(crate) code: SessionCode,
    pub(crate) placements: Placements,
    pub(crate) loaders: HeldLoaders,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tasks: SessionTasks,
    outbox: Outbox,
    /// Large arguments that were uploaded and not yet submitted.
    uploads: HashMap<u64, Arc<StoredPayload>>,
    credit: u32,
    requests: VecDeque<v1::CodeRequest>,
    welcome: Option<v1::Welcome>,
    goodbye: Option<Error>,
    stream: u64,
    last_stream: u64,
    waker: Option<Waker>,
    ended: bool,
}

/// What became of a submit's number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    New,
    Known,
    Ended,
}

impl Session {
    pub(crate) fn new(id: String, token: Bytes, identity: Identity, hello: &v1::ClientHello) -> Self {
        Self {
            id,
            token,
            identity,
            language: hello.language().try_into().ok(),
            language_version: hello.language_version.clone(),
            capabilities: hello.capabilities.clone(),
            mode: hello.mode().into(),
            origin: hello.relay.as_ref().map(|relay| relay.node.clone()),
            inside_worker: hello.inside_worker,
            opened: Instant::now(),
            code: SessionCode::default(),
            placements: Placements::default(),
            loaders: HeldLoaders::default(),
            state: Mutex::default(),
        }
    }

    /// Connects a new stream; an older one ends. Results up to `last_result` have arrived; later ones are sent again, and
    /// code that was asked for and has not come is asked for again.
    pub(crate) fn attach(&self, welcome: v1::Welcome, last_result: u64) -> u64 {
        let unanswered = self.code.unanswered();
        let mut state = self.state.lock();
        state.requests.retain(|request| unanswered.iter().all(|known| known.request_id != request.request_id));
        state.requests.extend(unanswered);
        state.outbox.resume(last_result);
        state.welcome = Some(welcome);
        state.last_stream += 1;
        state.stream = state.last_stream;
        state.wake();
        state.stream
    }

    /// The stream is gone. True if it was the current one, so that the wait for a resume begins.
    pub(crate) fn detach(&self, stream: u64) -> bool {
        let mut state = self.state.lock();
        let current = state.stream == stream;
        if current {
            state.stream = 0;
            state.waker = None;
        }
        current
    }

    /// Whether no stream has been attached since `stream` was lost.
    pub(crate) fn is_lost_since(&self, stream: u64) -> bool {
        let state = self.state.lock();
        state.stream == 0 && state.last_stream == stream
    }

    /// Notes a submit by its number, so that one that is sent again is recognised. `named` is its number in the client's
    /// session, by which it is asked about.
    pub(crate) fn register(&self, task_id: u64, named: u64, run: u64) -> Registered {
        let mut state = self.state.lock();
        if state.ended {
            return Registered::Ended;
        }
        // Numbers rise, so that only one that is sent again after a broken connection needs a look.
        if task_id <= state.tasks.highest() && (state.tasks.is_open(task_id) || state.outbox.has(task_id)) {
            return Registered::Known;
        }
        state.tasks.open(task_id, named, run);
        Registered::New
    }

    /// Tasks that are not answered.
    pub(crate) fn open_tasks(&self) -> u32 {
        u32::try_from(self.state.lock().tasks.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn run_of(&self, task_id: u64) -> Option<u64> {
        self.state.lock().tasks.run_of(task_id)
    }

    /// Notes what a task that is not answered runs with.
    pub(crate) fn note_code(&self, task_id: u64, code: &Arc<TaskCode>) {
        self.state.lock().tasks.note(task_id, TaskPlace::Here(code.clone()));
    }

    /// Notes the node that a task is passed on to.
    pub(crate) fn note_node(&self, task_id: u64, node: &Arc<str>) {
        self.state.lock().tasks.note(task_id, TaskPlace::There(node.clone()));
    }

    /// Where a task runs, or has run in the last minutes; `named` as of [`Session::register`].
    pub(crate) fn place_of(&self, named: u64) -> Option<TaskPlace> {
        self.state.lock().tasks.place_of(named)
    }

    /// Tasks with where they run: those that are not answered, and the last ones that are; at most `most`.
    pub(crate) fn places(&self, most: usize) -> Vec<(u64, TaskPlace)> {
        self.state.lock().tasks.places(most)
    }

    /// Hands a result to the client: at once, or when it is connected again. Nothing happens after the session's end,
    /// or if the task has been answered.
    pub(crate) fn answer(
        &self,
        task_id: u64,
        state_after: TaskState,
        mut outcome: v1::Outcome,
        payload: Option<StoredPayload>,
    ) {
        let mut state = self.state.lock();
        let Some(place) = state.close(task_id, state_after) else { return };
        if let Some(error) = &mut outcome.error {
            self.name_task(task_id, place.as_ref(), error);
        }
        state.outbox.add(task_id, vec![(outcome, payload)]);
        state.wake();
    }

    /// As [`Session::answer`], with what several nodes have answered.
    pub(crate) fn answer_all(
        &self,
        task_id: u64,
        state_after: TaskState,
        mut outcomes: Vec<(v1::Outcome, Option<StoredPayload>)>,
    ) {
        let mut state = self.state.lock();
        let Some(place) = state.close(task_id, state_after) else { return };
        for error in outcomes.iter_mut().filter_map(|(outcome, _)| outcome.error.as_mut()) {
            self.name_task(task_id, place.as_ref(), error);
        }
        state.outbox.add(task_id, outcomes);
        state.wake();
    }

    /// A failure says by which name it can be asked about, where there is something to be told.
    fn name_task(&self, task_id: u64, place: Option<&TaskPlace>, error: &mut v1::Error) {
        if place.is_some() && self.origin.is_none() {
            error.context.push(v1::ErrorContext { name: "task".to_owned(), value: format!("{}/{task_id}", self.id) });
        }
    }

    pub(crate) fn acknowledge(&self, sequence: u64) {
        self.state.lock().outbox.acknowledge(sequence);
    }

    pub(crate) fn task_state(&self, named: u64) -> Option<TaskState> {
        self.state.lock().tasks.state_of(named)
    }

    pub(crate) fn ask_for_code(&self, request: v1::CodeRequest) {
        let mut state = self.state.lock();
        state.requests.push_back(request);
        state.wake();
    }

    pub(crate) fn add_upload(&self, payload_id: u64, payload: StoredPayload) {
        self.state.lock().uploads.insert(payload_id, Arc::new(payload));
    }

    pub(crate) fn take_upload(&self, payload_id: u64) -> Option<Arc<StoredPayload>> {
        self.state.lock().uploads.remove(&payload_id)
    }

    pub(crate) fn result_payload(&self, payload_id: u64) -> Option<Arc<StoredPayload>> {
        self.state.lock().outbox.payload(payload_id)
    }

    /// Ends the session: the numbers of its tasks that still run. `reason` is told to the client if it listens.
    pub(crate) fn end(&self, reason: Option<Error>) -> Vec<u64> {
        let mut state = self.state.lock();
        state.ended = true;
        state.goodbye = reason;
        state.outbox.clear();
        state.uploads.clear();
        state.wake();
        state.tasks.end()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// The next message for `stream`: everything that is ready now.
    pub(crate) fn poll_message(&self, stream: u64, context: &mut Context<'_>) -> Poll<Option<v1::ConnectResponse>> {
        let mut state = self.state.lock();
        if state.stream != stream {
            return Poll::Ready(None);
        }
        if let Some(welcome) = state.welcome.take() {
            return Poll::Ready(Some(v1::ConnectResponse { welcome: Some(welcome), ..Default::default() }));
        }
        let results = state.outbox.next_batch();
        let requests: Vec<_> = state.requests.drain(..).collect();
        let credit = std::mem::take(&mut state.credit);
        if !results.is_empty() || !requests.is_empty() || credit > 0 {
            let message =
                v1::ConnectResponse { results, code_requests: requests, submit_credit: credit, ..Default::default() };
            return Poll::Ready(Some(message));
        }
        if state.ended {
            return Poll::Ready(
                state
                    .goodbye
                    .take()
                    .map(|error| v1::ConnectResponse { goodbye: Some(error.into()), ..Default::default() }),
            );
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Ends a task, and says where it ran if that is known; `None` if its answer is not waited for.
    fn close(&mut self, task_id: u64, state_after: TaskState) -> Option<Option<TaskPlace>> {
        let closed = self.tasks.close(task_id, state_after)?;
        self.credit += 1;
        Some(closed)
    }
}
