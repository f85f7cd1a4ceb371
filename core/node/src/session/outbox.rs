//! Results on their way to a client: in their order, each with a number, until the client has acknowledged them.
//!
//! Must never know who writes them to a stream.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use haulier_protocol::v1;

use crate::payloads::StoredPayload;

/// One message of the control stream holds at most this many results, and about this many bytes of them.
const BATCH_RESULTS: usize = 512;
const BATCH_BYTES: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Outbox {
    /// Results that are not acknowledged, by rising sequence.
    results: VecDeque<v1::TaskResult>,
    /// Large results by payload number (the sequence of their result and the index of the outcome).
    payloads: HashMap<u64, (u64, Arc<StoredPayload>)>,
    last_sequence: u64,
    sent_sequence: u64,
    last_payload: u64,
}

impl Outbox {
    /// Puts a task's result behind the others.
    pub(super) fn add(&mut self, task_id: u64, outcomes: Vec<(v1::Outcome, Option<StoredPayload>)>) {
        self.last_sequence += 1;
        let sequence = self.last_sequence;
        let outcomes = outcomes.into_iter().map(|(mut outcome, payload)| {
            if let Some(payload) = payload {
                self.last_payload += 1;
                outcome.payload_id = self.last_payload;
                outcome.payload_size = payload.size();
                self.payloads.insert(outcome.payload_id, (sequence, Arc::new(payload)));
            }
            outcome
        });
        let outcomes = outcomes.collect();
        self.results.push_back(v1::TaskResult { task_id, sequence, outcomes });
    }

    pub(super) fn has(&self, task_id: u64) -> bool {
        self.results.iter().any(|result| result.task_id == task_id)
    }

    /// Results up to this one have arrived; the others are to be sent again.
    pub(super) fn resume(&mut self, last_result: u64) {
        self.acknowledge(last_result);
        self.sent_sequence = last_result;
    }

    pub(super) fn acknowledge(&mut self, sequence: u64) {
        while self.results.front().is_some_and(|result| result.sequence <= sequence) {
            self.results.pop_front();
        }
        if !self.payloads.is_empty() {
            self.payloads.retain(|_, (of, _)| *of > sequence);
        }
    }

    /// What is to be sent next, in one message.
    pub(super) fn next_batch(&mut self) -> Vec<v1::TaskResult> {
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

    pub(super) fn payload(&self, payload_id: u64) -> Option<Arc<StoredPayload>> {
        self.payloads.get(&payload_id).map(|(_, payload)| payload.clone())
    }

    pub(super) fn clear(&mut self) {
        self.results.clear();
        self.payloads.clear();
    }
}

fn size_of_outcome(outcome: &v1::Outcome) -> usize {
    let error = outcome.error.as_ref();
    let remote = error.and_then(|error| error.remote.as_ref());
    64 + outcome.payload.len()
        + error.map_or(0, |error| error.message.len())
        + remote.map_or(0, |remote| remote.trace.len() + remote.payload.len())
}
