//! Versions: kept verbatim, read leniently.

mod maven;
mod order;

use std::{fmt, str::FromStr};

use crate::{Error, ErrorKind};
pub use order::VersionOrder;

/// A version as it was written: 1 to 128 characters of `a-z A-Z 0-9 . _ + - ~`.
///
/// Equality is that of the text; [`Version::same_as`] reads it, and [`VersionOrder`] says which of several is newer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(Box<str>);

impl Version {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a pre-release: chosen as latest only if nothing else is deployed. `-rc.1`, `-SNAPSHOT` and
    /// `.dev1` are; a flavour like `33.0.0-jre` is not.
    pub fn is_pre_release(&self) -> bool {
        const MARKS: [&str; 12] =
            ["alpha", "beta", "rc", "cr", "m", "milestone", "snapshot", "dev", "pre", "preview", "ea", "nightly"];
        let core = self.0.split('+').next().unwrap_or_default().to_ascii_lowercase();
        core.split(['-', '.', '_', '~']).skip(1).any(|part| {
            let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
            MARKS.contains(&word)
        }) || core.split_once('-').is_some_and(|(_, pre)| pre.split('.').next().is_some_and(is_number))
            || (lenient(&self.0).is_none() && order::pep440(self).is_some_and(|version| version.any_prerelease()))
    }

    /// Whether the version may be deployed again with other bytes: `-SNAPSHOT` and `.dev`.
    pub fn is_development(&self) -> bool {
        let lower = self.0.to_ascii_lowercase();
        lower.ends_with("-snapshot")
            || lower.split(['.', '-']).any(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()) == "dev")
    }

    /// Whether `self` and `other` are the same version, written differently: `1` and `1.0.0`.
    pub fn same_as(&self, other: &Self) -> bool {
        self == other || matches!((lenient(&self.0), lenient(&other.0)), (Some(a), Some(b)) if a == b)
    }
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Fills in missing parts: `1.4` is read as `1.4.0`.
fn lenient(text: &str) -> Option<semver::Version> {
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, suffix) = text.split_at(end);
    let full = match core.matches('.').count() {
        0 => format!("{core}.0.0{suffix}"),
        1 => format!("{core}.0{suffix}"),
        _ => text.to_owned(),
    };
    semver::Version::parse(&full).ok()
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-' | '~');
        if (1..=128).contains(&text.len()) && text.chars().all(allowed) && !text.contains("..") {
            return Ok(Self(text.into()));
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            "read a version",
            format!("'{}' is no version", text.escape_debug()),
        )
        .hint("use 1 to 128 letters, digits, '.', '_', '+', '-' or '~'"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn pre_releases() {
        for pre in [
            "1.0.0-rc.1",
            "1.0-SNAPSHOT",
            "2.0.0.dev3",
            "1.0-beta2",
            "3.0-M1",
            "1.0.0-1",
            "1.0rc1",
            "2.0a1",
            "1.0.post1.dev2",
        ] {
            assert!(version(pre).is_pre_release(), "{pre}");
        }
        for release in ["1.0.0", "33.0.0-jre", "4.1.100.Final", "1.0.0+build.5", "0.0.7", "1.0.post1"] {
            assert!(!version(release).is_pre_release(), "{release}");
        }
        assert!(version("1.0-SNAPSHOT").is_development() && version("2.0.0.dev3").is_development());
    }

    #[test]
    fn same_version() {
        assert!(version("1").same_as(&version("1.0.0")) && !version("1").same_as(&version("1.0.1")));
        assert!("".parse::<Version>().is_err() && "../x".parse::<Version>().is_err());
    }
}
