//! The file: its tables, its format, and what its errors mean to a user. Knows nothing of who wins a write.

use std::{collections::BTreeMap, io, path::Path};

use haulier_model::{Error, ErrorKind, Result, Retry};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::{OperationId, Record, Revision};

const RECORDS: TableDefinition<&str, &[u8]> = TableDefinition::new("records");
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const FORMAT: &str = "format";
const REVISION: &str = "revision";
const CURRENT_FORMAT: u64 = 1;
const HEADER_SIZE: usize = 8 + 16;

/// The records on disk.
pub(super) struct RecordFile {
    database: Database,
}

impl RecordFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let named = |error: Error| error.context("file", path.display().to_string());
        let database = Database::create(path).map_err(|error| named(explain("open the catalogue", error.into())))?;
        let file = Self { database };
        file.check_format().map_err(named)?;
        Ok(file)
    }

    fn check_format(&self) -> Result<()> {
        let format = self.begin()?.set_up().map_err(|error| explain("open the catalogue", error))?;
        if format == CURRENT_FORMAT {
            return Ok(());
        }
        let message = format!("the file has format {format}, and this version of Haulier reads {CURRENT_FORMAT}");
        Err(Error::new(ErrorKind::Incompatible, "open the catalogue", message)
            .hint("run the version of haulier that wrote it, or another --data-dir"))
    }

    /// All records, and the revision of the last write.
    pub(super) fn load(&self) -> Result<(BTreeMap<String, Record>, Revision)> {
        self.read().map_err(|error| explain("read the catalogue", error))
    }

    fn read(&self) -> Result<(BTreeMap<String, Record>, Revision), redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut records = BTreeMap::new();
        for row in transaction.open_table(RECORDS)?.iter()? {
            let (key, stored) = row?;
            let record = decode(key.value(), stored.value())
                .ok_or_else(|| redb::Error::Corrupted(format!("the record '{}' is too short", key.value())))?;
            records.insert(record.key.clone(), record);
        }
        let revision = transaction.open_table(NUMBERS)?.get(REVISION)?.map_or(0, |number| number.value());
        Ok((records, revision))
    }

    /// Begins the only write of this moment.
    pub(super) fn begin(&self) -> Result<Batch> {
        let transaction =
            self.database.begin_write().map_err(|error| explain("write to the catalogue", error.into()))?;
        Ok(Batch { transaction })
    }
}

/// Changes that reach the disk together or not at all.
pub(super) struct Batch {
    transaction: WriteTransaction,
}

impl Batch {
    fn set_up(self) -> Result<u64, redb::Error> {
        self.transaction.open_table(RECORDS)?;
        let mut numbers = self.transaction.open_table(NUMBERS)?;
        let stored = numbers.get(FORMAT)?.map(|number| number.value());
        if stored.is_none() {
            numbers.insert(FORMAT, CURRENT_FORMAT)?;
        }
        drop(numbers);
        self.transaction.commit()?;
        Ok(stored.unwrap_or(CURRENT_FORMAT))
    }

    pub(super) fn apply(&self, changes: &BTreeMap<String, Option<Record>>, revision: Revision) -> Result<()> {
        self.try_apply(changes, revision).map_err(|error| explain("write to the catalogue", error))
    }

    fn try_apply(&self, changes: &BTreeMap<String, Option<Record>>, revision: Revision) -> Result<(), redb::Error> {
        let mut records: Table<'_, &str, &[u8]> = self.transaction.open_table(RECORDS)?;
        for (key, change) in changes {
            match change {
                Some(record) => drop(records.insert(key.as_str(), encode(record).as_slice())?),
                None => drop(records.remove(key.as_str())?),
            }
        }
        self.transaction.open_table(NUMBERS)?.insert(REVISION, revision)?;
        Ok(())
    }

    /// Returns once the changes are on disk.
    pub(super) fn commit(self) -> Result<()> {
        self.transaction.commit().map_err(|error| explain("write to the catalogue", error.into()))
    }
}

/// `[revision u64 LE][operation 16][value]`.
fn encode(record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_SIZE + record.value.len());
    out.extend_from_slice(&record.revision.to_le_bytes());
    out.extend_from_slice(record.operation.as_bytes());
    out.extend_from_slice(&record.value);
    out
}

fn decode(key: &str, stored: &[u8]) -> Option<Record> {
    let (revision, rest) = stored.split_first_chunk()?;
    let (operation, value) = rest.split_first_chunk()?;
    Some(Record {
        key: key.to_owned(),
        value: value.to_vec(),
        revision: Revision::from_le_bytes(*revision),
        operation: OperationId::from_bytes(*operation),
    })
}

fn explain(operation: &str, error: redb::Error) -> Error {
    let (kind, message, hint) = match &error {
        redb::Error::DatabaseAlreadyOpen => (
            ErrorKind::Conflict,
            "another node uses this data folder".to_owned(),
            "stop that node, or give this one a --data-dir of its own",
        ),
        redb::Error::Io(io) => explain_io(io),
        redb::Error::PreviousIo => (
            ErrorKind::Unavailable,
            "an earlier write failed, so the file must be opened anew".to_owned(),
            "restart the node",
        ),
        redb::Error::UpgradeRequired(_) => (
            ErrorKind::Incompatible,
            "an older version of the database wrote this file".to_owned(),
            "run the version of haulier that wrote it, or another --data-dir",
        ),
        redb::Error::Corrupted(problem) => (
            ErrorKind::Internal,
            format!("the catalogue's file is damaged: {problem}"),
            "restore the data folder, or start with another --data-dir and deploy again",
        ),
        other => (ErrorKind::Internal, other.to_string(), "this is a defect of Haulier; please report it"),
    };
    let retry = if matches!(error, redb::Error::PreviousIo) { Retry::Never } else { Error::new(kind, "", "").retry() };
    Error::new(kind, operation, message).with_retry(retry).hint(hint).with_source(error)
}

fn explain_io(error: &io::Error) -> (ErrorKind, String, &'static str) {
    use io::ErrorKind::{InvalidData, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => (
            ErrorKind::ResourceExhausted,
            format!("the disk is full: {error}"),
            "free space (df -h), then restart the node",
        ),
        PermissionDenied | ReadOnlyFilesystem => {
            (ErrorKind::PermissionDenied, error.to_string(), "give the node's user write access to the data folder")
        }
        NotFound => (ErrorKind::NotFound, error.to_string(), "create the folder first"),
        InvalidData => {
            (ErrorKind::Incompatible, format!("this file is no catalogue: {error}"), "give another --data-dir")
        }
        _ => (
            ErrorKind::Unavailable,
            format!("the disk failed: {error}"),
            "check the disk of the data folder, then restart the node",
        ),
    }
}
