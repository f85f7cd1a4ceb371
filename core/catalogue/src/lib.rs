//! The catalogue: records under keys, moved one at a time by compare-and-set.
//!
//! It owns who wins when two write, and that what was acknowledged stays. It must never know what a value means, and it
//! has no transactions over several keys: that is the contract which an embedded database and a cluster's both keep.
//!
//! ```
//! use haulier_catalogue::{Catalogue, MemoryCatalogue, OperationId};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let catalogue = MemoryCatalogue::default();
//! let first = catalogue.compare_and_set("units/pricing", None, b"1".to_vec(), OperationId::random()).await?;
//! let second = catalogue.compare_and_set("units/pricing", Some(first), b"2".to_vec(), OperationId::random()).await?;
//! assert!(second > first);
//! assert!(catalogue.compare_and_set("units/pricing", Some(first), b"3".to_vec(), OperationId::random()).await.is_err());
//! # Ok::<(), haulier_model::Error>(())
//! # }).unwrap();
//! ```

pub mod conformance;
mod memory;
mod operation;
mod record;
mod redb_catalogue;

pub use memory::MemoryCatalogue;
pub use operation::OperationId;
pub use record::{Record, Revision};
pub use redb_catalogue::RedbCatalogue;

use async_trait::async_trait;
use haulier_model::Result;

/// The longest key in bytes.
pub const MAX_KEY_LENGTH: usize = 512;

/// The largest value in bytes.
pub const MAX_VALUE_SIZE: usize = 64 << 10;

/// Records under keys: 1 to 512 bytes of text name a value of at most 64 KiB.
///
/// Each write gives its record a new revision, larger than any before it in the whole catalogue; a revision never
/// comes back, also when a key is deleted and created again. An implementation passes every check of [`conformance`].
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The record under `key`, as the last acknowledged write left it or a later one.
    async fn get(&self, key: &str) -> Result<Option<Record>>;

    /// All records whose key begins with `prefix`, in order of their keys.
    async fn list(&self, prefix: &str) -> Result<Vec<Record>>;

    /// Writes `value` if the record's revision is `expected` (`None`: if there is no record), and returns the new
    /// revision. The write survives a crash once this has returned.
    ///
    /// An `operation` that the record already carries has won before: its revision is returned and nothing is written,
    /// so a caller whose answer was lost asks again. Errors: `Conflict` names both revisions; `InvalidArgument` for a
    /// key, `ResourceExhausted` for a value that is too large; `Unavailable` if the outcome is not known.
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        operation: OperationId,
    ) -> Result<Revision>;

    /// Deletes the record if its revision is `expected`. A key without a record is success, since a revision never
    /// comes back: somebody deleted what was meant. `operation` names the deletion where it is logged.
    async fn delete(&self, key: &str, expected: Revision, operation: OperationId) -> Result<()>;
}
