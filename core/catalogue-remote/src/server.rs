//! The owner's end: any catalogue behind the protocol.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, stream};
use haulier_catalogue::{Catalogue, CatalogueId, Changes, Listing, MAX_KEY_LENGTH, Watch};
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{
    status,
    v1::{self, catalogue_service_server::CatalogueService},
};
use tonic::{Request, Response, Status, metadata::MetadataMap};

use crate::{HEARTBEAT, PAGE_SIZE, convert};

/// A prefix that no key has: a listing of it is only a position.
const NOTHING: &str = "\0";

type Check = dyn Fn(&MetadataMap) -> Result<(), Status> + Send + Sync;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves a catalogue to the members of its cluster; to be wrapped in
/// [`CatalogueServiceServer`](v1::catalogue_service_server::CatalogueServiceServer).
pub struct CatalogueServer {
    catalogue: Arc<dyn Catalogue>,
    check: Box<Check>,
}

impl CatalogueServer {
    /// Serves `catalogue` to whoever passes `check`, which sees the metadata of every request.
    pub fn new(
        catalogue: Arc<dyn Catalogue>,
        check: impl Fn(&MetadataMap) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        Self { catalogue, check: Box::new(check) }
    }

    fn accept<T>(&self, request: Request<T>) -> Result<T, Status> {
        (self.check)(request.metadata())?;
        Ok(request.into_inner())
    }

    async fn list(&self, prefix: &str) -> Result<Listing, Status> {
        if prefix.len() > MAX_KEY_LENGTH {
            let message = format!("a prefix has at most {MAX_KEY_LENGTH} bytes, this one has {}", prefix.len());
            return Err(refuse(Error::new(ErrorKind::InvalidArgument, "list records", message)));
        }
        self.catalogue.list(prefix).await.map_err(refuse)
    }
}

#[tonic::async_trait]
impl CatalogueService for CatalogueServer {
    async fn read_position(
        &self,
        request: Request<v1::ReadPositionRequest>,
    ) -> Result<Response<v1::ReadPositionResponse>, Status> {
        self.accept(request)?;
        let Listing { revision, catalogue, .. } = self.list(NOTHING).await?;
        Ok(Response::new(v1::ReadPositionResponse { catalogue_id: to_bytes(catalogue), revision }))
    }

    type ListRecordsStream = Answers<v1::ListRecordsResponse>;

    async fn list_records(
        &self,
        request: Request<v1::ListRecordsRequest>,
    ) -> Result<Response<Self::ListRecordsStream>, Status> {
        let v1::ListRecordsRequest { prefix } = self.accept(request)?;
        let listing = self.list(&prefix).await?;
        Ok(Response::new(Box::pin(stream::iter(pages(listing).map(Ok)))))
    }

    type WatchRecordsStream = Answers<v1::WatchRecordsResponse>;

    async fn watch_records(
        &self,
        request: Request<v1::WatchRecordsRequest>,
    ) -> Result<Response<Self::WatchRecordsStream>, Status> {
        let v1::WatchRecordsRequest { prefix, after } = self.accept(request)?;
        let catalogue = self.list(NOTHING).await?.catalogue;
        let watch = self.catalogue.watch(&prefix, after).await.map_err(refuse)?;
        Ok(Response::new(Box::pin(stream::unfold(Watching::Begins(catalogue, watch), Watching::answer))))
    }

    async fn write_record(
        &self,
        request: Request<v1::WriteRecordRequest>,
    ) -> Result<Response<v1::WriteRecordResponse>, Status> {
        let v1::WriteRecordRequest { key, expected, value, ttl_ms, operation } = self.accept(request)?;
        let operation = convert::from_bytes(&operation).map_err(refuse)?;
        let written = match ttl_ms.map(Duration::from_millis) {
            None => self.catalogue.compare_and_set(&key, expected, value.into(), operation).await,
            Some(ttl) => self.catalogue.register(&key, expected, value.into(), ttl, operation).await,
        };
        written.map(|revision| Response::new(v1::WriteRecordResponse { revision })).map_err(refuse)
    }

    async fn delete_record(
        &self,
        request: Request<v1::DeleteRecordRequest>,
    ) -> Result<Response<v1::DeleteRecordResponse>, Status> {
        let v1::DeleteRecordRequest { key, expected, operation } = self.accept(request)?;
        let operation = convert::from_bytes(&operation).map_err(refuse)?;
        self.catalogue.delete(&key, expected, operation).await.map_err(refuse)?;
        Ok(Response::new(v1::DeleteRecordResponse {}))
    }

    async fn renew_record(
        &self,
        request: Request<v1::RenewRecordRequest>,
    ) -> Result<Response<v1::RenewRecordResponse>, Status> {
        let v1::RenewRecordRequest { key, revision } = self.accept(request)?;
        self.catalogue.renew(&key, revision).await.map_err(refuse)?;
        Ok(Response::new(v1::RenewRecordResponse {}))
    }
}

/// The listing in messages, one after the other as they are sent.
fn pages(listing: Listing) -> impl Iterator<Item = v1::ListRecordsResponse> {
    let Listing { records, revision, catalogue } = listing;
    let mut records = records.into_iter().peekable();
    let mut first = true;
    std::iter::from_fn(move || {
        if !std::mem::take(&mut first) && records.peek().is_none() {
            return None;
        }
        let mut page = v1::ListRecordsResponse { catalogue_id: to_bytes(catalogue), revision, records: Vec::new() };
        let mut size = 0;
        while let Some(record) = records.next_if(|_| size < PAGE_SIZE) {
            size += record.key.len() + record.value.len() + 64;
            page.records.push(convert::to_record(record));
        }
        Some(page)
    })
}

/// How far a watch's stream has come. It is asked for the next answer when the last one is on its way, so a reader that
/// is slow makes the watch slow, which costs no memory.
enum Watching {
    Begins(CatalogueId, Watch),
    Follows(Watch),
    Ends,
}

impl Watching {
    async fn answer(self) -> Option<(Result<v1::WatchRecordsResponse, Status>, Self)> {
        let mut answer = v1::WatchRecordsResponse::default();
        match self {
            Self::Begins(catalogue, watch) => {
                answer.catalogue_id = to_bytes(catalogue);
                Some((Ok(answer), Self::Follows(watch)))
            }
            Self::Follows(mut watch) => match tokio::time::timeout(HEARTBEAT, watch.next()).await {
                Err(_) => Some((Ok(answer), Self::Follows(watch))),
                Ok(Ok(Changes::Events(events))) => {
                    answer.events = events.into_iter().map(convert::to_event).collect();
                    Some((Ok(answer), Self::Follows(watch)))
                }
                Ok(Ok(Changes::Compacted)) => {
                    answer.compacted = true;
                    Some((Ok(answer), Self::Ends))
                }
                Ok(Err(error)) => Some((Err(refuse(error)), Self::Ends)),
            },
            Self::Ends => None,
        }
    }
}

fn to_bytes(catalogue: CatalogueId) -> Bytes {
    Bytes::copy_from_slice(catalogue.as_bytes())
}

fn refuse(error: Error) -> Status {
    status::from_error(&error)
}
