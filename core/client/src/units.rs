//! Units as a client sees them: what is deployed, and how to remove and inspect it.

use std::{fmt, time::Duration};

use haulier_model::{Digest, Error, Result};
use haulier_protocol::{MESSAGE_LIMIT, v1};
use tonic::transport::Channel;
use v1::deployment_service_client::DeploymentServiceClient;

use crate::{Cluster, LeakedLoader, UnitOrigin, session::Line};

/// Where a version of a unit is in its life, forward only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnitState {
    /// Its bytes are on their way.
    Uploading,
    /// Tasks can use it.
    Deployed,
    /// New tasks cannot use it; running ones finish.
    Obsolete,
    /// Its files are being removed.
    Removing,
    /// A state that this client does not know.
    Unknown,
}

impl UnitState {
    /// The name in tables: "deployed".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Deployed => "deployed",
            Self::Obsolete => "obsolete",
            Self::Removing => "removing",
            Self::Unknown => "unknown",
        }
    }
}

/// A version of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeployedUnit {
    /// The name.
    pub name: String,
    /// The version, verbatim.
    pub version: String,
    /// The digest of the content.
    pub digest: Digest,
    /// Where it is in its life.
    pub state: UnitState,
    /// Bytes of all entries, uncompressed, and of the archives that are kept as they were.
    pub size: u64,
    /// Number of entries.
    pub entries: u32,
    /// Grows with each replacement of the same name and version.
    pub generation: u64,
    /// Milliseconds since the epoch.
    pub deployed_at_ms: u64,
    /// Who deployed it: a token's name, else "unverified:...".
    pub deployed_by: String,
    /// The names of the sources in the order in which they are searched: "pricing.jar".
    pub sources: Vec<String>,
    /// The names of the nodes on which it is whole, as far as the node knows that was asked.
    pub holders: Vec<String>,
    /// The movable names that point to it: "stable".
    pub aliases: Vec<String>,
    /// What of its content is seldom meant: classes that nobody will load, two versions of one library. Only in what a
    /// deployment returns.
    pub warnings: Vec<String>,
}

impl DeployedUnit {
    /// What a submit names it by: "pricing:1.2.0".
    pub fn reference(&self) -> String {
        format!("{}:{}", self.name, self.version)
    }
}

impl fmt::Display for DeployedUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.version)
    }
}

/// A file of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnitEntry {
    /// The path in its source.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// The index of its source in [`DeployedUnit::sources`].
    pub source: usize,
}

/// A Python distribution that a unit requires, in the version that its lock says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinnedRequirement {
    /// The name, normalised: "requests".
    pub name: String,
    /// The exact version: "2.32.3".
    pub version: String,
    /// Where it counts, as an environment marker: "python_full_version < '3.12'"; empty: everywhere.
    pub marker: String,
}

/// An archive that is kept as it was, besides its files: its source is opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnitOriginal {
    /// The index of its source in [`DeployedUnit::sources`].
    pub source: usize,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What a collection freed, or would free.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectedGarbage {
    /// The node.
    pub node: String,
    /// Pack files.
    pub packs: u64,
    /// Bytes of disk that they have.
    pub bytes: u64,
    /// Bytes that nothing names either, in packs that stay because of other content in them.
    pub held_bytes: u64,
}

/// How long a collection may take.
const COLLECTION: Duration = Duration::from_secs(120);

/// A unit with its files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnitDetails {
    /// The unit.
    pub unit: DeployedUnit,
    /// Its files, in the order in which they are searched.
    pub entries: Vec<UnitEntry>,
    /// Where its sources came from, one for each; empty if that was not said.
    pub origins: Vec<UnitOrigin>,
    /// The archives that are kept as they were: [`Cluster::download`] gives back the bytes that they had.
    pub originals: Vec<UnitOriginal>,
    /// Its class loaders that stay in the memory of workers although no task uses them any more.
    pub leaked_loaders: Vec<LeakedLoader>,
    /// The Python distributions that its locks name, sorted by name.
    pub requirements: Vec<PinnedRequirement>,
}

impl Cluster {
    /// Removes a unit: `name` (all versions and aliases), `name:version` or `name@sha256:...`. Running tasks finish, or
    /// are cancelled with `force`. An upload of it to this node is cancelled. Returns what was removed; `NotFound` if
    /// nothing is deployed under that reference, `Conflict` for one version that an alias points to, unless by `force`,
    /// which removes the alias, too.
    pub async fn undeploy(&self, reference: &str, force: bool) -> Result<Vec<DeployedUnit>> {
        let reference = reference.to_owned();
        self.ask(format!("undeploy {reference}"), async move |line, operation| {
            let request = line.route.request(v1::UndeployRequest { reference, force });
            let answer = client(&line).undeploy(request).await;
            units(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().units)
        })
        .await
    }

    /// Points a movable name of `name` to a deployed version, atomically: `set_alias("pricing", "stable", "1.2.0")`. Tasks
    /// that were submitted before keep what they have; a rollback moves the alias back. Returns the unit, and the version
    /// that the alias pointed to before.
    ///
    /// Errors: `NotFound` for an unknown version, `Conflict` if a version has the alias's name, `InvalidArgument` for
    /// "latest", which is computed, and for a name that does not begin with a letter.
    pub async fn set_alias(&self, name: &str, alias: &str, version: &str) -> Result<(DeployedUnit, Option<String>)> {
        let operation = format!("alias {name} {alias} {version}");
        let answer = self.change_alias(operation.clone(), name, alias, version).await?;
        let unit = answer.unit.ok_or_else(|| Error::internal(operation, "the node sent no unit"))?;
        Ok((unit.try_into()?, Some(answer.previous).filter(|previous| !previous.is_empty())))
    }

    /// Removes an alias, and returns the version that it pointed to; `NotFound` if there is no such alias.
    pub async fn remove_alias(&self, name: &str, alias: &str) -> Result<String> {
        let operation = format!("remove the alias {alias} of {name}");
        Ok(self.change_alias(operation, name, alias, "").await?.previous)
    }

    async fn change_alias(
        &self,
        operation: String,
        name: &str,
        alias: &str,
        version: &str,
    ) -> Result<v1::SetAliasResponse> {
        let request = v1::SetAliasRequest { name: name.into(), alias: alias.into(), version: version.into() };
        self.ask(operation, async move |line, operation| {
            let answer = client(&line).set_alias(line.route.request(request)).await;
            Ok(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner())
        })
        .await
    }

    /// Waits until a unit is deployed and the asked-for nodes have it: "one", "majority", "all", or names with commas between them. Nodes
    /// that are lost are not waited for. `DeadlineExceeded` after `timeout` (at most an hour) names those that lack it.
    pub async fn wait_for_unit(&self, reference: &str, nodes: &str, timeout: Duration) -> Result<DeployedUnit> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let request = v1::WaitUnitRequest { reference: reference.into(), nodes: nodes.into(), timeout_ms };
        let patience = timeout.saturating_add(Duration::from_secs(10));
        self.ask_for(patience, format!("wait for {reference}"), async move |line, operation| {
            let answer = client(&line).wait_unit(line.route.request(request)).await;
            let unit = answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().unit;
            unit.ok_or_else(|| Error::internal(operation, "the node sent no unit"))?.try_into()
        })
        .await
    }

    /// Frees content of the node that this client is connected to, which no unit, session or task names; with `dry_run`
    /// only says what would go. A node does so by itself with what is older than an hour.
    pub async fn collect_garbage(&self, dry_run: bool) -> Result<CollectedGarbage> {
        self.ask_for(COLLECTION, "collect garbage".to_owned(), async move |line, operation| {
            let answer = client(&line).collect_garbage(line.route.request(v1::CollectGarbageRequest { dry_run })).await;
            let answer = answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner();
            let v1::CollectGarbageResponse { node, packs, bytes, held_bytes } = answer;
            Ok(CollectedGarbage { node, packs, bytes, held_bytes })
        })
        .await
    }

    /// All versions of all units, by name and then from the oldest version; before them those that are on their way to the
    /// node that is asked.
    pub async fn list_deployments(&self) -> Result<Vec<DeployedUnit>> {
        self.list_units("").await
    }

    /// All versions of the unit of this name, from the oldest; empty if there is none.
    pub async fn list_units(&self, name: &str) -> Result<Vec<DeployedUnit>> {
        let name = name.to_owned();
        self.ask("list deployments".to_owned(), async move |line, operation| {
            let refused = |status: tonic::Status| line.route.refused(&status, &operation);
            let request = line.route.request(v1::ListUnitsRequest { name });
            let mut pages = client(&line).list_units(request).await.map_err(refused)?.into_inner();
            let mut listed = Vec::new();
            while let Some(page) = pages.message().await.map_err(refused)? {
                listed.extend(units(page.units)?);
            }
            Ok(listed)
        })
        .await
    }

    /// One unit with its files.
    pub async fn inspect(&self, reference: &str) -> Result<UnitDetails> {
        let reference = reference.to_owned();
        self.ask(format!("inspect {reference}"), async move |line, operation| {
            let refused = |status: tonic::Status| line.route.refused(&status, &operation);
            let request = line.route.request(v1::GetUnitRequest { reference });
            let mut pages = client(&line).get_unit(request).await.map_err(refused)?.into_inner();
            let (mut found, mut entries, mut origins, mut originals) = (None, Vec::new(), Vec::new(), Vec::new());
            let (mut leaked_loaders, mut requirements) = (Vec::new(), Vec::new());
            while let Some(page) = pages.message().await.map_err(refused)? {
                found = page.unit.or(found);
                origins.extend(page.origins.into_iter().map(UnitOrigin::from));
                leaked_loaders.extend(page.leaked_loaders.into_iter().map(LeakedLoader::from));
                requirements.extend(page.requirements.into_iter().map(PinnedRequirement::from));
                for original in page.originals {
                    originals.push(UnitOriginal::try_from(original)?);
                }
                for entry in page.entries {
                    entries.push(UnitEntry::try_from(entry)?);
                }
            }
            let missing = || Error::internal(&operation, "the node sent no unit");
            let unit = found.ok_or_else(missing)?.try_into()?;
            Ok(UnitDetails { unit, entries, origins, originals, leaked_loaders, requirements })
        })
        .await
    }
}

pub(crate) fn client(line: &Line) -> DeploymentServiceClient<Channel> {
    DeploymentServiceClient::new(line.data.clone()).max_decoding_message_size(MESSAGE_LIMIT)
}

fn units(units: Vec<v1::Unit>) -> Result<Vec<DeployedUnit>> {
    units.into_iter().map(DeployedUnit::try_from).collect()
}

impl TryFrom<v1::Unit> for DeployedUnit {
    type Error = Error;

    fn try_from(unit: v1::Unit) -> Result<Self> {
        let state = match unit.state() {
            v1::UnitState::Uploading => UnitState::Uploading,
            v1::UnitState::Deployed => UnitState::Deployed,
            v1::UnitState::Obsolete => UnitState::Obsolete,
            v1::UnitState::Removing => UnitState::Removing,
            v1::UnitState::Unspecified => UnitState::Unknown,
        };
        Ok(Self {
            digest: Digest::from_slice(&unit.digest)?,
            state,
            name: unit.name,
            version: unit.version,
            size: unit.size,
            entries: unit.entries,
            generation: unit.generation,
            deployed_at_ms: unit.deployed_at_ms,
            deployed_by: unit.deployed_by,
            sources: unit.sources,
            holders: unit.holders,
            aliases: unit.aliases,
            warnings: unit.warnings,
        })
    }
}

impl From<v1::UnitOrigin> for UnitOrigin {
    fn from(v1::UnitOrigin { source, sha256, coordinates }: v1::UnitOrigin) -> Self {
        Self { source, sha256, coordinates }
    }
}

impl From<v1::PinnedRequirement> for PinnedRequirement {
    fn from(v1::PinnedRequirement { name, version, marker }: v1::PinnedRequirement) -> Self {
        Self { name, version, marker }
    }
}

impl TryFrom<v1::UnitOriginal> for UnitOriginal {
    type Error = Error;

    fn try_from(original: v1::UnitOriginal) -> Result<Self> {
        Ok(Self { source: original.root as usize, digest: Digest::from_slice(&original.digest)?, size: original.size })
    }
}

impl TryFrom<v1::UnitEntry> for UnitEntry {
    type Error = Error;

    fn try_from(entry: v1::UnitEntry) -> Result<Self> {
        Ok(Self {
            digest: Digest::from_slice(&entry.digest)?,
            path: entry.path,
            size: entry.size,
            executable: entry.executable,
            source: entry.root as usize,
        })
    }
}
