//! Storages whose calls a test can see and disturb.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use haulier_model::Result;
use haulier_watch::{Fetched, StoredFile, WatchedStorage};

type Hook = Box<dyn Fn(usize) + Send + Sync>;

/// Another storage, and what happens to it while it is used.
pub(crate) struct Disturbed {
    inner: Arc<dyn WatchedStorage>,
    /// Called with the number of the call, from 1.
    pub(crate) before_list: Hook,
    pub(crate) after_fetch: Hook,
    pub(crate) lists: AtomicUsize,
    pub(crate) fetches: AtomicUsize,
    now: AtomicUsize,
    /// The most fetches at the same time.
    pub(crate) most: AtomicUsize,
}

impl Disturbed {
    pub(crate) fn new(inner: impl WatchedStorage + 'static) -> Self {
        let nothing = || Box::new(|_| ()) as Hook;
        Self {
            inner: Arc::new(inner),
            before_list: nothing(),
            after_fetch: nothing(),
            lists: AtomicUsize::new(0),
            fetches: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl WatchedStorage for Disturbed {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn folder(&self) -> Option<&Path> {
        self.inner.folder()
    }

    async fn list(&self) -> Result<Vec<StoredFile>> {
        (self.before_list)(self.lists.fetch_add(1, Ordering::SeqCst) + 1);
        self.inner.list().await
    }

    async fn stat(&self, path: &str) -> Result<Option<StoredFile>> {
        self.inner.stat(path).await
    }

    async fn fetch(&self, path: &str, to: &Path, limit: u64) -> Result<Fetched> {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let fetched = self.inner.fetch(path, to, limit).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        (self.after_fetch)(self.fetches.fetch_add(1, Ordering::SeqCst) + 1);
        fetched
    }
}
