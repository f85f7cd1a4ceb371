//! Leases: content that must stay although no unit names it yet, or any more.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use fail::fail_point;
use haulier_model::Digest;
use parking_lot::Mutex;

/// Keeps contents from being collected for as long as it lives. A digest may be leased before its content is there:
/// lease first, then look, and what was found stays.
#[must_use = "the lease ends when it is dropped"]
pub struct Lease {
    leases: Arc<Leases>,
    digests: Vec<Digest>,
}

impl Lease {
    /// Leases more digests.
    pub fn extend(&mut self, digests: impl IntoIterator<Item = Digest>) {
        let first_new = self.digests.len();
        self.digests.extend(digests);
        self.leases.take(&self.digests[first_new..]);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.release(&self.digests);
    }
}

/// What is leased, and by how many.
#[derive(Default)]
pub(crate) struct Leases(Mutex<State>);

#[derive(Default)]
struct State {
    counts: HashMap<Digest, usize>,
    collections: usize,
    /// Released while a collection runs, which may have read the heads before the publish that held the lease.
    released: HashSet<Digest>,
}

impl Leases {
    pub(crate) fn lease(self: &Arc<Self>, digests: impl IntoIterator<Item = Digest>) -> Lease {
        let mut lease = Lease { leases: self.clone(), digests: Vec::new() };
        lease.extend(digests);
        lease
    }

    /// Whether a collection must leave the content alone.
    pub(crate) fn holds(&self, digest: &Digest) -> bool {
        let state = self.0.lock();
        state.counts.contains_key(digest) || state.released.contains(digest)
    }

    /// Begins a collection; it ends when the value is dropped.
    pub(crate) fn begin_collection(self: &Arc<Self>) -> CollectionPeriod {
        self.0.lock().collections += 1;
        CollectionPeriod(self.clone())
    }

    fn take(&self, digests: &[Digest]) {
        fail_point!("sabotage::no-leases", |_| ());
        let mut state = self.0.lock();
        for digest in digests {
            *state.counts.entry(*digest).or_default() += 1;
        }
    }

    fn release(&self, digests: &[Digest]) {
        let mut state = self.0.lock();
        if state.collections > 0 {
            state.released.extend(digests);
        }
        for digest in digests {
            if let Some(count) = state.counts.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    state.counts.remove(digest);
                }
            }
        }
    }
}

/// While it lives, a lease that ends still counts.
pub(crate) struct CollectionPeriod(Arc<Leases>);

impl Drop for CollectionPeriod {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.collections -= 1;
        if state.collections == 0 {
            state.released.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_count_and_outlive_a_running_collection() {
        let (leases, digest) = (Arc::new(Leases::default()), Digest::of(b"x"));
        let first = leases.lease([digest]);
        let second = leases.lease([digest]);
        drop(first);
        assert!(leases.holds(&digest));
        let period = leases.begin_collection();
        drop(second);
        assert!(leases.holds(&digest));
        drop(period);
        assert!(!leases.holds(&digest));
    }
}
