//! What a batch changes, before it is on disk and anybody sees it.

use std::{collections::BTreeMap, time::Duration};

use haulier_model::Result;

use super::writer::Change;
use crate::{
    Event, Ledger, OperationId, Record, Revision, ledger,
    record::{self, Verdict},
    registrations::{self, Registrations},
};

/// A record, and how long it lives if it is a registration.
pub(super) struct Entry {
    pub(super) record: Record,
    pub(super) ttl: Option<Duration>,
}

pub(super) struct Draft<'a> {
    ledger: &'a Ledger,
    registrations: &'a mut Registrations,
    revision: Revision,
    /// In order, for those who watch.
    pub(super) events: Vec<Event>,
    /// What is there in the end, for the disk; `None`: nothing.
    pub(super) changes: BTreeMap<String, Option<Entry>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(ledger: &'a Ledger, registrations: &'a mut Registrations) -> Self {
        let revision = ledger.position().1;
        Self { ledger, registrations, revision, events: Vec::new(), changes: BTreeMap::new() }
    }

    pub(super) fn decide(&mut self, key: String, change: Change, operation: OperationId) -> Result<Revision> {
        let current = match self.changes.get(&key) {
            Some(change) => change.as_ref().map(|entry| (entry.record.revision, entry.record.operation)),
            None => self.ledger.version(&key),
        };
        match change {
            Change::Set { expected, value, ttl } => {
                let won = || {
                    ledger::won(self.events.iter().rev(), &key, operation).or_else(|| self.ledger.won(&key, operation))
                };
                match record::judge_set(&key, current, expected, operation, won)? {
                    Verdict::AlreadyDone(revision) => {
                        // What is renewed may have ended, which its owner learns when it renews it next.
                        let _ = self.renew(&key, revision);
                        Ok(revision)
                    }
                    Verdict::Write => Ok(self.put(key, value, ttl, operation)),
                }
            }
            Change::Delete { expected } => {
                if record::judge_delete(&key, current.map(|(revision, _)| revision), expected)? {
                    self.remove(key);
                }
                Ok(expected)
            }
            Change::Renew { revision } => self.renew(&key, revision).map(|()| revision),
        }
    }

    /// Deletes the registrations whose time has come, unless this batch has changed them.
    pub(super) fn end_registrations(&mut self) {
        for key in self.registrations.due() {
            if !self.changes.contains_key(&key) {
                self.remove(key);
            }
        }
    }

    fn put(&mut self, key: String, value: Vec<u8>, ttl: Option<Duration>, operation: OperationId) -> Revision {
        self.revision += 1;
        let record = Record { key: key.clone(), value, revision: self.revision, operation };
        self.events.push(Event::Put(record.clone()));
        self.changes.insert(key, Some(Entry { record, ttl }));
        self.revision
    }

    fn remove(&mut self, key: String) {
        self.revision += 1;
        self.events.push(Event::Deleted { key: key.clone(), revision: self.revision });
        self.changes.insert(key, None);
    }

    fn renew(&mut self, key: &str, revision: Revision) -> Result<()> {
        match self.changes.get(key) {
            None => self.registrations.renew(key, revision),
            // It begins to live with this batch.
            Some(Some(Entry { record, ttl: Some(_) })) if record.revision == revision => Ok(()),
            Some(_) => Err(registrations::ended(key, revision)),
        }
    }
}
