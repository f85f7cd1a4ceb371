//! Units as a client sees them: what is deployed, and how to remove and inspect it.

use std::fmt;

use haulier_model::{Digest, Error, Result};
use haulier_protocol::{MESSAGE_LIMIT, v1};
use tonic::transport::Channel;
use v1::deployment_service_client::DeploymentServiceClient;

use crate::{Cluster, session::Line};

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
    /// Bytes of all entries, uncompressed.
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

/// A unit with its files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnitDetails {
    /// The unit.
    pub unit: DeployedUnit,
    /// Its files, in the order in which they are searched.
    pub entries: Vec<UnitEntry>,
}

impl Cluster {
    /// Removes a unit: `name` (all versions), `name:version` or `name@sha256:...`. Running tasks finish, or are
    /// cancelled with `force`. Returns what was removed; `NotFound` if nothing is deployed under that reference.
    pub async fn undeploy(&self, reference: &str, force: bool) -> Result<Vec<DeployedUnit>> {
        let reference = reference.to_owned();
        self.ask(format!("undeploy {reference}"), async move |line, operation| {
            let request = line.route.request(v1::UndeployRequest { reference, force });
            let answer = client(&line).undeploy(request).await;
            units(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().units)
        })
        .await
    }

    /// All versions of all units, by name and then from the newest version.
    pub async fn list_deployments(&self) -> Result<Vec<DeployedUnit>> {
        self.list_units("").await
    }

    /// All versions of the unit of this name, from the newest; empty if there is none.
    pub async fn list_units(&self, name: &str) -> Result<Vec<DeployedUnit>> {
        let name = name.to_owned();
        self.ask("list deployments".to_owned(), async move |line, operation| {
            let answer = client(&line).list_units(line.route.request(v1::ListUnitsRequest { name })).await;
            units(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().units)
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
            let (mut found, mut entries) = (None, Vec::new());
            while let Some(page) = pages.message().await.map_err(refused)? {
                found = page.unit.or(found);
                for entry in page.entries {
                    entries.push(UnitEntry::try_from(entry)?);
                }
            }
            let missing = || Error::internal(&operation, "the node sent no unit");
            Ok(UnitDetails { unit: found.ok_or_else(missing)?.try_into()?, entries })
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
        })
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
