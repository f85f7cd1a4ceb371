//! From a class path and a name to bytes: order, policy, absent names.
//!
//! Pure: an [`Index`] of names, and who is asked for one ([`Delegation`]). Must never know a network, a file, or a
//! language's own loader: it says where an entry is, and others bring the bytes.
//!
//! ```
//! use haulier_loader::{Delegation, Index, IndexOptions, IndexRoot, RootEntry};
//! use haulier_model::{Digest, Language, LoadingPolicy, RootKind};
//!
//! let entry = |path: &str| RootEntry { path: path.into(), digest: Digest::of(path.as_bytes()), size: 1, executable: false };
//! let root = |label: &str, path: &str| IndexRoot {
//!     label: label.into(),
//!     kind: RootKind::Jvm,
//!     peer: false,
//!     entries: vec![entry(path)],
//! };
//! let options = IndexOptions::new(Language::Java, LoadingPolicy::ChildFirst);
//! let index = Index::new(options, vec![root("a.jar", "com/acme/Price.class"), root("b.jar", "com/acme/Price.class")]);
//!
//! let place = index.first("com/acme/Price.class").expect("both roots have it");
//! assert_eq!(index.label(place.root), "a.jar");
//! assert_eq!(index.delegation("com.acme.Price"), Delegation::ChildFirst);
//! assert_eq!(index.delegation("java.lang.String"), Delegation::ParentOnly);
//! ```

mod delegation;
mod explain;
mod index;
mod nearest;
mod python;

pub use delegation::{Delegation, Rule};
pub use explain::{ExplainedPlace, Explanation, NameKind, Parent};
pub use index::{Index, IndexOptions, IndexRoot, Place, RootEntry};
pub use python::TopLevel;
