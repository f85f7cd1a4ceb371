//! Which results have arrived, and what the node may forget.
//!
//! Acknowledgements are cumulative, so a result whose payload is still being fetched holds the level below it: a
//! connection that breaks meanwhile brings that result again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// An acknowledgement waits at most this long for submits to travel with.
const DELAY: Duration = Duration::from_millis(50);
/// So many results are acknowledged at once.
const RESULTS: u64 = 256;

#[derive(Debug, Default)]
pub(crate) struct Acks {
    last: u64,
    told: u64,
    held: BTreeSet<u64>,
    due: Option<Instant>,
}

impl Acks {
    /// A result has arrived.
    pub(crate) fn received(&mut self, sequence: u64, now: Instant) {
        self.last = self.last.max(sequence);
        self.plan(now);
    }

    /// The result is not whole yet.
    pub(crate) fn hold(&mut self, sequence: u64) {
        self.held.insert(sequence);
    }

    /// The result is whole, or given up.
    pub(crate) fn release(&mut self, sequence: u64, now: Instant) {
        self.held.remove(&sequence);
        self.plan(now);
    }

    /// All results up to here are whole.
    pub(crate) fn level(&self) -> u64 {
        self.held.first().map_or(self.last, |first| first - 1)
    }

    /// When the node must be told at the latest.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it is time to tell, even if nothing else is to be said.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.level() >= self.told + RESULTS || self.due.is_some_and(|due| due <= now)
    }

    /// The level to tell, if the node does not know it.
    pub(crate) fn take(&mut self) -> Option<u64> {
        self.due = None;
        let level = self.level();
        (level > self.told).then(|| {
            self.told = level;
            level
        })
    }

    fn plan(&mut self, now: Instant) {
        if self.due.is_none() && self.level() > self.told {
            self.due = Some(now + DELAY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_after_many_results_or_a_while() {
        let now = Instant::now();
        let mut acks = Acks::default();
        acks.received(1, now);
        assert!(!acks.is_due(now) && acks.is_due(now + DELAY));
        for sequence in 2..=RESULTS {
            acks.received(sequence, now);
        }
        assert!(acks.is_due(now));
        assert_eq!((acks.take(), acks.take(), acks.due()), (Some(RESULTS), None, None));
    }

    #[test]
    fn a_result_that_is_not_whole_holds_the_level() {
        let now = Instant::now();
        let mut acks = Acks::default();
        acks.hold(2);
        for sequence in 1..=5 {
            acks.received(sequence, now);
        }
        assert_eq!(acks.take(), Some(1));
        acks.release(2, now);
        assert_eq!((acks.level(), acks.take()), (5, Some(5)));
    }
}
