//! Sends what the cluster lacks of a deployment, and sends the rest again when a connection breaks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Result, Retry};
use haulier_protocol::v1;
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
    pub(super) session: Arc<Session>,
    pub(super) operation: String,
    pub(super) content: Arc<Content>,
    pub(super) progress: Callback,
}

impl Transfer {
    pub(super) async fn run(self, start: v1::DeployStart) -> Result<DeployedUnit> {
        let mut attempt = 0;
        loop {
            // After a break: wherever the session has gone meanwhile.
            self.session.settled().await;
            match self.attempt(&self.session.line(), start.clone()).await {
                Err(error) if is_broken(&error) && attempt < ATTEMPTS => {
                    tracing::info!(operation = self.operation, %error, "the transfer broke; what has arrived is not sent again");
                    tokio::time::sleep(PAUSE * (1 << attempt)).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn attempt(&self, line: &Line, start: v1::DeployStart) -> Result<DeployedUnit> {
        let refused = |status: tonic::Status| line.route.refused(&status, &self.operation);
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let started = sender.send(v1::DeployRequest { message: Some(Message::Start(start)) }).await;
        started.map_err(|_| self.ended())?;
        let request = line.route.request(ReceiverStream::new(receiver));
        let mut client = units::client(line);
        let mut answers = self.within(client.deploy(request)).await?.map_err(refused)?.into_inner();
        let sent = Arc::new(AtomicU64::new(0));
        loop {
            let answer = self.within(answers.message()).await?.map_err(refused)?;
            match answer.and_then(|answer| answer.message).ok_or_else(|| self.ended())? {
                deploy_response::Message::Unit(unit) => return unit.try_into(),
                deploy_response::Message::Need(need) => {
                    let digests = Digest::split(&need.digests)?;
                    if let Err(error) = self.send(digests, &sender, &sent).await {
                        // If the node refused the pack, its reason says more than the broken stream.
                        let reason = self.within(answers.message()).await?;
                        return Err(reason.err().map_or(error, refused));
                    }
                }
            }
        }
    }

    /// Sends a pack from a thread that may block.
    async fn send(
        &self,
        digests: Vec<Digest>,
        sender: &mpsc::Sender<v1::DeployRequest>,
        sent: &Arc<AtomicU64>,
    ) -> Result<()> {
        let (content, sender, sent) = (self.content.clone(), sender.clone(), sent.clone());
        let (progress, ended) = (self.progress.clone(), self.ended());
        let total = content.roots.size_of(&digests)? + sent.load(Ordering::Relaxed);
        let handle = Handle::current();
        runtime::run_blocking(move || {
            let send = |message: Message| {
                let sending = sender.send(v1::DeployRequest { message: Some(message) });
                match handle.block_on(async { tokio::time::timeout(PATIENCE, sending).await }) {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) | Err(_) => Err(ended.clone()),
                }
            };
            content.roots.pack(&digests, &mut |chunk: Bytes| {
                let done = sent.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
                send(Message::Chunk(v1::PackChunk { data: chunk }))?;
                progress(DeployProgress::Sending { sent: done, total });
                Ok(())
            })?;
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

    fn ended(&self) -> Error {
        Error::new(ErrorKind::Unavailable, &self.operation, "the node ended the transfer")
            .hint("look at the node's log, then deploy again: what has arrived is not sent twice")
    }
}

/// Whether the same may go well over another connection.
fn is_broken(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.retry() != Retry::Never
}
