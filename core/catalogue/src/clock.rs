//! The time by which registrations end: the monotonic clock, or one that a test moves.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Tells how much time has passed since it was made. Copies of it tell the same time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Monotonic(Instant),
    /// In microseconds.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the system; that of tokio where a test has paused it.
    pub fn monotonic() -> Self {
        Self(Source::Monotonic(Instant::now()))
    }

    /// A clock that stands still until [`Self::advance`], for tests.
    pub fn manual() -> Self {
        Self(Source::Manual(Arc::default()))
    }

    /// Moves a manual clock. What ends by it ends with the next request to the catalogue.
    ///
    /// # Panics
    /// If the clock is not a manual one.
    pub fn advance(&self, duration: Duration) {
        let Source::Manual(now) = &self.0 else { panic!("only a manual clock can be moved") };
        now.fetch_add(u64::try_from(duration.as_micros()).expect("a test takes less than a century"), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Duration {
        match &self.0 {
            Source::Monotonic(origin) => origin.elapsed(),
            Source::Manual(now) => Duration::from_micros(now.load(Ordering::SeqCst)),
        }
    }

    /// How long to wait until `deadline`; `None` if waiting does not bring it nearer.
    pub(crate) fn until(&self, deadline: Duration) -> Option<Duration> {
        match &self.0 {
            Source::Monotonic(origin) => Some(deadline.saturating_sub(origin.elapsed())),
            Source::Manual(_) => None,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::monotonic()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
