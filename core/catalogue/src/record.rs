//! One record, its encoding, and the rule by which a write wins.

use haulier_model::{Error, ErrorKind, Result, Retry};

use crate::{MAX_KEY_LENGTH, MAX_VALUE_SIZE, OperationId};

/// Counts the writes of a catalogue; larger is later.
pub type Revision = u64;

/// A value with its key, and the write that put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is found by.
    pub key: String,
    /// The bytes; the catalogue does not know what they mean.
    pub value: Vec<u8>,
    /// The write that put it there.
    pub revision: Revision,
    /// Who wrote it.
    pub operation: OperationId,
}

/// What a write may do, given the record that is there.
pub(crate) enum Verdict {
    Write,
    /// The operation won before, as this revision.
    AlreadyDone(Revision),
}

/// Decides a compare-and-set; `current` is the revision and operation of the record under `key`.
pub(crate) fn judge_set(
    key: &str,
    current: Option<(Revision, OperationId)>,
    expected: Option<Revision>,
    operation: OperationId,
) -> Result<Verdict> {
    match current {
        Some((revision, winner)) if winner == operation => Ok(Verdict::AlreadyDone(revision)),
        current if current.map(|(revision, _)| revision) == expected => Ok(Verdict::Write),
        current => Err(conflict("write a record", key, current.map(|(revision, _)| revision), expected)),
    }
}

/// Decides a deletion: whether there is something to delete.
pub(crate) fn judge_delete(key: &str, current: Option<Revision>, expected: Revision) -> Result<bool> {
    match current {
        None => Ok(false),
        Some(revision) if revision == expected => Ok(true),
        current => Err(conflict("delete a record", key, current, Some(expected))),
    }
}

fn conflict(operation: &str, key: &str, current: Option<Revision>, expected: Option<Revision>) -> Error {
    let show =
        |revision: Option<Revision>| revision.map_or("no record".to_owned(), |revision| format!("revision {revision}"));
    let message = format!("'{key}' is at {}, not at {}: somebody else wrote it", show(current), show(expected));
    Error::new(ErrorKind::Conflict, operation, message)
        .with_retry(Retry::Now)
        .hint("read it again and repeat the change")
}

pub(crate) fn check_key(key: &str) -> Result<()> {
    if (1..=MAX_KEY_LENGTH).contains(&key.len()) {
        return Ok(());
    }
    let message = format!("a key has 1 to {MAX_KEY_LENGTH} bytes, this one has {}", key.len());
    Err(Error::new(ErrorKind::InvalidArgument, "check a record", message))
}

pub(crate) fn check_value(key: &str, value: &[u8]) -> Result<()> {
    if value.len() <= MAX_VALUE_SIZE {
        return Ok(());
    }
    let message = format!("the value of '{key}' has {} bytes, and at most {MAX_VALUE_SIZE} are allowed", value.len());
    Err(Error::new(ErrorKind::ResourceExhausted, "check a record", message).with_retry(Retry::Never))
}
