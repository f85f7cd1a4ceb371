//! The simulated machines: one that serves a catalogue, and members that follow it.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::stream;
use haulier_catalogue::{Catalogue, CatalogueOptions, Changes, Clock, Event, MemoryCatalogue, Record, Revision, Watch};
use haulier_catalogue_remote::{CatalogueServer, RemoteCatalogue, RemoteOptions};
use haulier_model::Result;
use haulier_protocol::v1::catalogue_service_server::CatalogueServiceServer;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::{Channel, Endpoint, Server, server::Connected};
use turmoil::{
    Builder, Sim,
    net::{TcpListener, TcpStream},
};

pub(crate) const OWNER: &str = "owner";
const PORT: u16 = 7;

/// What a client of the simulation returns.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

pub(crate) fn simulation<'a>(seed: u64) -> Sim<'a> {
    Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_secs(300))
        .tick_duration(Duration::from_millis(2))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(20))
        .build()
}

pub(crate) fn memory(history: usize) -> Arc<MemoryCatalogue> {
    Arc::new(MemoryCatalogue::new(CatalogueOptions { history, clock: Clock::monotonic() }))
}

/// Adds the machine that serves what `catalogue` gives each time that the machine starts.
pub(crate) fn add_owner<C: Catalogue + 'static>(sim: &mut Sim<'_>, catalogue: impl Fn() -> Arc<C> + 'static) {
    sim.host(OWNER, move || {
        let catalogue = catalogue();
        async move {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
            let service = CatalogueServiceServer::new(CatalogueServer::new(catalogue, |_| Ok(())));
            let incoming = stream::unfold(listener, |listener| async {
                let accepted = listener.accept().await.map(|(stream, _)| Accepted(stream));
                Some((accepted, listener))
            });
            Server::builder().add_service(service).serve_with_incoming(incoming).await?;
            Ok(())
        }
    });
}

fn dial() -> Channel {
    Endpoint::from_static("http://owner:7").connect_with_connector_lazy(tower::service_fn(|_| async {
        TcpStream::connect((OWNER, PORT)).await.map(TokioIo::new)
    }))
}

/// A member, to be started on a machine of its own.
pub(crate) async fn join(copy: &Path, history: usize) -> Result<RemoteCatalogue> {
    RemoteCatalogue::start_with(dial, OWNER.to_owned(), None, copy, RemoteOptions { history }).await
}

/// What somebody knows who listed once and watches from there on; it lists again only when it is told to.
pub(crate) struct Follower {
    watch: Watch,
    pub(crate) known: BTreeMap<String, Record>,
    /// For each key the revision of its last change.
    seen: BTreeMap<String, Revision>,
    pub(crate) compacted: usize,
}

impl Follower {
    pub(crate) async fn new(catalogue: &dyn Catalogue) -> Result<Self> {
        let listing = catalogue.list("").await?;
        let watch = catalogue.watch("", listing.revision).await?;
        let known: BTreeMap<_, _> = listing.records.into_iter().map(|record| (record.key.clone(), record)).collect();
        let seen = known.values().map(|record| (record.key.clone(), record.revision)).collect();
        Ok(Self { watch, known, seen, compacted: 0 })
    }

    /// Waits for the next changes.
    pub(crate) async fn read(&mut self, catalogue: &dyn Catalogue) -> Result<Vec<Event>> {
        match self.watch.next().await? {
            Changes::Events(events) => {
                events.iter().for_each(|event| self.learn(event));
                Ok(events)
            }
            Changes::Compacted => {
                let compacted = self.compacted + 1;
                *self = Self { compacted, ..Self::new(catalogue).await? };
                Ok(Vec::new())
            }
        }
    }

    /// Reads until nothing has come for some time.
    pub(crate) async fn settle(&mut self, catalogue: &dyn Catalogue, quiet: Duration) -> Result<()> {
        while let Ok(read) = tokio::time::timeout(quiet, self.read(catalogue)).await {
            read?;
        }
        Ok(())
    }

    fn learn(&mut self, event: &Event) {
        let before = self.seen.insert(event.key().to_owned(), event.revision());
        assert!(before < Some(event.revision()), "{event:?} after {before:?}");
        match event {
            Event::Put(record) => drop(self.known.insert(record.key.clone(), record.clone())),
            Event::Deleted { key, .. } => assert!(self.known.remove(key).is_some(), "'{key}' was never there"),
        }
    }

    /// Revisions begin anew, as with another catalogue.
    pub(crate) fn forget_revisions(&mut self) {
        self.seen.clear();
    }
}

/// A connection as the server wants it.
struct Accepted(TcpStream);

impl Connected for Accepted {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Accepted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
