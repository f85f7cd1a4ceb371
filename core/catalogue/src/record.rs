//! Records and listings, and the rule by which a write wins.

use std::{fmt, time::Duration};

use haulier_model::{Error, ErrorKind, Result, Retry};

use crate::{MAX_KEY_LENGTH, MAX_TTL, MAX_VALUE_SIZE, OperationId};

/// Counts the changes of a catalogue; larger is later.
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

/// Records at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// In order of their keys.
    pub records: Vec<Record>,
    /// The catalogue's revision at that moment: a watch from here has every later change.
    pub revision: Revision,
    /// Whose revision it is.
    pub catalogue: CatalogueId,
}

/// Names a catalogue, at random: two that were begun apart from each other never have the same, and revisions of the
/// one mean nothing to the other.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CatalogueId([u8; 16]);

impl CatalogueId {
    /// A new name that nobody else has.
    ///
    /// # Panics
    /// If the operating system has no source of randomness.
    pub fn random() -> Self {
        Self(*OperationId::random().as_bytes())
    }

    /// Takes a name as it is stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 32 lowercase hexadecimal digits.
impl fmt::Display for CatalogueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for CatalogueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a write may do, given the record that is there.
pub(crate) enum Verdict {
    Write,
    /// The operation won before, as this revision.
    AlreadyDone(Revision),
}

/// Decides a compare-and-set; `current` is the revision and operation of the record under `key`, and `won` looks into
/// the history for a write of this operation.
///
/// The history is asked where a repetition that arrives late would do harm: where it would be told that it lost, or
/// would create the record that somebody has deleted meanwhile.
pub(crate) fn judge_set(
    key: &str,
    current: Option<(Revision, OperationId)>,
    expected: Option<Revision>,
    operation: OperationId,
    won: impl FnOnce() -> Option<Revision>,
) -> Result<Verdict> {
    let found = current.map(|(revision, _)| revision);
    match current {
        Some((revision, winner)) if winner == operation => return Ok(Verdict::AlreadyDone(revision)),
        Some((revision, _)) if Some(revision) == expected => return Ok(Verdict::Write),
        _ => {}
    }
    match won() {
        Some(revision) => Ok(Verdict::AlreadyDone(revision)),
        None if found == expected => Ok(Verdict::Write),
        None => Err(conflict("write a record", key, found, expected)),
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

pub(crate) fn check_ttl(key: &str, ttl: Duration) -> Result<()> {
    if ttl.as_millis() > 0 && ttl <= MAX_TTL {
        return Ok(());
    }
    let message =
        format!("a registration lives for 1 ms to {} s without renewal, '{key}' for {ttl:?}", MAX_TTL.as_secs());
    Err(Error::new(ErrorKind::InvalidArgument, "check a registration", message))
}
