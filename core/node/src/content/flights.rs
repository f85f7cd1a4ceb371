//! What is being fetched right now: who wants the same waits for it. Knows nothing of holders but their names.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, OnceLock},
};

use haulier_model::{Digest, Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Holder;

/// Downloads under way.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    units: HashMap<Digest, Arc<Flight>>,
    contents: HashMap<Digest, Fetching>,
    last_claim: u64,
}

/// The download that a content is part of.
#[derive(Clone)]
struct Fetching {
    claim: u64,
    /// Cancelled when it has ended, whether the content came or not.
    ended: CancellationToken,
}

/// The download of a unit, for those who wait for it.
pub(super) struct Flight {
    holders: HashSet<String>,
    result: OnceLock<Result<()>>,
    ended: CancellationToken,
}

impl Flight {
    pub(super) async fn ended(&self) -> Result<()> {
        self.ended.cancelled().await;
        let stopped = || Err(Error::new(ErrorKind::Closed, "fetch a unit", "the node is stopping"));
        self.result.get().cloned().unwrap_or_else(stopped)
    }

    /// Whether it was begun with all of these.
    pub(super) fn knows(&self, holders: &[Holder]) -> bool {
        holders.iter().all(|holder| self.holders.contains(&holder.name))
    }
}

/// Held by the download of a unit; when it goes, the flight has ended.
pub(super) struct Landing {
    flights: Flights,
    unit: Digest,
    flight: Arc<Flight>,
}

impl Landing {
    pub(super) fn end(self, result: Result<()>) {
        // It is set only here.
        let _ = self.flight.result.set(result);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.0.lock().units.remove(&self.unit);
        self.flight.ended.cancel();
    }
}

/// Contents that one download has taken upon itself; when it goes, others may try.
pub(super) struct Claim {
    flights: Flights,
    digests: Vec<Digest>,
    ended: CancellationToken,
}

impl Claim {
    pub(super) fn digests(&self) -> Vec<Digest> {
        self.digests.clone()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.flights.0.lock();
        for digest in &self.digests {
            state.contents.remove(digest);
        }
        drop(state);
        self.ended.cancel();
    }
}

impl Flights {
    /// The download of a unit that is under way, or a new one, which the caller then has to make.
    pub(super) fn of_unit(&self, unit: Digest, holders: &[Holder]) -> (Arc<Flight>, Option<Landing>) {
        let mut state = self.0.lock();
        if let Some(flight) = state.units.get(&unit) {
            return (flight.clone(), None);
        }
        let flight = Arc::new(Flight {
            holders: holders.iter().map(|holder| holder.name.clone()).collect(),
            result: OnceLock::new(),
            ended: CancellationToken::new(),
        });
        state.units.insert(unit, flight.clone());
        (flight.clone(), Some(Landing { flights: self.clone(), unit, flight }))
    }

    /// Takes those of `wanted` that nobody fetches; for the others, the ends of their downloads.
    pub(super) fn claim(&self, wanted: &[Digest]) -> (Claim, Vec<CancellationToken>) {
        let (mut digests, mut others) = (Vec::new(), HashMap::new());
        let mut state = self.0.lock();
        state.last_claim += 1;
        let own = Fetching { claim: state.last_claim, ended: CancellationToken::new() };
        for digest in wanted {
            match state.contents.entry(*digest) {
                Entry::Occupied(entry) => {
                    others.entry(entry.get().claim).or_insert_with(|| entry.get().ended.clone());
                }
                Entry::Vacant(entry) => {
                    entry.insert(own.clone());
                    digests.push(*digest);
                }
            }
        }
        drop(state);
        (Claim { flights: self.clone(), digests, ended: own.ended }, others.into_values().collect())
    }
}
