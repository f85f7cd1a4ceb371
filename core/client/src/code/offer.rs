//! Sends code: offers before a submit, and answers to what the node asks for later.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Result, RootKind};
use haulier_pack::PackedRoots;
use haulier_protocol::{CHUNK_SIZE, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use v1::{send_code_request, send_code_response};

use super::OPERATION;
use crate::{
    CodeReference,
    session::{Line, Session, Standing},
};

/// The node must take or say something within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Chunks that wait for the connection.
const CHUNKS_AHEAD: usize = 8;

type Sender = mpsc::Sender<v1::SendCodeRequest>;
type Answers = Streaming<v1::SendCodeResponse>;

/// Offers a snapshot with the beginning of its closure, and sends what the node lacks. Blocks the calling thread.
pub(super) fn offer(
    session: &Session,
    standing: &Standing,
    snapshot: &PackedRoots,
    entries: &[Digest],
) -> Result<CodeReference> {
    let line = &standing.line;
    let wait = Waiting(session);
    let offer_id = session.code.next_offer();
    let message = v1::CodeOffer {
        session_token: standing.welcome.session_token.clone(),
        offer_id,
        snapshot: Bytes::copy_from_slice(snapshot.digest.as_bytes()),
        roots: Digest::concatenate(&snapshot.manifest.roots).into(),
        entries: Digest::concatenate(entries).into(),
        names: snapshot.names(),
        request_id: 0,
    };
    let (sender, mut answers) = wait.on(open(line, message))?;
    let needed = match wait.on(next(line, &mut answers))? {
        Some(send_code_response::Message::Need(need)) => Digest::split(&need.digests)?,
        Some(send_code_response::Message::Done(_)) => return Ok(CodeReference { snapshot: snapshot.digest, offer_id }),
        None => return Err(ended()),
    };
    tracing::debug!(offer_id, offered = entries.len(), needed = needed.len(), "sending code");
    let sent = snapshot.pack(&needed, &mut |chunk| wait.on(send(&sender, chunk)));
    drop(sender);
    // If the node refused the pack, its reason says more than the broken stream.
    let done = wait.on(next(line, &mut answers));
    match (sent, done) {
        (_, Ok(Some(send_code_response::Message::Done(_)))) => {
            Ok(CodeReference { snapshot: snapshot.digest, offer_id })
        }
        (Err(error), _) if error.kind() != ErrorKind::Unavailable => Err(error),
        (_, Err(error)) | (Err(error), _) => Err(error),
        (Ok(()), Ok(_)) => Err(ended()),
    }
}

/// Answers a request of the node in the session `epoch`. Runs on a thread that may block.
pub(super) fn answer(session: &Session, epoch: u64, request: v1::CodeRequest) {
    let request_id = request.request_id;
    let answered = find(session, epoch, &request).and_then(|(snapshot, digests)| {
        let inline = u64::from(session.welcome().inline_limit);
        if snapshot.size_of(&digests)? > inline {
            return stream_answer(session, epoch, request_id, |send| snapshot.pack(&digests, send));
        }
        let mut pack = Vec::new();
        snapshot.pack(&digests, &mut |chunk| {
            pack.extend_from_slice(&chunk);
            Ok(())
        })?;
        session.answer(epoch, v1::CodeAnswer { request_id, pack: pack.into(), error: None });
        Ok(())
    });
    if let Err(error) = answered {
        session.answer(epoch, v1::CodeAnswer { request_id, pack: Bytes::new(), error: Some(error.into()) });
    }
}

/// The snapshot that is asked for, and what to send: the digests, and of the closure of classes among them what the node
/// was never offered.
fn find(session: &Session, epoch: u64, request: &v1::CodeRequest) -> Result<(Arc<PackedRoots>, Vec<Digest>)> {
    let (kind, snapshot) = session.code.find(&Digest::from_slice(&request.snapshot)?)?;
    let mut digests = Digest::split(&request.digests)?;
    snapshot.size_of(&digests)?;
    if kind == RootKind::Jvm {
        let names = snapshot.class_names(&digests);
        let mut closure = if names.is_empty() { Vec::new() } else { snapshot.closure(kind, &names) };
        let mut offered = session.code.offered.lock();
        offered.extend(epoch, digests.iter().copied());
        offered.retain_new(epoch, &mut closure);
        offered.extend(epoch, closure.iter().copied());
        digests.extend(closure);
    }
    Ok((snapshot, digests))
}

fn stream_answer(
    session: &Session,
    epoch: u64,
    request_id: u64,
    pack: impl FnOnce(&mut dyn FnMut(Bytes) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let Some(Standing { line, welcome, .. }) = session.standing(epoch) else {
        // Nobody waits for it any more.
        return Ok(());
    };
    let message = v1::CodeOffer { session_token: welcome.session_token, request_id, ..v1::CodeOffer::default() };
    let wait = Waiting(session);
    let (sender, mut answers) = wait.on(open(&line, message))?;
    let sent = pack(&mut |chunk| wait.on(send(&sender, chunk)));
    drop(sender);
    let done = wait.on(async {
        while let Some(message) = next(&line, &mut answers).await? {
            if matches!(message, send_code_response::Message::Done(_)) {
                return Ok(());
            }
        }
        Err(ended())
    });
    sent.and(done)
}

/// Sends an answer that somebody else has packed. Blocks if it is large.
pub(super) fn send_packed(session: &Session, epoch: u64, request_id: u64, pack: Vec<u8>) {
    if pack.len() <= session.welcome().inline_limit as usize {
        return session.answer(epoch, v1::CodeAnswer { request_id, pack: pack.into(), error: None });
    }
    let sent = stream_answer(session, epoch, request_id, |send| {
        let pack = Bytes::from(pack);
        (0..pack.len()).step_by(CHUNK_SIZE).try_for_each(|at| send(pack.slice(at..pack.len().min(at + CHUNK_SIZE))))
    });
    if let Err(error) = sent {
        session.answer(epoch, v1::CodeAnswer { request_id, pack: Bytes::new(), error: Some(error.into()) });
    }
}

async fn open(line: &Line, offer: v1::CodeOffer) -> Result<(Sender, Answers)> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let first = v1::SendCodeRequest { message: Some(send_code_request::Message::Offer(offer)) };
    sender.send(first).await.map_err(|_| ended())?;
    let mut client = crate::session::data_client(line);
    let answers = client.send_code(line.route.request(ReceiverStream::new(receiver))).await;
    Ok((sender, answers.map_err(|status| line.route.refused(&status, OPERATION))?.into_inner()))
}

async fn next(line: &Line, answers: &mut Answers) -> Result<Option<send_code_response::Message>> {
    let message = answers.message().await.map_err(|status| line.route.refused(&status, OPERATION))?;
    Ok(message.and_then(|message| message.message))
}

async fn send(sender: &Sender, chunk: Bytes) -> Result<()> {
    let chunk = v1::PackChunk { data: chunk };
    let message = v1::SendCodeRequest { message: Some(send_code_request::Message::Chunk(chunk)) };
    sender.send(message).await.map_err(|_| ended())
}

/// Waits on a thread that may block, which also a thread of the runtime for such work is.
struct Waiting<'a>(&'a Session);

impl Waiting<'_> {
    fn on<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.0.runtime().block_on(limited(future))
    }
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
