//! The embedded catalogue: a redb file, written by a thread of its own.
//!
//! The file has one owner, so this process has a copy of all records in memory: reads never touch the disk and never
//! wait for a write. Writes that arrive while one is being synced share the next sync.

mod database;
mod draft;
mod writer;

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use haulier_model::{Error, ErrorKind, Result, Retry};
use tokio::sync::oneshot;

use crate::{
    Catalogue, CatalogueOptions, Ledger, Listing, OperationId, Record, Revision, Watch, record,
    registrations::Registrations,
};
use database::RecordFile;
use writer::{Change, Command, Writer};

/// How long a write may take until its caller is told that the outcome is not known.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A catalogue in one file, owned by one process at a time.
///
/// Dropping it waits for the writes already handed over, then releases the file. Writes need a tokio runtime with its
/// timer enabled.
#[derive(Debug)]
pub struct RedbCatalogue {
    ledger: Arc<Ledger>,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl RedbCatalogue {
    /// Opens the file at `path`, or creates it; its folder must exist. Reads all records, and so blocks for as long as
    /// that takes: a few milliseconds, more after a crash.
    ///
    /// Errors: `Conflict` if another process has it open, `PermissionDenied`, `ResourceExhausted` for a full disk,
    /// `Incompatible` for a file of another format.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, CatalogueOptions::default())
    }

    /// Like [`Self::open`], with a limit and a clock of the caller's choice.
    pub fn open_with(path: &Path, options: CatalogueOptions) -> Result<Self> {
        let file = RecordFile::open(path)?;
        let loaded = file.load()?;
        let mut registrations = Registrations::new(options.clock);
        for (key, ttl) in loaded.registrations {
            if let Some(record) = loaded.records.get(&key) {
                registrations.set(&key, record.revision, Some(ttl));
            }
        }
        let ledger = Arc::new(Ledger::new(loaded.id, loaded.records, loaded.revision, options.history));
        let (commands, receiver) = mpsc::channel();
        let writer = Writer::new(file, ledger.clone(), registrations);
        let thread = std::thread::Builder::new()
            .name("haulier-catalogue".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| {
                Error::new(ErrorKind::ResourceExhausted, "open the catalogue", "no thread could be started")
                    .with_source(error)
            })?;
        Ok(Self { ledger, commands: Some(commands), thread: Some(thread) })
    }

    async fn write(&self, key: &str, change: Change, operation: OperationId) -> Result<Revision> {
        let (reply, answer) = oneshot::channel();
        let command = Command { key: key.to_owned(), change, operation, reply };
        let sent = self.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok());
        if !sent {
            return Err(gone());
        }
        match tokio::time::timeout(WRITE_TIMEOUT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(gone()),
            Err(_) => {
                let message =
                    format!("the disk did not answer within {} s; the outcome is not known", WRITE_TIMEOUT.as_secs());
                Err(Error::new(ErrorKind::Unavailable, "write to the catalogue", message)
                    .hint("check the disk of the node's data folder"))
            }
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "write to the catalogue", "the catalogue has stopped after a defect")
        .with_retry(Retry::Never)
        .hint("restart the node, and report what its log says")
}

#[async_trait]
impl Catalogue for RedbCatalogue {
    async fn get(&self, key: &str) -> Result<Option<Record>> {
        record::check_key(key)?;
        Ok(self.ledger.get(key))
    }

    async fn list(&self, prefix: &str) -> Result<Listing> {
        Ok(self.ledger.list(prefix))
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
        self.write(key, Change::Set { expected, value, ttl: None }, operation).await
    }

    async fn delete(&self, key: &str, expected: Revision, operation: OperationId) -> Result<()> {
        record::check_key(key)?;
        self.write(key, Change::Delete { expected }, operation).await.map(drop)
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
        self.write(key, Change::Set { expected, value, ttl: Some(ttl) }, operation).await
    }

    async fn renew(&self, key: &str, revision: Revision) -> Result<()> {
        record::check_key(key)?;
        self.write(key, Change::Renew { revision }, OperationId::from_bytes([0; 16])).await.map(drop)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch> {
        Ok(self.ledger.watch(prefix, after))
    }
}

impl Drop for RedbCatalogue {
    fn drop(&mut self) {
        // Without a sender the thread ends after what it was given, and with it the lock on the file.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed, and every caller of a write was told.
            let _ = thread.join();
        }
        self.ledger.close();
    }
}
