//! What a client is told, and when.
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
        assert_eq!(session.register(task, task, task), Registered::New);
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
    assert_eq!(session.register(7, 7, 1), Registered::New);
    assert_eq!(session.register(7, 7, 2), Registered::Known);
    complete(&session, 7);
    assert_eq!(session.register(7, 7, 3), Registered::Known, "answered, but not acknowledged");
    complete(&session, 7);
    assert_eq!(results(&session, stream), [7], "one answer only");
    assert_eq!(session.task_state(7), Some(TaskState::Completed));
}

#[test]
fn large_results_go_when_they_are_acknowledged() {
    let session = session();
    let stream = attach(&session, 0);
    session.register(1, 1, 1);
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
    session.register(1, 1, 11);
    assert_eq!(session.end(Some(Error::internal("", "over"))), [11]);
    assert_eq!(session.register(2, 2, 12), Registered::Ended);
    let Poll::Ready(Some(message)) = poll(&session, stream) else { panic!("no goodbye") };
    assert!(message.goodbye.is_some());
    assert!(matches!(poll(&session, stream), Poll::Ready(None)));
}
