//! A node that is played against the state of a session: what it says, and what it is sent.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use haulier_model::{Codec, Error, ErrorKind, Language};
use haulier_protocol::v1;

use crate::{
    Completion, Submission,
    session::{
        complete,
        lanes::Next,
        renewal::Again,
        state::{Download, State, Submitted},
        task::{self, Finished},
    },
};

type Ends = Arc<Mutex<Vec<(u64, Result<usize, ErrorKind>)>>>;

pub(super) struct Played {
    pub(super) state: State,
    pub(super) now: Instant,
    pub(super) stream: u64,
    ends: Ends,
    submitted: u64,
    /// What the last welcome asks for.
    again: Vec<Again>,
}

impl Played {
    pub(super) fn new(credit: u32) -> Self {
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
    pub(super) fn connect(&mut self, credit: u32, resumed: bool) -> v1::ClientHello {
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

    pub(super) fn welcome(&mut self, welcome: v1::Welcome, last_offer: u64, moved: Option<Error>) -> Vec<Again> {
        let welcomed = self.state.welcomed(welcome, last_offer, moved);
        complete(welcomed.finished);
        welcomed.again
    }

    /// The stream breaks, and another node answers, which knows nothing of the session.
    pub(super) fn move_on(&mut self, last_offer: u64) -> Vec<Again> {
        self.state.disconnected();
        self.state.forget_session();
        self.stream = self.state.begin_stream(v1::ClientHello::default());
        assert!(self.next().unwrap().hello.unwrap().session_token.is_empty());
        let moved = Error::new(ErrorKind::SessionLost, "", "moved");
        let welcome = v1::Welcome { submit_credit: 100, payload_limit: 1 << 20, ..Default::default() };
        self.welcome(welcome, last_offer, Some(moved))
    }

    /// The stream breaks, and no node is left.
    pub(super) fn lose(&mut self) {
        self.state.disconnected();
        let gone = Error::new(ErrorKind::Unavailable, "", "nothing listens");
        let lost = Error::new(ErrorKind::SessionLost, "", "gone");
        complete(self.state.lost(&gone, &lost));
    }

    pub(super) fn next(&mut self) -> Option<v1::ConnectRequest> {
        match self.state.next_message(self.stream, self.now) {
            Next::Message(message) => Some(*message),
            Next::Idle => None,
            Next::End => panic!("the stream ended"),
        }
    }

    /// The numbers of the tasks in the next message.
    pub(super) fn submits(&mut self) -> Vec<u64> {
        self.next().map_or_else(Vec::new, |message| message.submits.iter().map(|submit| submit.task_id).collect())
    }

    pub(super) fn completion(&mut self) -> Completion {
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

    pub(super) fn submit(&mut self, size: usize, deadline: Option<Duration>) -> Submitted {
        self.submit_as(size, |submission| submission.deadline = deadline)
    }

    pub(super) fn submit_as(&mut self, size: usize, change: impl FnOnce(&mut Submission)) -> Submitted {
        let mut submission = Submission::new(Language::Java, "a.B", Codec::Values);
        submission.payload = vec![0; size].into();
        change(&mut submission);
        let completion = self.completion();
        let deadline = submission.deadline;
        let (submit, payload) = task::submit(submission);
        self.state.submit(submit, payload, deadline, completion, self.now).unwrap()
    }

    /// As [`Played::submit`], for arguments that are sent first.
    pub(super) fn submit_large(&mut self, failover: bool) -> Again {
        match self.submit_as(100_000, |submission| submission.failover = failover) {
            Submitted::Needs(_, again) => again,
            Submitted::Ready(task) => panic!("{task} is inline"),
        }
    }

    pub(super) fn submit_many(&mut self, count: usize, size: usize) {
        for _ in 0..count {
            self.submit(size, None);
        }
    }

    pub(super) fn receive(&mut self, response: v1::ConnectResponse) -> Vec<Download> {
        let received = self.state.receive(response, self.now);
        complete(received.finished);
        received.downloads
    }

    pub(super) fn result(&mut self, task_id: u64, sequence: u64) -> Vec<Download> {
        self.receive(v1::ConnectResponse { results: vec![result(task_id, sequence, 0)], ..Default::default() })
    }

    pub(super) fn ends(&self) -> Vec<(u64, Result<usize, ErrorKind>)> {
        let mut ends = std::mem::take(&mut *self.ends.lock().unwrap());
        ends.sort_unstable_by_key(|(id, _)| *id);
        ends
    }

    pub(super) fn expire_after(&mut self, time: Duration) {
        self.now += time;
        let (finished, _) = self.state.expire(self.now);
        complete(finished);
    }
}

pub(super) fn result(task_id: u64, sequence: u64, payload_id: u64) -> v1::TaskResult {
    let outcome = v1::Outcome {
        node: "n1".into(),
        codec: v1::Codec::Values.into(),
        payload: Bytes::from_static(b"ok"),
        payload_id,
        ..Default::default()
    };
    v1::TaskResult { task_id, sequence, outcomes: vec![outcome] }
}

pub(super) fn complete_one(finished: Option<Finished>) {
    complete(finished);
}
