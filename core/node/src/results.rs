//! From a worker's result to the session's answer.

use haulier_model::Error;
use haulier_protocol::v1::{self, TaskState};

use crate::{core::NodeCore, payloads::StoredPayload, run::Run, server::INLINE_LIMIT};

pub(crate) fn deliver(node: &NodeCore, run: &Run, result: v1::ResultFrame) {
    let mut outcome = v1::Outcome { node: node.name.clone(), codec: result.codec, ..Default::default() };
    if let Some(error) = result.error {
        let error = Error::from(error);
        let error = if error.operation().is_empty() { error.in_operation(run.operation()) } else { error };
        return run.fail(&node.name, error);
    }
    let mut payload = None;
    if result.in_file {
        payload = Some(StoredPayload::File { path: node.payloads.result_path(run.id), size: result.payload_size });
    } else if result.payload.len() > INLINE_LIMIT {
        payload = Some(StoredPayload::Memory(result.payload));
    } else {
        outcome.payload = result.payload;
    }
    run.answer(TaskState::Completed, outcome, payload);
}
