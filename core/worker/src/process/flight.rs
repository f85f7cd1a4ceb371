//! One fetch for all that ask for the same thing at the same time.

use std::{collections::HashMap, hash::Hash, sync::Arc, time::Instant};

use haulier_model::{Error, ErrorKind, Result};
use parking_lot::{Condvar, Mutex};

use super::control::ANSWER_DEADLINE;

/// Fetches under way. A failure goes to all that wait for it, and is then forgotten: the next one tries again.
pub(super) struct Flights<K, V> {
    under_way: Mutex<HashMap<K, Arc<Flight<V>>>>,
}

struct Flight<V> {
    landed: Mutex<Option<Result<V>>>,
    landing: Condvar,
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Flights<K, V> {
    /// Calls `fetch`, unless another thread does so for this key: then waits for what that one gets.
    pub(super) fn join(&self, key: &K, fetch: impl FnOnce() -> Result<V>) -> Result<V> {
        let (flight, leads) = {
            let mut under_way = self.under_way.lock();
            match under_way.get(key) {
                Some(flight) => (flight.clone(), false),
                None => {
                    let flight = Arc::new(Flight { landed: Mutex::new(None), landing: Condvar::new() });
                    under_way.insert(key.clone(), flight.clone());
                    (flight, true)
                }
            }
        };
        if !leads {
            return flight.wait();
        }
        let mut landing = Landing { flights: self, key, flight: &flight, result: None };
        let result = fetch();
        landing.result = Some(result.clone());
        result
    }
}

/// Ends a flight, also when its leader panics.
struct Landing<'a, K: Eq + Hash, V> {
    flights: &'a Flights<K, V>,
    key: &'a K,
    flight: &'a Flight<V>,
    result: Option<Result<V>>,
}

impl<K: Eq + Hash, V> Drop for Landing<'_, K, V> {
    fn drop(&mut self) {
        self.flights.under_way.lock().remove(self.key);
        let result = self.result.take().unwrap_or_else(|| Err(Error::internal("fetch code", "the fetch panicked")));
        *self.flight.landed.lock() = Some(result);
        self.flight.landing.notify_all();
    }
}

impl<V: Clone> Flight<V> {
    fn wait(&self) -> Result<V> {
        // The leader gives up by itself; twice its time means that it was stopped.
        let deadline = Instant::now() + 2 * ANSWER_DEADLINE;
        let mut landed = self.landed.lock();
        while landed.is_none() {
            if self.landing.wait_until(&mut landed, deadline).timed_out() {
                break;
            }
        }
        landed.clone().unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Unavailable, "fetch code", "another thread has not fetched it in time"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::*;

    #[test]
    fn one_fetch_for_all_that_ask_at_once() {
        let flights = Flights::<u8, usize>::default();
        let (fetches, ready) = (AtomicUsize::new(0), Barrier::new(64));
        let ask = || {
            flights.join(&1, || {
                // Lands only when all others have joined.
                while flights.under_way.lock().get(&1).is_none_or(|flight| Arc::strong_count(flight) < 65) {
                    thread::yield_now();
                }
                Ok(fetches.fetch_add(1, Ordering::SeqCst))
            })
        };
        let results: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..64)
                .map(|_| {
                    scope.spawn(|| {
                        ready.wait();
                        ask().unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((results, fetches.into_inner()), (vec![0; 64], 1));
    }

    #[test]
    fn a_failure_or_a_panic_is_not_remembered() {
        let flights = Flights::<u8, u8>::default();
        let failed = flights.join(&1, || Err(Error::new(ErrorKind::Unavailable, "fetch", "not now")));
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Unavailable);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| flights.join(&1, || panic!("boom"))));
        assert!(panicked.is_err());
        assert_eq!(flights.join(&1, || Ok(5)).unwrap(), 5);
    }
}
