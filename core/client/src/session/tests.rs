//! The state of a session against a node that is played here, message by message.

mod moving;
mod played;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use haulier_model::{Codec, Error, ErrorKind, Language};
use haulier_protocol::v1;

use self::played::{Played, complete_one, result};
use super::{
    complete,
    lanes::{BATCH_BYTES, BATCH_SUBMITS, Next},
    task::{self, Finished},
};
use crate::{Submission, TaskId};

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
    played.lose();
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
