//! The state of a session against a node that is played here, message by message.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use haulier_model::{Codec, Digest, Error, ErrorKind, Language};
use haulier_protocol::v1;

use super::{
    complete,
    lanes::{BATCH_BYTES, BATCH_SUBMITS, Next},
    renewal::Again,
    state::{State, Submitted},
    task::{self, Finished},
};
use crate::{CodeReference, Completion, Submission, TaskId};

type Ends = Arc<Mutex<Vec<(u64, Result<usize, ErrorKind>)>>>;

struct Played {
    state: State,
    now: Instant,
    stream: u64,
    ends: Ends,
    submitted: u64,
    /// What the last welcome asks for.
    again: Vec<Again>,
}

impl Played {
    fn new(credit: u32) -> Self {
        let mut played = Self {
            state: State::new(),
            now: Instant::now(),
            stream: 0,
            ends: Ends::default(),
            submitted: 0,
            again: Vec::new(),
        };
        played.connect(credit, false);
        played
    }

    /// A new stream: what the client says hello with.
    fn connect(&mut self, credit: u32, resumed: bool) -> v1::ClientHello {
        self.stream = self.state.begin_stream(v1::ClientHello::default());
        let hello = self.next().expect("a stream begins with a hello").hello.expect("a hello");
        assert_eq!(self.next(), None, "nothing before the welcome");
        let welcome = v1::Welcome {
            session_token: Bytes::from_static(b"token"),
            submit_credit: credit,
            resumed,
            payload_limit: 1 << 20,
            ..Default::default()
        };
        self.again = self.welcome(welcome, 0, None);
        hello
    }

    fn welcome(&mut self, welcome: v1::Welcome, last_offer: u64, moved: Option<Error>) -> Vec<Again> {
        let welcomed = self.state.welcomed(welcome, last_offer, moved);
        complete(welcomed.finished);
        welcomed.again
    }

    /// The stream breaks, and another node answers, which knows nothing of the session.
    fn move_on(&mut self, last_offer: u64) -> Vec<Again> {
        self.state.disconnected();
        self.state.forget_session();
        self.stream = self.state.begin_stream(v1::ClientHello::default());
        assert!(self.next().unwrap().hello.unwrap().session_token.is_empty());
        let moved = Error::new(ErrorKind::SessionLost, "", "moved");
        let welcome = v1::Welcome { submit_credit: 100, payload_limit: 1 << 20, ..Default::default() };
        self.welcome(welcome, last_offer, Some(moved))
    }

    fn next(&mut self) -> Option<v1::ConnectRequest> {
        match self.state.next_message(self.stream, self.now) {
            Next::Message(message) => Some(*message),
            Next::Idle => None,
            Next::End => panic!("the stream ended"),
        }
    }

    /// The numbers of the tasks in the next message.
    fn submits(&mut self) -> Vec<u64> {
        self.next().map_or_else(Vec::new, |message| message.submits.iter().map(|submit| submit.task_id).collect())
    }

    fn completion(&mut self) -> Completion {
        self.submitted += 1;
        let (id, ends) = (self.submitted, self.ends.clone());
        Box::new(move |result| {
            let end = match result {
                Ok(outcomes) => match outcomes.into_iter().next().unwrap().result {
                    Ok(output) => Ok(output.payload.len()),
                    Err(error) => Err(error.kind()),
                },
                Err(error) => Err(error.kind()),
            };
            ends.lock().unwrap().push((id, end));
        })
    }

    fn submit(&mut self, size: usize, deadline: Option<Duration>) -> Submitted {
        self.submit_as(size, |submission| submission.deadline = deadline)
    }

    fn submit_as(&mut self, size: usize, change: impl FnOnce(&mut Submission)) -> Submitted {
        let mut submission = Submission::new(Language::Java, "a.B", Codec::Values);
        submission.payload = vec![0; size].into();
        change(&mut submission);
        let completion = self.completion();
        let deadline = submission.deadline;
        let (submit, payload) = task::submit(submission);
        self.state.submit(submit, payload, deadline, completion, self.now).unwrap()
    }

    /// As [`Played::submit`], for arguments that are sent first.
    fn submit_large(&mut self, failover: bool) -> Again {
        match self.submit_as(100_000, |submission| submission.failover = failover) {
            Submitted::Needs(_, again) => again,
            Submitted::Ready(task) => panic!("{task} is inline"),
        }
    }

    fn submit_many(&mut self, count: usize, size: usize) {
        for _ in 0..count {
            self.submit(size, None);
        }
    }

    fn receive(&mut self, response: v1::ConnectResponse) -> Vec<super::state::Download> {
        let received = self.state.receive(response, self.now);
        complete(received.finished);
        received.downloads
    }

    fn result(&mut self, task_id: u64, sequence: u64) -> Vec<super::state::Download> {
        self.receive(v1::ConnectResponse { results: vec![result(task_id, sequence, 0)], ..Default::default() })
    }

    fn ends(&self) -> Vec<(u64, Result<usize, ErrorKind>)> {
        let mut ends = std::mem::take(&mut *self.ends.lock().unwrap());
        ends.sort_unstable_by_key(|(id, _)| *id);
        ends
    }

    fn expire_after(&mut self, time: Duration) {
        self.now += time;
        let (finished, _) = self.state.expire(self.now);
        complete(finished);
    }
}

fn result(task_id: u64, sequence: u64, payload_id: u64) -> v1::TaskResult {
    let outcome = v1::Outcome {
        node: "n1".into(),
        codec: v1::Codec::Values.into(),
        payload: Bytes::from_static(b"ok"),
        payload_id,
        ..Default::default()
    };
    v1::TaskResult { task_id, sequence, outcomes: vec![outcome] }
}

fn complete_one(finished: Option<Finished>) {
    complete(finished);
}

#[test]
fn submits_need_credit_and_travel_together() {
    let mut played = Played::new(3);
    played.submit_many(5, 10);
    assert_eq!(played.submits(), [1, 2, 3]);
    assert_eq!(played.next(), None);
    played.receive(v1::ConnectResponse { submit_credit: 1, ..Default::default() });
    assert_eq!(played.submits(), [4]);
}

#[test]
fn batches_are_bounded_by_number_and_bytes() {
    let mut played = Played::new(10_000);
    played.submit_many(BATCH_SUBMITS + 1, 0);
    assert_eq!(played.submits().len(), BATCH_SUBMITS);
    assert_eq!(played.submits().len(), 1);
    played.submit_many(4, BATCH_BYTES / 2 - 200);
    assert_eq!([played.submits().len(), played.submits().len()], [2, 2]);
    played.submit_many(2, BATCH_BYTES);
    assert_eq!([played.submits().len(), played.submits().len()], [1, 1], "one that is too large travels alone");
}

#[test]
fn cancels_and_answers_never_wait_for_credit() {
    let mut played = Played::new(1);
    played.submit_many(3, 0);
    assert_eq!(played.submits(), [1]);
    let (pending, finished) = played.state.cancel(TaskId(1), true);
    assert!(pending && finished.is_none());
    played.state.answer(1, v1::CodeAnswer { request_id: 9, ..Default::default() });
    let message = played.next().unwrap();
    assert_eq!(message.cancels, [v1::Cancel { task_id: 1, force: true }]);
    assert_eq!((message.code_answers.len(), message.submits.len()), (1, 0));
    // What has not left needs no message.
    let (pending, finished) = played.state.cancel(TaskId(2), false);
    complete_one(finished);
    assert!(pending && !played.state.cancel(TaskId(2), false).0);
    assert_eq!(played.ends(), [(2, Err(ErrorKind::Canceled))]);
    played.receive(v1::ConnectResponse { submit_credit: 5, ..Default::default() });
    assert_eq!(played.submits(), [3]);
}

#[test]
fn results_complete_once_and_are_acknowledged() {
    let mut played = Played::new(10);
    played.submit_many(2, 0);
    played.submits();
    played.result(1, 1);
    played.result(1, 1);
    assert_eq!(played.ends(), [(1, Ok(2))]);
    assert_eq!(played.next(), None, "an acknowledgement waits for company");
    played.expire_after(Duration::from_millis(60));
    assert_eq!(played.next().unwrap().result_ack, Some(v1::ResultAck { sequence: 1 }));
    played.result(2, 2);
    played.submit(0, None);
    let message = played.next().unwrap();
    assert_eq!((message.result_ack, message.submits.len()), (Some(v1::ResultAck { sequence: 2 }), 1));
}

#[test]
fn a_resumed_session_asks_again_for_what_is_unanswered() {
    let mut played = Played::new(3);
    played.submit_many(4, 0);
    assert_eq!(played.submits(), [1, 2, 3]);
    played.result(2, 1);
    played.state.cancel(TaskId(3), false);
    played.state.disconnected();
    assert_eq!(played.state.next_message(played.stream, played.now), Next::End, "the old stream says nothing more");
    played.submit(0, None);
    let hello = played.connect(10, true);
    assert_eq!((&hello.session_token[..], hello.last_result), (&b"token"[..], 1));
    assert_eq!(played.submits(), [1, 3, 4, 5]);
    assert_eq!(played.next().unwrap().cancels, [v1::Cancel { task_id: 3, force: false }], "the cancel follows");
    played.result(3, 2);
    played.result(1, 3);
    assert_eq!(played.ends(), [(1, Ok(2)), (2, Ok(2)), (3, Ok(2))]);
}

#[test]
fn a_forgotten_session_fails_what_was_sent_and_keeps_the_rest() {
    let mut played = Played::new(1);
    played.submit_many(2, 0);
    assert_eq!(played.submits(), [1]);
    let epoch = played.state.epoch();
    played.state.disconnected();
    played.state.forget_session();
    assert!(played.connect(10, false).session_token.is_empty());
    assert_eq!(played.ends(), [(1, Err(ErrorKind::SessionLost))]);
    assert_eq!(played.submits(), [2]);
    assert_eq!(played.state.epoch(), epoch + 1);
}

#[test]
fn a_lost_session_fails_everything_and_refuses_more() {
    let mut played = Played::new(1);
    played.submit_many(2, 0);
    played.submits();
    played.state.disconnected();
    let gone = Error::new(ErrorKind::Unavailable, "", "nothing listens");
    let lost = Error::new(ErrorKind::SessionLost, "", "gone");
    let finished = played.state.lost(&gone, &lost);
    complete(finished);
    assert_eq!(played.ends(), [(1, Err(ErrorKind::SessionLost)), (2, Err(ErrorKind::SessionLost))]);
    let submission = Submission::new(Language::Java, "a.B", Codec::Values);
    let (submit, payload) = task::submit(submission);
    let error = played.state.submit(submit, payload, None, Box::new(|_| {}), played.now).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, "run a.B"));
    assert!(played.connect(1, false).session_token.is_empty(), "the next session is a new one");
    played.submit(0, None);
    assert_eq!(played.submits(), [3]);
}

#[test]
fn deadlines_hold_without_a_node() {
    let mut played = Played::new(1);
    let limit = Duration::from_secs(1);
    played.submit(0, Some(limit));
    played.submit(0, Some(limit));
    assert!(played.state.rearm() && !played.state.rearm());
    assert_eq!(played.next().unwrap().submits[0].deadline_ms, 1000);
    // The first has reached the node, which gets a grace to answer; the second has not left.
    played.expire_after(limit);
    assert_eq!(played.ends(), [(2, Err(ErrorKind::DeadlineExceeded))]);
    played.expire_after(super::deadlines::GRACE);
    assert_eq!(played.ends(), [(1, Err(ErrorKind::DeadlineExceeded))]);
    assert_eq!(played.next().unwrap().cancels.len(), 1);
    // Without a connection there is no grace.
    played.receive(v1::ConnectResponse { submit_credit: 1, ..Default::default() });
    played.submit(0, Some(limit));
    assert_eq!(played.submits(), [3]);
    played.state.disconnected();
    played.expire_after(limit);
    assert_eq!(played.ends(), [(3, Err(ErrorKind::DeadlineExceeded))]);
}

#[test]
fn the_remaining_time_travels() {
    let mut played = Played::new(0);
    played.submit(0, Some(Duration::from_secs(10)));
    played.now += Duration::from_secs(4);
    played.receive(v1::ConnectResponse { submit_credit: 1, ..Default::default() });
    assert_eq!(played.next().unwrap().submits[0].deadline_ms, 6000);
}

#[test]
fn large_arguments_are_uploaded_first() {
    let mut played = Played::new(10);
    let again = played.submit_large(false);
    assert!(again.snapshot.is_empty());
    let [(task, Some((1, payload)))] = &again.tasks[..] else { panic!("{:?}", again.tasks) };
    assert_eq!((*task, payload.len()), (1, 100_000));
    assert_eq!(played.next(), None);
    assert!(played.state.prepared(1, again.epoch, Ok(None)).is_none());
    let message = played.next().unwrap();
    assert_eq!((message.submits[0].payload_id, message.submits[0].payload.len()), (1, 0));
    // An upload that fails, and one that was cancelled.
    let epoch = played.submit_large(false).epoch;
    complete_one(played.state.prepared(2, epoch, Err(Error::new(ErrorKind::Unavailable, "", ""))));
    played.submit_large(false);
    complete_one(played.state.cancel(TaskId(3), false).1);
    assert!(played.state.prepared(3, epoch, Ok(None)).is_none());
    assert_eq!(played.next(), None);
    assert_eq!(played.ends(), [(2, Err(ErrorKind::Unavailable)), (3, Err(ErrorKind::Canceled))]);
    let submission =
        Submission { payload: vec![0; 2 << 20].into(), ..Submission::new(Language::Java, "a.B", Codec::Values) };
    let (submit, payload) = task::submit(submission);
    let error = played.state.submit(submit, payload, None, Box::new(|_| {}), played.now).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn large_results_hold_the_acknowledgement() {
    let mut played = Played::new(10);
    played.submit_many(2, 0);
    played.submits();
    let large = v1::ConnectResponse { results: vec![result(1, 1, 7)], ..Default::default() };
    let mut downloads = played.receive(large.clone());
    played.result(2, 2);
    assert!(played.receive(large).is_empty(), "it is being fetched already");
    played.expire_after(Duration::from_millis(60));
    assert_eq!(played.next(), None, "the node must keep the payload");
    let download = downloads.pop().unwrap();
    let fetched = vec![v1::Outcome { payload: vec![1; 5].into(), ..result(1, 1, 7).outcomes.remove(0) }];
    complete_one(played.state.downloaded(&download, Ok(fetched), played.now));
    assert_eq!(played.ends(), [(1, Ok(5)), (2, Ok(2))]);
    played.expire_after(Duration::from_millis(60));
    assert_eq!(played.next().unwrap().result_ack, Some(v1::ResultAck { sequence: 2 }));
}

#[test]
fn closing_cancels_and_says_goodbye() {
    let mut played = Played::new(1);
    played.submit_many(2, 0);
    played.submits();
    let closed = Error::new(ErrorKind::Closed, "", "closed");
    let canceled = Error::new(ErrorKind::Canceled, "", "closed");
    let finished = played.state.close(closed.clone(), &canceled);
    complete(finished);
    assert!(played.state.close(closed, &canceled).is_empty());
    assert_eq!(played.ends(), [(1, Err(ErrorKind::Canceled)), (2, Err(ErrorKind::Canceled))]);
    assert!(played.next().unwrap().goodbye);
    assert_eq!(played.state.next_message(played.stream, played.now), Next::End);
    let submission = Submission::new(Language::Java, "a.B", Codec::Values);
    let (submit, payload) = task::submit(submission);
    let error = played.state.submit(submit, payload, None, Box::new(|_| {}), played.now).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[test]
fn a_completion_that_panics_does_not_harm_the_others() {
    let ended = Arc::new(Mutex::new(false));
    let seen = ended.clone();
    complete([
        Finished { completion: Box::new(|_| panic!("in a completion")), result: Ok(Vec::new()) },
        Finished { completion: Box::new(move |_| *seen.lock().unwrap() = true), result: Ok(Vec::new()) },
    ]);
    assert!(*ended.lock().unwrap());
}

#[test]
fn the_clock_rests_while_a_stream_is_full() {
    let mut played = Played::new(1);
    played.submit_many(1, 0);
    played.submits();
    played.result(1, 1);
    assert!(played.state.rearm());
    // The stream takes nothing, so the acknowledgement stays; looking again at once would spin.
    let now = played.now + Duration::from_secs(1);
    let (_, next) = played.state.expire(now);
    assert_eq!(next, None);
    assert!(!played.state.rearm());
    assert!(played.next().unwrap().result_ack.is_some());
}

#[test]
fn at_another_node_what_may_run_twice_is_submitted_again() {
    let mut played = Played::new(4);
    played.submit_as(0, |submission| submission.failover = true);
    played.submit_many(1, 0);
    played.submit_as(0, |submission| submission.failover = true);
    played.submit_as(0, |submission| submission.failover = true);
    played.submit_many(1, 0);
    assert_eq!(played.submits(), [1, 2, 3, 4]);
    played.state.cancel(TaskId(3), false);
    played.result(4, 1);
    assert!(played.move_on(0).is_empty());
    assert_eq!(
        played.ends(),
        [(2, Err(ErrorKind::SessionLost)), (3, Err(ErrorKind::SessionLost)), (4, Ok(2))],
        "what was cancelled does not begin anew"
    );
    assert_eq!(played.submits(), [1, 5]);
    played.result(1, 1);
    played.result(5, 2);
    assert_eq!(played.ends(), [(1, Ok(2)), (5, Ok(2))]);
    played.expire_after(Duration::from_millis(60));
    assert_eq!(played.next().unwrap().result_ack, Some(v1::ResultAck { sequence: 2 }), "counted from the beginning");
}

#[test]
fn when_no_node_is_left_nothing_is_submitted_again() {
    let mut played = Played::new(4);
    played.submit_as(0, |submission| submission.failover = true);
    played.submits();
    played.state.disconnected();
    let gone = Error::new(ErrorKind::Unavailable, "", "nothing listens");
    let lost = Error::new(ErrorKind::SessionLost, "", "gone");
    let finished = played.state.lost(&gone, &lost);
    complete(finished);
    assert_eq!(played.ends(), [(1, Err(ErrorKind::SessionLost))]);
}

#[test]
fn arguments_are_sent_to_another_node_again() {
    let mut played = Played::new(10);
    let old = played.submit_large(true);
    played.submit_large(false);
    played.submit_large(true);
    complete_one(played.state.prepared(1, old.epoch, Ok(None)));
    assert_eq!(played.submits(), [1]);
    let again = played.move_on(0).pop().expect("arguments");
    assert_eq!(played.ends(), [(2, Err(ErrorKind::SessionLost))]);
    let sizes: Vec<_> = again.tasks.iter().map(|(task, upload)| (*task, upload.as_ref().unwrap().1.len())).collect();
    assert_eq!(sizes, [(1, 100_000), (3, 100_000)]);
    // The end of a transfer to the old node says nothing.
    complete_one(played.state.prepared(3, old.epoch, Err(Error::new(ErrorKind::SessionLost, "", ""))));
    assert_eq!((played.next(), played.ends()), (None, vec![]));
    complete_one(played.state.prepared(3, again.epoch, Ok(None)));
    let submit = played.next().unwrap().submits.remove(0);
    assert_eq!((submit.task_id, Some(submit.payload_id)), (3, again.tasks[1].1.as_ref().map(|(number, _)| *number)));
}

#[test]
fn results_that_were_being_fetched_come_from_another_node() {
    let mut played = Played::new(10);
    played.submit_as(0, |submission| submission.failover = true);
    played.submits();
    let large = v1::ConnectResponse { results: vec![result(1, 1, 7)], ..Default::default() };
    let download = played.receive(large).pop().unwrap();
    played.move_on(0);
    assert_eq!(played.submits(), [1]);
    let gone = Error::new(ErrorKind::SessionLost, "", "gone");
    complete_one(played.state.downloaded(&download, Err(gone), played.now));
    assert_eq!(played.ends(), []);
    played.result(1, 1);
    assert_eq!(played.ends(), [(1, Ok(2))]);
}

#[test]
fn code_is_announced_to_another_node_first() {
    let mut played = Played::new(1);
    let code = |name: &str, offer_id| Some(CodeReference { snapshot: Digest::of(name.as_bytes()), offer_id });
    played.submit_many(1, 0);
    played.submit_as(0, |submission| submission.code = code("a", 1));
    played.submit_as(0, |submission| submission.code = code("b", 2));
    played.submit_as(0, |submission| submission.code = code("a", 3));
    assert_eq!(played.submits(), [1]);
    // None of the others has left: they need not be lost.
    let again = played.move_on(3);
    assert_eq!(played.ends(), [(1, Err(ErrorKind::SessionLost))]);
    let tasks: Vec<Vec<u64>> = again
        .iter()
        .map(|again| {
            again
                .tasks
                .iter()
                .map(|(task, upload)| {
                    assert!(upload.is_none());
                    *task
                })
                .collect()
        })
        .collect();
    assert_eq!(tasks, [vec![2, 4], vec![3]]);
    assert_eq!(again[0].snapshot, Digest::of(b"a").as_bytes()[..]);
    assert_eq!(played.next(), None);
    complete_one(played.state.prepared(4, again[0].epoch, Ok(Some(4))));
    let submit = played.next().unwrap().submits.remove(0);
    assert_eq!((submit.task_id, submit.offer_id), (4, 4));
    // A caller may still hold what the old node was promised.
    let late = played.submit_as(0, |submission| submission.code = code("a", 3));
    assert!(matches!(late, Submitted::Needs(TaskId(5), _)), "{late:?}");
    let fresh = played.submit_as(0, |submission| submission.code = code("a", 4));
    assert!(matches!(fresh, Submitted::Ready(TaskId(6))), "{fresh:?}");
}

#[test]
fn answers_for_an_older_session_are_dropped() {
    let mut played = Played::new(1);
    let epoch = played.state.epoch();
    played.move_on(0);
    played.state.answer(epoch, v1::CodeAnswer { request_id: 1, ..Default::default() });
    assert_eq!(played.next(), None);
    played.state.answer(epoch + 1, v1::CodeAnswer { request_id: 1, ..Default::default() });
    assert_eq!(played.next().unwrap().code_answers.len(), 1);
}
