//! To whom a result goes: to the client at once, or into the answer of a broadcast.

use std::sync::Arc;

use haulier_protocol::v1::{self, TaskState};
use parking_lot::Mutex;

use crate::{payloads::StoredPayload, session::Session};

/// Who hears what one node answered.
#[derive(Clone)]
pub(crate) enum Reply {
    /// The client.
    Session,
    /// A broadcast, which answers when it has heard all nodes.
    Part(Arc<Broadcast>),
}

impl Reply {
    pub(crate) fn answer(
        &self,
        session: &Session,
        task_id: u64,
        state: TaskState,
        outcome: v1::Outcome,
        payload: Option<StoredPayload>,
    ) {
        match self {
            Self::Session => session.answer(task_id, state, outcome, payload),
            Self::Part(broadcast) => broadcast.part(session, task_id, state, outcome, payload),
        }
    }
}

/// The answers to one task that runs on several nodes.
pub(crate) struct Broadcast(Mutex<Parts>);

struct Parts {
    left: usize,
    canceled: usize,
    outcomes: Vec<(v1::Outcome, Option<StoredPayload>)>,
}

impl Broadcast {
    /// A task that runs on so many nodes; each of them answers once.
    pub(crate) fn new(nodes: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Parts { left: nodes, canceled: 0, outcomes: Vec::with_capacity(nodes) })))
    }

    fn part(
        &self,
        session: &Session,
        task_id: u64,
        state: TaskState,
        outcome: v1::Outcome,
        payload: Option<StoredPayload>,
    ) {
        let (state, mut outcomes) = {
            let mut parts = self.0.lock();
            parts.left = parts.left.saturating_sub(1);
            parts.canceled += usize::from(state == TaskState::Canceled);
            parts.outcomes.push((outcome, payload));
            if parts.left > 0 {
                return;
            }
            let all = parts.canceled == parts.outcomes.len();
            let state = if all { TaskState::Canceled } else { TaskState::Completed };
            (state, std::mem::take(&mut parts.outcomes))
        };
        outcomes.sort_by(|(a, _), (b, _)| a.node.cmp(&b.node));
        session.answer_all(task_id, state, outcomes);
    }
}
