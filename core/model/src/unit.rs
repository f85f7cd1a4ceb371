//! Names of units, and references to them.

use std::{fmt, str::FromStr};

use crate::{Digest, Error, ErrorKind, Version};

/// The name of a unit: 1 to 128 characters of `a-z A-Z 0-9 . _ -`, beginning with a letter or a digit, without `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitName(Box<str>);

impl UnitName {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let good = (1..=128).contains(&text.len())
            && text.chars().all(allowed)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !text.contains("..");
        if good {
            return Ok(Self(text.into()));
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            "read a unit's name",
            format!("'{}' is no name", text.escape_debug()),
        )
        .hint("use 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or a digit"))
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name with a version: `pricing:1.2.0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnitId {
    /// The name.
    pub name: UnitName,
    /// The version, verbatim.
    pub version: Version,
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.version)
    }
}

/// What a reference selects among the versions of a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The highest version that is deployed: `pricing` or `pricing:latest`.
    Latest,
    /// A version, or an alias of that name: `pricing:1.2.0`, `pricing:stable`. A version wins.
    Named(Version),
    /// Content: `pricing@sha256:...`.
    Digest(Digest),
}

/// A reference to a unit; resolved once, at submit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnitReference {
    name: UnitName,
    selector: Selector,
}

impl UnitReference {
    /// The name of the unit.
    pub fn name(&self) -> &UnitName {
        &self.name
    }

    /// What is selected among its versions.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }
}

impl From<UnitId> for UnitReference {
    fn from(id: UnitId) -> Self {
        Self { name: id.name, selector: Selector::Named(id.version) }
    }
}

impl FromStr for UnitReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some((name, digest)) = text.split_once('@') {
            return Ok(Self { name: name.parse()?, selector: Selector::Digest(digest.parse()?) });
        }
        match text.split_once(':') {
            None => Ok(Self { name: text.parse()?, selector: Selector::Latest }),
            Some((name, "latest")) => Ok(Self { name: name.parse()?, selector: Selector::Latest }),
            Some((name, version)) => Ok(Self { name: name.parse()?, selector: Selector::Named(version.parse()?) }),
        }
    }
}

impl fmt::Display for UnitReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Latest => write!(f, "{}", self.name),
            Selector::Named(version) => write!(f, "{}:{version}", self.name),
            Selector::Digest(digest) => write!(f, "{}@{digest}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_round_trip() {
        let digest = format!("orders@{}", Digest::of(b"x"));
        for text in ["orders", "orders:1.4", "orders:stable", digest.as_str(), "a.b-c_d:33.0.0-jre"] {
            assert_eq!(text.parse::<UnitReference>().unwrap().to_string(), text);
        }
        assert_eq!("orders:latest".parse::<UnitReference>().unwrap().to_string(), "orders");
        for bad in ["", "../x", "a/b", "-a", "a..b", "a:", "a:../x", "a@x", "a b", &"a".repeat(129), "a:b:c"] {
            assert_eq!(bad.parse::<UnitReference>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
    }
}
