//! Work that many want and one does. It goes on when those who wait give up, and a failure is the answer for all who came
//! before its end.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use haulier_model::{Digest, Error, Result};
use parking_lot::Mutex;

/// A failure is forgotten after this: who came before it has been answered.
const REMEMBERED: Duration = Duration::from_secs(60);

type Answer<T> = Shared<BoxFuture<'static, Result<T>>>;

pub(super) struct Flights<T: Clone + Send + Sync + 'static> {
    state: Mutex<HashMap<Digest, Flight<T>>>,
}

enum Flight<T: Clone + Send + Sync + 'static> {
    Flies(Answer<T>),
    Failed(Instant, Error),
}

impl<T: Clone + Send + Sync + 'static> Default for Flights<T> {
    fn default() -> Self {
        Self { state: Mutex::default() }
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// The result of the work that has this key; `work` begins unless it is under way, or has failed after `arrived`.
    pub(super) async fn join(
        self: &Arc<Self>,
        key: Digest,
        arrived: Instant,
        work: impl FnOnce() -> BoxFuture<'static, Result<T>>,
    ) -> Result<T> {
        let answer = {
            let mut state = self.state.lock();
            match state.get(&key) {
                Some(Flight::Flies(answer)) => answer.clone(),
                Some(Flight::Failed(at, error)) if *at > arrived => return Err(error.clone()),
                _ => {
                    let answer = self.begin(key, work());
                    state.insert(key, Flight::Flies(answer.clone()));
                    answer
                }
            }
        };
        answer.await
    }

    /// Whether work is under way whose key is meant.
    pub(super) fn any(&self, is_meant: impl Fn(&Digest) -> bool) -> bool {
        self.state.lock().iter().any(|(key, flight)| matches!(flight, Flight::Flies(_)) && is_meant(key))
    }

    /// How much work is under way.
    pub(super) fn count(&self) -> usize {
        self.state.lock().values().filter(|flight| matches!(flight, Flight::Flies(_))).count()
    }

    fn begin(self: &Arc<Self>, key: Digest, work: BoxFuture<'static, Result<T>>) -> Answer<T> {
        let flights = self.clone();
        let working = tokio::spawn(async move {
            let result = work.await;
            let mut state = flights.state.lock();
            state.retain(|_, flight| !matches!(flight, Flight::Failed(at, _) if at.elapsed() > REMEMBERED));
            match &result {
                Ok(_) => drop(state.remove(&key)),
                Err(error) => drop(state.insert(key, Flight::Failed(Instant::now(), error.clone()))),
            }
            result
        });
        let ended = |error: tokio::task::JoinError| Error::internal("prepare an environment", error.to_string());
        async move { working.await.map_err(ended)? }.boxed().shared()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use haulier_model::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn one_works_for_all_and_a_failure_is_for_those_who_waited() {
        let flights = Arc::new(Flights::<u32>::default());
        let (key, begun) = (Digest::of(b"key"), Arc::new(AtomicU32::new(0)));
        let count = |result: Result<u32>| {
            let begun = begun.clone();
            move || -> BoxFuture<'static, Result<u32>> {
                Box::pin(async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    result
                })
            }
        };
        let failure = || Err(Error::new(ErrorKind::Unavailable, "build", "the index is down"));
        let early = Instant::now();
        let (a, b) =
            tokio::join!(flights.join(key, early, count(failure())), flights.join(key, early, count(failure())));
        assert!(a.is_err() && b.is_err());
        assert!(flights.join(key, early, count(Ok(1))).await.is_err(), "it had arrived before the end");
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        assert_eq!(flights.join(key, Instant::now(), count(Ok(2))).await.unwrap(), 2);
        assert!(!flights.any(|_| true));
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }
}
