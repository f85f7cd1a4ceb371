//! The state of a session: what was asked, what is unanswered, what may be sent now.
//!
//! Pure: told what happened and when, it says what to send and what has finished. It must never wait, call a
//! completion, or know about sockets.

use std::{
    collections::{HashMap, VecDeque},
    task::Waker,
    time::{Duration, Instant},
};

use bytes::Bytes;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::v1;

use super::{
    acks::Acks,
    deadlines::{Deadlines, GRACE, Stage},
    renewal::Again,
    task::{self, Finished, PendingTask, Progress},
};
use crate::{Completion, TaskId, waiting};

/// Whether the node can be reached.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The stream stands.
    Connected,
    /// The stream broke; it may be resumed, so submits are kept for it.
    Resuming,
    /// The stream broke too long ago. Submits fail with this until a new session stands.
    Lost(Error),
    /// Nothing more is sent.
    Closed(Error),
}

/// What a submit needs besides the state.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// Nothing.
    Ready(TaskId),
    /// Its payload, or code that an older session had, is to be sent first.
    Needs(TaskId, Again),
}

/// Results whose payloads are to be fetched.
#[derive(Debug)]
pub(crate) struct Download {
    pub(crate) task: u64,
    pub(crate) sequence: u64,
    pub(crate) epoch: u64,
    pub(crate) outcomes: Vec<v1::Outcome>,
}

/// What a message of the node asks for.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) finished: Vec<Finished>,
    pub(crate) downloads: Vec<Download>,
    pub(crate) requests: Vec<v1::CodeRequest>,
    pub(crate) goodbye: Option<Error>,
}

pub(crate) struct State {
    pub(super) phase: Phase,
    pub(super) tasks: HashMap<u64, PendingTask>,
    pub(super) ready: VecDeque<u64>,
    pub(super) credit: u32,
    pub(super) cancels: Vec<v1::Cancel>,
    pub(super) answers: VecDeque<v1::CodeAnswer>,
    pub(crate) code_ends: Vec<v1::CodeEnd>,
    pub(super) acks: Acks,
    pub(super) goodbye: bool,
    pub(super) hello: Option<v1::ClientHello>,
    pub(super) stream: u64,
    pub(super) waker: Option<Waker>,
    deadlines: Deadlines,
    armed: Option<Instant>,
    last_task: u64,
    pub(super) last_payload: u64,
    /// Counts sessions: what was promised in one is worth nothing in the next.
    pub(super) epoch: u64,
    /// Offers of code up to this one were made in older sessions.
    pub(super) last_old_offer: u64,
    pub(super) welcome: v1::Welcome,
}

/// Payloads above this travel on data streams unless the node says otherwise.
const INLINE_LIMIT: u32 = 64 * 1024;

impl State {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Resuming,
            tasks: HashMap::new(),
            ready: VecDeque::new(),
            credit: 0,
            cancels: Vec::new(),
            answers: VecDeque::new(),
            code_ends: Vec::new(),
            acks: Acks::default(),
            goodbye: false,
            hello: None,
            stream: 0,
            waker: None,
            deadlines: Deadlines::default(),
            armed: None,
            last_task: 0,
            last_payload: 0,
            epoch: 0,
            last_old_offer: 0,
            welcome: v1::Welcome::default(),
        }
    }

    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the node said when the session began.
    pub(crate) fn welcome(&self) -> &v1::Welcome {
        &self.welcome
    }

    /// Whether the task has not completed.
    pub(crate) fn has(&self, task: u64) -> bool {
        self.tasks.contains_key(&task)
    }

    /// Takes a task on; the completion is dropped uncalled if it is refused.
    pub(crate) fn submit(
        &mut self,
        mut submit: v1::Submit,
        payload: Bytes,
        deadline: Option<Duration>,
        completion: Completion,
        now: Instant,
    ) -> Result<Submitted> {
        if let Phase::Lost(error) | Phase::Closed(error) = &self.phase {
            return Err(error.clone().in_operation(task::operation(&submit.entry_point)));
        }
        let size = payload.len() as u64;
        if self.welcome.payload_limit > 0 && size > self.welcome.payload_limit {
            return Err(too_large(&submit.entry_point, size, self.welcome.payload_limit));
        }
        let deadline = deadline.and_then(|limit| now.checked_add(limit));
        self.last_task += 1;
        submit.task_id = self.last_task;
        let inline = if self.welcome.inline_limit == 0 { INLINE_LIMIT } else { self.welcome.inline_limit };
        let upload = payload.len() > inline as usize;
        if upload {
            self.last_payload += 1;
            submit.payload_id = self.last_payload;
        } else {
            submit.payload = payload.clone();
        }
        let code_is_old = submit.offer_id != 0 && submit.offer_id <= self.last_old_offer;
        let snapshot = if code_is_old { submit.snapshot.clone() } else { Bytes::new() };
        let needs = upload || code_is_old;
        if let Some(deadline) = deadline {
            self.deadlines.add(deadline, self.last_task, Stage::Deadline);
            let tasks = &self.tasks;
            self.deadlines.compact(tasks.len(), |task| tasks.contains_key(&task));
        }
        let kept = (upload && submit.failover).then(|| payload.clone());
        let progress = if needs { Progress::Preparing } else { Progress::Ready };
        self.tasks.insert(
            self.last_task,
            PendingTask { submit, deadline, progress, cancel: None, kept, completion, _awaited: waiting::begin() },
        );
        let task = TaskId(self.last_task);
        if !needs {
            self.ready.push_back(task.0);
            return Ok(Submitted::Ready(task));
        }
        let upload = upload.then_some((self.last_payload, payload));
        Ok(Submitted::Needs(task, Again { epoch: self.epoch, snapshot, tasks: vec![(task.0, upload)] }))
    }

    /// What a task needs has arrived at the node of the session `epoch`, or cannot; `offer_id` is that of its code, if
    /// that was announced anew.
    pub(crate) fn prepared(&mut self, task: u64, epoch: u64, offer_id: Result<Option<u64>>) -> Option<Finished> {
        let pending = self.tasks.get_mut(&task).filter(|pending| pending.progress == Progress::Preparing)?;
        if epoch != self.epoch {
            // It is being prepared for a newer session.
            return None;
        }
        match offer_id {
            Ok(offer_id) => {
                pending.submit.offer_id = offer_id.unwrap_or(pending.submit.offer_id);
                pending.progress = Progress::Ready;
                self.ready.push_back(task);
                None
            }
            Err(error) => self.tasks.remove(&task).map(|pending| pending.fail(error)),
        }
    }

    /// Asks for the end of a task. Whether it had not completed, and its completion if the node need not be asked.
    pub(crate) fn cancel(&mut self, task: TaskId, force: bool) -> (bool, Option<Finished>) {
        let Some(pending) = self.tasks.get_mut(&task.0) else { return (false, None) };
        match pending.progress {
            Progress::Sent => {
                pending.cancel = Some(force);
                self.cancels.push(v1::Cancel { task_id: task.0, force });
                (true, None)
            }
            // The task has ended; what is left is to fetch its result.
            Progress::Downloading => (true, None),
            Progress::Preparing | Progress::Ready => {
                let error = Error::new(ErrorKind::Canceled, pending.operation(), "it was cancelled before it began");
                (true, self.tasks.remove(&task.0).map(|pending| pending.fail(error)))
            }
        }
    }

    /// Answers a request for code on the control stream; the answer to an older session is dropped.
    pub(crate) fn answer(&mut self, epoch: u64, answer: v1::CodeAnswer) {
        if epoch == self.epoch {
            self.answers.push_back(answer);
        }
    }

    /// A message of the node.
    pub(crate) fn receive(&mut self, response: v1::ConnectResponse, now: Instant) -> Received {
        self.credit = self.credit.saturating_add(response.submit_credit);
        let mut received = Received {
            finished: Vec::with_capacity(response.results.len()),
            requests: response.code_requests,
            goodbye: response.goodbye.map(Error::from),
            ..Received::default()
        };
        for result in response.results {
            self.result(result, now, &mut received);
        }
        received
    }

    fn result(&mut self, result: v1::TaskResult, now: Instant, received: &mut Received) {
        let v1::TaskResult { task_id, sequence, outcomes } = result;
        let large = outcomes.iter().any(|outcome| outcome.payload_id != 0);
        if large && let Some(pending) = self.tasks.get_mut(&task_id) {
            // A result that comes again after a resume is being fetched already.
            if pending.progress != Progress::Downloading {
                pending.progress = Progress::Downloading;
                self.acks.hold(sequence);
                received.downloads.push(Download { task: task_id, sequence, epoch: self.epoch, outcomes });
            }
        } else if let Some(pending) = self.tasks.remove(&task_id) {
            let result = task::result(outcomes);
            received.finished.push(Finished { completion: pending.completion, result });
        }
        self.acks.received(sequence, now);
    }

    /// The payloads of a result are there, or cannot be had.
    pub(crate) fn downloaded(
        &mut self,
        download: &Download,
        result: Result<Vec<v1::Outcome>>,
        now: Instant,
    ) -> Option<Finished> {
        if download.epoch == self.epoch {
            self.acks.release(download.sequence, now);
        } else if result.is_err() {
            // Whatever still has this number was submitted again, and its result comes from elsewhere.
            return None;
        }
        let pending = self.tasks.remove(&download.task)?;
        let result = result.map(|outcomes| outcomes.into_iter().map(task::outcome).collect());
        Some(Finished { completion: pending.completion, result })
    }

    /// Tasks whose time is over, and when to look again.
    pub(crate) fn expire(&mut self, now: Instant) -> (Vec<Finished>, Option<Instant>) {
        let mut finished = Vec::new();
        while let Some((id, stage)) = self.deadlines.pop(now) {
            let Some(task) = self.tasks.get(&id) else { continue };
            let asked = matches!(task.progress, Progress::Sent | Progress::Downloading);
            if asked && stage == Stage::Deadline && matches!(self.phase, Phase::Connected) {
                self.deadlines.add(now + GRACE, id, Stage::Grace);
                continue;
            }
            if task.progress == Progress::Sent {
                self.cancels.push(v1::Cancel { task_id: id, force: false });
            }
            if let Some(task) = self.tasks.remove(&id) {
                let error = Error::new(ErrorKind::DeadlineExceeded, task.operation(), "the task did not end in time")
                    .hint("give it more time: --timeout SECONDS, or timeout(...)");
                finished.push(task.fail(error));
            }
        }
        if matches!(self.phase, Phase::Connected) {
            self.acks.lapse(now);
        }
        self.armed = earliest(self.deadlines.next(), self.ack_due());
        (finished, self.armed)
    }

    /// Whether something is due earlier than the clock is set to; the clock then counts as set.
    pub(crate) fn rearm(&mut self) -> bool {
        let Some(due) = earliest(self.deadlines.next(), self.ack_due()) else { return false };
        let earlier = self.armed.is_none_or(|armed| due < armed);
        if earlier {
            self.armed = Some(due);
        }
        earlier
    }

    fn ack_due(&self) -> Option<Instant> {
        self.acks.due().filter(|_| matches!(self.phase, Phase::Connected))
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn too_large(entry_point: &str, size: u64, limit: u64) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        task::operation(entry_point),
        format!("the arguments have {size} bytes; the node takes {limit} at most"),
    )
    .hint("pass a reference to the data instead, or raise the node's limit")
}
