//! A lock: which distributions, in which versions, with which files. It is written in one form only, from what was
//! understood, so that nothing else gets into it: no index, no password, no path, no comment.

use std::{collections::BTreeMap, fmt};

use haulier_model::{Error, ErrorKind, Result};

use crate::lines::{self, Line};

/// One distribution of a lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The name, normalised: "requests".
    pub name: String,
    /// The exact version: "2.32.3".
    pub version: String,
    /// Where it counts, as an environment marker: "python_full_version < '3.12'"; empty: everywhere.
    pub marker: String,
    /// What its files may hash to: "sha256:...", sorted; at least one.
    pub hashes: Vec<String>,
}

/// Distributions in exact versions, sorted by name. A name may be there several times with different markers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pins: Vec<Pin>,
}

impl Lock {
    /// What the file of a lock is called. It lies at the top of a root.
    pub const FILE: &str = haulier_model::Root::LOCK;
    /// The most bytes of a lock.
    pub const LIMIT: usize = 4 << 20;
    /// The most pins of a lock.
    const MOST_PINS: usize = 4096;

    /// Reads pip's requirements format. `InvalidArgument` for a line that is not pinned by version and hash, or names
    /// an index; `ResourceExhausted` for more than [`Lock::LIMIT`] bytes or 4,096 pins.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > Self::LIMIT {
            return Err(too_large(format!("{} bytes; {} are allowed", text.len(), Self::LIMIT)));
        }
        let mut pins = Vec::new();
        for line in lines::read(text) {
            match line {
                Line::Pinned(pin) => pins.push(pin),
                Line::Idle => {}
                Line::Loose(line) => drop(lines::pin(&line)?),
                Line::Place(word) => {
                    let message = format!("'{word}' is no part of a lock");
                    return Err(Error::new(ErrorKind::InvalidArgument, "read a lock of requirements", message)
                        .hint("say where distributions are on the machine that installs them: UV_DEFAULT_INDEX"));
                }
            }
        }
        Self::of(pins)
    }

    /// A lock of pins, each once. `InvalidArgument` if two give one name different versions in the same place.
    pub fn of(mut pins: Vec<Pin>) -> Result<Self> {
        if pins.len() > Self::MOST_PINS {
            return Err(too_large(format!("{} distributions; {} are allowed", pins.len(), Self::MOST_PINS)));
        }
        pins.sort();
        let mut versions: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for pin in &pins {
            let before = versions.insert((&pin.name, &pin.marker), &pin.version);
            if let Some(before) = before.filter(|before| *before != pin.version) {
                let message = format!("'{}' is pinned to {before} and to {}", pin.name, pin.version);
                return Err(Error::new(ErrorKind::InvalidArgument, "lock requirements", message)
                    .hint("keep one of the two, or give files without hashes: they are resolved together"));
            }
        }
        Ok(Self { pins: merged(pins) })
    }

    /// All pins of several locks, whether they agree or not: whoever installs them knows which markers hold.
    pub fn united<'a>(locks: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut pins: Vec<Pin> = locks.into_iter().flat_map(|lock| lock.pins.iter().cloned()).collect();
        pins.sort();
        Self { pins: merged(pins) }
    }

    /// The distributions, sorted by name.
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// The version of a distribution, if it is there in one version only. `name` is normalised.
    pub fn version_of(&self, name: &str) -> Option<&str> {
        let mut found = self.pins.iter().filter(|pin| pin.name == name).map(|pin| pin.version.as_str());
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }
}

/// The bytes of the lock.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pin in &self.pins {
            write!(f, "{pin}")?;
            for hash in &pin.hashes {
                write!(f, " \\\n    --hash={hash}")?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

/// Without the hashes: "numpy==2.4.6 ; python_full_version < '3.12'".
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={}", self.name, self.version)?;
        if self.marker.is_empty() { Ok(()) } else { write!(f, " ; {}", self.marker) }
    }
}

/// Each name, version and marker once, with all hashes that it has; `sorted` is so.
fn merged(mut sorted: Vec<Pin>) -> Vec<Pin> {
    // Names and versions first, then markers: those that are to be one follow each other.
    sorted.dedup_by(|next, kept| {
        let same = next.name == kept.name && next.version == kept.version && next.marker == kept.marker;
        if same {
            kept.hashes.append(&mut next.hashes);
            kept.hashes.sort();
            kept.hashes.dedup();
        }
        same
    });
    sorted
}

fn too_large(message: String) -> Error {
    Error::new(ErrorKind::ResourceExhausted, "lock requirements", message).hint("deploy them as several units")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The text with whole hashes: their first eight digits, eight times.
    pub(crate) fn whole(text: &str) -> String {
        let mut parts = text.split("sha256:");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| format!("{text}sha256:{}{}", part[..8].repeat(8), &part[8..]))
    }

    #[test]
    fn a_lock_has_one_form() {
        let text = "# made by hand\n--require-hashes\nSix == 1.16.0 --hash=sha256:BBBBBBBB --hash=sha256:aaaaaaaa  # via x\n\
                    numpy[x]==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:01010101\n\
                    numpy==2.5.0;python_full_version >= '3.12' --hash=sha256:02020202\n";
        let lock = Lock::parse(&whole(text)).unwrap();
        let written = whole(
            "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:01010101\n\
                       numpy==2.5.0 ; python_full_version >= '3.12' \\\n    --hash=sha256:02020202\n\
                       six==1.16.0 \\\n    --hash=sha256:aaaaaaaa \\\n    --hash=sha256:bbbbbbbb\n",
        );
        assert_eq!(lock.to_string(), written);
        assert_eq!(Lock::parse(&written).unwrap(), lock);
        assert_eq!((lock.version_of("six"), lock.version_of("numpy")), (Some("1.16.0"), None));
        assert_eq!(lock.pins()[0].to_string(), "numpy==2.4.6 ; python_full_version < '3.12'");
    }

    #[test]
    fn what_is_not_pinned_is_refused() {
        for (text, part) in [
            ("six", "name==version"),
            ("six==1.*  --hash=sha256:00000000", "name==version"),
            ("six>=1 --hash=sha256:00000000", "name==version"),
            ("six==1.16.0", "no --hash"),
            ("six==1.16.0 --hash=md5:00", "no hash"),
            ("six==1 ; a`b` --hash=sha256:00000000", "marker"),
            ("six @ https://me:secret@h/six.whl --hash=sha256:00000000", "name==version"),
            ("-e .", "name==version"),
            ("-r other.txt", "name==version"),
            ("--index-url https://me:secret@h/simple\n", "--index-url"),
            ("six==1 --hash=sha256:00000000\nsix==2 --hash=sha256:00000000", "pinned to 1 and to 2"),
        ] {
            let error = Lock::parse(&whole(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
            assert!(error.to_string().contains(part) && !error.to_string().contains("secret"), "{text}: {error}");
            assert!(!error.hint_text().is_empty(), "{text}");
        }
    }

    #[test]
    fn locks_are_united_without_judgment() {
        let lock = |text: &str| Lock::parse(&whole(text)).unwrap();
        let one = lock("a==1 --hash=sha256:00000000\nb==1 ; sys_platform == 'win32' --hash=sha256:00000000");
        let other = lock("a==1 --hash=sha256:01010101\nb==2 ; sys_platform == 'win32' --hash=sha256:00000000");
        let united = Lock::united([&one, &other]);
        let shown: Vec<_> = united.pins().iter().map(|pin| (pin.to_string(), pin.hashes.len())).collect();
        let windows = "sys_platform == 'win32'";
        assert_eq!(shown, [("a==1".into(), 2), (format!("b==1 ; {windows}"), 1), (format!("b==2 ; {windows}"), 1)]);
    }

    #[test]
    fn the_same_pin_twice_is_one() {
        let lock = Lock::parse(&whole("a==1 --hash=sha256:00000000\na==1 --hash=sha256:01010101")).unwrap();
        assert_eq!(lock.to_string(), whole("a==1 \\\n    --hash=sha256:00000000 \\\n    --hash=sha256:01010101\n"));
    }
}
