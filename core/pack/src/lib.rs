//! Reads jars, class files, wheels and folders into roots: what code is, and where its bytes are.
//!
//! - [`PackedRoot`] reads a source of a unit, an element of a class path, or an import root of Python.
//! - [`PackedRoots`] holds several in order, finds their bytes by digest, and packs them.
//! - [`class_file`] says which classes a class file names; [`closure`] follows such names through roots.
//! - [`CanonicalArchive`] makes an archive of entries.
//! - [`chunks`] cuts large entries, so that a changed one sends little.
//! - [`stream`] turns content into the records that travel, and back.
//!
//! Everything here is synchronous and knows neither networks, nodes nor sessions. Archives and folders are not trusted:
//! what is wrong with one is said in an error, and nothing is ever written to a path that one of them names.
//!
//! ```no_run
//! use haulier_pack::{Limits, PackedRoot};
//!
//! for root in PackedRoot::read_source("pricing.jar".as_ref(), &Limits::default())? {
//!     println!("{} {} with {} entries", root.name, root.digest(), root.root.entries.len());
//! }
//! # Ok::<(), haulier_model::Error>(())
//! ```

mod archive;
mod artifact;
mod canonical;
pub mod chunks;
pub mod class_file;
mod class_path_attribute;
pub mod closure;
mod content;
mod deny;
mod fat_jar;
#[cfg(test)]
mod fixtures;
mod folder;
mod known;
mod limits;
mod packed_root;
mod packed_roots;
mod paths;
mod refusal;
mod selection;
mod source;
pub mod stream;
mod unchanged;
mod warnings;

pub use canonical::CanonicalArchive;
pub use class_path_attribute::class_path_warnings;
pub use deny::DenyList;
pub use known::KnownDigests;
pub use limits::Limits;
pub use packed_root::PackedRoot;
pub use packed_roots::{PackedRoots, size_of_chunks};
pub use selection::{IGNORE_FILE, LeftOut, Selection};
pub use source::ReadOptions;
pub use unchanged::UnchangedRoots;
pub use warnings::warnings;
