//! What a worker is sent for a task, and what it must not be sent.

use std::time::Instant;

use bytes::Bytes;
use haulier_model::{Error, ErrorKind};
use haulier_protocol::v1;
use haulier_worker::Worker;

use crate::{
    core::NodeCore,
    run::{Payload, Run},
};

/// What the payload needs and the worker does not have: said before the worker sees a byte.
pub(super) fn unmet(worker: &Worker, run: &Run) -> Option<Error> {
    let has = &worker.hello().capabilities;
    let missing = run.requires.iter().find(|required| !has.contains(required))?;
    let kind = missing.split('-').next().unwrap_or_default();
    let instead =
        has.iter().find(|capability| capability.starts_with(kind)).map_or("nothing of that kind", String::as_str);
    Some(
        run.error(ErrorKind::Incompatible, format!("the task needs {missing}; the worker has {instead}"))
            .hint("use the same minor version of Python on both sides, or put the function into a module of its own"),
    )
}

pub(super) fn frame(node: &NodeCore, run: &Run) -> v1::TaskFrame {
    let remaining = run.deadline.map_or(0, |at| at.saturating_duration_since(Instant::now()).as_millis().max(1) as u64);
    let mut frame = v1::TaskFrame {
        task_id: run.id,
        loader: run.placement.live.id.clone(),
        class_path: Bytes::copy_from_slice(run.class_path().as_bytes()),
        entry_point: run.entry_point.clone(),
        codec: run.codec,
        deadline_ms: remaining,
        result_codecs: run.result_codecs.clone(),
        isolated: run.placement.isolated,
        inline_limit: crate::payloads::FRAME_LIMIT,
        ..Default::default()
    };
    match &run.payload {
        Payload::Inline(bytes) => frame.payload = bytes.clone(),
        Payload::Stored(stored) => match &**stored {
            crate::payloads::StoredPayload::Memory(bytes) => frame.payload = bytes.clone(),
            crate::payloads::StoredPayload::File { path, size } => {
                frame.payload_path = path.display().to_string();
                frame.payload_size = *size;
            }
        },
    }
    frame.result_path = node.payloads.result_path(run.id).display().to_string();
    frame
}
