//! What a watch needs of a storage. It knows nothing of the kinds of storages.

use std::path::Path;

use async_trait::async_trait;
use haulier_model::Result;

/// A file in a storage, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredFile {
    /// Relative to the storage's root, with `/`.
    pub path: String,
    /// Bytes, where the storage says it.
    pub size: Option<u64>,
    /// When it was written last, in milliseconds since the epoch, where the storage says it.
    pub modified_ms: Option<u64>,
    /// A mark that changes with the content, where the storage has one.
    pub etag: Option<String>,
}

/// What was read of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

/// A storage that can be watched. Calls may be made at the same time, and their futures may be dropped.
#[async_trait]
pub trait WatchedStorage: Send + Sync {
    /// Names the storage in reports; without credentials.
    fn url(&self) -> &str;

    /// The local folder that the storage is, if it is one: changes there are then noticed at once.
    fn folder(&self) -> Option<&Path>;

    /// All files, at any depth. Fails if the root is missing, or if anything could not be listed.
    async fn list(&self) -> Result<Vec<StoredFile>>;

    /// The file at `path` as it is now, or none.
    async fn stat(&self, path: &str) -> Result<Option<StoredFile>>;

    /// Writes the bytes of the file at `path` to a new file `to`. Fails if there are more than `limit` bytes, with
    /// `InvalidArgument` or a `ResourceExhausted` that is never to be retried; with `NotFound` if the file is gone.
    async fn fetch(&self, path: &str, to: &Path, limit: u64) -> Result<Fetched>;
}

impl StoredFile {
    /// Whether `other`, asked for in another way, can be the same state of the file: times may be coarser, and what one
    /// of the two does not say is not compared.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        same(self.size, other.size)
            && same(self.etag.as_deref().map(plain), other.etag.as_deref().map(plain))
            && match (self.modified_ms, other.modified_ms) {
                (Some(one), Some(other)) => one.abs_diff(other) < grain(one).max(grain(other)),
                _ => true,
            }
    }
}

/// An entity tag without the mark of weakness and quotes, which listings leave out.
fn plain(etag: &str) -> &str {
    etag.trim_start_matches("W/").trim_matches('"')
}

/// How coarse a time is, in milliseconds: some listings say seconds or minutes only.
fn grain(modified_ms: u64) -> u64 {
    match modified_ms {
        _ if modified_ms.is_multiple_of(60_000) => 60_000,
        _ if modified_ms.is_multiple_of(1_000) => 1_000,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: Option<u64>, modified_ms: Option<u64>, etag: Option<&str>) -> StoredFile {
        StoredFile { path: "a-1.jar".into(), size, modified_ms, etag: etag.map(Into::into) }
    }

    #[test]
    fn two_ways_of_asking_agree() {
        let listed = file(Some(3), Some(120_000), Some("\"x\""));
        for (stat, agree) in [
            (file(Some(3), Some(120_000), Some("\"x\"")), true),
            (file(Some(3), Some(137_123), Some("W/\"x\"")), true),
            (file(None, None, None), true),
            (file(Some(4), None, None), false),
            (file(Some(3), Some(181_000), None), false),
            (file(Some(3), None, Some("y")), false),
        ] {
            assert_eq!(listed.agrees(&stat), agree, "{stat:?}");
        }
        assert!(!file(None, Some(1_001), None).agrees(&file(None, Some(1_002), None)));
    }
}
