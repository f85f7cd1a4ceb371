//! What changes: events, and the watch that gives them to whoever wants to know.

use async_trait::async_trait;
use haulier_model::Result;

use crate::{Record, Revision};

/// One change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The record was written.
    Put(Record),
    /// The record was deleted, or its registration has ended.
    Deleted {
        /// What it was found by.
        key: String,
        /// The deletion's own revision: larger than that of the record.
        revision: Revision,
    },
}

impl Event {
    /// The key of the record that changed.
    pub fn key(&self) -> &str {
        match self {
            Self::Put(record) => &record.key,
            Self::Deleted { key, .. } => key,
        }
    }

    /// The change's revision.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Put(record) => record.revision,
            Self::Deleted { revision, .. } => *revision,
        }
    }

    /// What it takes in memory, in bytes: an estimate that is never too small by much.
    pub fn size(&self) -> usize {
        const FIXED: usize = 64;
        match self {
            Self::Put(record) => FIXED + record.key.len() + record.value.len(),
            Self::Deleted { key, .. } => FIXED + key.len(),
        }
    }
}

/// What a watch has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The next changes, in order; at least one.
    Events(Vec<Event>),
    /// The changes that come next are no longer known: list again, and watch from the listing's revision. A watch that
    /// has said so says nothing else any more.
    Compacted,
}

/// Gives the changes of the records under a prefix, in order and without gaps. Dropping it ends it.
pub struct Watch(Box<dyn WatchSource>);

/// Where a [`Watch`] has its changes from; each implementation of a catalogue brings its own, most often a
/// [`Ledger`](crate::Ledger).
#[async_trait]
pub trait WatchSource: Send + Sync {
    /// See [`Watch::next`].
    async fn next(&mut self) -> Result<Changes>;
}

impl Watch {
    /// A watch that takes its changes from `source`.
    pub fn new(source: impl WatchSource + 'static) -> Self {
        Self(Box::new(source))
    }

    /// Waits for the next changes. A call that is dropped before it has answered loses nothing.
    ///
    /// Errors: `Closed` once the catalogue is gone and everything was given.
    pub async fn next(&mut self) -> Result<Changes> {
        self.0.next().await
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
