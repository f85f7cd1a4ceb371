//! A place in a ledger's history that moves on. Holds no events, however slow its reader is.

use std::sync::Arc;

use async_trait::async_trait;
use haulier_model::{Error, ErrorKind, Result};
use tokio::sync::watch as signal;

use super::{Ledger, State};
use crate::{Changes, Event, WatchSource};

/// The most events in one answer, and about the most bytes.
const BATCH: usize = 256;
const BATCH_SIZE: usize = 1 << 20;

pub(super) struct LedgerWatch {
    ledger: Arc<Ledger>,
    moved: signal::Receiver<u64>,
    prefix: String,
    /// The number of the next event to look at; `None` once some were missed.
    next: Option<u64>,
}

impl LedgerWatch {
    pub(super) fn new(ledger: Arc<Ledger>, moved: signal::Receiver<u64>, prefix: &str, next: Option<u64>) -> Self {
        Self { ledger, moved, prefix: prefix.to_owned(), next }
    }

    /// What there is by now; `None`: nothing yet.
    fn take(&mut self) -> Option<Result<Changes>> {
        self.moved.borrow_and_update();
        let state = self.ledger.state.read();
        let Some(next) = self.next.filter(|next| *next >= state.forgotten) else {
            self.next = None;
            return Some(Ok(Changes::Compacted));
        };
        let (events, next) = batch(&state, &self.prefix, next);
        self.next = Some(next);
        if !events.is_empty() {
            return Some(Ok(Changes::Events(events)));
        }
        state.closed.then(|| Err(Error::new(ErrorKind::Closed, "watch the catalogue", "the catalogue was closed")))
    }
}

/// Events from number `next` on, and the number of the one after them.
fn batch(state: &State, prefix: &str, mut next: u64) -> (Vec<Event>, u64) {
    let (mut events, mut size) = (Vec::new(), 0);
    let skipped = usize::try_from(next - state.forgotten).unwrap_or(usize::MAX).min(state.history.len());
    for event in state.history.range(skipped..) {
        if events.len() == BATCH || size >= BATCH_SIZE {
            break;
        }
        if event.key().starts_with(prefix) {
            size += event.size();
            events.push(event.clone());
        }
        next += 1;
    }
    (events, next)
}

#[async_trait]
impl WatchSource for LedgerWatch {
    async fn next(&mut self) -> Result<Changes> {
        loop {
            if let Some(answer) = self.take() {
                return answer;
            }
            // The sender lives as long as the ledger, which this watch keeps.
            let _ = self.moved.changed().await;
        }
    }
}
