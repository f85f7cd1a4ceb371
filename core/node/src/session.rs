//! Sessions: what a client has asked, what it has not yet been told, and the code that it has promised.
//!
//! A session survives the loss of its connection for a while. Results keep their order and a sequence number until the
//! client has acknowledged them. This module knows nothing of scheduling or of gRPC streams' transport.

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

use crate::{
    code::SessionCode,
    identity::Identity,
    loaders::HeldLoaders,
    past_tasks::{KEPT, TaskCode},
    payloads::StoredPayload,
    placements::Placements,
};

/// One message of the control stream holds at most this many results, and about this many bytes of them.
const BATCH_RESULTS: usize = 512;
const BATCH_BYTES: usize = 256 * 1024;
/// Finished tasks whose state is still known, per session.
const KEPT_STATES: usize = 100_000;

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
    pub(crate) opened: Instant,
    pub(crate) code: SessionCode,
    pub(crate) placements: Placements,
    pub(crate) loaders: HeldLoaders,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Tasks that are not answered.
    tasks: HashMap<u64, OpenTask>,
    /// Results that are not acknowledged, by rising sequence.
    results: VecDeque<v1::TaskResult>,
    /// Large results by payload number (the sequence of their result and the index of the outcome).
    payloads: HashMap<u64, (u64, Arc<StoredPayload>)>,
    /// Large arguments that were uploaded and not yet submitted.
    uploads: HashMap<u64, Arc<StoredPayload>>,
    finished: VecDeque<FinishedTask>,
    highest_task: u64,
    last_sequence: u64,
    sent_sequence: u64,
    last_payload: u64,
    credit: u32,
    requests: VecDeque<v1::CodeRequest>,
    welcome: Option<v1::Welcome>,
    goodbye: Option<Error>,
    stream: u64,
    last_stream: u64,
    waker: Option<Waker>,
    ended: bool,
}

struct OpenTask {
    /// The node's number.
    run: u64,
    /// Known when it has a place on this node.
    code: Option<Arc<TaskCode>>,
}

struct FinishedTask {
    id: u64,
    state: TaskState,
    at: Instant,
    code: Option<Arc<TaskCode>>,
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
        state.acknowledge(last_result);
        state.sent_sequence = last_result;
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

    /// Notes a submit by its number, so that one that is sent again is recognised.
    pub(crate) fn register(&self, task_id: u64, run: u64) -> Registered {
        let mut state = self.state.lock();
        if state.ended {
            return Registered::Ended;
        }
        // Numbers rise, so that only one that is sent again after a broken connection needs a look.
        if task_id <= state.highest_task
            && (state.tasks.contains_key(&task_id) || state.results.iter().any(|result| result.task_id == task_id))
        {
            return Registered::Known;
        }
        state.highest_task = state.highest_task.max(task_id);
        state.tasks.insert(task_id, OpenTask { run, code: None });
        Registered::New
    }

    /// Tasks that are not answered.
    pub(crate) fn open_tasks(&self) -> u32 {
        u32::try_from(self.state.lock().tasks.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn run_of(&self, task_id: u64) -> Option<u64> {
        self.state.lock().tasks.get(&task_id).map(|task| task.run)
    }

    /// Notes what a task that is not answered runs with.
    pub(crate) fn note_code(&self, task_id: u64, code: &Arc<TaskCode>) {
        if let Some(task) = self.state.lock().tasks.get_mut(&task_id) {
            task.code = Some(code.clone());
        }
    }

    /// What a task runs with, or has run with in the last minutes, on this node.
    pub(crate) fn code_of(&self, task_id: u64) -> Option<Arc<TaskCode>> {
        let state = self.state.lock();
        let open = state.tasks.get(&task_id).and_then(|task| task.code.clone());
        let finished = || state.finished.iter().rev().find(|task| task.id == task_id && task.at.elapsed() < KEPT);
        open.or_else(|| finished()?.code.clone())
    }

    /// Tasks with what they run with: those that are not answered, and the last ones that are; at most `most`.
    pub(crate) fn codes(&self, most: usize) -> Vec<(u64, Arc<TaskCode>)> {
        let state = self.state.lock();
        let open = state.tasks.iter().filter_map(|(id, task)| Some((*id, task.code.clone()?)));
        let finished = state.finished.iter().rev().filter_map(|task| Some((task.id, task.code.clone()?)));
        open.chain(finished).take(most).collect()
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
        if let Some((sequence, code)) = state.next_sequence(task_id) {
            if code.is_some() && self.origin.is_none() {
                self.name_task(task_id, &mut outcome);
            }
            state.keep_payload(sequence, &mut outcome, payload);
            state.finish(task_id, sequence, state_after, vec![outcome], code);
        }
    }

    /// As [`Session::answer`], with what several nodes have answered.
    pub(crate) fn answer_all(
        &self,
        task_id: u64,
        state_after: TaskState,
        outcomes: Vec<(v1::Outcome, Option<StoredPayload>)>,
    ) {
        let mut state = self.state.lock();
        let Some((sequence, code)) = state.next_sequence(task_id) else { return };
        let mut answers = Vec::with_capacity(outcomes.len());
        for (mut outcome, payload) in outcomes {
            state.keep_payload(sequence, &mut outcome, payload);
            answers.push(outcome);
        }
        state.finish(task_id, sequence, state_after, answers, code);
    }

    /// A failure says by which name it can be asked about.
    fn name_task(&self, task_id: u64, outcome: &mut v1::Outcome) {
        if let Some(error) = &mut outcome.error {
            error.context.push(v1::ErrorContext { name: "task".to_owned(), value: format!("{}/{task_id}", self.id) });
        }
    }

    pub(crate) fn acknowledge(&self, sequence: u64) {
        self.state.lock().acknowledge(sequence);
    }

    pub(crate) fn task_state(&self, task_id: u64) -> Option<TaskState> {
        let state = self.state.lock();
        let found = state.finished.iter().rev().find(|task| task.id == task_id && task.at.elapsed() < KEPT);
        found.map(|task| task.state)
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
        self.state.lock().payloads.get(&payload_id).map(|(_, payload)| payload.clone())
    }

    /// Ends the session: the numbers of its tasks that still run. `reason` is told to the client if it listens.
    pub(crate) fn end(&self, reason: Option<Error>) -> Vec<u64> {
        let mut state = self.state.lock();
        state.ended = true;
        state.goodbye = reason;
        state.results.clear();
        state.payloads.clear();
        state.uploads.clear();
        state.wake();
        state.tasks.drain().map(|(_, task)| task.run).collect()
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
        let results = state.next_results();
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

    /// The number of a task's answer, and what it ran with; `None` if it is not waited for.
    fn next_sequence(&mut self, task_id: u64) -> Option<(u64, Option<Arc<TaskCode>>)> {
        let task = self.tasks.remove(&task_id).filter(|_| !self.ended)?;
        self.last_sequence += 1;
        Some((self.last_sequence, task.code))
    }

    fn keep_payload(&mut self, sequence: u64, outcome: &mut v1::Outcome, payload: Option<StoredPayload>) {
        if let Some(payload) = payload {
            self.last_payload += 1;
            outcome.payload_id = self.last_payload;
            outcome.payload_size = payload.size();
            self.payloads.insert(outcome.payload_id, (sequence, Arc::new(payload)));
        }
    }

    fn finish(
        &mut self,
        task_id: u64,
        sequence: u64,
        state_after: TaskState,
        outcomes: Vec<v1::Outcome>,
        code: Option<Arc<TaskCode>>,
    ) {
        if self.finished.len() == KEPT_STATES {
            self.finished.pop_front();
        }
        self.finished.push_back(FinishedTask { id: task_id, state: state_after, at: Instant::now(), code });
        self.results.push_back(v1::TaskResult { task_id, sequence, outcomes });
        self.credit += 1;
        self.wake();
    }

    fn acknowledge(&mut self, sequence: u64) {
        while self.results.front().is_some_and(|result| result.sequence <= sequence) {
            self.results.pop_front();
        }
        if !self.payloads.is_empty() {
            self.payloads.retain(|_, (of, _)| *of > sequence);
        }
    }

    fn next_results(&mut self) -> Vec<v1::TaskResult> {
        let first = self.results.partition_point(|result| result.sequence <= self.sent_sequence);
        let mut bytes = 0;
        let mut batch = Vec::new();
        for result in self.results.range(first..).take(BATCH_RESULTS) {
            if bytes > BATCH_BYTES {
                break;
            }
            bytes += result.outcomes.iter().map(size_of_outcome).sum::<usize>();
            batch.push(result.clone());
        }
        if let Some(last) = batch.last() {
            self.sent_sequence = last.sequence;
        }
        batch
    }
}

fn size_of_outcome(outcome: &v1::Outcome) -> usize {
    let error = outcome.error.as_ref();
    let remote = error.and_then(|error| error.remote.as_ref());
    64 + outcome.payload.len()
        + error.map_or(0, |error| error.message.len())
        + remote.map_or(0, |remote| remote.trace.len() + remote.payload.len())
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::identity::Tokens;

    fn session() -> Session {
        let identity = Tokens::default().identify(&tonic::metadata::MetadataMap::new()).unwrap();
        Session::new("s".into(), Bytes::from_static(b"token"), identity, &v1::ClientHello::default())
    }

    fn poll(session: &Session, stream: u64) -> Poll<Option<v1::ConnectResponse>> {
        session.poll_message(stream, &mut Context::from_waker(Waker::noop()))
    }

    /// The welcome comes alone; what follows is polled after it.
    fn attach(session: &Session, last_result: u64) -> u64 {
        let stream = session.attach(v1::Welcome::default(), last_result);
        let Poll::Ready(Some(first)) = poll(session, stream) else { panic!("no welcome") };
        assert!(first.welcome.is_some() && first.results.is_empty());
        stream
    }

    fn results(session: &Session, stream: u64) -> Vec<u64> {
        match poll(session, stream) {
            Poll::Ready(Some(message)) => message.results.iter().map(|result| result.task_id).collect(),
            _ => Vec::new(),
        }
    }

    fn complete(session: &Session, task: u64) {
        session.answer(task, TaskState::Completed, v1::Outcome::default(), None);
    }

    #[test]
    fn unacknowledged_results_are_sent_again_after_a_resume() {
        let session = session();
        let first = attach(&session, 0);
        for task in 1..=4 {
            assert_eq!(session.register(task, task), Registered::New);
        }
        (1..=3).for_each(|task| complete(&session, task));
        assert_eq!(results(&session, first), [1, 2, 3]);
        assert!(poll(&session, first).is_pending());
        session.acknowledge(1);
        assert!(session.detach(first) && session.is_lost_since(first));
        complete(&session, 4);
        // The client says that it has result 2: the acknowledgement was lost with the connection.
        let second = attach(&session, 2);
        assert_eq!(results(&session, second), [3, 4]);
        assert!(matches!(poll(&session, first), Poll::Ready(None)), "the older stream is over");
        assert!(!session.detach(first), "its end does not touch the new one");
    }

    #[test]
    fn a_submit_that_is_sent_again_is_known() {
        let session = session();
        let stream = attach(&session, 0);
        assert_eq!(session.register(7, 1), Registered::New);
        assert_eq!(session.register(7, 2), Registered::Known);
        complete(&session, 7);
        assert_eq!(session.register(7, 3), Registered::Known, "answered, but not acknowledged");
        complete(&session, 7);
        assert_eq!(results(&session, stream), [7], "one answer only");
        assert_eq!(session.task_state(7), Some(TaskState::Completed));
    }

    #[test]
    fn large_results_go_when_they_are_acknowledged() {
        let session = session();
        let stream = attach(&session, 0);
        session.register(1, 1);
        let payload = StoredPayload::Memory(Bytes::from_static(b"large"));
        session.answer(1, TaskState::Completed, v1::Outcome::default(), Some(payload));
        let Poll::Ready(Some(message)) = poll(&session, stream) else { panic!("no result") };
        let number = message.results[0].outcomes[0].payload_id;
        assert_eq!(session.result_payload(number).unwrap().size(), 5);
        session.acknowledge(message.results[0].sequence);
        assert!(session.result_payload(number).is_none());
    }

    #[test]
    fn an_ended_session_says_why_and_takes_nothing() {
        let session = session();
        let stream = attach(&session, 0);
        session.register(1, 11);
        assert_eq!(session.end(Some(Error::internal("", "over"))), [11]);
        assert_eq!(session.register(2, 12), Registered::Ended);
        let Poll::Ready(Some(message)) = poll(&session, stream) else { panic!("no goodbye") };
        assert!(message.goodbye.is_some());
        assert!(matches!(poll(&session, stream), Poll::Ready(None)));
    }
}
