//! Content by digest on the local disk, and the life cycle of units over a catalogue.
//!
//! The store owns two promises. Content that it says it has is whole, verified and never changes. A unit is there as a
//! whole or not at all, whatever instant the process or the machine stops at: its content is on disk before one
//! compare-and-set of the head record makes it visible. The catalogue may be shared by many stores: a unit that it names
//! need not be here. The store must never know how content travels, who else has it, or who runs it.
//!
//! Each `fail_point!` is an instant at which a crash could tear something. Tests stop the process there; those named
//! `sabotage::` break a rule, so that tests can show that they would notice. Nothing arms them outside of tests.
//!
//! ```
//! use std::sync::Arc;
//! use haulier_catalogue::MemoryCatalogue;
//! use haulier_model::{Digest, Manifest, Root, RootKind};
//! use haulier_store::{Durability, PublishRequest, Store};
//!
//! # let folder = std::env::temp_dir().join(format!("haulier-store-example-{}", std::process::id()));
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let store = Store::open(&folder, Arc::new(MemoryCatalogue::default()), Durability::Machine).await?;
//! let root = store.put(&Root { kind: RootKind::Jvm, original: None, entries: Vec::new() }.encode())?;
//! let record = store
//!     .publish(PublishRequest {
//!         name: "pricing".parse()?,
//!         version: Some("1.2.0".parse()?),
//!         manifest: Manifest { roots: vec![root] },
//!         sources: vec!["pricing.jar".to_owned()],
//!         origins: Vec::new(),
//!         replace: false,
//!         replaces_only_its_own: false,
//!         deployed_by: "unverified:example".to_owned(),
//!     })
//!     .await?;
//! assert_eq!(store.resolve(&"pricing".parse()?).await?, record);
//! # Ok::<(), haulier_model::Error>(())
//! # }).unwrap();
//! # std::fs::remove_dir_all(&folder).unwrap();
//! ```

mod assembly;
mod chunking;
mod collection;
mod compaction;
mod disk;
mod head;
mod holding;
mod index;
mod lease;
mod pack_file;
mod receiver;
mod sender;
mod store;
mod unit;
mod units;

pub use assembly::Assembly;
pub use collection::{Collected, CollectionRules};
pub use index::{Location, StoredBytes};
pub use lease::Lease;
pub use receiver::{Received, Receiver};
pub use sender::PackChunks;
pub use store::{Durability, Store};
pub use unit::{PublishRequest, UnitRecord, UnitState};
