//! What a watch needs of the node: the units that there are, and the two things that it does with them.

use std::path::PathBuf;

use async_trait::async_trait;
use haulier_model::{Digest, Result, UnitName, Version};

/// A unit that is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedUnit {
    /// Its name.
    pub name: UnitName,
    /// Its version, verbatim.
    pub version: Version,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Whether this watch has deployed it, and nobody has deployed anything else there since.
    pub by_watch: bool,
}

/// The node, as a watch sees it.
///
/// A call whose future is dropped, because it takes too long or the watch ends, may have happened or not.
#[async_trait]
pub trait Units: Send + Sync {
    /// The units that this watch has deployed, and all that somebody else has: asked at each look.
    async fn deployed(&self) -> Result<Vec<WatchedUnit>>;

    /// Deploys `sources`, in this order, as `name:version`, and replaces what this watch has there. Equal bytes succeed,
    /// and nothing is done. Each source is what `haulier deploy` takes: an archive, a Python file, a folder. They are
    /// removed when the call returns.
    ///
    /// Errors: `InvalidArgument` if the sources are bad and trying again is pointless until they change; `Conflict` if
    /// somebody else has deployed that unit; anything else is tried again.
    async fn deploy(&self, name: &UnitName, version: &Version, sources: Vec<PathBuf>) -> Result<Digest>;

    /// Undeploys `name:version`, when idle. `NotFound` is taken as success, other errors are tried again.
    async fn undeploy(&self, name: &UnitName, version: &Version) -> Result<()>;
}
