//! How a command ends that did not succeed: what is printed, and the exit code.

use std::{fmt::Write as _, process::ExitCode};

use haulier::{Error, ErrorKind};
use serde_json::json;

use crate::{arguments::Format, output};

/// The exit code of SIGINT, as shells say it.
const INTERRUPTED: u8 = 130;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    Error(Error),
    /// Ctrl-C.
    Interrupted,
    /// It has been said on each node's line.
    Reported,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// Prints to standard error, and gives the exit code.
    pub(crate) fn report(&self, format: Format) -> ExitCode {
        match self {
            Self::Error(error) => {
                output::complain(&match format {
                    Format::Table => text(error),
                    Format::Json => json!({ "error": object(error) }).to_string(),
                });
                ExitCode::from(code(error.kind()))
            }
            Self::Interrupted => ExitCode::from(INTERRUPTED),
            Self::Reported => ExitCode::from(1),
        }
    }
}

fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidArgument => 2,
        ErrorKind::NotFound | ErrorKind::CodeNotFound => 3,
        ErrorKind::Conflict => 4,
        ErrorKind::Unavailable | ErrorKind::SessionLost => 5,
        _ => 1,
    }
}

/// The error for people: what happened, the task's own trace, what to do next.
pub(crate) fn text(error: &Error) -> String {
    let mut text = String::from("error: ");
    if !error.operation().is_empty() {
        text = text + error.operation() + ": ";
    }
    text += error.message();
    for (name, value) in error.contexts() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {name}: {value}");
    }
    if let Some(remote) = error.remote()
        && !remote.trace.is_empty()
    {
        text = text + "\n\n" + remote.trace.trim_end() + "\n";
    }
    if !error.hint_text().is_empty() {
        text = text + "\nhint: " + error.hint_text();
    }
    text
}

/// The error for programs.
pub(crate) fn object(error: &Error) -> serde_json::Value {
    let context: serde_json::Map<_, _> =
        error.contexts().iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let remote = error
        .remote()
        .map(|remote| json!({ "type": remote.type_name, "message": remote.message, "trace": remote.trace }));
    json!({
        "kind": error.kind().name(),
        "retry": format!("{:?}", error.retry()).to_lowercase(),
        "operation": error.operation(),
        "message": error.message(),
        "context": context,
        "hint": error.hint_text(),
        "remote": remote,
    })
}

#[cfg(test)]
mod tests {
    use haulier::RemoteFailure;

    use super::*;

    #[test]
    fn everything_that_helps_is_said() {
        let error = Error::new(ErrorKind::TaskFailed, "run a.B", "boom")
            .context("node", "n1")
            .hint("look")
            .with_remote(RemoteFailure { trace: "at a.B\n".into(), ..RemoteFailure::default() });
        assert_eq!(text(&error), "error: run a.B: boom\n  node: n1\n\nat a.B\n\nhint: look");
        assert_eq!(object(&error)["kind"], "TaskFailed");
        assert_eq!(object(&error)["retry"], "never");
    }

    #[test]
    fn exit_codes() {
        let codes = ErrorKind::ALL.map(code);
        assert!(codes.iter().all(|code| (1..=5).contains(code)));
        assert_eq!([code(ErrorKind::NotFound), code(ErrorKind::Conflict), code(ErrorKind::Unavailable)], [3, 4, 5]);
    }
}
