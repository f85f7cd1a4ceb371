//! What becomes of tasks, arguments, results and code when a session goes on at another node.

use std::time::Duration;

use haulier_model::{Digest, Error, ErrorKind};
use haulier_protocol::v1;

use super::played::{Played, complete_one, result};
use crate::{CodeReference, TaskId, session::state::Submitted};

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
    played.lose();
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
