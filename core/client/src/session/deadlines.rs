//! When tasks must have ended, the earliest first.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// After its deadline a task that has reached a node may take so long to bring the node's own answer.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// What has come for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Its deadline.
    Deadline,
    /// The end of the grace after it.
    Grace,
}

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, u64, Stage)>>,
}

impl Deadlines {
    pub(crate) fn add(&mut self, at: Instant, task: u64, stage: Stage) {
        self.heap.push(Reverse((at, task, stage)));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next task whose time has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(u64, Stage)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, task, stage))| (task, stage))
    }

    /// Forgets tasks that have ended, when they are the most; `lives` says which have not.
    pub(crate) fn compact(&mut self, live_tasks: usize, lives: impl Fn(u64) -> bool) {
        if self.heap.len() > 1024 + 2 * live_tasks {
            self.heap.retain(|Reverse((_, task, _))| lives(*task));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earliest_first_and_bounded() {
        let now = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.add(now + GRACE, 1, Stage::Deadline);
        deadlines.add(now, 2, Stage::Deadline);
        assert_eq!(deadlines.pop(now), Some((2, Stage::Deadline)));
        assert_eq!(deadlines.pop(now), None);
        for task in 0..5000 {
            deadlines.add(now + GRACE, task, Stage::Deadline);
            deadlines.compact(1, |task| task == 1);
        }
        assert!(deadlines.heap.len() < 1100);
        assert_eq!(deadlines.next(), Some(now + GRACE));
    }
}
