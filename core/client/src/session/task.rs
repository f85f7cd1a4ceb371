//! A task that has not completed: what was asked, how far it is, who waits for it.

use std::time::Instant;

use bytes::Bytes;
use haulier_model::{Codec, Error, ErrorKind, Result};
use haulier_protocol::v1;

use crate::{Completion, NodeOutcome, Output, Submission, Target, waiting::Awaited};

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its payload or its code is on its way.
    Preparing,
    /// It waits for credit.
    Ready,
    /// The node has it, or soon will.
    Sent,
    /// Its result is there, but for the payload.
    Downloading,
}

pub(crate) struct PendingTask {
    pub(crate) submit: v1::Submit,
    pub(crate) deadline: Option<Instant>,
    pub(crate) progress: Progress,
    /// Set when a cancel was asked for; says whether by force.
    pub(crate) cancel: Option<bool>,
    /// The payload that was uploaded, where the task may be submitted again elsewhere.
    pub(crate) kept: Option<Bytes>,
    pub(crate) completion: Completion,
    /// In a worker: the node knows that something there may wait for this task.
    pub(crate) _awaited: Option<Awaited>,
}

/// A completion with what it is to be called with, outside all locks.
pub(crate) struct Finished {
    pub(crate) completion: Completion,
    pub(crate) result: Result<Vec<NodeOutcome>>,
}

impl PendingTask {
    pub(crate) fn fail(self, error: Error) -> Finished {
        Finished { completion: self.completion, result: Err(error) }
    }

    /// "run com.acme.Price", for messages.
    pub(crate) fn operation(&self) -> String {
        operation(&self.submit.entry_point)
    }

    /// The message for the node, with the time that is left.
    pub(crate) fn message(&self, now: Instant) -> v1::Submit {
        let mut submit = self.submit.clone();
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(now).as_millis();
            submit.deadline_ms = u64::try_from(left).unwrap_or(u64::MAX).max(1);
        }
        submit
    }

    /// The bytes that the message takes in a batch, about.
    pub(crate) fn size(&self) -> usize {
        let submit = &self.submit;
        let units: usize = submit.units.iter().map(|unit| unit.len() + 2).sum();
        let requirements: usize = submit.requirements.iter().map(|text| text.len() + 2).sum();
        64 + requirements + submit.payload.len() + submit.entry_point.len() + units + submit.idempotency_key.len()
    }
}

pub(crate) fn operation(entry_point: &str) -> String {
    if entry_point.is_empty() { "run a task".to_owned() } else { format!("run {entry_point}") }
}

/// The message for a submission, without number, payload and deadline.
pub(crate) fn submit(submission: Submission) -> (v1::Submit, Bytes) {
    let (snapshot, offer_id) = match submission.code {
        Some(code) => (Bytes::copy_from_slice(code.snapshot.as_bytes()), code.offer_id),
        None => (Bytes::new(), 0),
    };
    let target = match submission.target {
        Target::Any => v1::target::Target::Any(true),
        Target::Node(name) => v1::target::Target::Node(name),
        Target::Key(key) => v1::target::Target::Key(key),
        Target::All => v1::target::Target::All(true),
    };
    let message = v1::Submit {
        language: v1::Language::from(submission.language).into(),
        units: submission.units,
        snapshot,
        policy: v1::LoadingPolicy::from(submission.policy).into(),
        parent_prefixes: submission.parent_prefixes,
        offer_id,
        entry_point: submission.entry_point,
        codec: v1::Codec::from(submission.codec).into(),
        target: Some(v1::Target { target: Some(target), labels: submission.labels.into_iter().collect() }),
        idempotency_key: submission.idempotency_key,
        result_codecs: submission.result_codecs.into_iter().map(|codec| v1::Codec::from(codec).into()).collect(),
        requires: submission.requires,
        requirements: submission.requirements,
        environment: v1::EnvironmentPolicy::from(submission.environment).into(),
        mode: submission.mode.map_or(v1::DeploymentMode::Unspecified, Into::into).into(),
        failover: submission.failover,
        ..Default::default()
    };
    (message, submission.payload)
}

/// What became of a task: what the nodes answered, or why no node has had it.
pub(crate) fn result(mut outcomes: Vec<v1::Outcome>) -> Result<Vec<NodeOutcome>> {
    if let [v1::Outcome { node, error, .. }] = outcomes.as_mut_slice()
        && node.is_empty()
        && let Some(error) = error.take()
    {
        return Err(error.into());
    }
    Ok(outcomes.into_iter().map(outcome).collect())
}

/// What a node answered, in the words of the client.
pub(crate) fn outcome(outcome: v1::Outcome) -> NodeOutcome {
    let codec = Codec::try_from(outcome.codec());
    let result = match (outcome.error, codec) {
        (Some(error), _) => Err(error.into()),
        (None, Ok(codec)) => Ok(Output { codec, payload: outcome.payload }),
        (None, Err(_)) => Err(Error::new(
            ErrorKind::ResultUnreadable,
            "read a result",
            "the node sent it in a form that this client does not know",
        )
        .hint("use the same version of Haulier on both sides: haulier nodes")),
    };
    NodeOutcome { node: outcome.node, result }
}
