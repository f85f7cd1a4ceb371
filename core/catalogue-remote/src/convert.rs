//! Between the catalogue's types and the protocol's.

use bytes::Bytes;
use haulier_catalogue::{CatalogueId, Event, OperationId, Record};
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::v1::{self, catalogue_event::Change};

pub(crate) fn to_record(record: Record) -> v1::CatalogueRecord {
    let Record { key, value, revision, operation } = record;
    v1::CatalogueRecord { key, value: value.into(), revision, operation: to_bytes(operation) }
}

pub(crate) fn from_record(record: v1::CatalogueRecord) -> Result<Record> {
    let v1::CatalogueRecord { key, value, revision, operation } = record;
    Ok(Record { key, value: value.into(), revision, operation: from_bytes(&operation)? })
}

pub(crate) fn to_event(event: Event) -> v1::CatalogueEvent {
    let change = match event {
        Event::Put(record) => Change::Put(to_record(record)),
        Event::Deleted { key, revision } => Change::Deleted(v1::CatalogueDeletion { key, revision }),
    };
    v1::CatalogueEvent { change: Some(change) }
}

pub(crate) fn from_event(event: v1::CatalogueEvent) -> Result<Event> {
    match event.change {
        Some(Change::Put(record)) => from_record(record).map(Event::Put),
        Some(Change::Deleted(v1::CatalogueDeletion { key, revision })) => Ok(Event::Deleted { key, revision }),
        None => Err(malformed("an event without a change")),
    }
}

pub(crate) fn to_bytes(operation: OperationId) -> Bytes {
    Bytes::copy_from_slice(operation.as_bytes())
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Result<OperationId> {
    let bytes = bytes.try_into().map_err(|_| malformed("an operation id that has not 16 bytes"))?;
    Ok(OperationId::from_bytes(bytes))
}

pub(crate) fn from_id(bytes: &[u8]) -> Result<CatalogueId> {
    let bytes = bytes.try_into().map_err(|_| malformed("a catalogue id that has not 16 bytes"))?;
    Ok(CatalogueId::from_bytes(bytes))
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "read a message of the catalogue", format!("it has {what}"))
        .hint("run the same version of haulier on all nodes")
}
