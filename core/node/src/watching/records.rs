//! What the catalogue has of watched storages, and how it is shown.

use haulier_catalogue::{MAX_VALUE_SIZE, Record};
use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::v1;
use haulier_watch::{Problem, WatchStatus};
use serde::{Deserialize, Serialize};

/// What is watched.
pub(super) const WATCHES: &str = "watches/";
/// Who looks at it, and what it sees.
pub(super) const LEASES: &str = "watching/";
/// The most characters of an id.
pub(super) const LONGEST_ID: usize = 64;
/// A record holds at most this many problems.
const MOST_PROBLEMS: usize = 50;
const LONGEST_ERROR: usize = 400;

pub(super) fn watch_key(id: &str) -> String {
    format!("{WATCHES}{id}")
}

pub(super) fn lease_key(id: &str) -> String {
    format!("{LEASES}{id}")
}

/// Who deploys what a watch finds.
pub(super) fn deployer(id: &str) -> String {
    format!("watch:{id}")
}

/// A storage that is watched. The URL may hold credentials, so this is shown to nobody as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watched {
    pub(super) url: String,
    /// 0: the default.
    pub(super) interval_ms: u64,
    /// 0: the default.
    pub(super) settle_ms: u64,
    pub(super) added_by: String,
    /// Grows when somebody says that what is missing is meant to be.
    pub(super) confirmed: u64,
}

impl Watched {
    pub(super) fn parse(record: &Record) -> Result<Self> {
        serde_json::from_slice(&record.value).map_err(|error| {
            Error::new(ErrorKind::Incompatible, "read a watch", format!("{} is not readable: {error}", record.key))
                .hint("run the version of haulier that wrote it")
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers are JSON")
    }
}

/// What the node that looks at a storage says.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    node: String,
    state: String,
    last_error: String,
    last_success_ms: u64,
    units: u32,
    settling: u32,
    problems: Vec<SeenProblem>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SeenProblem {
    path: String,
    unit: String,
    state: String,
    error: String,
    since_ms: u64,
}

impl Seen {
    pub(super) fn new(node: &str, status: &WatchStatus) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let problem = |problem: &Problem| SeenProblem {
            path: problem.path.clone(),
            unit: problem.unit.clone().unwrap_or_default(),
            state: problem.state.name().to_owned(),
            error: problem.error.chars().take(LONGEST_ERROR).collect(),
            since_ms: problem.since_ms,
        };
        Self {
            node: node.to_owned(),
            state: status.state.name().to_owned(),
            last_error: status.last_error.iter().flat_map(|error| error.chars()).take(LONGEST_ERROR).collect(),
            last_success_ms: status.last_success_ms.unwrap_or(0),
            units: count(status.units),
            settling: count(status.settling),
            problems: status.problems.iter().take(MOST_PROBLEMS).map(problem).collect(),
        }
    }

    /// As many problems as a value of the catalogue can hold: paths are as long as whoever fills the storage likes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut kept = self.clone();
        loop {
            let encoded = serde_json::to_vec(&kept).expect("text and numbers are JSON");
            if encoded.len() <= MAX_VALUE_SIZE || kept.problems.pop().is_none() {
                return encoded;
            }
        }
    }
}

/// A watch as clients see it.
pub(super) fn status(id: &str, watched: &Watched, lease: Option<&Record>) -> v1::StorageWatch {
    let seen: Seen = lease.and_then(|record| serde_json::from_slice(&record.value).ok()).unwrap_or_default();
    let problem = |problem: SeenProblem| v1::WatchProblem {
        path: problem.path,
        unit: problem.unit,
        state: problem.state,
        error: problem.error,
        since_ms: problem.since_ms,
    };
    v1::StorageWatch {
        id: id.to_owned(),
        url: plain(&watched.url),
        interval_ms: watched.interval_ms,
        settle_ms: watched.settle_ms,
        node: seen.node,
        state: if seen.state.is_empty() { "starting".to_owned() } else { seen.state },
        last_error: seen.last_error,
        last_success_ms: seen.last_success_ms,
        units: seen.units,
        settling: seen.settling,
        problems: seen.problems.into_iter().map(problem).collect(),
    }
}

/// A URL without credentials; anything else as it is.
pub(super) fn plain(url: &str) -> String {
    url.parse::<haulier_sources::Source>().map(|source| source.to_string()).unwrap_or_default()
}

/// The name of a watch: readable, and another one for each storage. `url` is without credentials.
pub(super) fn id_of(url: &str) -> String {
    const READABLE: usize = 40;
    let words = url.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let readable: String = words.collect::<Vec<_>>().join("-").chars().take(READABLE).collect();
    format!("{}-{}", readable.trim_end_matches('-'), &Digest::of(url.as_bytes()).hex()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_fits_a_record() {
        let problem = SeenProblem {
            path: "\u{1}".repeat(4000),
            unit: "a:1".into(),
            state: "quarantined".into(),
            error: "no jar".into(),
            since_ms: 1,
        };
        let seen = Seen { problems: vec![problem; MOST_PROBLEMS], ..Seen::default() };
        let encoded = seen.encode();
        assert!(encoded.len() <= MAX_VALUE_SIZE);
        let read: Seen = serde_json::from_slice(&encoded).unwrap();
        assert!((1..MOST_PROBLEMS).contains(&read.problems.len()));
    }

    #[test]
    fn ids_are_readable_and_differ() {
        assert!(id_of("file:///srv/units").starts_with("file-srv-units-"));
        assert_ne!(id_of("s3://bucket/a/b"), id_of("s3://bucket/a-b"));
        assert!(id_of(&format!("ftp://host/{}", "x/".repeat(500))).len() <= LONGEST_ID);
    }
}
