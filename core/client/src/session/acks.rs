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
    /// The time has come; from now on the next message that can be sent tells it.
    late: bool,
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

    /// When to call [`Acks::lapse`]; none once that has happened.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.late)
    }

    /// The clock has been looked at.
    pub(crate) fn lapse(&mut self, now: Instant) {
        self.late |= self.due.is_some_and(|due| due <= now);
    }

    /// Whether it is time to tell, even if nothing else is to be said.
    pub(crate) fn is_due(&self) -> bool {
        self.late || self.level() >= self.told + RESULTS
    }

    /// The level to tell, if the node does not know it.
    pub(crate) fn take(&mut self) -> Option<u64> {
        self.due = None;
        self.late = false;
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
        acks.lapse(now);
        assert!(!acks.is_due() && acks.due() == Some(now + DELAY));
        acks.lapse(now + DELAY);
        assert!(acks.is_due() && acks.due().is_none(), "the clock need not be asked again");
        assert_eq!(acks.take(), Some(1));
        for sequence in 2..=RESULTS + 1 {
            acks.received(sequence, now);
        }
        assert!(acks.is_due());
        assert_eq!((acks.take(), acks.take(), acks.due()), (Some(RESULTS + 1), None, None));
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
