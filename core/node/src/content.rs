//! Content between nodes: given to those who ask, and fetched once, however many tasks want it, from whoever has it.
//!
//! What has arrived whole stays when a holder dies, and the next one is asked for the rest only. Must never know what
//! content is for, nor who the holders are.

mod ask;
mod flights;

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use haulier_model::{Digest, Error, ErrorKind, Result, Retry};
use haulier_protocol::{
    status,
    v1::{self, peer_service_client::PeerServiceClient},
};
use haulier_store::Store;
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use self::{ask::Holders, flights::Flights};

/// Chunks that wait between the disk and the network, on either side.
const BUFFERED: usize = 4;
/// A holder from which nothing has come for this time is given up.
const SILENCE: Duration = Duration::from_secs(10);
/// A node that takes nothing for this time is given up.
const DEAF: Duration = Duration::from_secs(30);
/// A disk that does not take four chunks, or does not sync, within this time is broken.
const DISK: Duration = Duration::from_secs(120);

/// A node that may have what is wanted, and how to ask it.
#[derive(Clone)]
pub(crate) struct Holder {
    /// For messages, and to tell one from another.
    pub(crate) name: String,
    pub(crate) client: PeerServiceClient<Channel>,
    /// Sent with each request.
    pub(crate) authorization: Option<MetadataValue<Ascii>>,
}

/// Gives those of `digests` that are here to another node, in their order.
pub(crate) fn send(
    store: &Store,
    digests: Vec<Digest>,
) -> impl Stream<Item = Result<v1::FetchContentResponse, Status>> + Send + use<> {
    let response = |data| v1::FetchContentResponse { chunk: Some(v1::PackChunk { data }) };
    packed(store, digests, DEAF).map(move |chunk| chunk.map(response))
}

/// A pack of those of `digests` that are here, in their order. What is sent is read by a thread of its own and kept from
/// being collected until the stream ends or is dropped, or until nobody has taken anything for as long as `deaf`.
pub(crate) fn packed(
    store: &Store,
    digests: Vec<Digest>,
    deaf: Duration,
) -> impl Stream<Item = Result<Bytes, Status>> + Send + use<> {
    let (sender, receiver) = mpsc::channel(BUFFERED);
    let store = store.clone();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        for chunk in store.pack(digests) {
            let sent = runtime.block_on(timeout(deaf, sender.send(chunk.map_err(|error| status::from_error(&error)))));
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Fetches content from other nodes: one download for each content, however many want it. Clones share it.
///
/// Who stops waiting stops nobody else: a download that has begun goes on until it has all or no holder is left.
#[derive(Clone)]
pub(crate) struct Fetches {
    flights: Flights,
    silence: Duration,
}

impl Default for Fetches {
    fn default() -> Self {
        Self::new(SILENCE)
    }
}

impl Fetches {
    fn new(silence: Duration) -> Self {
        Self { flights: Flights::default(), silence }
    }

    /// Makes the unit with this digest whole on this node. Holders are asked in their order. It can be used at once, and
    /// is synced behind: who published it has synced it, and what a crash takes from here is fetched again.
    ///
    /// Errors: `Unavailable` lists each holder with what was wrong with it; those of the disk.
    pub(crate) async fn unit(&self, store: &Store, unit: Digest, holders: Vec<Holder>) -> Result<()> {
        loop {
            let (flight, own) = self.flights.of_unit(unit, &holders);
            if let Some(landing) = own {
                let (fetches, store, holders) = (self.clone(), store.clone(), holders.clone());
                tokio::spawn(async move {
                    let fetched = fetches.fetch_unit(&store, unit, holders).await;
                    landing.end(fetched);
                });
            }
            match flight.ended().await {
                // Another task's download did not know all of these holders.
                Err(_) if !flight.knows(&holders) => {}
                ended => return ended,
            }
        }
    }

    /// Fetches contents, whatever they are, and returns those that no holder has given; the log says why. They can be
    /// read at once, and are not synced. Errors: those of the disk.
    pub(crate) async fn entries(
        &self,
        store: &Store,
        digests: Vec<Digest>,
        holders: Vec<Holder>,
    ) -> Result<Vec<Digest>> {
        let (fetches, store) = (self.clone(), store.clone());
        let fetching = tokio::spawn(async move {
            let _lease = store.lease(digests.iter().copied());
            fetches.fetch(&store, digests, &mut Holders::new(holders, fetches.silence)).await
        });
        fetching.await.map_err(|error| stopped(&error))?
    }

    async fn fetch_unit(&self, store: &Store, unit: Digest, holders: Vec<Holder>) -> Result<()> {
        let mut holders = Holders::new(holders, self.silence);
        let mut lease = store.lease([unit]);
        loop {
            let looking = store.clone();
            let missing = on_disk(move || looking.missing_of_unit(&unit)).await?;
            if missing.is_empty() {
                tokio::spawn(settle(store.clone(), unit));
                return Ok(());
            }
            // Leased before it comes, so that a collection does not take it before the unit is whole.
            lease.extend(missing.iter().copied());
            let left = self.fetch(store, missing, &mut holders).await?;
            if !left.is_empty() {
                return Err(nobody_has(&unit, &left, &holders));
            }
        }
    }

    /// Fetches what is missing of `wanted`, and returns what no holder has given.
    async fn fetch(&self, store: &Store, wanted: Vec<Digest>, holders: &mut Holders) -> Result<Vec<Digest>> {
        let mut wanted = store.missing(wanted.into_iter());
        let mut left = Vec::new();
        while !wanted.is_empty() {
            let (claim, others) = self.flights.claim(&wanted);
            // Only then for the others, who wait for nobody before they have given up their own claims.
            left.extend(holders.deliver(store, claim.digests()).await?);
            drop(claim);
            for other in &others {
                other.cancelled().await;
            }
            // What another download wanted and did not get is asked of the holders known here.
            let tried: HashSet<&Digest> = left.iter().collect();
            wanted = store.missing(wanted.into_iter().filter(|digest| !tried.contains(digest)));
        }
        Ok(store.missing(left.into_iter()))
    }
}

/// Gets a unit that is whole onto the disk.
async fn settle(store: Store, unit: Digest) {
    if let Err(error) = on_disk(move || store.settle(&unit)).await {
        tracing::warn!(unit = unit.short(), %error, "a unit is not on the disk; after a crash it is fetched again");
    }
}

/// Runs what blocks for the disk.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match timeout(DISK, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(stopped(&error)),
        Err(_) => Err(disk_is_stuck()),
    }
}

fn disk_is_stuck() -> Error {
    Error::new(ErrorKind::Unavailable, "fetch content", format!("the disk did not take it within {DISK:?}"))
        .with_retry(Retry::Never)
        .hint("check the node's disk and its kernel log")
}

fn stopped(error: &tokio::task::JoinError) -> Error {
    if error.is_panic() {
        return Error::internal("fetch content", error.to_string());
    }
    Error::new(ErrorKind::Closed, "fetch content", "the node is stopping")
}

fn nobody_has(unit: &Digest, left: &[Digest], holders: &Holders) -> Error {
    let operation = "fetch a unit";
    let Some(reasons) = holders.reasons() else {
        return Error::new(ErrorKind::Unavailable, operation, format!("no other node is there to ask for {unit}"))
            .with_retry(Retry::Never)
            .hint("haulier nodes shows who is there; deploy the unit again if nobody has it");
    };
    let message = format!("{unit} lacks {} contents that no holder gave: {reasons}", left.len());
    Error::new(ErrorKind::Unavailable, operation, message)
        .with_retry(Retry::Later)
        .hint("haulier nodes shows who is there; deploy the unit again if nobody has it")
}

#[cfg(test)]
mod tests;
