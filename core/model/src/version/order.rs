//! Which of several versions is newer: one order for all versions of a unit.

use std::{cmp::Ordering, str::FromStr as _};

use super::{Version, lenient, maven};

/// The order of the versions of one unit: by [SemVer](https://semver.org) precedence if all of them parse (leniently: `1`
/// = `1.0` = `1.0.0`), else by [PEP 440](https://peps.python.org/pep-0440/) if all parse as such, else as Maven orders
/// versions. It belongs to all versions together because orders of pairs would contradict each other.
///
/// ```
/// use haulier_model::{Version, VersionOrder};
///
/// let [old, new]: [Version; 2] = ["4.1.99.Final".parse()?, "4.1.100.Final".parse()?];
/// assert!(VersionOrder::of([&old, &new]).compare(&old, &new).is_lt());
/// # Ok::<(), haulier_model::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionOrder {
    /// SemVer precedence.
    SemVer,
    /// PEP 440, of Python packages.
    Pep440,
    /// `ComparableVersion`, of Maven artifacts; orders any text.
    Maven,
}

impl VersionOrder {
    /// The order for these versions.
    pub fn of<'a>(versions: impl IntoIterator<Item = &'a Version> + Clone) -> Self {
        if versions.clone().into_iter().all(|version| lenient(version.as_str()).is_some()) {
            Self::SemVer
        } else if versions.into_iter().all(|version| pep440(version).is_some()) {
            Self::Pep440
        } else {
            Self::Maven
        }
    }

    /// Which of two is newer. Versions that are equal in this order are ordered as texts.
    pub fn compare(self, a: &Version, b: &Version) -> Ordering {
        let order = match self {
            Self::SemVer => match (lenient(a.as_str()), lenient(b.as_str())) {
                (Some(a), Some(b)) => a.cmp_precedence(&b),
                // Not of the versions that the order was made for.
                (parsed, other) => parsed.is_some().cmp(&other.is_some()),
            },
            Self::Pep440 => pep440(a).cmp(&pep440(b)),
            Self::Maven => maven::compare(&a.as_str().to_ascii_lowercase(), &b.as_str().to_ascii_lowercase()),
        };
        order.then_with(|| a.as_str().cmp(b.as_str()))
    }
}

pub(super) fn pep440(version: &Version) -> Option<pep440_rs::Version> {
    pep440_rs::Version::from_str(version.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rises(texts: &[&str], expected: VersionOrder) {
        let versions: Vec<Version> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let order = VersionOrder::of(&versions);
        assert_eq!(order, expected);
        for (low, a) in versions.iter().enumerate() {
            for (high, b) in versions.iter().enumerate() {
                assert_eq!(order.compare(a, b), low.cmp(&high), "{a} and {b}");
            }
        }
    }

    #[test]
    fn semver() {
        let texts =
            ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0", "1.9.0-rc.1", "1.9.0-rc.2", "1.9.0", "1.10", "2", "33.0.0-jre"];
        rises(&texts, VersionOrder::SemVer);
    }

    #[test]
    fn python() {
        let texts =
            ["1.0.dev456", "1.0a1", "1.0a2.dev456", "1.0a12", "1.0b1.dev456", "1.0b2", "1.0rc1", "1.0", "1.0.1.2"];
        rises(&texts, VersionOrder::Pep440);
        rises(&["1.0", "1.0.post456.dev34", "1.0.post456", "1.1.dev1"], VersionOrder::Pep440);
    }

    /// The lists of `ComparableVersionTest`.
    #[test]
    fn maven() {
        let qualifiers = [
            "1-alpha2snapshot",
            "1-alpha2",
            "1-alpha-123",
            "1-beta-2",
            "1-beta123",
            "1-m2",
            "1-m11",
            "1-rc",
            "1-cr2",
            "1-rc123",
            "1-SNAPSHOT",
            "1",
            "1-sp",
            "1-sp2",
            "1-sp123",
            "1-abc",
            "1-def",
            "1-pom-1",
            "1-1-snapshot",
            "1-1",
            "1-2",
            "1-123",
            "1.0.0.1",
        ];
        let numbers = [
            "2.0", "2.0.a", "2-1", "2.0.2", "2.0.123", "2.1.0", "2.1-a", "2.1b", "2.1-c", "2.1-1", "2.1.0.1", "2.2",
            "2.123", "11.a2", "11.a11", "11.b2", "11.b11", "11.m2", "11.m11", "11", "11.a", "11b", "11c", "11m",
        ];
        rises(&qualifiers, VersionOrder::Maven);
        rises(&numbers, VersionOrder::Maven);
        rises(&["4.1.99.Final", "4.1.100.Final", "5.0.0.Alpha1", "5.0.0.CR1", "5.0.0.Final"], VersionOrder::Maven);
        rises(&["2.0.0.M1", "2.0.0.RC2", "2.0.0.RELEASE", "2.0.1.RELEASE"], VersionOrder::Maven);
    }
}
