//! The storages of `haulier-sources`, as a watch sees them.

use std::path::Path;

use async_trait::async_trait;
use haulier_model::Result;
use haulier_sources::Storage;

use crate::storage::{Fetched, StoredFile, WatchedStorage};

impl From<haulier_sources::StoredFile> for StoredFile {
    fn from(file: haulier_sources::StoredFile) -> Self {
        let haulier_sources::StoredFile { path, size, modified_ms, etag } = file;
        Self { path, size, modified_ms, etag }
    }
}

#[async_trait]
impl WatchedStorage for Storage {
    fn url(&self) -> &str {
        self.url()
    }

    fn folder(&self) -> Option<&Path> {
        self.folder()
    }

    async fn list(&self) -> Result<Vec<StoredFile>> {
        Ok(self.list().await?.into_iter().map(StoredFile::from).collect())
    }

    async fn stat(&self, path: &str) -> Result<Option<StoredFile>> {
        Ok(self.stat(path).await?.map(StoredFile::from))
    }

    async fn fetch(&self, path: &str, to: &Path, limit: u64) -> Result<Fetched> {
        let fetched = self.fetch(path, to, limit).await?;
        Ok(Fetched { size: fetched.size, sha256: fetched.sha256 })
    }
}
