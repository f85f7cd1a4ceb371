//! Nodes that serve content from a store of their own, and do so well or badly.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use haulier_catalogue::MemoryCatalogue;
use haulier_model::{Digest, Entry, EntryPath, Error, ErrorKind, Manifest, Root, RootKind};
use haulier_pack::stream::RecordWriter;
use haulier_protocol::{
    status,
    v1::{
        self,
        peer_service_client::PeerServiceClient,
        peer_service_server::{PeerService, PeerServiceServer},
    },
};
use haulier_store::{Durability, PublishRequest, Store};
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{Semaphore, watch},
};
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};

use super::super::{Holder, send};

/// A store in a folder that goes with it.
pub(super) struct Local {
    pub(super) store: Store,
    _folder: tempfile::TempDir,
}

impl Local {
    pub(super) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Arc::new(MemoryCatalogue::default());
        let store = Store::open(folder.path(), catalogue, Durability::Machine).await.unwrap();
        Self { store, _folder: folder }
    }
}

/// Deploys a unit of one root, and returns its digest.
pub(super) async fn deploy(store: &Store, contents: &[Vec<u8>]) -> Digest {
    let entry = |(index, bytes): (usize, &Vec<u8>)| Entry {
        path: EntryPath::new(&format!("entry-{index}")).unwrap(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        executable: false,
    };
    let root = Root { kind: RootKind::Jvm, original: None, entries: contents.iter().enumerate().map(entry).collect() }
        .encode();
    let (mut writer, mut chunks) = (RecordWriter::default(), Vec::new());
    for bytes in contents.iter().chain([&root]) {
        writer.push(Digest::of(bytes), bytes, &mut chunks);
    }
    writer.finish(&mut chunks);
    let mut receiver = store.receive().unwrap();
    chunks.iter().for_each(|chunk| receiver.write(chunk).unwrap());
    receiver.finish(false).unwrap();
    let request = PublishRequest {
        origins: Vec::new(),
        name: "orders".parse().unwrap(),
        version: Some("1.0".parse().unwrap()),
        manifest: Manifest { roots: vec![Digest::of(&root)] },
        sources: vec!["a.jar".to_owned()],
        replace: false,
        replaces_only_its_own: false,
        deployed_by: "unverified:test".to_owned(),
    };
    store.publish(request).await.unwrap().digest
}

/// Manifest, roots and entries.
pub(super) fn digests(store: &Store, unit: Digest) -> Vec<Digest> {
    let manifest = store.manifest(&unit).unwrap();
    let roots = store.roots(&manifest).unwrap();
    let entries = roots.iter().flat_map(|root| &root.entries).map(|entry| entry.digest);
    [unit].into_iter().chain(manifest.roots).chain(entries).collect()
}

pub(super) fn copy(from: &Store, to: &Store, digests: Vec<Digest>) {
    let mut receiver = to.receive().unwrap();
    from.pack(digests).for_each(|chunk| receiver.write(&chunk.unwrap()).unwrap());
    receiver.finish(false).unwrap();
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Behaviour {
    Honest,
    /// Answers a request when it is told to.
    Gated,
    /// The whole process, as far as others can see, after so many chunks over all requests.
    DiesAfter(usize),
    /// The last byte of each chunk is another.
    Lies,
    /// Gives something else.
    Strays,
    /// Takes the request, and that is all.
    Silent,
    Refuses,
    /// Refuses without this authorization.
    Asks(&'static str),
}

/// A node with a runtime of its own, so that it can die as a process does.
pub(super) struct Serving {
    pub(super) name: String,
    pub(super) local: Local,
    runtime: Mutex<Option<Runtime>>,
    address: SocketAddr,
    peer: Peer,
}

#[derive(Clone)]
struct Peer {
    store: Store,
    behaviour: Behaviour,
    asked: watch::Sender<Vec<Vec<Digest>>>,
    gate: Arc<Semaphore>,
    chunks: Arc<AtomicUsize>,
    dying: watch::Sender<bool>,
}

impl Serving {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let local = Local::open().await;
        let peer = Peer {
            store: local.store.clone(),
            behaviour,
            asked: watch::Sender::new(Vec::new()),
            gate: Arc::new(Semaphore::new(0)),
            chunks: Arc::default(),
            dying: watch::Sender::new(false),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let service = PeerServiceServer::new(peer.clone());
        let listener = runtime.spawn(TcpListener::bind("127.0.0.1:0")).await.unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true))),
        );
        let name = format!("node-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { name, local, runtime: Mutex::new(Some(runtime)), address, peer }
    }

    pub(super) async fn deploy(&self, contents: &[Vec<u8>]) -> Digest {
        deploy(&self.local.store, contents).await
    }

    pub(super) fn holder(&self) -> Holder {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        // A small window: when a chunk is sent, all but the last two have arrived.
        let endpoint = endpoint.connect_timeout(Duration::from_secs(5)).initial_stream_window_size(65_535);
        let channel = endpoint.connect_lazy();
        Holder { name: self.name.clone(), client: PeerServiceClient::new(channel), authorization: None }
    }

    /// What was asked for, once there were that many requests.
    pub(super) async fn asked(&self, requests: usize) -> Vec<Vec<Digest>> {
        let mut asked = self.peer.asked.subscribe();
        let limit = Duration::from_secs(30);
        let asked = tokio::time::timeout(limit, asked.wait_for(|asked| asked.len() >= requests)).await;
        asked.expect("it was not asked").unwrap().clone()
    }

    /// Answers all requests.
    pub(super) fn open(&self) {
        self.peer.gate.add_permits(1000);
    }

    /// Answers one request.
    pub(super) fn open_once(&self) {
        self.peer.gate.add_permits(1);
    }

    /// Waits until it has sent its last chunk, and ends it.
    pub(super) async fn dies(&self) {
        let mut dying = self.peer.dying.subscribe();
        tokio::time::timeout(Duration::from_secs(30), dying.wait_for(|dying| *dying)).await.unwrap().unwrap();
        self.kill();
    }

    pub(super) fn kill(&self) {
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl PeerService for Peer {
    type ReportStream = Answers<v1::ReportResponse>;
    type FetchContentStream = Answers<v1::FetchContentResponse>;

    async fn join(&self, _: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        Err(Status::unimplemented("only content is served"))
    }

    async fn report(&self, _: Request<v1::ReportRequest>) -> Result<Response<Self::ReportStream>, Status> {
        Err(Status::unimplemented("only content is served"))
    }

    async fn explain_task(
        &self,
        _: Request<v1::ExplainTaskRequest>,
    ) -> Result<Response<v1::ExplainTaskResponse>, Status> {
        Err(Status::unimplemented("only content is served"))
    }

    async fn fetch_content(
        &self,
        request: Request<v1::FetchContentRequest>,
    ) -> Result<Response<Self::FetchContentStream>, Status> {
        let shown = request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let mut digests = Digest::split(&request.into_inner().digests).unwrap();
        self.asked.send_modify(|asked| asked.push(digests.clone()));
        match self.behaviour {
            Behaviour::Honest | Behaviour::Lies | Behaviour::DiesAfter(_) => {}
            Behaviour::Gated => self.gate.acquire().await.unwrap().forget(),
            Behaviour::Strays => digests = vec![self.store.put(b"something else").unwrap()],
            Behaviour::Silent => return Ok(Response::new(Box::pin(stream::pending()))),
            Behaviour::Asks(expected) if shown.as_deref() == Some(expected) => {}
            Behaviour::Refuses | Behaviour::Asks(_) => {
                let error = Error::new(ErrorKind::PermissionDenied, "fetch content", "permission_denied");
                return Err(status::from_error(&error));
            }
        }
        let peer = self.clone();
        let chunks = send(&self.store, digests).then(move |message| {
            let peer = peer.clone();
            async move { peer.answer(message?).await }
        });
        Ok(Response::new(Box::pin(chunks)))
    }
}

impl Peer {
    async fn answer(&self, mut message: v1::FetchContentResponse) -> Result<v1::FetchContentResponse, Status> {
        match self.behaviour {
            Behaviour::DiesAfter(chunks) if self.chunks.fetch_add(1, Ordering::Relaxed) >= chunks => {
                self.dying.send_replace(true);
                std::future::pending::<()>().await;
            }
            Behaviour::Lies => {
                let mut bytes = message.chunk.take().unwrap().data.to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                message.chunk = Some(v1::PackChunk { data: Bytes::from(bytes) });
            }
            _ => {}
        }
        Ok(message)
    }
}
