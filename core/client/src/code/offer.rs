//! Sends code: offers before a submit, and answers to what the node asks for later.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Result, RootKind};
use haulier_protocol::{CHUNK_SIZE, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use v1::{send_code_request, send_code_response};

use super::{Scope, Snapshot};
use crate::{CodeReference, runtime, session::Session};

const OPERATION: &str = "send code";
/// The node must take or say something within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Chunks that wait for the connection.
const CHUNKS_AHEAD: usize = 8;

type Sender = mpsc::Sender<v1::SendCodeRequest>;
type Answers = Streaming<v1::SendCodeResponse>;

/// Offers a snapshot with the beginning of its closure, and sends what the node lacks. Blocks the calling thread.
pub(super) fn offer(
    session: &Arc<Session>,
    welcome: &v1::Welcome,
    snapshot: &Snapshot,
    entries: &[Digest],
) -> Result<CodeReference> {
    let offer_id = session.code.next_offer();
    let message = v1::CodeOffer {
        session_token: welcome.session_token.clone(),
        offer_id,
        snapshot: Bytes::copy_from_slice(snapshot.digest.as_bytes()),
        roots: concatenate(&snapshot.manifest.roots),
        entries: concatenate(entries),
        names: snapshot.names(),
        request_id: 0,
    };
    let (sender, mut answers) = wait(open(session, message))?;
    let needed = match wait(next(session, &mut answers))? {
        Some(send_code_response::Message::Need(need)) => Digest::split(&need.digests)?,
        Some(send_code_response::Message::Done(_)) => return Ok(CodeReference { snapshot: snapshot.digest, offer_id }),
        None => return Err(ended()),
    };
    tracing::debug!(offer_id, offered = entries.len(), needed = needed.len(), "sending code");
    let sent = snapshot.pack(&needed, &mut |chunk| wait(send(&sender, chunk)));
    drop(sender);
    // If the node refused the pack, its reason says more than the broken stream.
    let done = wait(next(session, &mut answers));
    match (sent, done) {
        (_, Ok(Some(send_code_response::Message::Done(_)))) => {
            Ok(CodeReference { snapshot: snapshot.digest, offer_id })
        }
        (Err(error), _) if error.kind() != ErrorKind::Unavailable => Err(error),
        (_, Err(error)) | (Err(error), _) => Err(error),
        (Ok(()), Ok(_)) => Err(ended()),
    }
}

/// Answers a request of the node. Runs on a thread that may block.
pub(super) fn answer(session: &Arc<Session>, request: v1::CodeRequest) {
    let request_id = request.request_id;
    let answered = find(session, &request).and_then(|(snapshot, digests)| {
        let inline = u64::from(session.welcome().inline_limit);
        if snapshot.size_of(&digests)? > inline {
            return stream_answer(session, request_id, |send| snapshot.pack(&digests, send));
        }
        let mut pack = Vec::new();
        snapshot.pack(&digests, &mut |chunk| {
            pack.extend_from_slice(&chunk);
            Ok(())
        })?;
        session.answer(v1::CodeAnswer { request_id, pack: pack.into(), error: None });
        Ok(())
    });
    if let Err(error) = answered {
        session.answer(v1::CodeAnswer { request_id, pack: Bytes::new(), error: Some(error.into()) });
    }
}

/// The snapshot that is asked for, and what to send: the digests, and the rest of the closure of classes among them.
fn find(session: &Session, request: &v1::CodeRequest) -> Result<(Arc<Snapshot>, Vec<Digest>)> {
    let wanted = Digest::from_slice(&request.snapshot)?;
    let mut digests = Digest::split(&request.digests)?;
    let scopes = session.code.scopes.lock().clone();
    for scope in scopes {
        let found = scope.kept.lock().iter().find(|snapshot| snapshot.digest == wanted).cloned();
        let Some(snapshot) = found else { continue };
        snapshot.size_of(&digests)?;
        if scope.kind == RootKind::Jvm {
            let names = snapshot.class_names(&digests);
            let closure = if names.is_empty() { Vec::new() } else { snapshot.closure(scope.kind, &names) };
            scope.note_offered(&mut digests, closure);
        }
        return Ok((snapshot, digests));
    }
    Err(Error::new(ErrorKind::SessionLost, OPERATION, "SnapshotGone: this client no longer has the snapshot")
        .context("snapshot", wanted.to_string())
        .hint("submit the task again"))
}

impl Scope {
    /// Adds what of `closure` the node was never offered.
    fn note_offered(&self, digests: &mut Vec<Digest>, closure: Vec<Digest>) {
        let mut offered = self.offered.lock();
        offered.extend(digests.iter().copied());
        digests.extend(closure.into_iter().filter(|digest| offered.insert(*digest)));
    }
}

fn stream_answer(
    session: &Arc<Session>,
    request_id: u64,
    pack: impl FnOnce(&mut dyn FnMut(Bytes) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let message =
        v1::CodeOffer { session_token: session.welcome().session_token, request_id, ..v1::CodeOffer::default() };
    let handle = session.runtime();
    let (sender, mut answers) = handle.block_on(limited(open(session, message)))?;
    let sent = pack(&mut |chunk| handle.block_on(limited(send(&sender, chunk))));
    drop(sender);
    let done = handle.block_on(limited(async {
        while let Some(message) = next(session, &mut answers).await? {
            if matches!(message, send_code_response::Message::Done(_)) {
                return Ok(());
            }
        }
        Err(ended())
    }));
    sent.and(done)
}

/// Sends an answer that somebody else has packed. Blocks if it is large.
pub(super) fn send_packed(session: &Arc<Session>, request_id: u64, pack: Vec<u8>) {
    if pack.len() <= session.welcome().inline_limit as usize {
        return session.answer(v1::CodeAnswer { request_id, pack: pack.into(), error: None });
    }
    let sent = stream_answer(session, request_id, |send| {
        let pack = Bytes::from(pack);
        (0..pack.len()).step_by(CHUNK_SIZE).try_for_each(|at| send(pack.slice(at..pack.len().min(at + CHUNK_SIZE))))
    });
    if let Err(error) = sent {
        session.answer(v1::CodeAnswer { request_id, pack: Bytes::new(), error: Some(error.into()) });
    }
}

async fn open(session: &Session, offer: v1::CodeOffer) -> Result<(Sender, Answers)> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let first = v1::SendCodeRequest { message: Some(send_code_request::Message::Offer(offer)) };
    sender.send(first).await.map_err(|_| ended())?;
    let mut client = crate::session::data_client(session);
    let answers = client.send_code(session.route.request(ReceiverStream::new(receiver))).await;
    Ok((sender, answers.map_err(|status| session.route.refused(&status, OPERATION))?.into_inner()))
}

async fn next(session: &Session, answers: &mut Answers) -> Result<Option<send_code_response::Message>> {
    let message = answers.message().await.map_err(|status| session.route.refused(&status, OPERATION))?;
    Ok(message.and_then(|message| message.message))
}

async fn send(sender: &Sender, chunk: Bytes) -> Result<()> {
    let chunk = v1::PackChunk { data: chunk };
    let message = v1::SendCodeRequest { message: Some(send_code_request::Message::Chunk(chunk)) };
    sender.send(message).await.map_err(|_| ended())
}

fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    runtime::block_on(limited(future))?
}

async fn limited<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, OPERATION, format!("the node took nothing for {PATIENCE:?}"))
            .hint("look at the node's log, then try again"))
    })
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, OPERATION, "the node ended the transfer").hint("look at the node's log")
}

fn concatenate(digests: &[Digest]) -> Bytes {
    digests.iter().flat_map(Digest::as_bytes).copied().collect::<Vec<u8>>().into()
}
