//! Sends what the cluster lacks of a deployment, and sends the rest again when a connection breaks.
//!
//! Where the node has chunks of large entries, they go in chunks: it is told how each is made of them, and asks for those
//! that it lacks. Else they go as a whole: chunks cost a second pass on both sides.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Result, Retry};
use haulier_pack::{chunks::ChunkedEntry, size_of_chunks};
use haulier_protocol::v1;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use v1::{deploy_request::Message, deploy_response};

use super::{Callback, Content, DeployProgress};
use crate::{
    DeployedUnit, runtime,
    session::{Line, Session},
    units,
};

/// The node must take or say something within this time; it syncs its disk before the last answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Chunks that wait for the connection.
const CHUNKS_AHEAD: usize = 8;
/// How often a broken connection is made again.
const ATTEMPTS: u32 = 6;
/// The first pause before that; it doubles.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Transfer {
    session: Arc<Session>,
    operation: String,
    content: Arc<Content>,
    progress: Callback,
    /// Large entries that were cut into chunks, for the next attempt.
    cut: Arc<Mutex<HashMap<Digest, ChunkedEntry>>>,
    /// Whether the node itself has refused: then another connection changes nothing.
    refused: AtomicBool,
}

/// What is sent as one pack.
struct Parcel {
    /// Roots or entries that go as a whole.
    whole: Vec<Digest>,
    /// Entries of which the chunks that are wanted go.
    chunked: Vec<ChunkedEntry>,
    wanted: HashSet<Digest>,
}

impl Transfer {
    pub(super) fn new(session: Arc<Session>, operation: String, content: Content, progress: Callback) -> Self {
        Self {
            session,
            operation,
            content: Arc::new(content),
            progress,
            cut: Arc::default(),
            refused: AtomicBool::default(),
        }
    }

    pub(super) async fn run(self, start: v1::DeployStart) -> Result<DeployedUnit> {
        let mut attempt = 0;
        loop {
            // After a break: wherever the session has gone meanwhile.
            self.session.settled().await;
            match self.attempt(&self.session.line(), start.clone()).await {
                Err(error) if self.is_broken(&error) && attempt < ATTEMPTS => {
                    tracing::info!(operation = self.operation, %error, "the transfer broke; what has arrived is not sent again");
                    tokio::time::sleep(PAUSE * (1 << attempt)).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn attempt(&self, line: &Line, start: v1::DeployStart) -> Result<DeployedUnit> {
        let refused = |status: tonic::Status| {
            let error = line.route.refused(&status, &self.operation);
            let is_answer = haulier_protocol::status::is_answer(&status) && error.retry() != Retry::Now;
            self.refused.store(is_answer, Ordering::Relaxed);
            error
        };
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let started = sender.send(v1::DeployRequest { message: Some(Message::Start(start)) }).await;
        started.map_err(|_| self.ended())?;
        let request = line.route.request(ReceiverStream::new(receiver));
        let mut client = units::client(line);
        let mut answers = self.within(client.deploy(request)).await?.map_err(refused)?.into_inner();
        let sent = Arc::new(AtomicU64::new(0));
        let mut chunked = None;
        loop {
            let answer = self.within(answers.message()).await?.map_err(refused)?;
            let need = match answer.and_then(|answer| answer.message).ok_or_else(|| self.ended())? {
                deploy_response::Message::Unit(unit) => return unit.try_into(),
                deploy_response::Message::Need(need) => need,
            };
            let (in_chunks, need) = (need.in_chunks, Digest::split(&need.digests)?);
            let parcel = match chunked.take() {
                Some((whole, chunked)) => Parcel { whole, chunked, wanted: need.into_iter().collect() },
                None if !in_chunks => Parcel { whole: need, chunked: Vec::new(), wanted: HashSet::new() },
                None => {
                    let (whole, large) = self.cut(need).await?;
                    if !large.is_empty() {
                        // If that fails, the answer says why.
                        let _ = sender.send(v1::DeployRequest { message: Some(chunks(&large)) }).await;
                        chunked = Some((whole, large));
                        continue;
                    }
                    Parcel { whole, chunked: large, wanted: HashSet::new() }
                }
            };
            if let Err(error) = self.send(parcel, &sender, &sent).await {
                // If the node refused the pack, its reason says more than the broken stream.
                let reason = self.within(answers.message()).await?;
                return Err(reason.err().map_or(error, refused));
            }
        }
    }

    /// What goes as a whole of `digests`, and what goes in chunks. Reads large entries once per deployment.
    async fn cut(&self, digests: Vec<Digest>) -> Result<(Vec<Digest>, Vec<ChunkedEntry>)> {
        let (content, known) = (self.content.clone(), self.cut.clone());
        runtime::run_blocking(move || {
            let (mut whole, mut large) = (Vec::new(), Vec::new());
            for digest in digests {
                let seen = known.lock().get(&digest).cloned();
                match seen.map_or_else(|| content.roots.chunks_of(&digest), |entry| Ok(Some(entry)))? {
                    Some(entry) => {
                        known.lock().insert(digest, entry.clone());
                        large.push(entry);
                    }
                    None => whole.push(digest),
                }
            }
            Ok((whole, large))
        })
        .await
    }

    /// Sends a pack from a thread that may block.
    async fn send(
        &self,
        parcel: Parcel,
        sender: &mpsc::Sender<v1::DeployRequest>,
        sent: &Arc<AtomicU64>,
    ) -> Result<()> {
        let (content, sender, sent) = (self.content.clone(), sender.clone(), sent.clone());
        let (progress, ended) = (self.progress.clone(), self.ended());
        let Parcel { whole, chunked, wanted } = parcel;
        let size = content.roots.size_of(&whole)? + size_of_chunks(&chunked, &wanted);
        let total = size + sent.load(Ordering::Relaxed);
        let handle = Handle::current();
        runtime::run_blocking(move || {
            let send = |message: Message| {
                let sending = sender.send(v1::DeployRequest { message: Some(message) });
                match handle.block_on(async { tokio::time::timeout(PATIENCE, sending).await }) {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) | Err(_) => Err(ended.clone()),
                }
            };
            let mut sink = |bytes: Bytes| {
                let done = sent.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
                send(Message::Chunk(v1::PackChunk { data: bytes }))?;
                progress(DeployProgress::Sending { sent: done, total });
                Ok(())
            };
            content.roots.pack(&whole, &mut sink)?;
            content.roots.pack_chunks(&chunked, &wanted, &mut sink)?;
            send(Message::PackEnd(v1::DeployPackEnd {}))?;
            progress(DeployProgress::Publishing);
            Ok(())
        })
        .await
    }

    async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(PATIENCE, future).await.map_err(|_| {
            Error::new(ErrorKind::Unavailable, &self.operation, format!("the node said nothing for {PATIENCE:?}"))
                .hint("look at the node's log, then deploy again: what has arrived is not sent twice")
        })
    }

    /// Whether the same may go well over another connection.
    fn is_broken(&self, error: &Error) -> bool {
        let refused = self.refused.load(Ordering::Relaxed);
        error.kind() == ErrorKind::Unavailable && error.retry() != Retry::Never && !refused
    }

    fn ended(&self) -> Error {
        Error::new(ErrorKind::Unavailable, &self.operation, "the node ended the transfer")
            .hint("look at the node's log, then deploy again: what has arrived is not sent twice")
    }
}

/// How entries are made of their chunks.
fn chunks(entries: &[ChunkedEntry]) -> Message {
    let entries = entries.iter().map(|entry| {
        let chunks = entry.chunks();
        v1::ChunkedEntry {
            digest: Bytes::copy_from_slice(entry.digest().as_bytes()),
            size: entry.size(),
            chunks: Digest::concatenate(chunks.iter().map(|chunk| &chunk.digest)).into(),
            sizes: chunks.iter().map(|chunk| chunk.size).collect(),
        }
    });
    Message::Chunks(v1::DeployChunks { entries: entries.collect() })
}
