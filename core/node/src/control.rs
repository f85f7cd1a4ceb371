//! The control stream: reads what a client asks, writes what it is to be told.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{
    PROTOCOL_VERSION, build_id, status,
    v1::{self, task_service_server::TaskService},
};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    admission, code, core::NodeCore, identity::Identity, modules, run::StopReason, server::INLINE_LIMIT,
    session::Session,
};

const HELLO_LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Tasks(pub(crate) Arc<NodeCore>);

/// What the client is told; polled by the connection itself, so that a result costs one wake-up.
pub(crate) struct Outgoing {
    node: Arc<NodeCore>,
    session: Arc<Session>,
    stream: u64,
}

impl Stream for Outgoing {
    type Item = Result<v1::ConnectResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.session.poll_message(self.stream, context).map(|message| message.map(Ok))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.node.stream_lost(&self.session, self.stream);
    }
}

#[tonic::async_trait]
impl TaskService for Tasks {
    type ConnectStream = Outgoing;

    async fn connect(&self, request: Request<Streaming<v1::ConnectRequest>>) -> Result<Response<Outgoing>, Status> {
        let node = &self.0;
        let identity = node.identify(request.metadata())?;
        let metadata = request.metadata().clone();
        let mut incoming = request.into_inner();
        let first = tokio::time::timeout(HELLO_LIMIT, incoming.message())
            .await
            .map_err(|_| refuse(ErrorKind::DeadlineExceeded, "no hello within 10 s"))??;
        let hello = first.and_then(|message| message.hello);
        let hello = hello.ok_or_else(|| refuse(ErrorKind::InvalidArgument, "the first message must be a hello"))?;
        if hello.relay.is_some() {
            node.identify_peer(&metadata)?;
        }
        let (session, resumed) = open(node, identity, &hello).map_err(|error| status::from_error(&error))?;
        let stream = session.attach(welcome(node, &session, resumed), hello.last_result);
        tokio::spawn(read(node.clone(), session.clone(), stream, incoming));
        Ok(Response::new(Outgoing { node: node.clone(), session, stream }))
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Result<Response<v1::GetTaskResponse>, Status> {
        self.0.identify(request.metadata())?;
        let request = request.into_inner();
        let session = self.0.session(&request.session_token).map_err(|error| status::from_error(&error))?;
        let running = session.run_of(request.task_id).map(|run| match self.0.scheduler.is_executing(run) {
            Some(true) => v1::TaskState::Executing,
            None if self.0.relays.has(run) => v1::TaskState::Executing,
            _ => v1::TaskState::Queued,
        });
        match running.or_else(|| session.task_state(request.task_id)) {
            Some(state) => Ok(Response::new(v1::GetTaskResponse { state: state.into() })),
            None => Err(refuse(
                ErrorKind::NotFound,
                "the session has no task of this number; states are kept for 10 minutes",
            )),
        }
    }
}

fn refuse(kind: ErrorKind, message: &str) -> Status {
    status::from_error(&Error::new(kind, "connect", message))
}

fn open(node: &Arc<NodeCore>, identity: Identity, hello: &v1::ClientHello) -> Result<(Arc<Session>, bool)> {
    if hello.protocol_version != PROTOCOL_VERSION {
        let message = format!(
            "the client ({}) speaks protocol {}, this node ({}) speaks {PROTOCOL_VERSION}",
            hello.build_id,
            hello.protocol_version,
            build_id()
        );
        return Err(
            Error::new(ErrorKind::Incompatible, "connect", message).hint("install the same version on both sides")
        );
    }
    let identity = match &hello.relay {
        Some(relay) => Identity::relayed(&relay.identity),
        None => identity,
    };
    if !hello.session_token.is_empty() {
        let session = node.session(&hello.session_token)?;
        if session.identity != identity {
            return Err(Error::new(ErrorKind::PermissionDenied, "connect", "the session belongs to somebody else"));
        }
        return Ok((session, true));
    }
    let session = node.new_session(identity, hello)?;
    crate::core::prepare_worker(node, &session);
    Ok((session, false))
}

fn welcome(node: &NodeCore, session: &Session, resumed: bool) -> v1::Welcome {
    v1::Welcome {
        session_id: session.id.clone(),
        session_token: session.token.clone(),
        resumed,
        node: node.name.clone(),
        build_id: build_id().to_owned(),
        submit_credit: node.limits.session_queue,
        inline_limit: INLINE_LIMIT as u32,
        payload_limit: node.limits.payload,
        peer_loading: node.peer_loading,
    }
}

/// Reads until the stream ends. Nothing here waits for anything but the next message: a cancel never stands behind work.
async fn read(node: Arc<NodeCore>, session: Arc<Session>, stream: u64, mut incoming: Streaming<v1::ConnectRequest>) {
    loop {
        match incoming.message().await {
            Ok(Some(message)) if message.goodbye => return node.end_session(&session, None),
            Ok(Some(message)) => take(&node, &session, message),
            Ok(None) => break,
            Err(error) => {
                tracing::debug!(session = session.id, %error, "a control stream broke");
                break;
            }
        }
    }
    node.stream_lost(&session, stream);
}

fn take(node: &Arc<NodeCore>, session: &Arc<Session>, message: v1::ConnectRequest) {
    if let Some(ack) = message.result_ack {
        session.acknowledge(ack.sequence);
    }
    for end in &message.code_ends {
        if let Err(error) = code::end(node, session, end) {
            tracing::debug!(session = session.id, %error, "the end of code was not understood");
        }
    }
    for cancel in message.cancels {
        if let Some(run) = session.run_of(cancel.task_id) {
            if node.relays.cancel(node, run, cancel.force) && !node.scheduler.has(run) {
                continue;
            }
            if node.scheduler.stop_early(run) {
                let error = Error::new(ErrorKind::Canceled, "run a task", "canceled before it began");
                let outcome = v1::Outcome { node: node.name.clone(), error: Some(error.into()), ..Default::default() };
                session.answer(cancel.task_id, v1::TaskState::Canceled, outcome, None);
            } else {
                node.scheduler.stop(run, StopReason::Canceled, cancel.force);
            }
        }
    }
    for answer in message.code_answers {
        let (node, session) = (node.clone(), session.clone());
        tokio::task::spawn_blocking(move || modules::take_answer(&node, &session, answer));
    }
    for submit in message.submits {
        admission::admit(node, session, submit);
    }
}
