//! Errors as problem documents (RFC 9457): `{"title", "status", "code", "detail"}`.
//!
//! It owns which status an error has. It must never show more of an error than its message, context and hint.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use haulier_model::{Error, ErrorKind, Retry};
use serde::Serialize;

/// Seconds after which a refused client should try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// An error, and the status that it is answered with.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    error: Error,
}

impl Problem {
    /// For statuses that no kind of error stands for.
    pub(crate) fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error }
    }

    /// 400, with what to do instead.
    pub(crate) fn bad_request(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidArgument, "", message).hint(hint).into()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match status(error.kind()) {
            // What is too large stays so; a full disk does not.
            StatusCode::INSUFFICIENT_STORAGE if error.retry() == Retry::Never => StatusCode::PAYLOAD_TOO_LARGE,
            other => other,
        };
        Self { status, error }
    }
}

const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidArgument | ErrorKind::Incompatible => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound | ErrorKind::CodeNotFound => StatusCode::NOT_FOUND,
        // An undeploy cancels the deploy that is under way.
        ErrorKind::Conflict | ErrorKind::Canceled => StatusCode::CONFLICT,
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::Unavailable | ErrorKind::Closed => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::ResourceExhausted => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Serialize)]
struct Document<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "a request failed");
        }
        let document = Document {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: error.kind().name(),
            // The request says which operation it was.
            detail: error.clone().in_operation("").to_string(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"haulier\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_status() {
        let expected = [400, 404, 409, 503, 504, 409, 507, 403, 404, 500, 500, 500, 500, 400, 503, 500];
        for (kind, expected) in ErrorKind::ALL.into_iter().zip(expected) {
            assert_eq!(status(kind).as_u16(), expected, "{kind:?}");
        }
        let too_large = Error::new(ErrorKind::ResourceExhausted, "", "a bomb").with_retry(Retry::Never);
        assert_eq!(Problem::from(too_large).status.as_u16(), 413);
    }
}
