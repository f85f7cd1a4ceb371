//! What uv says when it fails, as the one error. It must never show a secret of a URL.

use std::process::ExitStatus;

use haulier_model::{Error, ErrorKind, Retry};

use super::{Purpose, TAIL};
use crate::without_secrets;

/// How many of its last lines an error has, and how many letters of one of them.
const LAST_LINES: usize = 12;
const LONGEST_LINE: usize = 400;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Hash,
    DiskFull,
    Credentials,
    IndexAway,
    Unknown,
    NoWheel,
    NotInstallable,
    NoFile,
    Unmet,
    Other,
}

/// What it says, the first that fits counts.
const WORDS: [(Trouble, &[&str]); 9] = [
    (Trouble::Hash, &["Hash mismatch"]),
    (Trouble::DiskFull, &["No space left on device", "Disk quota exceeded"]),
    (Trouble::Credentials, &["401 Unauthorized", "403 Forbidden", "valid authentication"]),
    (
        Trouble::IndexAway,
        &[
            "Request failed",
            "Failed to fetch",
            "error sending request",
            "timed out",
            "Network connectivity",
            "Could not connect",
            "Connection refused",
            "dns error",
        ],
    ),
    (Trouble::Unknown, &["was not found in the package registry", "was not found in the provided package locations"]),
    (Trouble::NoWheel, &["no usable wheels", "building from source is disabled", "no wheels"]),
    (Trouble::NotInstallable, &["Failed to install"]),
    (Trouble::Unmet, &["No solution found", "incompatible"]),
    (Trouble::NoFile, &["No such file or directory", "File not found", "does not exist"]),
];

/// The error of a run that has failed with these last words.
pub(super) fn of(operation: &str, purpose: Purpose, status: ExitStatus, words: &[u8]) -> Error {
    let text = String::from_utf8_lossy(&words[words.len().saturating_sub(TAIL)..]).into_owned();
    let said = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let trouble = WORDS.iter().find(|(_, parts)| said(parts)).map_or(Trouble::Other, |(trouble, _)| *trouble);
    let (kind, hint) = meaning(trouble, purpose);
    let retry = match kind {
        ErrorKind::Unavailable | ErrorKind::ResourceExhausted => Retry::Later,
        _ => Retry::Never,
    };
    let lines = last_lines(&text);
    let lines = if lines.is_empty() { format!("uv ended with {status} and said nothing") } else { lines };
    let message = match trouble {
        Trouble::Hash => format!("a distribution has another hash than the lock says: {lines}"),
        Trouble::IndexAway => format!("an index does not answer: {lines}"),
        _ => lines,
    };
    Error::new(kind, operation, message).hint(hint).with_retry(retry)
}

fn meaning(trouble: Trouble, purpose: Purpose) -> (ErrorKind, &'static str) {
    let for_this = purpose == Purpose::Install;
    let unmet = if for_this { ErrorKind::Incompatible } else { ErrorKind::InvalidArgument };
    match trouble {
        Trouble::Hash => (
            ErrorKind::Conflict,
            "the index has other files than the lock; deploy again: haulier deploy NAME PATH --requirements FILE",
        ),
        Trouble::DiskFull => (ErrorKind::ResourceExhausted, "make room on that disk: df -h"),
        Trouble::Credentials => (
            ErrorKind::PermissionDenied,
            "give uv credentials: UV_DEFAULT_INDEX=https://USER:PASSWORD@HOST/simple, or netrc",
        ),
        Trouble::IndexAway => (
            ErrorKind::Unavailable,
            "check the network and the index (UV_DEFAULT_INDEX, PIP_INDEX_URL), then try again",
        ),
        Trouble::Unknown if !for_this => (ErrorKind::NotFound, "check the spelling, and the index: UV_DEFAULT_INDEX"),
        Trouble::NoWheel if !for_this => {
            (unmet, "choose a version that has wheels, or build one and put it into an index: pip wheel")
        }
        Trouble::NotInstallable => {
            (ErrorKind::Incompatible, "leave the distribution out, or choose another version of it")
        }
        Trouble::Unknown | Trouble::NoWheel | Trouble::Unmet if for_this => {
            (unmet, "choose versions that have wheels for the node's Python: haulier nodes")
        }
        Trouble::NoFile if !for_this => (ErrorKind::NotFound, "check the path: ls -l"),
        _ if for_this => (ErrorKind::Unavailable, "look at the node's log; the commands are those of uv"),
        _ => (unmet, "change the requirements; uv pip compile shows the same"),
    }
}

fn last_lines(text: &str) -> String {
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with("warning:") && !line.starts_with("Resolved ");
    let shown = |line: &str| without_secrets(line).chars().take(LONGEST_LINE).collect::<String>();
    let lines: Vec<String> = text.lines().map(str::trim).filter(is_said).map(shown).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn last_words_hold_no_password_and_say_what_kind_it_is() {
        use ErrorKind::{Conflict, Incompatible, InvalidArgument, NotFound, PermissionDenied, Unavailable};
        let status = ExitStatus::from_raw(256);
        for (words, lock, install, part) in [
            (
                "error: Request failed after 3 retries\n  cause: Failed to fetch: http://me:secret@h/six/",
                Unavailable,
                Unavailable,
                "http://h/six/",
            ),
            (
                "x was not found in the package registry\nhint: An index URL (http://h) ... (401 Unauthorized)",
                PermissionDenied,
                PermissionDenied,
                "401",
            ),
            ("cause: Because x was not found in the package registry and you", NotFound, Incompatible, "not found"),
            ("cause: Because x==1 has no usable wheels", InvalidArgument, Incompatible, "wheels"),
            ("No solution found when resolving", InvalidArgument, Incompatible, "solution"),
            ("Hash mismatch for `six==1.16.0`", Conflict, Conflict, "another hash"),
            (
                "error: No space left on device (os error 28)",
                ErrorKind::ResourceExhausted,
                ErrorKind::ResourceExhausted,
                "28",
            ),
            ("", InvalidArgument, Unavailable, "said nothing"),
        ] {
            for (purpose, kind) in [(Purpose::Lock, lock), (Purpose::Install, install)] {
                let error = of("lock", purpose, status, words.as_bytes());
                assert_eq!(error.kind(), kind, "{words}");
                assert_eq!(error.retry() == Retry::Later, matches!(kind, Unavailable | ErrorKind::ResourceExhausted));
                assert!(error.to_string().contains(part) && !error.to_string().contains("secret"), "{error}");
                assert!(!error.hint_text().is_empty());
            }
        }
    }
}
