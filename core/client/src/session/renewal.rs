//! What becomes of tasks when a stream is resumed, a session is lost, or another one begins: at the same node or, when
//! that is gone, at another one.

use bytes::Bytes;
use haulier_model::{Error, ErrorKind};
use haulier_protocol::v1;

use super::{
    acks::Acks,
    state::{Phase, State},
    task::{Finished, PendingTask, Progress},
};

/// What tasks need before they can be submitted in a new session.
#[derive(Debug)]
pub(crate) struct Again {
    /// The session that it is for.
    pub(crate) epoch: u64,
    /// Code that is to be announced; empty: none.
    pub(crate) snapshot: Bytes,
    /// The tasks, with the numbers of their payloads and the payloads that are to be sent.
    pub(crate) tasks: Vec<(u64, Option<(u64, Bytes)>)>,
}

/// What a welcome leads to.
#[derive(Default)]
pub(crate) struct Welcomed {
    pub(crate) finished: Vec<Finished>,
    pub(crate) again: Vec<Again>,
}

impl State {
    /// A new stream begins with this; messages for older ones end.
    pub(crate) fn begin_stream(&mut self, mut hello: v1::ClientHello) -> u64 {
        hello.session_token = self.welcome.session_token.clone();
        hello.last_result = if hello.session_token.is_empty() { 0 } else { self.acks.level() };
        self.hello = Some(hello);
        self.credit = 0;
        self.stream += 1;
        self.stream
    }

    /// The node accepts the stream: what it may not have seen is sent again. If it does not know the session, what the
    /// old one had seen fails, with `moved` if this is another node, or is submitted again where it may run twice.
    /// `last_offer` is the last offer of code that was made before.
    pub(crate) fn welcomed(&mut self, welcome: v1::Welcome, last_offer: u64, moved: Option<Error>) -> Welcomed {
        if matches!(self.phase, Phase::Closed(_)) {
            return Welcomed::default();
        }
        self.phase = Phase::Connected;
        self.credit = welcome.submit_credit;
        let resumed = welcome.resumed;
        self.welcome = welcome;
        if resumed {
            self.resend();
            return Welcomed::default();
        }
        self.begin_session();
        self.last_old_offer = last_offer;
        let error = moved.unwrap_or_else(|| {
            Error::new(
                ErrorKind::SessionLost,
                "",
                "the node no longer knows this session; the task may or may not have run",
            )
            .hint("submit again")
        });
        let finished = self.fail_where(&error, |task| !task.may_move());
        Welcomed { finished, again: self.move_tasks() }
    }

    fn begin_session(&mut self) {
        self.epoch += 1;
        self.acks = Acks::default();
        self.cancels.clear();
        self.answers.clear();
        self.code_ends.clear();
    }

    fn resend(&mut self) {
        self.cancels.clear();
        let mut sent: Vec<u64> = Vec::new();
        for (id, task) in &mut self.tasks {
            if task.progress == Progress::Sent {
                task.progress = Progress::Ready;
                sent.push(*id);
            }
        }
        sent.sort_unstable();
        for id in sent.into_iter().rev() {
            self.ready.push_front(id);
        }
    }

    /// Queues all tasks for the new session, in their order, but for those that need something first.
    fn move_tasks(&mut self) -> Vec<Again> {
        let mut ids: Vec<u64> = self.tasks.keys().copied().collect();
        ids.sort_unstable();
        self.ready.clear();
        let mut again: Vec<Again> = Vec::new();
        for id in ids {
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            let upload = task.kept.clone().map(|payload| {
                self.last_payload += 1;
                task.submit.payload_id = self.last_payload;
                (self.last_payload, payload)
            });
            let snapshot = if task.submit.offer_id == 0 { Bytes::new() } else { task.submit.snapshot.clone() };
            if upload.is_none() && snapshot.is_empty() {
                task.progress = Progress::Ready;
                self.ready.push_back(id);
                continue;
            }
            task.progress = Progress::Preparing;
            match again.iter_mut().find(|again| again.snapshot == snapshot) {
                Some(again) => again.tasks.push((id, upload)),
                None => again.push(Again { epoch: self.epoch, snapshot, tasks: vec![(id, upload)] }),
            }
        }
        again
    }

    /// The stream broke.
    pub(crate) fn disconnected(&mut self) {
        if matches!(self.phase, Phase::Connected) {
            self.phase = Phase::Resuming;
        }
        self.stream += 1;
        self.waker = None;
    }

    /// The session is gone: the next hello asks for a new one.
    pub(crate) fn forget_session(&mut self) {
        self.welcome.session_token = Bytes::new();
    }

    /// The session is over, but a new one may come: everything unanswered fails.
    pub(crate) fn lost(&mut self, reachable: &Error, error: &Error) -> Vec<Finished> {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.phase = Phase::Lost(reachable.clone());
        }
        self.welcome = v1::Welcome::default();
        self.begin_session();
        self.fail_where(error, |_| true)
    }

    /// The end: everything unanswered fails with `error`, later calls with `closed`.
    pub(crate) fn close(&mut self, closed: Error, error: &Error) -> Vec<Finished> {
        if matches!(self.phase, Phase::Closed(_)) {
            return Vec::new();
        }
        self.phase = Phase::Closed(closed);
        self.goodbye = true;
        self.fail_where(error, |_| true)
    }

    fn fail_where(&mut self, error: &Error, which: impl Fn(&PendingTask) -> bool) -> Vec<Finished> {
        let ids: Vec<u64> = self.tasks.iter().filter(|(_, task)| which(task)).map(|(id, _)| *id).collect();
        let failed = ids.into_iter().filter_map(|id| self.tasks.remove(&id)).map(|task| {
            let operation = task.operation();
            task.fail(error.clone().in_operation(operation))
        });
        failed.collect()
    }
}

impl PendingTask {
    /// Whether the task may go to another session: it has never left, or may run twice; and all that it needs is here.
    fn may_move(&self) -> bool {
        let never_left = matches!(self.progress, Progress::Ready | Progress::Preparing) && self.submit.payload_id == 0;
        never_left || (self.submit.failover && self.cancel.is_none())
    }
}
