//! Python requirements become a lock: the exact versions of all distributions, with the hashes of their files.
//!
//! Owns what a requirement and a lock look like, and the call of uv, which resolves and installs. The lock is what travels and what
//! counts: the same requirements and the same index give the same bytes. It must never know units, nodes, or what a
//! lock is installed into.
//!
//! ```
//! use haulier_requirements::{Lock, Requirement};
//!
//! let requirement: Requirement = "pypi:requests[socks]>=2".parse()?;
//! assert_eq!(requirement.name(), "requests");
//! let hash = format!("--hash=sha256:{}", "8a".repeat(32));
//! let lock = Lock::parse(&format!("Six==1.16.0 {hash}\n    # via acme\n"))?;
//! assert_eq!(lock.to_string(), format!("six==1.16.0 \\\n    {hash}\n"));
//! # Ok::<(), haulier_model::Error>(())
//! ```

mod lines;
mod lock;
mod pip;
mod pylock;
mod redaction;
mod requirement;
mod resolution;
mod uv;

pub use lock::{Lock, Pin};
pub use redaction::without_secrets;
pub use requirement::{Exact, Requirement, is_name, normalized};
pub use resolution::{Locked, Requirements};
pub use uv::{Purpose, Run, Uv};
