//! Versions: kept verbatim, ordered leniently.

use std::{cmp::Ordering, fmt, str::FromStr};

use crate::{Error, ErrorKind};

/// A version as it was written: 1 to 128 characters of `a-z A-Z 0-9 . _ + - ~`.
///
/// [`Version::order`] compares by [SemVer](https://semver.org) precedence where both parse (leniently: `1` = `1.0` =
/// `1.0.0`), else part by part, numbers as numbers. Equality is that of the text.
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

    /// The order of versions: which one is newer.
    pub fn order(&self, other: &Self) -> Ordering {
        match (lenient(&self.0), lenient(&other.0)) {
            (Some(a), Some(b)) => a.cmp_precedence(&b).then_with(|| self.0.cmp(&other.0)),
            _ => by_parts(&self.0, &other.0),
        }
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

fn by_parts(a: &str, b: &str) -> Ordering {
    fn split(text: &str) -> Vec<&str> {
        text.split(['.', '-', '_', '+', '~']).collect()
    }
    let (a_parts, b_parts) = (split(a), split(b));
    for index in 0..a_parts.len().max(b_parts.len()) {
        let part = |parts: &[&str]| parts.get(index).map(|part| (part.parse::<u64>().ok(), part.to_ascii_lowercase()));
        let order = match (part(&a_parts), part(&b_parts)) {
            (Some((Some(x), _)), Some((Some(y), _))) => x.cmp(&y),
            // A number is newer than a word (1.0.1 > 1.0.rc), a missing part lies between them.
            (Some((Some(_), _)), _) => Ordering::Greater,
            (_, Some((Some(_), _))) => Ordering::Less,
            (Some((_, x)), Some((_, y))) => x.cmp(&y),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.cmp(b)
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
    fn order() {
        let rising =
            ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0", "1.9.0-rc.1", "1.9.0-rc.2", "1.9.0", "1.10", "2", "33.0.0-jre"];
        for pair in rising.windows(2) {
            assert_eq!(version(pair[0]).order(&version(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(version("4.1.100.Final").order(&version("4.1.99.Final")), Ordering::Greater);
        assert_eq!(version("1.0.dev1").order(&version("1.0.1.2")), Ordering::Less);
    }

    #[test]
    fn pre_releases() {
        for pre in ["1.0.0-rc.1", "1.0-SNAPSHOT", "2.0.0.dev3", "1.0-beta2", "3.0-M1", "1.0.0-1"] {
            assert!(version(pre).is_pre_release(), "{pre}");
        }
        for release in ["1.0.0", "33.0.0-jre", "4.1.100.Final", "1.0.0+build.5", "0.0.7"] {
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
