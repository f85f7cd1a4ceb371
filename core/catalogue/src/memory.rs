//! The catalogue that is gone with its process: for tests, and the model that the others are compared with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use haulier_model::Result;
use parking_lot::{Mutex, MutexGuard};

use crate::{
    Catalogue, CatalogueId, CatalogueOptions, Event, Ledger, Listing, OperationId, Record, Revision, Watch,
    record::{self, Verdict},
    registrations::Registrations,
};

/// A catalogue in memory. Registrations need a tokio runtime with its timer enabled.
#[derive(Debug)]
pub struct MemoryCatalogue {
    content: Arc<Content>,
}

#[derive(Debug)]
struct Content {
    ledger: Arc<Ledger>,
    /// Whoever writes to the ledger holds it.
    registrations: Mutex<Registrations>,
}

impl MemoryCatalogue {
    /// An empty catalogue with a limit and a clock of the caller's choice.
    pub fn new(options: CatalogueOptions) -> Self {
        let ledger = Arc::new(Ledger::new(CatalogueId::random(), BTreeMap::new(), 0, options.history));
        let registrations = Mutex::new(Registrations::new(options.clock));
        Self { content: Arc::new(Content { ledger, registrations }) }
    }
}

impl Default for MemoryCatalogue {
    fn default() -> Self {
        Self::new(CatalogueOptions::default())
    }
}

impl Content {
    /// The right to write, after everything has ended whose time has come.
    fn lock(&self) -> MutexGuard<'_, Registrations> {
        let mut registrations = self.registrations.lock();
        for key in registrations.due() {
            registrations.forget(&key);
            self.delete(key);
        }
        registrations
    }

    fn delete(&self, key: String) {
        let revision = self.ledger.position().1 + 1;
        self.ledger.apply(vec![Event::Deleted { key, revision }]);
    }

    fn set(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
        operation: OperationId,
    ) -> Result<Revision> {
        let mut registrations = self.lock();
        let won = || self.ledger.won(key, operation);
        match record::judge_set(key, self.ledger.version(key), expected, operation, won)? {
            Verdict::AlreadyDone(revision) => {
                // What is renewed may have ended, which its owner learns when it renews it next.
                let _ = registrations.renew(key, revision);
                Ok(revision)
            }
            Verdict::Write => {
                let revision = self.ledger.position().1 + 1;
                self.ledger.apply(vec![Event::Put(Record { key: key.to_owned(), value, revision, operation })]);
                registrations.set(key, revision, ttl);
                Ok(revision)
            }
        }
    }
}

/// Ends a registration in time when nobody asks for anything.
async fn end(content: Weak<Content>, key: String, revision: Revision) {
    loop {
        let remaining = match content.upgrade() {
            Some(content) => content.lock().remaining(&key, revision),
            None => None,
        };
        let Some(remaining) = remaining else { return };
        tokio::time::sleep(remaining).await;
    }
}

#[async_trait]
impl Catalogue for MemoryCatalogue {
    async fn get(&self, key: &str) -> Result<Option<Record>> {
        record::check_key(key)?;
        drop(self.content.lock());
        Ok(self.content.ledger.get(key))
    }

    async fn list(&self, prefix: &str) -> Result<Listing> {
        drop(self.content.lock());
        Ok(self.content.ledger.list(prefix))
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        operation: OperationId,
    ) -> Result<Revision> {
        record::check_key(key)?;
        record::check_value(key, &value)?;
        self.content.set(key, expected, value, None, operation)
    }

    async fn delete(&self, key: &str, expected: Revision, _operation: OperationId) -> Result<()> {
        record::check_key(key)?;
        let mut registrations = self.content.lock();
        let current = self.content.ledger.version(key).map(|(revision, _)| revision);
        if record::judge_delete(key, current, expected)? {
            registrations.forget(key);
            self.content.delete(key.to_owned());
        }
        Ok(())
    }

    async fn register(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Duration,
        operation: OperationId,
    ) -> Result<Revision> {
        record::check_key(key)?;
        record::check_value(key, &value)?;
        record::check_ttl(key, ttl)?;
        let revision = self.content.set(key, expected, value, Some(ttl), operation)?;
        tokio::spawn(end(Arc::downgrade(&self.content), key.to_owned(), revision));
        Ok(revision)
    }

    async fn renew(&self, key: &str, revision: Revision) -> Result<()> {
        record::check_key(key)?;
        self.content.lock().renew(key, revision)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch> {
        Ok(self.content.ledger.watch(prefix, after))
    }
}

impl Drop for MemoryCatalogue {
    fn drop(&mut self) {
        self.content.ledger.close();
    }
}
