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

use super::{Line, Session, Status, complete, lanes::Next, payload, state::Phase};
use crate::{ConnectOptions, route::Unreachable, waiting};

type Inbound = Streaming<v1::ConnectResponse>;

/// One attempt to resume may take so long.
const ATTEMPT: Duration = Duration::from_secs(2);
/// All attempts to reach another node may take so long before the tasks are told.
const ELSEWHERE: Duration = Duration::from_secs(5);
/// So many refusals in a row mean that the node is gone.
const CERTAIN: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Opens the first stream, to the first of these nodes that answers; all of them together have the time of the options.
pub(crate) async fn open_first(session: &Arc<Session>, lines: &[Arc<Line>]) -> Result<Inbound> {
    let end = Instant::now() + session.options.connect_timeout;
    let mut errors = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let others = (lines.len() - index) as u32;
        let timeout = end.saturating_duration_since(Instant::now()) / others;
        match open(session, line, timeout, None).await {
            Ok(inbound) => return Ok(inbound),
            Err(unreachable) => errors.push(unreachable.error),
        }
    }
    Err(none_answers(session, errors))
}

/// The error of one address as it is; of several, one that says it all.
fn none_answers(session: &Session, mut errors: Vec<Error>) -> Error {
    // Who answers and refuses says more than who does not answer.
    let telling = errors.iter().position(|error| error.kind() != ErrorKind::Unavailable);
    if errors.len() == 1 || telling.is_some() {
        return errors.swap_remove(telling.unwrap_or_default());
    }
    let messages: Vec<_> = errors.iter().map(Error::message).collect();
    let operation = format!("connect to {}", session.places.given().join(","));
    Error::new(ErrorKind::Unavailable, operation, messages.join("; ")).hint("start a node: haulier node")
}

/// Opens the stream to a node: connects, says hello, and waits for the welcome. `broke` says why the last stream ended.
async fn open(
    session: &Arc<Session>,
    line: &Arc<Line>,
    timeout: Duration,
    broke: Option<&Error>,
) -> Result<Inbound, Unreachable> {
    let operation = format!("connect to {}", line.route.address());
    let began = Instant::now();
    let channel = line.route.connect(timeout).await?;
    let left = timeout.saturating_sub(began.elapsed());
    let greeting = async {
        let stream = session.state.lock().begin_stream(hello(&session.options));
        let outbound = Outbound { session: Arc::downgrade(session), stream };
        let mut client = TaskServiceClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
        let refused = |status: tonic::Status| line.route.refused(&status, &operation);
        let mut inbound = client.connect(line.route.request(outbound)).await.map_err(refused)?.into_inner();
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
    stand(session, line, welcome, broke);
    // What a node says along with its welcome counts as well.
    match take(session, first) {
        None => Ok(inbound),
        Some(goodbye) => Err(goodbye.into()),
    }
}

/// The stream stands: what waited for it goes on.
fn stand(session: &Arc<Session>, line: &Arc<Line>, welcome: v1::Welcome, broke: Option<&Error>) {
    let old = std::mem::replace(&mut *session.line.write(), line.clone());
    let (from, to) = (old.route.address(), line.route.address());
    let moved = (from != to).then(|| {
        tracing::warn!(from, to, resumed = welcome.resumed, "the client goes on with another node");
        let reason = broke.map(|error| format!(" ({})", error.message())).unwrap_or_default();
        let message = format!("the connection to {from} was lost{reason}; the client goes on with {to}");
        Error::new(ErrorKind::SessionLost, "", message)
            .hint("the task may or may not have run; submit again, with failover if it may run twice")
    });
    let last_offer = session.code.last_offer();
    let (welcomed, epoch) = session.update(|state| (state.welcomed(welcome, last_offer, moved), state.epoch()));
    session.publish(Status::Connected(epoch));
    complete(welcomed.finished);
    for again in welcomed.again {
        session.runtime.spawn(payload::prepare(session.clone(), again));
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
        inside_worker: options.inside_worker.unwrap_or_else(waiting::is_inside),
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
        let broken = tokio::select! {
            broken = read(session, &mut inbound) => broken,
            () = session.expired.notified() => return,
        };
        session.update(|state| state.disconnected());
        if is_closed(session) {
            return;
        }
        session.publish(Status::Resuming);
        tracing::info!(reason = %broken.reason, "the connection broke; trying to resume it");
        let mut status = session.status.subscribe();
        inbound = tokio::select! {
            inbound = reopen(session, broken) => inbound,
            _ = status.wait_for(|status| *status == Status::Closed) => return,
        };
    }
}

fn is_closed(session: &Session) -> bool {
    matches!(session.state.lock().phase(), Phase::Closed(_))
}

/// The end of a stream.
struct Broken {
    reason: Error,
    /// The node has said goodbye: the session is over, and the node should be left.
    goodbye: bool,
}

/// Reads until the stream ends: why it did.
async fn read(session: &Arc<Session>, inbound: &mut Inbound) -> Broken {
    let reason = loop {
        let response = match inbound.message().await {
            Ok(Some(response)) => response,
            Ok(None) => break Error::new(ErrorKind::Unavailable, "read results", "the node ended the stream"),
            Err(status) => break session.line().route.refused(&status, "read results"),
        };
        if let Some(reason) = take(session, response) {
            return Broken { reason, goodbye: true };
        }
    };
    Broken { reason, goodbye: false }
}

/// Does what a message asks for: why the session is over, if it says so.
fn take(session: &Arc<Session>, response: v1::ConnectResponse) -> Option<Error> {
    let (received, epoch) = session.update(|state| (state.receive(response, Instant::now()), state.epoch()));
    complete(received.finished);
    for download in received.downloads {
        session.runtime.spawn(payload::download(session.clone(), download));
    }
    for request in received.requests {
        session.answer_for(epoch, request);
    }
    let goodbye = received.goodbye?;
    if session.places.has_others(session.line().route.address()) {
        // What becomes of the tasks is known when another node answers, or none does.
        session.update(|state| state.forget_session());
    } else {
        let finished = session.update(|state| state.lost(&goodbye, &goodbye));
        complete(finished);
    }
    Some(goodbye)
}

/// Tries again until a stream stands: first to the node that has the session. If that node is gone, says goodbye, or
/// does not come back within the window, then to the other nodes. When no node answers by then, everything unanswered
/// fails, but the attempts go on, so that a later submit finds a new session.
async fn reopen(session: &Arc<Session>, broken: Broken) -> Inbound {
    let Broken { reason, goodbye } = broken;
    let window_end = Instant::now() + session.options.resume_window;
    let mut pause = FIRST_PAUSE;
    let mut given_up = matches!(session.state.lock().phase(), Phase::Lost(_));
    if given_up {
        session.publish(Status::Lost);
    }
    if goodbye && let Some(inbound) = open_elsewhere(session, &reason).await {
        return inbound;
    }
    let mut refusals = 0;
    loop {
        let left = window_end.saturating_duration_since(Instant::now());
        let timeout = if given_up { ATTEMPT } else { ATTEMPT.min(left.max(FIRST_PAUSE)) };
        let Unreachable { error, gone } = match open_anew(session, &session.line(), timeout, &reason).await {
            Ok(inbound) => return inbound,
            Err(unreachable) => unreachable,
        };
        refusals = if gone { refusals + 1 } else { 0 };
        let over = given_up || error.kind() != ErrorKind::Unavailable || Instant::now() + pause >= window_end;
        if (over || refusals >= CERTAIN)
            && let Some(inbound) = open_elsewhere(session, &reason).await
        {
            return inbound;
        }
        if over && !given_up {
            given_up = true;
            give_up(session, &reason, error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Opens a stream to any node but the one that the session was with.
async fn open_elsewhere(session: &Arc<Session>, reason: &Error) -> Option<Inbound> {
    let end = Instant::now() + ELSEWHERE;
    for address in session.places.others(session.line().route.address()) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let opened = match Line::new(&session.options, &address) {
            Ok(line) => open_anew(session, &Arc::new(line), ATTEMPT.min(left), reason).await,
            Err(error) => Err(error.into()),
        };
        match opened {
            Ok(inbound) => return Some(inbound),
            Err(Unreachable { error, .. }) => tracing::debug!(%address, %error, "this node does not answer either"),
        }
    }
    None
}

/// Opens a stream to a node, with a new session if the node does not know the old one.
async fn open_anew(
    session: &Arc<Session>,
    line: &Arc<Line>,
    timeout: Duration,
    reason: &Error,
) -> Result<Inbound, Unreachable> {
    match open(session, line, timeout, Some(reason)).await {
        Err(unreachable) if unreachable.error.kind() == ErrorKind::SessionLost => {
            session.update(|state| state.forget_session());
            open(session, line, timeout, Some(reason)).await
        }
        opened => opened,
    }
}

fn give_up(session: &Session, reason: &Error, error: Error) {
    let message = format!(
        "the connection to {} broke ({}) and did not come back within {:?}: {}",
        session.line().route.address(),
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
