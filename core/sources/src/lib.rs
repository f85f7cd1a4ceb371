//! Turns what a user calls a source (a path, a URL, Maven coordinates) into files on this machine, and lists storages.
//!
//! Owns [`Source`], what a URL means, how its bytes arrive whole or not at all, and [`Storage`]: folders, FTP servers,
//! S3 buckets and HTTP listings that look alike. It must never know nodes, the life of units, or servers of Haulier.
//!
//! ```
//! use haulier_sources::Source;
//!
//! assert!(matches!("com.acme:pricing:1.2.0".parse()?, Source::Maven(_)));
//! assert_eq!("https://me:secret@host/pricing.jar".parse::<Source>()?.to_string(), "https://host/pricing.jar");
//! # Ok::<(), haulier_model::Error>(())
//! ```

mod deadlines;
mod download;
mod failure;
mod fetch;
mod gather;
mod location;
pub mod maven;
mod source;
mod storage;
mod web;

pub use deadlines::Deadlines;
pub use download::{Fetched, Progress};
pub use fetch::{DEFAULT_LIMIT, FetchOptions, FetchedFile, fetch};
pub use gather::{GatherProgress, Gathered, GatheredFile, Gathering};
pub use source::Source;
pub use storage::{Storage, StoredFile};
