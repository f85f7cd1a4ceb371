//! The embedded catalogue: a redb file, written by a thread of its own.
//!
//! The file has one owner, so this process has a copy of all records in memory: reads never touch the disk and never
//! wait for a write. Writes that arrive while one is being synced share the next sync.

mod database;
mod writer;

use std::{collections::BTreeMap, path::Path, sync::Arc, thread::JoinHandle, time::Duration};

use async_trait::async_trait;
use haulier_model::{Error, ErrorKind, Result, Retry};
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use crate::{Catalogue, OperationId, Record, Revision, memory, record};
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
    mirror: Arc<RwLock<BTreeMap<String, Record>>>,
    commands: Option<mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl RedbCatalogue {
    /// Opens the file at `path`, or creates it; its folder must exist. Reads all records, and so blocks for as long as
    /// that takes: a few milliseconds, more after a crash.
    ///
    /// Errors: `Conflict` if another process has it open, `PermissionDenied`, `ResourceExhausted` for a full disk,
    /// `Incompatible` for a file of another format.
    pub fn open(path: &Path) -> Result<Self> {
        let file = RecordFile::open(path)?;
        let (records, revision) = file.load()?;
        let mirror = Arc::new(RwLock::new(records));
        let (commands, receiver) = mpsc::unbounded_channel();
        let writer = Writer::new(file, mirror.clone(), revision);
        let thread = std::thread::Builder::new()
            .name("haulier-catalogue".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(|error| {
                Error::new(ErrorKind::ResourceExhausted, "open the catalogue", "no thread could be started")
                    .with_source(error)
            })?;
        Ok(Self { mirror, commands: Some(commands), thread: Some(thread) })
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
        Ok(self.mirror.read().get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Record>> {
        Ok(memory::with_prefix(&self.mirror.read(), prefix))
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
        self.write(key, Change::Set { expected, value }, operation).await
    }

    async fn delete(&self, key: &str, expected: Revision, operation: OperationId) -> Result<()> {
        record::check_key(key)?;
        self.write(key, Change::Delete { expected }, operation).await.map(drop)
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
    }
}
