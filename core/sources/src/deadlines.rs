//! How long to wait for a server. It knows durations and no protocol.

use std::time::Duration;

use haulier_model::{Error, ErrorKind, Result};

/// How long to wait for a server; every wait of this crate has one of these ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Until a connection stands. Default: 10 s.
    pub connect: Duration,
    /// For an answer, or for the next bytes of one. Default: 30 s.
    pub silence: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), silence: Duration::from_secs(30) }
    }
}

/// Waits for `work`; `Unavailable` if it takes longer than `limit`.
pub(crate) async fn within<T>(limit: Duration, operation: &str, work: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(limit, work).await.map_err(|_| {
        let message = format!("the server was silent for {:.1} s", limit.as_secs_f64());
        Error::new(ErrorKind::Unavailable, operation, message).hint("try again later, or look at the server's log")
    })
}
