//! A member passes every check that its owner passes; what only members and owners promise is checked here too, over
//! real connections.

use std::{sync::Arc, time::Duration};

use haulier_catalogue::{
    Catalogue, CatalogueOptions, Clock, MAX_VALUE_SIZE, MemoryCatalogue, OperationId, RedbCatalogue,
    conformance::{self, Subject},
};
use haulier_catalogue_remote::{CatalogueServer, RemoteCatalogue, RemoteOptions};
use haulier_model::{Error, ErrorKind, Retry};
use haulier_protocol::v1::{
    CatalogueRecord, ReadPositionRequest, RenewRecordRequest, catalogue_service_client::CatalogueServiceClient,
    catalogue_service_server::CatalogueServiceServer,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{
    Code, Status,
    metadata::MetadataMap,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};

const HISTORY: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_memory_catalogue() {
    let clock = Clock::manual();
    let owner = MemoryCatalogue::new(CatalogueOptions { history: HISTORY, clock: clock.clone() });
    check(Arc::new(owner), clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_redb_catalogue() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    let options = CatalogueOptions { history: HISTORY, clock: clock.clone() };
    let owner = RedbCatalogue::open_with(&folder.path().join("catalogue.redb"), options).unwrap();
    check(Arc::new(owner), clock).await;
}

async fn check(owner: Arc<dyn Catalogue>, clock: Clock) {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::begin(owner, |_| Ok(())).await;
    let options = RemoteOptions { history: HISTORY };
    let copy = folder.path().join("copy");
    let member = RemoteCatalogue::start_with(served.dial(), served.address(), None, &copy, options).await.unwrap();
    conformance::run(Subject { catalogue: Arc::new(member), history: HISTORY, clock }).await;
}

#[tokio::test]
async fn every_request_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let check = |metadata: &MetadataMap| match metadata.get("authorization") {
        Some(value) if value == "Bearer secret" => Ok(()),
        _ => Err(Status::unauthenticated("who are you?")),
    };
    let served = Served::begin(Arc::new(MemoryCatalogue::default()), check).await;
    let bearer = |token: &str| Some(format!("Bearer {token}").parse().unwrap());
    for authorization in [None, bearer("wrong")] {
        let answer = RemoteCatalogue::start(served.dial(), served.address(), authorization, &copy).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::PermissionDenied, Retry::Never), "{error}");
        assert!(error.to_string().contains(&served.address()), "{error}");
    }
    let member = RemoteCatalogue::start(served.dial(), served.address(), bearer("secret"), &copy).await.unwrap();
    let revision = member.compare_and_set("a", None, Vec::new(), OperationId::random()).await.unwrap();
    assert_eq!(member.get("a").await.unwrap().map(|record| record.revision), Some(revision));
    let mut stranger = CatalogueServiceClient::new(served.dial()());
    assert_eq!(code(stranger.read_position(ReadPositionRequest {}).await), Code::Unauthenticated);
    assert_eq!(
        code(stranger.list_records(haulier_protocol::v1::ListRecordsRequest::default()).await),
        Code::Unauthenticated
    );
    assert_eq!(
        code(stranger.watch_records(haulier_protocol::v1::WatchRecordsRequest::default()).await),
        Code::Unauthenticated
    );
    assert_eq!(
        code(stranger.write_record(haulier_protocol::v1::WriteRecordRequest::default()).await),
        Code::Unauthenticated
    );
    assert_eq!(
        code(stranger.delete_record(haulier_protocol::v1::DeleteRecordRequest::default()).await),
        Code::Unauthenticated
    );
    assert_eq!(code(stranger.renew_record(RenewRecordRequest::default()).await), Code::Unauthenticated);
}

fn code<T: std::fmt::Debug>(answer: Result<T, Status>) -> Code {
    answer.unwrap_err().code()
}

#[tokio::test]
async fn large_catalogues_are_listed_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Arc::new(MemoryCatalogue::default());
    for index in 0..200_u8 {
        let value = vec![index; MAX_VALUE_SIZE];
        owner.compare_and_set(&format!("units/{index:03}"), None, value, OperationId::random()).await.unwrap();
    }
    let served = Served::begin(owner.clone(), |_| Ok(())).await;
    let copy = folder.path().join("copy");
    let member = RemoteCatalogue::start(served.dial(), served.address(), None, &copy).await.unwrap();
    assert!(member.list("").await.unwrap() == owner.list("").await.unwrap());
    let mut client = CatalogueServiceClient::new(served.dial()());
    let request = haulier_protocol::v1::ListRecordsRequest { prefix: "units/1".to_owned() };
    let mut pages = client.list_records(request).await.unwrap().into_inner();
    let (mut records, mut count): (Vec<CatalogueRecord>, usize) = (Vec::new(), 0);
    while let Some(page) = pages.message().await.unwrap() {
        records.extend(page.records);
        count += 1;
    }
    assert_eq!(records.len(), 100);
    assert!(count > 3, "{count} pages");
}

#[tokio::test]
async fn a_start_without_the_owner_needs_a_whole_copy() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let served = Served::begin(Arc::new(MemoryCatalogue::default()), |_| Ok(())).await;
    let (dial, address) = (served.dial(), served.address());
    let member = RemoteCatalogue::start(dial.clone(), address.clone(), None, &copy).await.unwrap();
    member.compare_and_set("a", None, b"kept".to_vec(), OperationId::random()).await.unwrap();
    let listing = member.list("").await.unwrap();
    assert_eq!(listing.records.len(), 1);
    assert!(member.is_connected());
    drop(member);
    drop(served);

    let member = RemoteCatalogue::start(dial.clone(), address.clone(), None, &copy).await.unwrap();
    assert_eq!(member.list("").await.unwrap(), listing);
    assert!(!member.is_connected());
    let status = member.status();
    assert_eq!((status.connected, &status.owner, status.revision), (false, &address, listing.revision));
    assert!(status.problem.is_some());
    let answer = member.compare_and_set("b", None, Vec::new(), OperationId::random()).await;
    refused(&answer.unwrap_err(), &address);
    drop(member);

    for damage in [&b"not a copy"[..], b""] {
        std::fs::write(&copy, damage).unwrap();
        let answer = RemoteCatalogue::start(dial.clone(), address.clone(), None, &copy).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error}");
        assert!(error.message().contains(&address), "{error}");
        assert_eq!(std::fs::read(&copy).unwrap(), damage, "nothing is written that nobody knows");
    }
}

fn refused(error: &Error, address: &str) {
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error}");
    assert!(error.message().contains(address) && error.hint_text().contains("haulier nodes"), "{error}");
}

/// The copy follows without being asked, so that a process that is killed leaves one behind.
#[tokio::test]
async fn the_copy_on_disk_follows() {
    let folder = tempfile::tempdir().unwrap();
    let (copy, at_death) = (folder.path().join("copy"), folder.path().join("at-death"));
    let served = Served::begin(Arc::new(MemoryCatalogue::default()), |_| Ok(())).await;
    let member = RemoteCatalogue::start(served.dial(), served.address(), None, &copy).await.unwrap();
    let empty = std::fs::read(&copy).unwrap();
    for key in ["a", "b", "c"] {
        member.compare_and_set(key, None, Vec::new(), OperationId::random()).await.unwrap();
    }
    let written = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while std::fs::read(&copy).unwrap() == empty {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), written).await.expect("the copy is written");
    std::fs::copy(&copy, &at_death).unwrap();
    let (dial, address) = (served.dial(), served.address());
    drop(served);
    let other = RemoteCatalogue::start(dial, address, None, &at_death).await.unwrap();
    assert_eq!(other.list("").await.unwrap().records.len(), 3);
}

/// A catalogue behind a listening socket.
struct Served {
    endpoint: Endpoint,
    serving: JoinHandle<()>,
}

impl Served {
    async fn begin(
        catalogue: Arc<dyn Catalogue>,
        check: impl Fn(&MetadataMap) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let service = CatalogueServiceServer::new(CatalogueServer::new(catalogue, check));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = tokio::spawn(async move {
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { endpoint, serving }
    }

    fn dial(&self) -> impl Fn() -> Channel + Clone + Send + Sync + 'static {
        let endpoint = self.endpoint.clone();
        move || endpoint.connect_lazy()
    }

    fn address(&self) -> String {
        self.endpoint.uri().authority().unwrap().to_string()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
