//! Locks: the files in units that pin distributions to versions and hashes, in the format of pip's requirements. Pure.

use std::collections::{BTreeMap, BTreeSet};

use haulier_model::{Digest, Error, ErrorKind, Result};

use super::requirement::normal;

/// Where a lock is: at the top of a root.
pub(crate) const FILE: &str = "haulier-requirements.txt";

/// The largest lock that is read, in bytes, the most distributions of one, and the most hashes of a distribution.
const LARGEST: usize = 4 << 20;
const MOST_PINS: usize = 4096;
const MOST_HASHES: usize = 4096;

/// A distribution with the one version that a lock allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pin {
    /// The normalised name.
    pub(super) name: String,
    pub(super) version: String,
    /// Where it is for, as the lock says it; empty: everywhere.
    pub(super) marker: String,
    /// SHA-256 of the files that may be it, in hex, sorted.
    pub(super) hashes: Vec<String>,
}

/// The pins of one lock.
#[derive(Clone, Debug)]
pub(super) struct Lock {
    /// The unit or session that has it.
    pub(super) owner: String,
    pub(super) digest: Digest,
    pub(super) pins: BTreeSet<Pin>,
}

impl Lock {
    /// Reads a lock. Errors: `InvalidArgument` with the line that is no pin.
    pub(super) fn parse(owner: &str, digest: Digest, text: &str) -> Result<Self> {
        Ok(Self { owner: owner.to_owned(), digest, pins: parse(owner, text)? })
    }
}

/// Reads pins; `owner` is who has written them, for messages.
pub(super) fn parse(owner: &str, text: &str) -> Result<BTreeSet<Pin>> {
    let bad = |problem: String| {
        Error::new(ErrorKind::InvalidArgument, "read a lock", format!("{FILE} of {owner}: {problem}"))
            .hint("deploy again: haulier deploy NAME PATH --requirements FILE")
    };
    if text.len() > LARGEST {
        return Err(bad(format!("{} bytes; at most {LARGEST} are read", text.len())));
    }
    let mut pins = BTreeSet::new();
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").lines() {
        let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let shown: String = line.chars().take(80).collect();
        pins.insert(parse_line(line).map_err(|problem| bad(format!("'{shown}' {problem}")))?);
    }
    if pins.len() > MOST_PINS {
        return Err(bad(format!("{} distributions; at most {MOST_PINS} are read", pins.len())));
    }
    Ok(pins)
}

fn parse_line(line: &str) -> Result<Pin, &'static str> {
    if line.starts_with('-') {
        return Err("is an option; a lock has distributions only");
    }
    let mut parts = line.split(" --hash=");
    let head = parts.next().unwrap_or_default();
    let (requirement, marker) = head.split_once(';').unwrap_or((head, ""));
    let marker = marker.trim();
    let hashes: Option<BTreeSet<String>> = parts.map(|hash| sha256(hash.trim())).collect();
    let hashes = hashes.ok_or("has something that is no --hash=sha256:...")?;
    if hashes.is_empty() {
        return Err("has no --hash=sha256:...");
    }
    if hashes.len() > MOST_HASHES {
        return Err("has too many hashes");
    }
    let (name, version) = requirement.split_once("==").ok_or("has no exact version")?;
    let name = name.split_once('[').map_or(name, |(name, _)| name).trim();
    let name = normal(name).ok_or("has no name of a distribution")?;
    let version = version.trim();
    if !is_version(version) {
        return Err("has no exact version");
    }
    if marker.contains("--") || !marker.chars().all(is_of_marker) {
        return Err("has a marker that is not understood");
    }
    Ok(Pin { name, version: version.to_owned(), marker: marker.to_owned(), hashes: hashes.into_iter().collect() })
}

fn sha256(text: &str) -> Option<String> {
    let hex = text.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| hex.to_ascii_lowercase())
}

/// Whether a text is one version, without a wildcard and without anything that a requirements file would read otherwise.
pub(super) fn is_version(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '!' | '_' | '-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
}

fn is_of_marker(c: char) -> bool {
    c.is_ascii_alphanumeric() || " _.-'\"<>=!~(),+*".contains(c)
}

/// The pins of all locks. Errors: `Conflict` if two pin the same distribution to different versions everywhere.
pub(super) fn merge(locks: &[Lock]) -> Result<BTreeSet<Pin>> {
    match disagreement(locks, |pin| pin.marker.is_empty()) {
        Some(error) => Err(error),
        None => Ok(unite(locks.iter().flat_map(|lock| lock.pins.iter().cloned()))),
    }
}

/// One pin for each distribution, version and marker, with all hashes that any of them has.
pub(super) fn unite(pins: impl IntoIterator<Item = Pin>) -> BTreeSet<Pin> {
    let mut united: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
    for pin in pins {
        united.entry((pin.name, pin.version, pin.marker)).or_default().extend(pin.hashes);
    }
    let whole = |((name, version, marker), hashes): (_, BTreeSet<String>)| Pin {
        name,
        version,
        marker,
        hashes: hashes.into_iter().collect(),
    };
    united.into_iter().map(whole).collect()
}

/// The error for two locks of which one has no version of a distribution that the other one has, among the pins that
/// `counts` chooses.
pub(super) fn disagreement(locks: &[Lock], counts: impl Fn(&Pin) -> bool) -> Option<Error> {
    let mut seen: BTreeMap<&str, (&Lock, BTreeSet<&str>)> = BTreeMap::new();
    for lock in locks {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for pin in lock.pins.iter().filter(|pin| counts(pin)) {
            versions.entry(&pin.name).or_default().insert(&pin.version);
        }
        for (name, versions) in versions {
            if let Some((other, before)) = seen.get(name)
                && before.is_disjoint(&versions)
            {
                return Some(conflict(name, (&other.owner, before), (&lock.owner, &versions)));
            }
            seen.entry(name).or_insert((lock, versions));
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

/// The file that pins are installed from; equal pins give equal bytes.
pub(super) fn written(pins: &BTreeSet<Pin>) -> String {
    let mut text = String::new();
    for pin in pins {
        text.push_str(&format!("{}=={}", pin.name, pin.version));
        if !pin.marker.is_empty() {
            text.push_str(" ; ");
            text.push_str(&pin.marker);
        }
        for hash in &pin.hashes {
            text.push_str(" \\\n    --hash=sha256:");
            text.push_str(hash);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926";
    const B: &str = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254";

    fn lock(owner: &str, text: &str) -> Lock {
        Lock::parse(owner, Digest::of(text.as_bytes()), text).expect("a lock")
    }

    #[test]
    fn what_uv_writes_is_read() {
        let text = format!(
            "# made by hand\nSix==1.16.0 \\\n    --hash=sha256:{B} \\\n    --hash=sha256:{A}\n    # via -r x\n\
             uvicorn[standard]==0.30 ; python_full_version >= '3.12' and sys_platform == 'linux' \\\n    --hash=sha256:{A}\n"
        );
        let pins: Vec<Pin> = lock("u:1", &text).pins.into_iter().collect();
        assert_eq!((pins[0].name.as_str(), pins[0].version.as_str(), pins[0].hashes.len()), ("six", "1.16.0", 2));
        assert_eq!(pins[1].marker, "python_full_version >= '3.12' and sys_platform == 'linux'");
        let again = written(&pins.iter().cloned().collect());
        assert_eq!(lock("u:1", &again).pins.into_iter().collect::<Vec<_>>(), pins);
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let lines = [
            "six",
            "six==1.16.0",
            "six>=1 --hash=sha256:x",
            "--index-url https://me:secret@host/simple",
            "-e .",
            "six @ https://host/six.whl",
        ];
        for line in lines {
            let error = Lock::parse("u:1", Digest::of(b""), line).unwrap_err();
            assert!(error.to_string().contains("u:1"), "{error}");
        }
        for rest in ["==1.* ", "===1 ", "==1 ; x --index-url y"] {
            let line = format!("six{rest} --hash=sha256:{A}");
            assert!(Lock::parse("u:1", Digest::of(b""), &line).is_err(), "{line}");
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
        let merged: Vec<Pin> = merge(&[one, same]).unwrap().into_iter().collect();
        assert_eq!(merged[0].hashes, [A, B]);
    }

    #[test]
    fn where_markers_differ_the_installer_judges() {
        let windows = lock("w:1", &format!("six==1.15.0 ; sys_platform == 'win32' --hash=sha256:{A}"));
        let linux = lock("l:1", &format!("six==1.16.0 --hash=sha256:{B}"));
        assert_eq!(merge(&[windows.clone(), linux.clone()]).unwrap().len(), 2);
        assert!(disagreement(&[windows, linux], |_| true).is_some());
    }
}
