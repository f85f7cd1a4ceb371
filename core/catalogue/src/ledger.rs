//! All records in memory with the latest changes: what reads and watches are served from.
//!
//! It owns the bounded history and who is told of it. It must never know who wins a write, nor where records are kept.

mod watch;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use parking_lot::RwLock;
use tokio::sync::watch as signal;

use crate::{CatalogueId, Event, Listing, OperationId, Record, Revision, Watch};
use watch::LedgerWatch;

/// The most events that a catalogue remembers, unless it is told otherwise.
pub const DEFAULT_HISTORY: usize = 10_000;

/// The most bytes that remembered events take: many large values would otherwise fill the memory.
const HISTORY_SIZE: usize = 16 << 20;

/// Records, their latest changes, and the watches that follow them: for implementations of
/// [`Catalogue`](crate::Catalogue).
///
/// Watches hold no changes of their own, but read the history; one that falls behind it is told to list again.
#[derive(Debug)]
pub struct Ledger {
    state: RwLock<State>,
    /// Counts what was done to the state; its receivers wake up when it moves.
    moved: signal::Sender<u64>,
    limit: usize,
}

#[derive(Debug)]
struct State {
    id: CatalogueId,
    records: BTreeMap<String, Record>,
    revision: Revision,
    history: VecDeque<Event>,
    history_size: usize,
    /// How many events were forgotten before the first one of `history`.
    forgotten: u64,
    /// Whoever knows less than this revision must list.
    compacted: Revision,
    /// The first event, counted from the beginning of time, whose revision belongs to the catalogue `id`.
    floor: u64,
    closed: bool,
}

impl Ledger {
    /// The records of the catalogue `id` as of `revision`; it will remember at most `history` events.
    pub fn new(id: CatalogueId, records: BTreeMap<String, Record>, revision: Revision, history: usize) -> Self {
        let state = State {
            id,
            records,
            revision,
            history: VecDeque::new(),
            history_size: 0,
            forgotten: 0,
            compacted: revision,
            floor: 0,
            closed: false,
        };
        Self { state: RwLock::new(state), moved: signal::channel(0).0, limit: history.max(1) }
    }

    /// The record under `key`.
    pub fn get(&self, key: &str) -> Option<Record> {
        self.state.read().records.get(key).cloned()
    }

    /// Revision and operation of the record under `key`.
    pub fn version(&self, key: &str) -> Option<(Revision, OperationId)> {
        self.state.read().records.get(key).map(|record| (record.revision, record.operation))
    }

    /// The records whose key begins with `prefix`, in order.
    pub fn list(&self, prefix: &str) -> Listing {
        let state = self.state.read();
        let from_prefix =
            state.records.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        let records =
            from_prefix.take_while(|(key, _)| key.starts_with(prefix)).map(|(_, record)| record.clone()).collect();
        Listing { records, revision: state.revision, catalogue: state.id }
    }

    /// The catalogue, and its revision.
    pub fn position(&self) -> (CatalogueId, Revision) {
        let state = self.state.read();
        (state.id, state.revision)
    }

    /// Wakes up after every change of [`Self::position`], and when the ledger is closed.
    pub fn moves(&self) -> signal::Receiver<u64> {
        self.moved.subscribe()
    }

    /// The revision with which `operation` wrote `key`, as far as the history reaches.
    pub fn won(&self, key: &str, operation: OperationId) -> Option<Revision> {
        won(self.state.read().history.iter().rev(), key, operation)
    }

    /// Adds changes that follow each other, in order of their revisions.
    pub fn apply(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        self.state.write().apply(events, self.limit);
        self.moved.send_modify(|moves| *moves += 1);
    }

    /// Takes over a whole listing. The difference to what was known becomes events, so that watches have no gap.
    ///
    /// If the listing is not a later one of the same catalogue, then no watch can begin at a revision of before.
    pub fn replace(&self, listing: Listing) {
        self.state.write().replace(listing, self.limit);
        self.moved.send_modify(|moves| *moves += 1);
    }

    /// Every change after `after` of records whose key begins with `prefix`. Says at once that the history is
    /// compacted if `after` is too long ago, or has not come yet.
    pub fn watch(self: &Arc<Self>, prefix: &str, after: Revision) -> Watch {
        let moved = self.moves();
        let next = self.state.read().position_after(after);
        Watch::new(LedgerWatch::new(self.clone(), moved, prefix, next))
    }

    /// Ends all watches, once they have given what is known.
    pub fn close(&self) {
        self.state.write().closed = true;
        self.moved.send_modify(|moves| *moves += 1);
    }
}

impl State {
    fn apply(&mut self, events: Vec<Event>, limit: usize) {
        for event in events {
            self.revision = event.revision();
            match &event {
                Event::Put(record) => drop(self.records.insert(record.key.clone(), record.clone())),
                Event::Deleted { key, .. } => drop(self.records.remove(key)),
            }
            self.history_size += event.size();
            self.history.push_back(event);
        }
        while self.history.len() > limit || self.history_size > HISTORY_SIZE {
            let Some(oldest) = self.history.pop_front() else { break };
            self.history_size -= oldest.size();
            self.forgotten += 1;
            if self.forgotten > self.floor {
                self.compacted = self.compacted.max(oldest.revision());
            }
        }
    }

    fn replace(&mut self, listing: Listing, limit: usize) {
        let same = listing.catalogue == self.id && listing.revision >= self.revision;
        let revision = listing.revision;
        let fresh: BTreeMap<String, Record> =
            listing.records.into_iter().map(|record| (record.key.clone(), record)).collect();
        let mut events: Vec<Event> = fresh
            .values()
            .filter(|record| self.records.get(&record.key) != Some(record))
            .map(|record| Event::Put(record.clone()))
            .collect();
        events.sort_by_key(Event::revision);
        let gone = self.records.keys().filter(|key| !fresh.contains_key(*key));
        events.extend(gone.map(|key| Event::Deleted { key: key.clone(), revision }));
        self.apply(events, limit);
        self.revision = revision;
        if !same {
            self.id = listing.catalogue;
            self.compacted = revision;
            self.floor = self.forgotten + self.history.len() as u64;
        }
    }

    /// The number of the first event after `after`; `None` if not all of them are known.
    fn position_after(&self, after: Revision) -> Option<u64> {
        if after < self.compacted || after > self.revision {
            return None;
        }
        let first = usize::try_from(self.floor.saturating_sub(self.forgotten)).ok()?;
        let position = self.history.range(first..).take_while(|event| event.revision() <= after).count();
        Some(self.forgotten + (first + position) as u64)
    }
}

/// The revision with which `operation` wrote `key` among `events`.
pub(crate) fn won<'a>(
    mut events: impl Iterator<Item = &'a Event>,
    key: &str,
    operation: OperationId,
) -> Option<Revision> {
    events.find_map(|event| match event {
        Event::Put(record) if record.operation == operation && record.key == key => Some(record.revision),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
