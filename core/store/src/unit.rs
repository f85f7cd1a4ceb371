//! What a unit is to its users: the record of one version, and the request that makes one.

use haulier_catalogue::OperationId;
use haulier_model::{Digest, Manifest, UnitId, UnitName, Version};

/// The life cycle of a unit, forward only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitState {
    /// Its content is arriving; nobody can use it.
    Uploading,
    /// It can be used.
    Deployed,
    /// It was undeployed or replaced: who uses it goes on, nobody else begins.
    Obsolete,
    /// Its files are being removed.
    Removing,
}

impl UnitState {
    /// The name in messages: "DEPLOYED".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uploading => "UPLOADING",
            Self::Deployed => "DEPLOYED",
            Self::Obsolete => "OBSOLETE",
            Self::Removing => "REMOVING",
        }
    }
}

/// One version of a unit, in one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRecord {
    /// Its name and version.
    pub id: UnitId,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Where it is in its life.
    pub state: UnitState,
    /// Bytes of all entries, uncompressed.
    pub size: u64,
    /// Number of entries.
    pub entries: u64,
    /// Grows with each replacement of the same name and version; the first is 1.
    pub generation: u64,
    /// Milliseconds since the epoch.
    pub deployed_at_ms: u64,
    /// Who deployed it.
    pub deployed_by: String,
    /// The names of the sources, one for each root.
    pub sources: Vec<String>,
    /// The aliases that point to this version.
    pub aliases: Vec<String>,
    /// The content that says where the roots came from, as whoever deployed it wrote it.
    pub origins: Option<Digest>,
    /// Names the deployment.
    pub operation: OperationId,
}

/// What [`Store::publish`](crate::Store::publish) makes a unit of.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// The name.
    pub name: UnitName,
    /// The version; `None` takes the next revision, `0.0.N`.
    pub version: Option<Version>,
    /// The roots, in the order in which they are searched. They and their entries must be in the store.
    pub manifest: Manifest,
    /// One name for each root: "pricing.jar".
    pub sources: Vec<String>,
    /// Says where the roots came from: kept with the unit, never read by the store. Empty: nothing is known.
    pub origins: Vec<u8>,
    /// Replace other bytes under the same name and version, as a new generation.
    pub replace: bool,
    /// Refuse to replace what somebody else has deployed.
    pub replaces_only_its_own: bool,
    /// Who deploys: the token's name, else "unverified:...".
    pub deployed_by: String,
}
