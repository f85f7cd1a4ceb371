//! The file: its tables, its format, and what its errors mean to a user. Knows nothing of who wins a write.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::Path,
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Result, Retry};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::draft::Entry;
use crate::{CatalogueId, OperationId, Record, Revision};

const RECORDS: TableDefinition<&str, &[u8]> = TableDefinition::new("records");
/// How long each registration lives, in milliseconds; its record is among the records.
const REGISTRATIONS: TableDefinition<&str, u64> = TableDefinition::new("registrations");
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const NAMES: TableDefinition<&str, [u8; 16]> = TableDefinition::new("names");
const FORMAT: &str = "format";
const REVISION: &str = "revision";
const CATALOGUE: &str = "catalogue";
/// Format 1 had no registrations and no name; such a file is taken over, after which older versions refuse it.
const OLDEST_FORMAT: u64 = 1;
const CURRENT_FORMAT: u64 = 2;
const HEADER_SIZE: usize = 8 + 16;

/// The records on disk.
pub(super) struct RecordFile {
    database: Database,
}

/// What a file has.
pub(super) struct Loaded {
    pub(super) id: CatalogueId,
    pub(super) records: BTreeMap<String, Record>,
    pub(super) registrations: Vec<(String, Duration)>,
    /// Of the last change.
    pub(super) revision: Revision,
}

impl RecordFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let named = |error: Error| error.context("file", path.display().to_string());
        if !path.exists() {
            Self::make(path).map_err(|error| named(explain("make the catalogue", error)))?;
        }
        let database = Database::create(path).map_err(|error| named(explain("open the catalogue", error.into())))?;
        let file = Self { database };
        file.check_format().map_err(named)?;
        Ok(file)
    }

    /// Makes the file beside its place and renames it there, so that a crash leaves a whole file or none.
    fn make(path: &Path) -> Result<(), redb::Error> {
        let partial = path.with_extension("partial");
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let file = Self { database: Database::create(&partial)? };
        file.set_up()?;
        drop(file);
        fs::rename(&partial, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    fn check_format(&self) -> Result<()> {
        let format = self.set_up().map_err(|error| explain("open the catalogue", error))?;
        if (OLDEST_FORMAT..=CURRENT_FORMAT).contains(&format) {
            return Ok(());
        }
        let message = format!(
            "the file has format {format}, and this version of Haulier reads {OLDEST_FORMAT} to {CURRENT_FORMAT}"
        );
        Err(Error::new(ErrorKind::Incompatible, "open the catalogue", message)
            .hint("run the version of haulier that wrote it, or another --data-dir"))
    }

    /// Makes what is missing, and returns the format that was found. A file of an unknown format stays as it is.
    fn set_up(&self) -> Result<u64, redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut numbers = transaction.open_table(NUMBERS)?;
        let found = numbers.get(FORMAT)?.map(|number| number.value()).unwrap_or(CURRENT_FORMAT);
        if !(OLDEST_FORMAT..=CURRENT_FORMAT).contains(&found) {
            return Ok(found);
        }
        numbers.insert(FORMAT, CURRENT_FORMAT)?;
        drop(numbers);
        transaction.open_table(RECORDS)?;
        transaction.open_table(REGISTRATIONS)?;
        let mut names = transaction.open_table(NAMES)?;
        if names.get(CATALOGUE)?.is_none() {
            names.insert(CATALOGUE, CatalogueId::random().as_bytes())?;
        }
        drop(names);
        transaction.commit()?;
        Ok(found)
    }

    pub(super) fn load(&self) -> Result<Loaded> {
        self.try_load().map_err(|error| explain("read the catalogue", error))
    }

    fn try_load(&self) -> Result<Loaded, redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut records = BTreeMap::new();
        for row in transaction.open_table(RECORDS)?.iter()? {
            let (key, stored) = row?;
            let record = decode(key.value(), stored.value())
                .ok_or_else(|| redb::Error::Corrupted(format!("the record '{}' is too short", key.value())))?;
            records.insert(record.key.clone(), record);
        }
        let mut registrations = Vec::new();
        for row in transaction.open_table(REGISTRATIONS)?.iter()? {
            let (key, ttl) = row?;
            registrations.push((key.value().to_owned(), Duration::from_millis(ttl.value())));
        }
        let revision = transaction.open_table(NUMBERS)?.get(REVISION)?.map_or(0, |number| number.value());
        let id = transaction.open_table(NAMES)?.get(CATALOGUE)?.map_or([0; 16], |name| name.value());
        Ok(Loaded { id: CatalogueId::from_bytes(id), records, registrations, revision })
    }

    /// Makes all `changes` or none, the last of them with `revision`; returns once they are on disk.
    pub(super) fn write(&self, changes: &BTreeMap<String, Option<Entry>>, revision: Revision) -> Result<()> {
        self.try_write(changes, revision).map_err(|error| explain("write to the catalogue", error))
    }

    fn try_write(&self, changes: &BTreeMap<String, Option<Entry>>, revision: Revision) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        apply(&transaction, changes)?;
        transaction.open_table(NUMBERS)?.insert(REVISION, revision)?;
        transaction.commit()?;
        Ok(())
    }
}

fn apply(transaction: &WriteTransaction, changes: &BTreeMap<String, Option<Entry>>) -> Result<(), redb::Error> {
    let mut records = transaction.open_table(RECORDS)?;
    let mut registrations = transaction.open_table(REGISTRATIONS)?;
    for (key, change) in changes {
        let key = key.as_str();
        match change {
            Some(entry) => drop(records.insert(key, encode(&entry.record).as_slice())?),
            None => drop(records.remove(key)?),
        }
        match change.as_ref().and_then(|entry| entry.ttl) {
            // A day at most.
            Some(ttl) => drop(registrations.insert(key, ttl.as_millis() as u64)?),
            None => drop(registrations.remove(key)?),
        }
    }
    Ok(())
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
