//! What foreign errors mean: of files, HTTP, FTP and S3, as the one error. It must never show a URL of theirs, which may
//! hold credentials; the operation names what was asked for.

use std::{error::Error as StdError, io};

use haulier_model::{Error, ErrorKind, Retry};
use reqwest::StatusCode;
use suppaftp::{FtpError, Status};

/// How much of a server's own words is shown.
const SHOWN: usize = 300;

const LATER: &str = "try again later, or look at the server's log";
const ALLOWED: &str = "check user, password or keys, and what they may read";
const THERE: &str = "check the spelling, and list the folder by the tools of the server";

/// An error of the file system.
pub(crate) fn of_io(operation: &str, error: &io::Error) -> Error {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => (ErrorKind::NotFound, "check the path: ls -l"),
        io::ErrorKind::PermissionDenied => (ErrorKind::PermissionDenied, "let this user read it: chmod, chown"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (ErrorKind::ResourceExhausted, "make room: df -h"),
        io::ErrorKind::AlreadyExists => (ErrorKind::Conflict, "remove the file that is there, or choose another name"),
        _ => (ErrorKind::Unavailable, "try again later"),
    };
    Error::new(kind, operation, error.to_string()).hint(hint)
}

/// An answer of an HTTP server that is no success.
pub(crate) fn of_status(operation: &str, status: StatusCode) -> Error {
    let (kind, hint) = match status.as_u16() {
        404 | 410 => (ErrorKind::NotFound, THERE),
        401 | 403 | 407 => (ErrorKind::PermissionDenied, ALLOWED),
        408 | 425 | 429 | 500..=599 => (ErrorKind::Unavailable, LATER),
        _ => (ErrorKind::InvalidArgument, "open the URL in a browser, or by curl -v"),
    };
    Error::new(kind, operation, format!("the server answered {status}")).hint(hint)
}

/// An HTTP connection that failed.
pub(crate) fn of_web(operation: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let message = causes(&error);
    if error.is_redirect() {
        return Error::new(ErrorKind::InvalidArgument, operation, message)
            .hint("give the URL that the redirects end at: curl -sIL");
    }
    if error.is_builder() {
        return Error::new(ErrorKind::InvalidArgument, operation, message)
            .hint("check the URL, and that this machine has CA certificates: apt-get install ca-certificates");
    }
    Error::new(ErrorKind::Unavailable, operation, message).hint(LATER)
}

/// A refusal of an FTP server, or a connection to it that failed; `password` is never shown.
pub(crate) fn of_ftp(operation: &str, error: &FtpError, password: &str) -> Error {
    let text = if password.is_empty() { error.to_string() } else { error.to_string().replace(password, "***") };
    let message = shortened(&text);
    match error {
        FtpError::UnexpectedResponse(response) => match response.status {
            Status::FileUnavailable | Status::BadFilename => {
                Error::new(ErrorKind::NotFound, operation, message).hint(THERE)
            }
            Status::NotLoggedIn | Status::InvalidCredentials | Status::LoginNeedAccount | Status::NeedPassword => {
                Error::new(ErrorKind::PermissionDenied, operation, message).hint(ALLOWED)
            }
            _ => Error::new(ErrorKind::Unavailable, operation, message).hint(LATER),
        },
        _ => Error::new(ErrorKind::Unavailable, operation, message).hint(LATER),
    }
}

/// An error of an S3 service.
pub(crate) fn of_s3(operation: &str, error: &opendal_core::Error) -> Error {
    use opendal_core::ErrorKind as Kind;
    // An answer to HEAD has no words.
    let words = if error.message().is_empty() { error.kind().into_static() } else { error.message() };
    let message = shortened(words);
    let missing_bucket = error.kind() == Kind::ConfigInvalid && message.contains("NoSuchBucket");
    let (kind, hint) = match error.kind() {
        _ if missing_bucket => (ErrorKind::NotFound, "check the bucket: aws s3 ls"),
        Kind::NotFound => (ErrorKind::NotFound, "check the key: aws s3 ls"),
        Kind::PermissionDenied => (ErrorKind::PermissionDenied, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        Kind::ConfigInvalid => (ErrorKind::InvalidArgument, "write it like s3://bucket/prefix?region=eu-central-1"),
        _ => (ErrorKind::Unavailable, LATER),
    };
    let retry = if kind == ErrorKind::Unavailable { Retry::Later } else { Retry::Never };
    Error::new(kind, operation, message).hint(hint).with_retry(retry)
}

/// What a server says may be long, and may try to write several lines into a log.
fn shortened(text: &str) -> String {
    let line: String = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if line.chars().count() <= SHOWN { line } else { line.chars().take(SHOWN).chain("...".chars()).collect() }
}

fn causes(error: &dyn StdError) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = inner.source();
    }
    shortened(&message)
}
