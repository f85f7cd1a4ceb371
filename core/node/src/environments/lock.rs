//! The locks of one class path: who has them, and whether they agree. Pure; what a lock is, the crate of requirements knows.

use std::collections::{BTreeMap, BTreeSet};

use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_requirements::{Lock, Pin};

/// A lock, and the unit or session that has it.
#[derive(Clone, Debug)]
pub(super) struct OwnedLock {
    pub(super) owner: String,
    /// The content that it was read from.
    pub(super) digest: Digest,
    pub(super) lock: Lock,
}

impl OwnedLock {
    /// Reads a lock. Errors: those of [`Lock::parse`], with the owner.
    pub(super) fn parse(owner: &str, digest: Digest, bytes: &[u8]) -> Result<Self> {
        let lock = std::str::from_utf8(bytes)
            .map_err(|_| Error::new(ErrorKind::InvalidArgument, "read a lock", format!("{} is no text", Lock::FILE)))
            .and_then(Lock::parse)
            .map_err(|error| {
                error.context("lock of", owner).hint("deploy again: haulier deploy NAME PATH --requirements FILE")
            })?;
        Ok(Self { owner: owner.to_owned(), digest, lock })
    }
}

/// All pins of the locks. Errors: `Conflict` if two pin the same distribution to different versions everywhere.
pub(super) fn merge(locks: &[OwnedLock]) -> Result<Lock> {
    match disagreement(locks, |pin| pin.marker.is_empty()) {
        Some(error) => Err(error),
        None => Ok(Lock::united(locks.iter().map(|owned| &owned.lock))),
    }
}

/// The error for two locks of which one has no version of a distribution that the other one has, among the pins that
/// `counts` chooses.
pub(super) fn disagreement(locks: &[OwnedLock], counts: impl Fn(&Pin) -> bool) -> Option<Error> {
    let mut seen: BTreeMap<&str, (&OwnedLock, BTreeSet<&str>)> = BTreeMap::new();
    for owned in locks {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for pin in owned.lock.pins().iter().filter(|pin| counts(pin)) {
            versions.entry(&pin.name).or_default().insert(&pin.version);
        }
        for (name, versions) in versions {
            if let Some((other, before)) = seen.get(name)
                && before.is_disjoint(&versions)
            {
                return Some(conflict(name, (&other.owner, before), (&owned.owner, &versions)));
            }
            seen.entry(name).or_insert((owned, versions));
        }
    }
    None
}

fn conflict(name: &str, one: (&str, &BTreeSet<&str>), other: (&str, &BTreeSet<&str>)) -> Error {
    let shown = |versions: &BTreeSet<&str>| versions.iter().copied().collect::<Vec<_>>().join(" or ");
    let message = format!("{} needs {name} {}, and {} needs {name} {}", one.0, shown(one.1), other.0, shown(other.1));
    Error::new(ErrorKind::Conflict, "prepare an environment", message)
        .hint("deploy one of them again with the other's version: haulier deploy NAME PATH --requirements FILE")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926";
    const B: &str = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254";

    fn lock(owner: &str, text: &str) -> OwnedLock {
        OwnedLock::parse(owner, Digest::of(text.as_bytes()), text.as_bytes()).expect("a lock")
    }

    #[test]
    fn what_is_no_lock_is_refused_with_its_owner() {
        for text in ["six".as_bytes(), b"six==1.16.0", b"-e .", b"\xff\xfe"] {
            let error = OwnedLock::parse("u:1", Digest::of(b""), text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains("u:1"), "{error}");
        }
    }

    #[test]
    fn locks_that_disagree_are_named() {
        let one = lock("one:1", &format!("six==1.15.0 --hash=sha256:{A}"));
        let other = lock("other:2", &format!("six==1.16.0 --hash=sha256:{B}"));
        let error = merge(&[one.clone(), other]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("one:1 needs six 1.15.0, and other:2 needs six 1.16.0"), "{error}");
        let same = lock("third:1", &format!("six==1.15.0 --hash=sha256:{B}"));
        assert_eq!(merge(&[one, same]).unwrap().pins()[0].hashes.len(), 2);
    }

    #[test]
    fn where_markers_differ_the_installer_judges() {
        let windows = lock("w:1", &format!("six==1.15.0 ; sys_platform == 'win32' --hash=sha256:{A}"));
        let linux = lock("l:1", &format!("six==1.16.0 --hash=sha256:{B}"));
        assert_eq!(merge(&[windows.clone(), linux.clone()]).unwrap().pins().len(), 2);
        assert!(disagreement(&[windows, linux], |_| true).is_some());
    }
}
