//! What a task sees: ordered sources and a policy.

use crate::{Digest, Hasher};

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
        hasher.finish()
    }
}
