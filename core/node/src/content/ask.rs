//! Asks holders, one after the other, for what is still missing. Knows nothing of who else wants it.

use std::time::Duration;

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::{AUTHORIZATION, status, v1};
use haulier_store::{Received, Store};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tonic::{Request, Streaming};

use super::{BUFFERED, DISK, Holder, disk_is_stuck, stopped};

/// Digests of one request: 1.6 MB of the 4 MiB that a message may have.
const BATCH: usize = 50_000;
/// A holder that is slower than this, in bytes a second, is as good as silent.
const SLOWEST: u64 = 16 << 10;

/// The holders of one download: who is left to ask, and what was wrong with the others.
pub(super) struct Holders {
    left: Vec<Holder>,
    reasons: Vec<(String, String)>,
    silence: Duration,
}

/// Why a request gave less than was asked for.
enum Failure {
    /// The connection broke; what came before is here.
    Broken(Error),
    /// It is silent, refuses, or sends what is wrong.
    Unfit(Error),
    /// This node cannot take it from anybody.
    Own(Error),
}

impl Holders {
    pub(super) fn new(holders: Vec<Holder>, silence: Duration) -> Self {
        Self { left: holders, reasons: Vec::new(), silence }
    }

    /// Each holder that was asked with what it did not give, for a message; `None` if there was none to ask.
    pub(super) fn reasons(&self) -> Option<String> {
        let listed: Vec<String> = self.reasons.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        (!listed.is_empty()).then(|| listed.join("; "))
    }

    /// Fetches those of `wanted` that are not here, and returns what no holder gave. Errors: those of this node.
    pub(super) async fn deliver(&mut self, store: &Store, wanted: Vec<Digest>) -> Result<Vec<Digest>> {
        let mut wanted = store.missing(wanted.into_iter());
        let mut index = 0;
        while !wanted.is_empty()
            && let Some(holder) = self.left.get(index).cloned()
        {
            let before = wanted.len();
            let asked = self.ask(store, &holder, &wanted).await;
            wanted = store.missing(wanted.into_iter());
            match asked {
                Ok(()) if wanted.is_empty() => {}
                Ok(()) => {
                    self.note(&holder, format!("it lacks {} of {before}", wanted.len()));
                    index += 1;
                }
                Err(Failure::Own(error)) => return Err(error),
                Err(Failure::Broken(error)) if wanted.len() < before => {
                    tracing::warn!(holder = %holder.name, %error, missing = wanted.len(), "a node stopped giving content; asking for the rest");
                    self.note(&holder, error.message().to_owned());
                    // It gave something, so it may do so again, after the others.
                    let holder = self.left.remove(index);
                    self.left.push(holder);
                }
                Err(Failure::Broken(error) | Failure::Unfit(error)) => {
                    tracing::warn!(holder = %holder.name, %error, missing = wanted.len(), "a node did not give content; it is not asked again");
                    self.note(&holder, error.message().to_owned());
                    self.left.remove(index);
                }
            }
        }
        Ok(wanted)
    }

    fn note(&mut self, holder: &Holder, why: String) {
        self.reasons.retain(|(name, _)| *name != holder.name);
        self.reasons.push((holder.name.clone(), why));
    }

    async fn ask(&self, store: &Store, holder: &Holder, wanted: &[Digest]) -> Result<(), Failure> {
        for batch in wanted.chunks(BATCH) {
            let mut stream = self.request(holder, batch).await?;
            let (sender, chunks) = mpsc::channel(BUFFERED);
            let (store, batch) = (store.clone(), batch.to_vec());
            let receiving = tokio::task::spawn_blocking(move || receive(&store, batch, chunks));
            let passed = self.pass(&mut stream, sender).await;
            let received = match timeout(DISK, receiving).await {
                Ok(Ok(received)) => received,
                Ok(Err(error)) => return Err(Failure::Own(stopped(&error))),
                Err(_) => return Err(Failure::Own(disk_is_stuck())),
            };
            match (passed, received) {
                (Ok(_), Ok(_)) => {}
                // The stream was cut, so the pack is too: the first is the reason.
                (Err(failure), Ok(_)) => return Err(failure),
                (Err(failure), Err(error)) if error.kind() == ErrorKind::InvalidArgument => return Err(failure),
                (Ok(_), Err(error)) if error.kind() == ErrorKind::InvalidArgument => return Err(Failure::Unfit(error)),
                (_, Err(error)) => return Err(Failure::Own(error)),
            }
        }
        Ok(())
    }

    async fn request(
        &self,
        holder: &Holder,
        wanted: &[Digest],
    ) -> Result<Streaming<v1::FetchContentResponse>, Failure> {
        let digests = Digest::concatenate(wanted);
        let mut request = Request::new(v1::FetchContentRequest { digests: digests.into() });
        if let Some(authorization) = &holder.authorization {
            request.metadata_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let mut client = holder.client.clone();
        match timeout(self.silence, client.fetch_content(request)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(refused)) => Err(Failure::Unfit(status::to_error(&refused, "fetch content"))),
            Err(_) => Err(self.silent()),
        }
    }

    /// Passes what comes on to the thread that receives it, until the stream ends or that thread has had enough.
    async fn pass(
        &self,
        stream: &mut Streaming<v1::FetchContentResponse>,
        sender: mpsc::Sender<Bytes>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let mut bytes = 0;
        loop {
            // Drops of a byte now and then do not keep it going either.
            let slowest = began + self.silence + Duration::from_secs(bytes / SLOWEST);
            let message = match timeout_at(slowest.min(Instant::now() + self.silence), stream.message()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(broken)) => return Err(Failure::Broken(status::to_error(&broken, "fetch content"))),
                Err(_) => return Err(self.silent()),
            };
            let Some(chunk) = message.chunk else { continue };
            bytes += chunk.data.len() as u64;
            match timeout(DISK, sender.send(chunk.data)).await {
                Ok(Ok(())) => {}
                // It knows why it stopped.
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(Failure::Own(disk_is_stuck())),
            }
        }
    }

    fn silent(&self) -> Failure {
        let message = format!("nothing came for {:?}, or too little", self.silence);
        Failure::Unfit(Error::new(ErrorKind::Unavailable, "fetch content", message))
    }
}

/// Verifies and writes what arrives, on a thread of its own: the network goes on meanwhile.
fn receive(store: &Store, wanted: Vec<Digest>, mut chunks: mpsc::Receiver<Bytes>) -> Result<Received> {
    let mut receiver = store.receive_wanted(wanted)?;
    while let Some(chunk) = chunks.blocking_recv() {
        receiver.write(&chunk)?;
    }
    receiver.finish(false)
}
