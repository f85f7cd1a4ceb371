//! The words of Haulier as types: digests, versions, manifests, class paths, values, errors.
//!
//! Everything here is pure: no I/O, no async, no protobuf. Other crates convert from and to these types.
//!
//! ```
//! use haulier_model::{Digest, UnitReference};
//!
//! let reference: UnitReference = "pricing:1.2.0".parse()?;
//! assert_eq!(reference.name().as_str(), "pricing");
//! assert_eq!(Digest::of(b"").to_string()[..15], *"sha256:e3b0c442");
//! # Ok::<(), haulier_model::Error>(())
//! ```

mod class_path;
mod codec;
mod digest;
mod environment;
mod error;
mod from_value;
mod manifest;
mod mode;
mod signature;
mod unit;
mod value;
mod version;

pub use class_path::{ClassPath, ClassPathSource, LoadingPolicy};
pub use codec::{Codec, Language};
pub use digest::{Digest, Hasher};
pub use environment::EnvironmentPolicy;
pub use error::{Error, ErrorKind, RemoteFailure, Result, Retry};
pub use manifest::{Entry, EntryPath, Manifest, Original, Root, RootKind};
pub use mode::DeploymentMode;
pub use signature::signature_files;
pub use unit::{Selector, UnitId, UnitName, UnitReference};
pub use value::Value;
pub use version::{Version, VersionOrder};
