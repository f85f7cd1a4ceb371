//! What a task sees: ordered sources and a policy.

use std::str::FromStr;

use crate::{Digest, Error, ErrorKind, Hasher};

/// Who is asked first for a class, a module or a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoadingPolicy {
    /// The parent, then the class path.
    ParentFirst,
    /// The class path, then the parent.
    #[default]
    ChildFirst,
    /// The class path alone, besides the platform and the API.
    SelfOnly,
}

impl LoadingPolicy {
    /// The name in options and messages: "child-first".
    pub const fn name(self) -> &'static str {
        match self {
            Self::ParentFirst => "parent-first",
            Self::ChildFirst => "child-first",
            Self::SelfOnly => "self-only",
        }
    }
}

impl FromStr for LoadingPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::ParentFirst, Self::ChildFirst, Self::SelfOnly]
            .into_iter()
            .find(|policy| policy.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidArgument, "read a policy", format!("'{text}' is no policy"))
                    .hint("parent-first, child-first or self-only")
            })
    }
}

/// One source of a class path, by the digest of its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClassPathSource {
    /// A deployed unit.
    Unit(Digest),
    /// A snapshot of a session.
    Snapshot(Digest),
    /// The own code of the node that the task runs on.
    Local(Digest),
}

impl ClassPathSource {
    /// The digest of the manifest.
    pub const fn manifest(&self) -> Digest {
        match self {
            Self::Unit(digest) | Self::Snapshot(digest) | Self::Local(digest) => *digest,
        }
    }
}

/// Ordered sources and a policy; the digest is the identity of the loader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassPath {
    /// Units in the order of the request, then the session's snapshot, then the node's own code.
    pub sources: Vec<ClassPathSource>,
    /// Who is asked first.
    pub policy: LoadingPolicy,
    /// Prefixes of names that are asked at the parent first, besides those of the platform, the API and the logging
    /// APIs: "com.acme.contract".
    pub parent_prefixes: Vec<String>,
}

impl ClassPath {
    /// The identity: equal sources in equal order with an equal policy give an equal digest.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update(b"haulier class path 1\n");
        hasher.update(&[match self.policy {
            LoadingPolicy::ParentFirst => 1,
            LoadingPolicy::ChildFirst => 2,
            LoadingPolicy::SelfOnly => 3,
        }]);
        for source in &self.sources {
            let (kind, digest) = match source {
                ClassPathSource::Unit(digest) => (1, digest),
                ClassPathSource::Snapshot(digest) => (2, digest),
                ClassPathSource::Local(digest) => (3, digest),
            };
            hasher.update(&[kind]);
            hasher.update(digest.as_bytes());
        }
        for prefix in &self.parent_prefixes {
            hasher.update(&[4]);
            hasher.update(&(prefix.len() as u64).to_le_bytes());
            hasher.update(prefix.as_bytes());
        }
        hasher.finish()
    }
}
