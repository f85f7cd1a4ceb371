//! The JDKs of this node, and which one runs a class path: the oldest that reads its newest class. Knows class files by
//! their first eight bytes, and starts no worker.

use std::{collections::BTreeSet, path::PathBuf};

use haulier_model::{Error, ErrorKind, Result};
use tokio::sync::OnceCell;

use crate::runtimes;

/// Java 17 has class files of version 61.
const BEFORE_FIRST: u16 = 44;

/// The `java` programs of a node in the order in which they were named; the first one is the default.
pub(crate) struct Jdks {
    programs: Vec<PathBuf>,
    /// The feature release of each; `None` for one that does not say it.
    releases: OnceCell<Vec<Option<u16>>>,
}

impl Jdks {
    pub(crate) fn new(mut programs: Vec<PathBuf>) -> Self {
        if programs.is_empty() {
            programs.push("java".into());
        }
        Self { programs, releases: OnceCell::new() }
    }

    pub(crate) fn first(&self) -> &PathBuf {
        &self.programs[0]
    }

    /// Whether there is a choice.
    pub(crate) fn are_several(&self) -> bool {
        self.programs.len() > 1
    }

    /// The release that runs classes up to version `newest`; `None`: the default. Where there is no choice, the JVM says
    /// what it does not read.
    pub(crate) async fn choose(&self, newest: Option<u16>) -> Result<Option<u16>> {
        match newest {
            Some(newest) if self.are_several() => choose(self.releases().await, newest.saturating_sub(BEFORE_FIRST)),
            _ => Ok(None),
        }
    }

    /// The program of a release that [`Jdks::choose`] gave.
    pub(crate) async fn program(&self, release: Option<u16>) -> &PathBuf {
        let index = match release {
            Some(_) => self.releases().await.iter().position(|known| *known == release),
            None => None,
        };
        &self.programs[index.unwrap_or(0)]
    }

    /// The versions of those that say it: "17.0.15".
    pub(crate) async fn versions(&self) -> Vec<String> {
        let mut versions = Vec::with_capacity(self.programs.len());
        for program in &self.programs {
            versions.extend(runtimes::java_version(program).await);
        }
        versions
    }

    async fn releases(&self) -> &[Option<u16>] {
        let ask = || async {
            let mut releases = Vec::with_capacity(self.programs.len());
            for program in &self.programs {
                releases.push(runtimes::java_release(program).await);
            }
            releases
        };
        self.releases.get_or_init(ask).await
    }
}

/// The oldest release that is at least `needed`; `None` if that is the default.
fn choose(releases: &[Option<u16>], needed: u16) -> Result<Option<u16>> {
    let known: BTreeSet<u16> = releases.iter().flatten().copied().collect();
    match known.range(needed..).next() {
        Some(release) if releases.first() == Some(&Some(*release)) => Ok(None),
        Some(release) => Ok(Some(*release)),
        // What does not say its release may be new enough.
        None if releases.first().is_some_and(Option::is_none) => Ok(None),
        None => {
            let known: Vec<String> = known.iter().map(u16::to_string).collect();
            let problem = format!(
                "its code is for Java {needed} (class file version {}); this node has Java {}",
                needed + BEFORE_FIRST,
                known.join(", ")
            );
            Err(Error::new(ErrorKind::Incompatible, "run a task", problem)
                .hint("name a newer one, haulier node --java PATH --java OTHER, or compile with --release"))
        }
    }
}

/// The version of a class file; `None` for other bytes.
pub(crate) fn version_of(class_file: &[u8]) -> Option<u16> {
    match class_file {
        [0xCA, 0xFE, 0xBA, 0xBE, _, _, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_can() {
        let releases = [Some(21), Some(17), None, Some(25)];
        let of = |needed| choose(&releases, needed).unwrap();
        assert_eq!(
            (of(8), of(17), of(18), of(21), of(22), of(25)),
            (Some(17), Some(17), None, None, Some(25), Some(25))
        );
        let error = choose(&releases, 26).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Incompatible);
        assert!(
            error.to_string().contains("for Java 26 (class file version 70); this node has Java 17, 21, 25"),
            "{error}"
        );
        assert_eq!(choose(&[None, Some(17)], 21).unwrap(), None);
    }

    #[test]
    fn versions_of_class_files() {
        assert_eq!(version_of(&[0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 61, 9]), Some(61));
        assert_eq!(version_of(&[0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0]), None);
        assert_eq!(version_of(b"PK\x03\x04 no class"), None);
    }
}
