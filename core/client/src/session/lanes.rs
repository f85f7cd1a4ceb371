//! What goes into the next message: cancels, answers and acknowledgements always, submits as credit allows.

use std::{mem, task::Waker, time::Instant};

use haulier_protocol::v1;

use super::{
    state::{Phase, State},
    task::Progress,
};

/// A message holds at most so many submits, and about so many bytes of them.
pub(crate) const BATCH_SUBMITS: usize = 256;
pub(crate) const BATCH_BYTES: usize = 64 * 1024;
/// A message holds about so many bytes of answers.
const ANSWER_BYTES: usize = 256 * 1024;

/// What a stream sends next.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Message(Box<v1::ConnectRequest>),
    /// Nothing now.
    Idle,
    /// Nothing any more.
    End,
}

impl State {
    /// The next message of `stream`.
    pub(crate) fn next_message(&mut self, stream: u64, now: Instant) -> Next {
        if stream != self.stream {
            return Next::End;
        }
        if let Some(hello) = self.hello.take() {
            return message(v1::ConnectRequest { hello: Some(hello), ..Default::default() });
        }
        match self.phase {
            Phase::Closed(_) if mem::take(&mut self.goodbye) => {
                return message(v1::ConnectRequest { goodbye: true, ..Default::default() });
            }
            Phase::Closed(_) => return Next::End,
            Phase::Resuming | Phase::Lost(_) => return Next::Idle,
            Phase::Connected => {}
        }
        let cancels = mem::take(&mut self.cancels);
        let code_answers = self.next_answers();
        let code_ends = mem::take(&mut self.code_ends);
        let submits = self.next_submits(now);
        let silent = cancels.is_empty() && code_answers.is_empty() && code_ends.is_empty() && submits.is_empty();
        let tell = !silent || self.acks.is_due();
        let result_ack = if tell { self.acks.take().map(|sequence| v1::ResultAck { sequence }) } else { None };
        if silent && result_ack.is_none() {
            return Next::Idle;
        }
        message(v1::ConnectRequest { cancels, code_answers, result_ack, submits, code_ends, ..Default::default() })
    }

    /// The waker of the stream, if there is something for it to send.
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.as_ref()?;
        let connected = matches!(self.phase, Phase::Connected);
        let speaks = !self.cancels.is_empty()
            || !self.answers.is_empty()
            || !self.code_ends.is_empty()
            || (self.credit > 0 && !self.ready.is_empty())
            || self.acks.is_due();
        if (connected && speaks) || matches!(self.phase, Phase::Closed(_)) { self.waker.take() } else { None }
    }

    /// Who is to be woken when there is something to send.
    pub(crate) fn set_waker(&mut self, waker: &Waker) {
        self.waker.get_or_insert_with(|| waker.clone()).clone_from(waker);
    }

    fn next_answers(&mut self) -> Vec<v1::CodeAnswer> {
        let mut bytes = 0;
        let mut answers = Vec::new();
        while bytes < ANSWER_BYTES
            && let Some(answer) = self.answers.pop_front()
        {
            bytes += answer.pack.len();
            answers.push(answer);
        }
        answers
    }

    fn next_submits(&mut self, now: Instant) -> Vec<v1::Submit> {
        let mut submits = Vec::new();
        let mut bytes = 0;
        while self.credit > 0 && submits.len() < BATCH_SUBMITS {
            let Some(id) = self.ready.front().copied() else { break };
            // A number without a task was cancelled or is out of time.
            if let Some(task) = self.tasks.get_mut(&id) {
                bytes += task.size();
                if bytes > BATCH_BYTES && !submits.is_empty() {
                    break;
                }
                task.progress = Progress::Sent;
                submits.push(task.message(now));
                self.credit -= 1;
                if let Some(force) = task.cancel {
                    // Sent again after a resume: the cancel follows its submit.
                    self.cancels.push(v1::Cancel { task_id: id, force });
                }
            }
            self.ready.pop_front();
        }
        submits
    }
}

fn message(request: v1::ConnectRequest) -> Next {
    Next::Message(Box::new(request))
}
