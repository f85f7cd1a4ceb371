//! The one error inside gRPC statuses: encoded in the metadata `haulier-error-bin`, with the nearest gRPC code.

use haulier_model::{Error, ErrorKind};
use prost::Message;
use tonic::{
    Code, Status,
    metadata::{BinaryMetadataValue, MetadataMap},
};

use crate::v1;

const METADATA: &str = "haulier-error-bin";
/// Metadata travels in HTTP/2 headers, which are limited; a longer trace is cut, kind and hint are kept.
const HEADER_LIMIT: usize = 6 * 1024;

/// The status that carries `error`.
pub fn from_error(error: &Error) -> Status {
    let mut message = v1::Error::from(error);
    if message.encoded_len() > HEADER_LIMIT {
        message.remote = None;
        message.context.clear();
        message.message = cut(&message.message, HEADER_LIMIT / 2);
    }
    let mut metadata = MetadataMap::new();
    metadata.insert_bin(METADATA, BinaryMetadataValue::from_bytes(&message.encode_to_vec()));
    Status::with_metadata(code(error.kind()), cut(error.message(), 1024), metadata)
}

/// The error that `status` carries; one of our own where another program answered. `operation` names what was done.
pub fn to_error(status: &Status, operation: &str) -> Error {
    let carried = status
        .metadata()
        .get_bin(METADATA)
        .and_then(|value| value.to_bytes().ok())
        .and_then(|bytes| v1::Error::decode(bytes).ok());
    match carried {
        Some(message) => {
            let error = Error::from(message);
            if error.operation().is_empty() { error.in_operation(operation) } else { error }
        }
        None if is_transport(status) => Error::new(ErrorKind::Unavailable, operation, status.message()),
        None => Error::new(kind(status.code()), operation, status.message()),
    }
}

/// Whether the other side has answered with an error of its own: the status does not come from a connection that broke.
pub fn is_answer(status: &Status) -> bool {
    status.metadata().contains_key(METADATA)
}

/// Whether the connection broke below gRPC, for example because the other side speaks TLS or no HTTP/2.
fn is_transport(status: &Status) -> bool {
    status.code() == Code::Internal && status.message().starts_with("h2 protocol error")
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::NotFound | ErrorKind::CodeNotFound => Code::NotFound,
        ErrorKind::Conflict => Code::AlreadyExists,
        ErrorKind::Unavailable | ErrorKind::SessionLost | ErrorKind::WorkerLost => Code::Unavailable,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Canceled => Code::Cancelled,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Incompatible | ErrorKind::Closed => Code::FailedPrecondition,
        _ => Code::Internal,
    }
}

fn kind(code: Code) -> ErrorKind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::InvalidArgument,
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists | Code::Aborted => ErrorKind::Conflict,
        // A broken connection is reported as Unknown with "transport error" or "h2 protocol error".
        Code::Unavailable | Code::Unknown => ErrorKind::Unavailable,
        Code::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        Code::Cancelled => ErrorKind::Unavailable,
        Code::ResourceExhausted => ErrorKind::ResourceExhausted,
        Code::PermissionDenied | Code::Unauthenticated => ErrorKind::PermissionDenied,
        Code::FailedPrecondition | Code::Unimplemented => ErrorKind::Incompatible,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_a_status() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "deploy a:1", "ü went wrong").hint("do it").context("a", "b");
            assert_eq!(to_error(&from_error(&error), "x").to_string(), error.to_string());
            assert_eq!(to_error(&from_error(&error), "x").kind(), kind);
            assert!(is_answer(&from_error(&error)) && !is_answer(&Status::unavailable("gone")));
        }
        let long = Error::new(ErrorKind::Internal, "x", "y".repeat(100_000)).hint("report it");
        assert_eq!(to_error(&from_error(&long), "x").hint_text(), "report it");
    }
}
