//! The bytes of an upload on their way to the parser: counted, timed, and cut when the gateway stops.
//!
//! The parser takes whatever is there before it looks for a part, and a part's head has no limit in it. So bytes are
//! given out one piece at a time, and only so many without a part, or a piece of one, coming out.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::BodyDataStream, http::StatusCode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use haulier_model::{Error, ErrorKind};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    options::{GatewayOptions, READ_SIZE},
    problem::Problem,
};

/// The most bytes that the parser may hold: a piece, and the head of a part.
const HELD: usize = 2 * READ_SIZE;

/// Why an upload ends early.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the upload has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the client sent nothing for {seconds} seconds")]
    Silent { seconds: u64 },
    #[error("the head of a part has more than {READ_SIZE} bytes")]
    LongHead,
    #[error("this node is stopping")]
    Stopping,
    #[error("the upload broke off: {0}")]
    Broken(String),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (status, kind, hint) = match fault {
            Fault::TooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, ErrorKind::ResourceExhausted, "a smaller unit, or a higher limit")
            }
            Fault::Silent { .. } => (StatusCode::REQUEST_TIMEOUT, ErrorKind::DeadlineExceeded, "send it again"),
            Fault::LongHead => (StatusCode::BAD_REQUEST, ErrorKind::InvalidArgument, "shorter file names"),
            Fault::Stopping => (StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unavailable, "send it to another node"),
            Fault::Broken(_) => (StatusCode::BAD_REQUEST, ErrorKind::InvalidArgument, "send it again"),
        };
        Self::new(status, Error::new(kind, "", fault.to_string()).hint(hint))
    }
}

/// How many bytes went into the parser since something came out of it.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicUsize>);

impl Progress {
    /// Something came out.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A body with limits.
pub(super) struct GuardedBody {
    body: BodyDataStream,
    progress: Progress,
    left: u64,
    limit: u64,
    silence: Duration,
    /// Runs while the client has nothing for us; not while our own disk is slow.
    waiting: Option<Pin<Box<Sleep>>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    pause: bool,
}

impl GuardedBody {
    pub(super) fn new(
        body: BodyDataStream,
        options: &GatewayOptions,
        progress: Progress,
        cut: CancellationToken,
    ) -> Self {
        let GatewayOptions { upload_limit: limit, silence, .. } = *options;
        let cut = Box::pin(cut.cancelled_owned());
        Self { body, progress, left: limit, limit, silence, waiting: None, cut, pause: false }
    }

    fn accept(&mut self, piece: Bytes) -> Result<Bytes, Fault> {
        self.left = self.left.checked_sub(piece.len() as u64).ok_or(Fault::TooLarge { limit: self.limit })?;
        let held = self.progress.0.fetch_add(piece.len(), Ordering::Relaxed) + piece.len();
        if held > HELD { Err(Fault::LongHead) } else { Ok(piece) }
    }
}

impl Stream for GuardedBody {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if std::mem::take(&mut this.pause) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Fault::Stopping)));
        }
        if let Poll::Ready(next) = this.body.poll_next_unpin(context) {
            this.waiting = None;
            this.pause = true;
            return Poll::Ready(next.map(|piece| match piece {
                Ok(piece) => this.accept(piece),
                Err(error) => Err(Fault::Broken(error.to_string())),
            }));
        }
        let silence = this.silence;
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(Fault::Silent { seconds: silence.as_secs() })))
    }
}
