//! The clock of a session: deadlines, late acknowledgements, and the end of a farewell that nobody answers.

use std::{sync::Arc, time::Instant};

use super::{FAREWELL, Session, Status, complete};

/// Runs until the session has ended.
pub(crate) async fn run(session: Arc<Session>) {
    let mut status = session.status.subscribe();
    loop {
        let (finished, next) = session.update(|state| state.expire(Instant::now()));
        complete(finished);
        tokio::select! {
            () = session.timer.notified() => {}
            () = sleep_until(next) => {}
            _ = status.wait_for(|status| matches!(status, Status::Closed | Status::Ended)) => break,
        }
    }
    // Whether the wait or the time ended it makes no difference: the stream must end now.
    let _ = tokio::time::timeout(FAREWELL, status.wait_for(|status| *status == Status::Ended)).await;
    session.expired.notify_one();
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
