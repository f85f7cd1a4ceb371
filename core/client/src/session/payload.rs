//! Payloads that are too large for the control stream: each has a data stream of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{CHUNK_SIZE, MESSAGE_LIMIT, v1};
use tonic::transport::Channel;
use v1::module_service_client::ModuleServiceClient;

use super::{Line, Session, Standing, complete, renewal::Again, state::Download};
use crate::code;

/// A transfer that a broken connection ended is made again after this pause.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a transfer is tried again.
#[derive(Default)]
pub(crate) struct Persistence {
    failing_since: Option<Instant>,
}

impl Persistence {
    /// Waits before the next attempt if `error` says that a connection broke; gives it back if it is to be believed.
    pub(crate) async fn after(&mut self, session: &Session, error: Error) -> Result<()> {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if error.kind() != ErrorKind::Unavailable || since.elapsed() >= session.options.resume_window {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

pub(crate) fn client(line: &Line) -> ModuleServiceClient<Channel> {
    ModuleServiceClient::new(line.data.clone()).max_decoding_message_size(MESSAGE_LIMIT)
}

/// Sends what tasks need, which may then be submitted: code of theirs that an older session had, and their arguments.
pub(crate) async fn prepare(session: Arc<Session>, again: Again) {
    let Again { epoch, snapshot, tasks } = again;
    let announced = if snapshot.is_empty() { Ok(None) } else { code::announce(&session, &snapshot).await.map(Some) };
    for (task, upload) in tasks {
        let (session, announced) = (session.clone(), announced.clone());
        let preparing = async move {
            let sent = match upload {
                Some((payload_id, payload)) if announced.is_ok() => {
                    upload_to(&session, task, payload_id, &payload).await
                }
                _ => Ok(()),
            };
            let finished = session.update(|state| state.prepared(task, epoch, sent.and(announced)));
            complete(finished);
        };
        tokio::spawn(preparing);
    }
}

async fn upload_to(session: &Session, task: u64, payload_id: u64, payload: &Bytes) -> Result<()> {
    let operation = "send the arguments of a task";
    // The semaphore is never closed, so an error cannot come.
    let _permit = session.payloads.acquire().await;
    let mut persistence = Persistence::default();
    let mut first_epoch = None;
    loop {
        let Standing { welcome, epoch, line } = session.connected(operation).await?;
        if !session.state.lock().has(task) {
            return Ok(());
        }
        if *first_epoch.get_or_insert(epoch) != epoch {
            return Err(gone(operation));
        }
        let size = payload.len() as u64;
        let header = v1::UploadPayloadHeader { session_token: welcome.session_token, payload_id, size };
        let messages = line.route.request(stream::iter(upload_messages(header, payload.clone())));
        match client(&line).upload_payload(messages).await {
            Ok(_) => return Ok(()),
            Err(status) => persistence.after(session, line.route.refused(&status, operation)).await?,
        }
    }
}

fn upload_messages(
    header: v1::UploadPayloadHeader,
    mut payload: Bytes,
) -> impl Iterator<Item = v1::UploadPayloadRequest> + Send {
    use v1::upload_payload_request::Message;
    let message = |message| v1::UploadPayloadRequest { message: Some(message) };
    let chunks =
        std::iter::from_fn(move || (!payload.is_empty()).then(|| payload.split_to(payload.len().min(CHUNK_SIZE))));
    std::iter::once(message(Message::Header(header))).chain(chunks.map(move |chunk| message(Message::Chunk(chunk))))
}

/// Fetches the payloads of a result, which then completes its task.
pub(crate) async fn download(session: Arc<Session>, mut download: Download) {
    let outcomes = std::mem::take(&mut download.outcomes);
    let result = try_download(&session, &download, outcomes).await;
    let finished = session.update(|state| state.downloaded(&download, result, std::time::Instant::now()));
    complete(finished);
}

async fn try_download(
    session: &Session,
    download: &Download,
    mut outcomes: Vec<v1::Outcome>,
) -> Result<Vec<v1::Outcome>> {
    // The semaphore is never closed, so an error cannot come.
    let _permit = session.payloads.acquire().await;
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.payload_id != 0) {
        if !session.state.lock().has(download.task) {
            return Ok(Vec::new());
        }
        outcome.payload = fetch_again(session, download.epoch, outcome.payload_id, outcome.payload_size).await?;
    }
    Ok(outcomes)
}

async fn fetch_again(session: &Session, epoch: u64, payload_id: u64, size: u64) -> Result<Bytes> {
    let operation = "fetch a result";
    let mut persistence = Persistence::default();
    loop {
        let Standing { welcome, epoch: current, line } = session.connected(operation).await?;
        if current != epoch {
            return Err(gone(operation));
        }
        match fetch(&line, welcome.session_token, payload_id, size).await {
            Ok(payload) => return Ok(payload),
            Err(error) => persistence.after(session, error).await?,
        }
    }
}

async fn fetch(line: &Line, session_token: Bytes, payload_id: u64, size: u64) -> Result<Bytes> {
    let operation = "fetch a result";
    let refused = |status: tonic::Status| line.route.refused(&status, operation);
    let request = line.route.request(v1::DownloadPayloadRequest { session_token, payload_id });
    let mut stream = client(line).download_payload(request).await.map_err(refused)?.into_inner();
    let expected = usize::try_from(size).map_err(|_| {
        Error::new(ErrorKind::ResultUnreadable, operation, format!("{size} bytes do not fit into memory"))
            .hint("let the task return a reference to the data instead")
    })?;
    let mut payload = BytesMut::with_capacity(expected.min(MOST_RESERVED));
    while let Some(message) = stream.message().await.map_err(refused)? {
        payload.extend_from_slice(&message.chunk);
        if payload.len() > expected {
            break;
        }
    }
    if payload.len() != expected {
        let message = format!("{} bytes came instead of {expected}", payload.len());
        return Err(Error::new(ErrorKind::Unavailable, operation, message));
    }
    Ok(payload.freeze())
}

/// What a node announces is believed up to here; more memory is taken only as bytes arrive.
const MOST_RESERVED: usize = 64 * 1024 * 1024;

fn gone(operation: &str) -> Error {
    Error::new(ErrorKind::SessionLost, operation, "the session ended during the transfer").hint("submit again")
}
