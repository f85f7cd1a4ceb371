//! The control stream: opened, read until it breaks, opened again.
//!
//! Results are handed to their completions directly from the task that reads the stream.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, Stream};
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{MESSAGE_LIMIT, PROTOCOL_VERSION, build_id, v1};
use tonic::Streaming;
use v1::task_service_client::TaskServiceClient;

use super::{Session, Status, complete, lanes::Next, payload, state::Phase};
use crate::ConnectOptions;

type Inbound = Streaming<v1::ConnectResponse>;

/// One attempt to resume may take so long.
const ATTEMPT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Opens the stream: connects, says hello, and waits for the welcome.
pub(crate) async fn open(session: &Arc<Session>, timeout: Duration) -> Result<Inbound> {
    let operation = format!("connect to {}", session.route.address());
    let began = Instant::now();
    let channel = session.route.connect(timeout).await?;
    let left = timeout.saturating_sub(began.elapsed());
    let greeting = async {
        let stream = session.state.lock().begin_stream(hello(&session.options));
        let outbound = Outbound { session: Arc::downgrade(session), stream };
        let mut client = TaskServiceClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
        let refused = |status: tonic::Status| session.route.refused(&status, &operation);
        let mut inbound = client.connect(session.route.request(outbound)).await.map_err(refused)?.into_inner();
        let mut first = inbound.message().await.map_err(refused)?.unwrap_or_default();
        let welcome = welcome(&mut first, &operation)?;
        if welcome.build_id != build_id() {
            tracing::warn!(node = welcome.build_id, client = build_id(), "node and client are of different builds");
        }
        Ok((welcome, first, inbound))
    };
    let answered = tokio::time::timeout(left, greeting).await;
    let (welcome, first, inbound) = answered.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, &operation, format!("the node did not answer within {timeout:?}"))
            .hint("look at the node's log; is it a Haulier node?"))
    })?;
    let (finished, epoch) = session.update(|state| (state.welcomed(welcome), state.epoch()));
    session.publish(Status::Connected(epoch));
    complete(finished);
    // What a node says along with its welcome counts as well.
    match take(session, first) {
        None => Ok(inbound),
        Some(goodbye) => Err(goodbye),
    }
}

fn hello(options: &ConnectOptions) -> v1::ClientHello {
    v1::ClientHello {
        protocol_version: PROTOCOL_VERSION,
        build_id: build_id().to_owned(),
        language: v1::Language::from(options.language).into(),
        language_version: options.language_version.clone(),
        capabilities: options.capabilities.clone(),
        mode: v1::DeploymentMode::from(options.mode).into(),
        session_token: Default::default(),
        last_result: 0,
        relay: options.relay.clone(),
    }
}

fn welcome(first: &mut v1::ConnectResponse, operation: &str) -> Result<v1::Welcome> {
    match (first.welcome.take(), first.goodbye.take()) {
        (Some(welcome), None) => Ok(welcome),
        (_, Some(goodbye)) => Err(goodbye.into()),
        (None, None) => Err(Error::new(ErrorKind::Unavailable, operation, "the node ended the connection at once")
            .hint("look at the node's log; is it a Haulier node?")),
    }
}

/// Reads the stream, and opens it again when it breaks, until the session is closed.
pub(crate) async fn drive(session: Arc<Session>, inbound: Inbound) {
    if AssertUnwindSafe(run(&session, inbound)).catch_unwind().await.is_err() {
        let defect = Error::internal("", "the connection failed by a panic");
        let finished = session.update(|state| state.close(defect.clone(), &defect));
        complete(finished);
    }
    session.publish(Status::Closed);
    session.publish(Status::Ended);
}

async fn run(session: &Arc<Session>, mut inbound: Inbound) {
    loop {
        let reason = tokio::select! {
            reason = read(session, &mut inbound) => reason,
            () = session.expired.notified() => return,
        };
        session.update(|state| state.disconnected());
        if is_closed(session) {
            return;
        }
        session.publish(Status::Resuming);
        tracing::info!(%reason, "the connection broke; trying to resume it");
        let mut status = session.status.subscribe();
        inbound = tokio::select! {
            inbound = reopen(session, reason) => inbound,
            _ = status.wait_for(|status| *status == Status::Closed) => return,
        };
    }
}

fn is_closed(session: &Session) -> bool {
    matches!(session.state.lock().phase(), Phase::Closed(_))
}

/// Reads until the stream ends: why it did.
async fn read(session: &Arc<Session>, inbound: &mut Inbound) -> Error {
    loop {
        let response = match inbound.message().await {
            Ok(Some(response)) => response,
            Ok(None) => return Error::new(ErrorKind::Unavailable, "read results", "the node ended the stream"),
            Err(status) => return session.route.refused(&status, "read results"),
        };
        if let Some(goodbye) = take(session, response) {
            return goodbye;
        }
    }
}

/// Does what a message asks for: why the session is over, if it says so.
fn take(session: &Arc<Session>, response: v1::ConnectResponse) -> Option<Error> {
    let received = session.update(|state| state.receive(response, Instant::now()));
    complete(received.finished);
    for download in received.downloads {
        session.runtime.spawn(payload::download(session.clone(), download));
    }
    for request in received.requests {
        session.answer_for(request);
    }
    let goodbye = received.goodbye?;
    let finished = session.update(|state| state.lost(&goodbye, &goodbye));
    complete(finished);
    Some(goodbye)
}

/// Tries again until the stream stands. After the window everything unanswered fails, but the attempts go on, so that
/// a later submit finds a new session.
async fn reopen(session: &Arc<Session>, reason: Error) -> Inbound {
    let window_end = Instant::now() + session.options.resume_window;
    let mut pause = FIRST_PAUSE;
    let mut given_up = matches!(session.state.lock().phase(), Phase::Lost(_));
    if given_up {
        session.publish(Status::Lost);
    }
    loop {
        let left = window_end.saturating_duration_since(Instant::now());
        let timeout = if given_up { ATTEMPT } else { ATTEMPT.min(left.max(FIRST_PAUSE)) };
        let error = match open(session, timeout).await {
            Ok(inbound) => return inbound,
            Err(error) => error,
        };
        if error.kind() == ErrorKind::SessionLost {
            // The node is back, but not the session: the next attempt begins a new one.
            session.update(|state| state.forget_session());
            continue;
        }
        let refused = !matches!(error.kind(), ErrorKind::Unavailable);
        if !given_up && (refused || Instant::now() + pause >= window_end) {
            given_up = true;
            give_up(session, &reason, error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn give_up(session: &Session, reason: &Error, error: Error) {
    let message = format!(
        "the connection to {} broke ({}) and did not come back within {:?}: {}",
        session.route.address(),
        reason.message(),
        session.options.resume_window,
        error.message()
    );
    let lost = Error::new(ErrorKind::SessionLost, "", message)
        .hint("the task may or may not have run; submit again when the node is back: haulier nodes");
    let finished = session.update(|state| state.lost(&error, &lost));
    session.publish(Status::Lost);
    complete(finished);
}

/// The messages to the node, made when the connection can take one: what is ready by then travels together.
struct Outbound {
    session: Weak<Session>,
    stream: u64,
}

impl Stream for Outbound {
    type Item = v1::ConnectRequest;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(session) = self.session.upgrade() else { return Poll::Ready(None) };
        let mut state = session.state.lock();
        match state.next_message(self.stream, Instant::now()) {
            Next::Message(message) => Poll::Ready(Some(*message)),
            Next::End => Poll::Ready(None),
            Next::Idle => {
                state.set_waker(context.waker());
                Poll::Pending
            }
        }
    }
}
