//! What the catalogue has of code that stays, and how it is named and shown. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use haulier_catalogue::Record;
use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::v1;
use serde::{Deserialize, Serialize};

/// Where the records are in the catalogue.
pub(crate) const PREFIX: &str = "continuous/";
/// What references to code that stays begin with; no unit has this name.
pub(crate) const NAME: &str = "session";
/// The fewest digits of a digest that are taken.
const FEWEST_DIGITS: usize = 6;
const MOST_IDENTITIES: usize = 32;
const MOST_ORIGINS: usize = 8;
/// Names are for messages: the first ones, and their beginnings.
const MOST_NAMES: usize = 128;
const LONGEST_NAME: usize = 100;

/// A snapshot that stays. Its manifest is content of the store, under the digest that is the record's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ContinuousRecord {
    /// The names of its roots.
    names: Vec<String>,
    identities: Vec<String>,
    origins: Vec<String>,
    created_ms: u64,
    last_used_ms: u64,
}

impl ContinuousRecord {
    pub(super) fn new(names: &[String]) -> Self {
        let bounded = |name: &String| name.chars().take(LONGEST_NAME).collect();
        let names = names.iter().take(MOST_NAMES).map(bounded).collect();
        let now = now_ms();
        Self { names, identities: Vec::new(), origins: Vec::new(), created_ms: now, last_used_ms: now }
    }

    pub(super) fn parse(record: &Record) -> Result<Self> {
        serde_json::from_slice(&record.value).map_err(|error| {
            Error::new(ErrorKind::Incompatible, "read code that stays", format!("{}: {error}", record.key))
                .hint("run the version of haulier that wrote it")
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers are JSON")
    }

    /// A session has brought it.
    pub(super) fn brought(&mut self, identity: &str, origin: &str) {
        self.used();
        if !self.is_of(identity) {
            self.identities.push(identity.to_owned());
        }
        self.origins.retain(|known| known != origin);
        self.origins.push(origin.to_owned());
        for (list, most) in [(&mut self.identities, MOST_IDENTITIES), (&mut self.origins, MOST_ORIGINS)] {
            let excess = list.len().saturating_sub(most);
            list.drain(..excess);
        }
    }

    pub(super) fn used(&mut self) {
        self.last_used_ms = now_ms().max(self.last_used_ms);
    }

    pub(super) fn is_of(&self, identity: &str) -> bool {
        self.identities.iter().any(|known| known == identity)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn last_used_ms(&self) -> u64 {
        self.last_used_ms
    }

    /// Milliseconds since the last use, as far as clocks agree.
    pub(super) fn idle_ms(&self) -> u64 {
        now_ms().saturating_sub(self.last_used_ms)
    }

    pub(super) fn differs_in_use_only(&self, other: &Self) -> bool {
        *self == Self { last_used_ms: self.last_used_ms, ..other.clone() }
    }

    /// As a client sees it.
    pub(super) fn described(self, digest: &Digest, held_bytes: u64, size: u64) -> v1::ContinuousCode {
        v1::ContinuousCode {
            snapshot: bytes::Bytes::copy_from_slice(digest.as_bytes()),
            identities: self.identities,
            origins: self.origins,
            created_at_ms: self.created_ms,
            last_used_ms: self.last_used_ms,
            held_bytes,
            size,
            names: self.names,
        }
    }

    /// As what was undeployed.
    pub(super) fn as_unit(&self, digest: &Digest) -> v1::Unit {
        v1::Unit {
            name: NAME.to_owned(),
            version: digest.hex(),
            digest: bytes::Bytes::copy_from_slice(digest.as_bytes()),
            state: v1::UnitState::Obsolete.into(),
            generation: 1,
            deployed_at_ms: self.created_ms,
            deployed_by: self.identities.first().cloned().unwrap_or_default(),
            sources: self.names.clone(),
            ..v1::Unit::default()
        }
    }
}

pub(super) fn key(digest: &Digest) -> String {
    format!("{PREFIX}{}", digest.hex())
}

pub(crate) fn digest_of(key: &str) -> Result<Digest> {
    format!("sha256:{}", key.strip_prefix(PREFIX).unwrap_or_default()).parse()
}

pub(super) fn reference(digest: &Digest) -> String {
    format!("{NAME}:{}", digest.hex())
}

/// Whether a reference means code that stays instead of a unit.
pub(crate) fn is_reference(reference: &str) -> bool {
    reference.strip_prefix(NAME).is_some_and(|rest| rest.starts_with([':', '@']))
}

/// The digits of a reference: "session:1f00aa", "session:sha256:1f00aa", "session@sha256:1f00aa".
pub(super) fn prefix_of(reference: &str) -> Result<String> {
    let digits = reference.get(NAME.len() + 1..).unwrap_or_default();
    let digits = digits.strip_prefix("sha256:").unwrap_or(digits).to_ascii_lowercase();
    if (FEWEST_DIGITS..=64).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(digits);
    }
    let message = format!(
        "'{}' is not '{NAME}:' and at least {FEWEST_DIGITS} hexadecimal digits",
        reference.chars().take(100).collect::<String>().escape_debug()
    );
    Err(Error::new(ErrorKind::InvalidArgument, "find code of a session", message).hint("haulier sessions"))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use haulier_catalogue::MAX_VALUE_SIZE;

    use super::*;

    #[test]
    fn the_largest_record_fits_the_catalogue() {
        let mut record = ContinuousRecord::new(&vec!["\u{1}".repeat(4000); 4000]);
        (0..100).for_each(|number| record.brought(&format!("{number}{}", "i".repeat(200)), &"o".repeat(200)));
        // A control character takes six bytes of JSON; names of clients have none.
        let plain = ContinuousRecord::new(&vec!["n".repeat(4000); 4000]);
        assert!(plain.encode().len() + record.identities.len() * 300 + record.origins.len() * 300 < MAX_VALUE_SIZE);
        assert_eq!((record.identities.len(), record.origins.len()), (MOST_IDENTITIES, 1));
    }

    #[test]
    fn references_and_keys() {
        let digest = Digest::of(b"code");
        assert_eq!(digest_of(&key(&digest)).unwrap(), digest);
        assert_eq!(prefix_of(&reference(&digest)).unwrap(), digest.hex());
        assert_eq!(prefix_of("session:sha256:ABCDEF").unwrap(), "abcdef");
        for bad in ["session:", "session:12345", "session:pricing", "session:1.0.0", "session:../../nodes"] {
            assert!(is_reference(bad));
            assert_eq!(prefix_of(bad).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
        assert!(!is_reference("sessions:123456") && !is_reference("session"));
    }
}
