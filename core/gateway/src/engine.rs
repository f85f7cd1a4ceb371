//! What the gateway asks of the node: one trait, and the types that cross it.
//!
//! It owns these words only. It must never know HTTP, nor how units are kept.

use std::path::PathBuf;

use async_trait::async_trait;
use haulier_model::{Result, UnitName, Version};

/// The deployments of a node and its cluster, as the gateway needs them.
///
/// Errors become problem documents: their kind chooses the status, their message, context and hint are shown.
#[async_trait]
pub trait UnitEngine: Send + Sync + 'static {
    /// The identity of the caller who shows the token `bearer`.
    ///
    /// Compares in constant time. `PermissionDenied` for a token that is unknown: the caller gets 401 and no reason.
    fn authenticate(&self, bearer: &str) -> Result<String>;

    /// Deploys what was uploaded, and returns when the nodes that were asked for have it.
    ///
    /// Never replaces: `Conflict` if that name and version exist. The uploaded files are removed when this returns. It
    /// runs to its end also when the client has gone away after its upload was whole.
    async fn deploy(&self, request: GatewayDeploy) -> Result<()>;

    /// Removes one version; `by` is the identity that asks. `NotFound` if there is none.
    async fn undeploy(&self, name: &UnitName, version: &Version, by: &str) -> Result<()>;

    /// All units, of all versions and in every state.
    async fn units(&self, scope: Scope) -> Result<Vec<GatewayUnit>>;

    /// The files of a unit on this node, in any order. `NotFound` if this node does not have it.
    async fn structure(&self, name: &UnitName, version: &Version) -> Result<Vec<GatewayFile>>;
}

/// A unit to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayDeploy {
    /// Its name.
    pub name: UnitName,
    /// Its version, as it was written.
    pub version: Version,
    /// What was uploaded.
    pub content: Content,
    /// Which nodes must have it before the deploy is answered: `majority`, `all`, or names with commas between them.
    pub nodes: String,
    /// The identity that [`UnitEngine::authenticate`] gave.
    pub deployed_by: String,
}

/// What was uploaded, in a folder that only the gateway's user can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A folder with at least one file. Every relative path is a checked [`haulier_model::EntryPath`]; there are no
    /// links, and no twins that differ by case only.
    Folder(PathBuf),
    /// One file that is said to be a zip archive; nothing about it was checked but that it is not empty.
    Zip(PathBuf),
}

/// Whose units are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the cluster.
    Cluster,
    /// Those that this node has.
    Node,
}

/// A unit in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUnit {
    /// Its name.
    pub name: UnitName,
    /// Its version.
    pub version: Version,
    /// Where it is in its life.
    pub state: UnitState,
}

/// Where a unit is in its life. The names are those of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitState {
    /// On its way; cannot be used yet.
    Uploading,
    /// Can be used.
    Deployed,
    /// Undeployed, but still in use.
    Obsolete,
    /// Its files are being removed.
    Removing,
}

impl UnitState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Uploading, Self::Deployed, Self::Obsolete, Self::Removing];

    /// The name in the interface: "DEPLOYED".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uploading => "UPLOADING",
            Self::Deployed => "DEPLOYED",
            Self::Obsolete => "OBSOLETE",
            Self::Removing => "REMOVING",
        }
    }
}

/// A file of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayFile {
    /// Where it is in the unit, with `/`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}
