//! The catalogue: records under keys, moved one at a time by compare-and-set, and watched.
//!
//! It owns who wins when two write, and that what was acknowledged stays. It must never know what a value means, and it
//! has no transactions over several keys: that is the contract which an embedded database and a cluster's both keep.
//!
//! ```
//! use haulier_catalogue::{Catalogue, Changes, MemoryCatalogue, OperationId};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let catalogue = MemoryCatalogue::default();
//! let first = catalogue.compare_and_set("units/pricing", None, b"1".to_vec(), OperationId::random()).await?;
//! let mut watch = catalogue.watch("units/", first).await?;
//! let second = catalogue.compare_and_set("units/pricing", Some(first), b"2".to_vec(), OperationId::random()).await?;
//! assert!(second > first);
//! assert!(catalogue.compare_and_set("units/pricing", Some(first), b"3".to_vec(), OperationId::random()).await.is_err());
//! let Changes::Events(events) = watch.next().await? else { panic!("it is not long ago") };
//! assert_eq!(events[0].revision(), second);
//! # Ok::<(), haulier_model::Error>(())
//! # }).unwrap();
//! ```

mod change;
mod clock;
pub mod conformance;
mod ledger;
mod memory;
mod operation;
mod record;
mod redb_catalogue;
mod registrations;

pub use change::{Changes, Event, Watch, WatchSource};
pub use clock::Clock;
pub use ledger::{DEFAULT_HISTORY, Ledger};
pub use memory::MemoryCatalogue;
pub use operation::OperationId;
pub use record::{CatalogueId, Listing, Record, Revision};
pub use redb_catalogue::RedbCatalogue;

use std::time::Duration;

use async_trait::async_trait;
use haulier_model::Result;

/// The longest key in bytes.
pub const MAX_KEY_LENGTH: usize = 512;

/// The largest value in bytes.
pub const MAX_VALUE_SIZE: usize = 64 << 10;

/// The longest time that a registration lives without being renewed.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What may differ between catalogues of one kind.
#[derive(Clone, Debug)]
pub struct CatalogueOptions {
    /// The most changes that are remembered for watches. Default: [`DEFAULT_HISTORY`].
    pub history: usize,
    /// By what registrations end. Default: the monotonic clock.
    pub clock: Clock,
}

impl Default for CatalogueOptions {
    fn default() -> Self {
        Self { history: DEFAULT_HISTORY, clock: Clock::default() }
    }
}

/// Records under keys: 1 to 512 bytes of text name a value of at most 64 KiB.
///
/// Each change, a deletion too, has a new revision, larger than any before it in the whole catalogue; a revision never
/// comes back, also when a key is deleted and created again. An implementation passes every check of [`conformance`].
///
/// An operation wins at most once as far as the history reaches: a caller whose answer was lost repeats its request
/// with the same [`OperationId`] and the same arguments, and is told the revision with which it won.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The record under `key`, as the last acknowledged write left it or a later one.
    async fn get(&self, key: &str) -> Result<Option<Record>>;

    /// All records whose key begins with `prefix`, and the revision at which this is true.
    async fn list(&self, prefix: &str) -> Result<Listing>;

    /// Writes `value` if the record's revision is `expected` (`None`: if there is no record), and returns the new
    /// revision. The write survives a crash once this has returned. The record stays until it is deleted, also if it
    /// was registered before.
    ///
    /// An `operation` that has won before is not done again: its revision is returned. Errors: `Conflict` names both
    /// revisions; `InvalidArgument` for a key, `ResourceExhausted` for a value that is too large; `Unavailable` if the
    /// outcome is not known.
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

    /// Writes `value` as [`Self::compare_and_set`] does, into a record that ends by itself `ttl` (1 ms to [`MAX_TTL`])
    /// after it was last registered or renewed; that is a deletion like any other. It never ends sooner; after a
    /// restart of the catalogue it has its whole `ttl` again.
    ///
    /// To change the value, register it again with its revision as `expected`.
    async fn register(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Duration,
        operation: OperationId,
    ) -> Result<Revision>;

    /// Lets the registration live for another `ttl`. This is no change, so it has no revision and nobody is told.
    ///
    /// Errors: `NotFound` if it has ended or is not at `revision`: register again.
    async fn renew(&self, key: &str, revision: Revision) -> Result<()>;

    /// Every change after the revision `after` of records whose key begins with `prefix`.
    ///
    /// The history is bounded. A watch that begins before it or falls behind it, and one that begins at a revision
    /// which the catalogue has not reached, says [`Changes::Compacted`].
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch>;
}
