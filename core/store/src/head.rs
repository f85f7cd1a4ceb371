//! The head record of a name: its versions with their states, its aliases, and every rule by which they change.
//!
//! Pure: it is read from the catalogue, changed here, and written back by one compare-and-set. It must never know of
//! disks or of the catalogue.

mod alias;
mod refusal;

pub(crate) use refusal::unknown;

use std::{cmp::Ordering, collections::BTreeMap, fmt::Display, str::FromStr};

use haulier_catalogue::OperationId;
use haulier_model::{Digest, Error, ErrorKind, Result, Selector, UnitName, Version, VersionOrder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::UnitState;

const FORMAT: u32 = 2;
/// Had no aliases; everything else is the same.
const FORMAT_WITHOUT_ALIASES: u32 = 1;

/// How many revisions (`0.0.N`) stay deployed.
const KEPT_REVISIONS: usize = 5;

/// All versions of a name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Head {
    format: u32,
    pub(crate) versions: Vec<Generation>,
    /// Movable names, and the text of the version that each points to, which is deployed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) aliases: BTreeMap<String, String>,
}

/// A version in one generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generation {
    #[serde(with = "text")]
    pub(crate) version: Version,
    #[serde(with = "text")]
    pub(crate) digest: Digest,
    pub(crate) state: State,
    pub(crate) generation: u64,
    #[serde(with = "text")]
    pub(crate) operation: OperationId,
    pub(crate) deployed_at_ms: u64,
    pub(crate) deployed_by: String,
    pub(crate) size: u64,
    pub(crate) entries: u64,
    pub(crate) sources: Sources,
    /// The content that says where the roots came from.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_text")]
    pub(crate) origins: Option<Digest>,
    /// Whether the version was counted, not given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) counted: bool,
}

/// The states that a head holds: what is uploading is not in it, what is removed is in it no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum State {
    Deployed,
    Obsolete,
}

impl From<State> for UnitState {
    fn from(state: State) -> Self {
        match state {
            State::Deployed => Self::Deployed,
            State::Obsolete => Self::Obsolete,
        }
    }
}

/// The names of the sources, or the content that lists them where they are too long for a head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Sources {
    Names(Vec<String>),
    Stored {
        #[serde(with = "text")]
        stored: Digest,
    },
}

/// A unit that is to be published.
pub(crate) struct Candidate {
    pub(crate) version: Option<Version>,
    pub(crate) digest: Digest,
    pub(crate) replace: bool,
    pub(crate) replaces_only_its_own: bool,
    pub(crate) operation: OperationId,
    pub(crate) deployed_at_ms: u64,
    pub(crate) deployed_by: String,
    pub(crate) size: u64,
    pub(crate) entries: u64,
    pub(crate) sources: Sources,
    pub(crate) origins: Option<Digest>,
}

/// What a change of a head came to.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// The head is as it was.
    Unchanged(T),
    /// The head must be written.
    Changed(T),
}

impl<T> Outcome<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Unchanged(value) => Outcome::Unchanged(change(value)),
            Self::Changed(value) => Outcome::Changed(change(value)),
        }
    }
}

impl Head {
    pub(crate) fn parse(name: &UnitName, bytes: &[u8]) -> Result<Self> {
        let unreadable = |message: String| {
            Error::new(ErrorKind::Incompatible, "read a unit's record", message)
                .context("unit", name.to_string())
                .hint("run the version of haulier that wrote it")
        };
        let head: Self =
            serde_json::from_slice(bytes).map_err(|error| unreadable(format!("it is not readable: {error}")))?;
        match head.format {
            FORMAT | FORMAT_WITHOUT_ALIASES => Ok(head),
            other => Err(unreadable(format!("it has format {other}, and this version of Haulier reads {FORMAT}"))),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let current = Self { format: FORMAT, ..self.clone() };
        serde_json::to_vec(&current).expect("a head has only text and numbers")
    }

    /// Adds the candidate as a version, or finds that the same bytes are there.
    pub(crate) fn publish(&mut self, name: &UnitName, candidate: &Candidate) -> Result<Outcome<Generation>> {
        let (version, counted) = match &candidate.version {
            Some(version) => (version.clone(), false),
            None => {
                let next = self.next_revision(name)?;
                if let Some(newest) = self.revisions().first().filter(|newest| newest.digest == candidate.digest) {
                    return Ok(Outcome::Unchanged((*newest).clone()));
                }
                (next, true)
            }
        };
        if let Some(index) = self.find_deployed(&version) {
            let present = &mut self.versions[index];
            if present.digest == candidate.digest {
                return Ok(Outcome::Unchanged(present.clone()));
            }
            if !candidate.replace && !version.is_development() {
                return Err(refusal::other_bytes(name, present, candidate.digest));
            }
            if candidate.replaces_only_its_own && present.deployed_by != candidate.deployed_by {
                return Err(refusal::deployed_by_another(name, present));
            }
            present.state = State::Obsolete;
            let replaced = present.version.clone();
            self.move_aliases(&replaced, &version);
        }
        let added = candidate.as_generation(version, counted, &self.versions);
        self.versions.push(added.clone());
        if counted {
            self.retire_revisions();
        }
        Ok(Outcome::Changed(added))
    }

    /// The version that a deployment without one would get; `Conflict` while versions were given explicitly.
    pub(crate) fn next_revision(&self, name: &UnitName) -> Result<Version> {
        if let Some(explicit) = self.deployed().find(|present| !present.counted) {
            return Err(refusal::explicit_versions(name, &explicit.version));
        }
        let last = self.versions.iter().filter(|present| present.counted).map(revision_number).max().unwrap_or(0);
        format!("0.0.{}", last + 1).parse()
    }

    /// The version that `selector` means. OBSOLETE ones are refused with their state.
    pub(crate) fn resolve(&self, name: &UnitName, selector: &Selector) -> Result<&Generation> {
        let found = match selector {
            Selector::Latest => self.latest(),
            Selector::Named(version) => {
                let found = self.find_deployed(version).or_else(|| self.find_alias(version));
                found.map(|index| &self.versions[index])
            }
            Selector::Digest(digest) => self.newest(self.deployed().filter(|present| present.digest == *digest)),
        };
        found.ok_or_else(|| self.refuse(name, selector))
    }

    /// Makes what `selector` means OBSOLETE; [`Selector::Latest`] means all versions and their aliases. One version that
    /// an alias points to is refused, unless by `force`, which takes the alias along. What is OBSOLETE already is returned
    /// if nothing else is meant, so that it can still be forced.
    pub(crate) fn undeploy(
        &mut self,
        name: &UnitName,
        selector: &Selector,
        force: bool,
    ) -> Result<Outcome<Vec<Generation>>> {
        self.check_aliases(name, selector, force)?;
        let exact = match selector {
            Selector::Named(version) => self.find_deployed(version),
            _ => None,
        };
        let meant = |index: usize, present: &Generation| match selector {
            Selector::Latest => true,
            Selector::Named(version) => exact.map_or_else(|| present.version.same_as(version), |exact| exact == index),
            Selector::Digest(digest) => present.digest == *digest,
        };
        let (mut undeployed, mut obsolete) = (Vec::new(), Vec::new());
        for (index, present) in self.versions.iter_mut().enumerate() {
            if !meant(index, present) {
                continue;
            }
            match std::mem::replace(&mut present.state, State::Obsolete) {
                State::Deployed => undeployed.push(present.clone()),
                State::Obsolete => obsolete.push(present.clone()),
            }
        }
        match (undeployed.is_empty(), obsolete.is_empty()) {
            (false, _) => {
                self.drop_dangling_aliases();
                Ok(Outcome::Changed(undeployed))
            }
            (true, false) => Ok(Outcome::Unchanged(obsolete)),
            (true, true) => Err(self.refuse(name, selector)),
        }
    }

    /// Takes an OBSOLETE generation out; one that is gone is success, one that is deployed a `Conflict`.
    pub(crate) fn remove(&mut self, name: &UnitName, version: &Version, generation: u64) -> Result<Outcome<()>> {
        let is_meant = |present: &Generation| present.version == *version && present.generation == generation;
        let Some(index) = self.versions.iter().position(is_meant) else { return Ok(Outcome::Unchanged(())) };
        if self.versions[index].state != State::Obsolete {
            return Err(refusal::still_deployed(name, version));
        }
        self.versions.remove(index);
        Ok(Outcome::Changed(()))
    }

    /// Takes all OBSOLETE generations out.
    pub(crate) fn remove_obsolete(&mut self) -> Outcome<usize> {
        let before = self.versions.len();
        self.versions.retain(|present| present.state != State::Obsolete);
        match before - self.versions.len() {
            0 => Outcome::Unchanged(0),
            removed => Outcome::Changed(removed),
        }
    }

    pub(crate) fn deployed(&self) -> impl Iterator<Item = &Generation> {
        self.versions.iter().filter(|present| present.state == State::Deployed)
    }

    /// The highest version; a pre-release only if nothing else is deployed.
    fn latest(&self) -> Option<&Generation> {
        let releases = self.deployed().filter(|present| !present.version.is_pre_release());
        self.newest(releases).or_else(|| self.newest(self.deployed()))
    }

    fn newest<'a>(&self, generations: impl Iterator<Item = &'a Generation>) -> Option<&'a Generation> {
        let order = self.order();
        generations.max_by(|a, b| order(a, b))
    }

    /// Which of two generations is newer: by version, as all versions here are ordered, then by generation.
    pub(crate) fn order(&self) -> impl Fn(&Generation, &Generation) -> Ordering + use<> {
        let order = VersionOrder::of(self.versions.iter().map(|present| &present.version));
        move |a, b| order.compare(&a.version, &b.version).then(a.generation.cmp(&b.generation))
    }

    /// The deployed version of that text, else one that is the same version (`1.4` and `1.4.0`).
    fn find_deployed(&self, version: &Version) -> Option<usize> {
        let find = |matches: &dyn Fn(&Version) -> bool| {
            self.versions.iter().position(|present| present.state == State::Deployed && matches(&present.version))
        };
        find(&|present| present == version).or_else(|| find(&|present| present.same_as(version)))
    }

    /// Counted versions that are deployed, newest first.
    fn revisions(&self) -> Vec<&Generation> {
        let mut revisions: Vec<&Generation> = self.deployed().filter(|present| present.counted).collect();
        revisions.sort_by_key(|present| std::cmp::Reverse(revision_number(present)));
        revisions
    }

    /// Counted versions past the retention become OBSOLETE, but for those that an alias points to.
    fn retire_revisions(&mut self) {
        let past = self.revisions().into_iter().skip(KEPT_REVISIONS);
        let unnamed = past.filter(|present| self.aliases_of(&present.version).next().is_none());
        let retired: Vec<OperationId> = unnamed.map(|present| present.operation).collect();
        for present in &mut self.versions {
            if retired.contains(&present.operation) {
                present.state = State::Obsolete;
            }
        }
    }

    fn refuse(&self, name: &UnitName, selector: &Selector) -> Error {
        let meant = |present: &&Generation| match selector {
            Selector::Latest => true,
            Selector::Named(version) => present.version.same_as(version),
            Selector::Digest(digest) => present.digest == *digest,
        };
        match self.versions.iter().find(meant) {
            Some(obsolete) => refusal::obsolete(name, obsolete),
            None => refusal::not_found(name, selector, self),
        }
    }
}

impl Candidate {
    fn as_generation(&self, version: Version, counted: bool, present: &[Generation]) -> Generation {
        let same = present.iter().filter(|present| present.version.same_as(&version));
        let generation = same.map(|present| present.generation).max().unwrap_or(0) + 1;
        Generation {
            version,
            digest: self.digest,
            state: State::Deployed,
            generation,
            operation: self.operation,
            deployed_at_ms: self.deployed_at_ms,
            deployed_by: self.deployed_by.clone(),
            size: self.size,
            entries: self.entries,
            sources: self.sources.clone(),
            origins: self.origins,
            counted,
        }
    }
}

/// The N of `0.0.N`.
fn revision_number(revision: &Generation) -> u64 {
    revision.version.as_str().rsplit('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Model types as the text that users see.
mod text {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err = haulier_model::Error>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: haulier_model::Error| D::Error::custom(error.to_string()))
    }
}

/// A model type that may be absent.
mod optional_text {
    use super::{Deserialize, Deserializer, Digest, Serializer, text};

    #[derive(Deserialize)]
    struct Present(#[serde(with = "text")] Digest);

    pub(super) fn serialize<S: Serializer>(value: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(digest) => text::serialize(digest, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
        Ok(Option::<Present>::deserialize(deserializer)?.map(|Present(digest)| digest))
    }
}

#[cfg(test)]
mod tests;
