//! Errors of the core as exceptions of Python.
//!
//! The exception classes are Python's: `haulier.errors` in a client, `haulier_worker.failure` in a worker.

use haulier_model::{Codec, Error, RemoteFailure, Retry};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyTuple},
};

/// The numbers of codecs, as in the protocol.
pub(crate) const fn codec_number(codec: Codec) -> i32 {
    match codec {
        Codec::Values => 1,
        Codec::Java => 2,
        Codec::Pickle => 3,
    }
}

/// The codec of that number.
pub(crate) fn codec_of(number: i32) -> PyResult<Codec> {
    [Codec::Values, Codec::Java, Codec::Pickle]
        .into_iter()
        .find(|codec| codec_number(*codec) == number)
        .ok_or_else(|| pyo3::exceptions::PyValueError::new_err(format!("{number} is no codec")))
}

/// What `haulier.errors.from_native` takes.
pub(crate) fn fields<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyTuple>> {
    let retry = match error.retry() {
        Retry::Never => "never",
        Retry::Later => "later",
        Retry::Now => "now",
    };
    let remote = error.remote().map(|remote| remote_fields(py, remote)).transpose()?;
    (
        error.kind().name(),
        retry,
        error.operation(),
        error.message(),
        error.contexts().to_vec(),
        error.hint_text(),
        remote,
    )
        .into_pyobject(py)
}

fn remote_fields<'py>(py: Python<'py>, remote: &RemoteFailure) -> PyResult<Bound<'py, PyTuple>> {
    let (codec, payload) = match &remote.object {
        Some((codec, payload)) => (codec_number(*codec), payload.as_slice()),
        None => (0, [].as_slice()),
    };
    let language = remote.language.map_or("", |language| language.name());
    (language, &remote.type_name, &remote.message, &remote.trace, codec, PyBytes::new(py, payload)).into_pyobject(py)
}

/// The exception that a client raises.
pub(crate) fn to_client(py: Python<'_>, error: &Error) -> PyErr {
    raise(|| py.import("haulier.errors")?.getattr("from_native")?.call1((fields(py, error)?,)))
}

/// The exception that a worker raises.
pub(crate) fn to_worker(py: Python<'_>, error: &Error) -> PyErr {
    raise(|| py.import("haulier_worker.failure")?.getattr("WorkerError")?.call1(worker_fields(error)))
}

/// What `haulier_worker.failure.WorkerError` takes.
pub(crate) fn worker_fields(error: &Error) -> (&'static str, String, String, Vec<(String, String)>) {
    let message = match error.operation() {
        "" => error.message().to_owned(),
        operation => format!("{operation}: {}", error.message()),
    };
    (error.kind().name(), message, error.hint_text().to_owned(), error.contexts().to_vec())
}

fn raise<'py>(make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>) -> PyErr {
    match make() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
