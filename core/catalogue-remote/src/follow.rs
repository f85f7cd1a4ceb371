//! What keeps the copy true: lists once, watches from there on, and begins again after every loss.

use std::{sync::Arc, time::Duration};

use haulier_catalogue::{CatalogueId, Event, Ledger, Listing};
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{
    status,
    v1::{ListRecordsRequest, WatchRecordsRequest, WatchRecordsResponse},
};
use tokio::sync::watch::Receiver;
use tonic::Streaming;

use crate::{
    SILENCE, convert,
    copy::CopyFile,
    link::{Client, Link},
};

/// How long to wait before the owner is dialled again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// For how long changes are collected before the copy is written.
const COLLECT: Duration = Duration::from_millis(500);

const OPERATION: &str = "follow the catalogue";

pub(crate) struct Follower {
    pub(crate) link: Arc<Link>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Follower {
    pub(crate) async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = self.follow().await;
            if self.link.away(error.clone()) {
                tracing::warn!(owner = self.link.owner(), %error, "the catalogue's owner is away; reading from the copy");
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Over one connection, until it is lost.
    async fn follow(&self) -> Result<std::convert::Infallible> {
        let mut client = self.link.dial();
        loop {
            let (known, revision) = self.ledger.position();
            let (catalogue, changes) = self.watch(&mut client, revision).await?;
            if catalogue == known {
                self.connected(&client);
                self.apply(changes).await?;
            } else if known != CatalogueId::default() {
                tracing::warn!(owner = self.link.owner(), "the owner of the catalogue has begun a new one");
            }
            let listing = self.list(&mut client).await?;
            if listing.catalogue == known && listing.revision < revision {
                tracing::warn!(
                    owner = self.link.owner(),
                    revision,
                    now = listing.revision,
                    "the catalogue has gone back to an earlier state"
                );
            }
            self.ledger.replace(listing);
        }
    }

    fn connected(&self, client: &Client) {
        if !self.link.is_connected() {
            tracing::info!(owner = self.link.owner(), "following the catalogue");
            self.link.connected(client.clone());
        }
    }

    /// Begins a watch; returns whose it is.
    async fn watch(&self, client: &mut Client, after: u64) -> Result<(CatalogueId, Streaming<WatchRecordsResponse>)> {
        let request = self.link.request(WatchRecordsRequest { prefix: String::new(), after });
        let mut changes = heard(client.watch_records(request)).await?.into_inner();
        let first = heard(changes.message()).await?.ok_or_else(ended)?;
        Ok((convert::from_id(&first.catalogue_id)?, changes))
    }

    /// Returns when the changes that come next are no longer known.
    async fn apply(&self, mut changes: Streaming<WatchRecordsResponse>) -> Result<()> {
        loop {
            let answer = heard(changes.message()).await?.ok_or_else(ended)?;
            let events = answer.events.into_iter().map(convert::from_event).collect::<Result<Vec<_>>>()?;
            let mut revision = self.ledger.position().1;
            for event in &events {
                if event.revision() <= revision {
                    return Err(out_of_order(event, revision));
                }
                revision = event.revision();
            }
            self.ledger.apply(events);
            if answer.compacted {
                return Ok(());
            }
        }
    }

    async fn list(&self, client: &mut Client) -> Result<Listing> {
        let request = self.link.request(ListRecordsRequest { prefix: String::new() });
        let mut pages = heard(client.list_records(request)).await?.into_inner();
        let mut listing: Option<Listing> = None;
        while let Some(page) = heard(pages.message()).await? {
            let (catalogue, revision) = (convert::from_id(&page.catalogue_id)?, page.revision);
            let records = page.records.into_iter().map(convert::from_record);
            let listing = listing.get_or_insert(Listing { records: Vec::new(), revision, catalogue });
            listing.records.extend(records.collect::<Result<Vec<_>>>()?);
        }
        listing.ok_or_else(ended)
    }
}

/// An answer, if it comes in time.
async fn heard<T>(answer: impl Future<Output = Result<T, tonic::Status>>) -> Result<T> {
    match tokio::time::timeout(SILENCE, answer).await {
        Ok(answer) => answer.map_err(|status| status::to_error(&status, OPERATION)),
        Err(_) => {
            let message = format!("nothing was heard for {} s", SILENCE.as_secs());
            Err(Error::new(ErrorKind::Unavailable, OPERATION, message))
        }
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, OPERATION, "the owner ended the stream")
}

fn out_of_order(event: &Event, revision: u64) -> Error {
    let message = format!("'{}' at revision {} came after revision {revision}", event.key(), event.revision());
    Error::internal(OPERATION, message)
}

/// Writes the copy some time after `moves` has told of a change; many changes in a row cost one write.
pub(crate) async fn keep_copy(ledger: Arc<Ledger>, mut moves: Receiver<u64>, copy: Arc<CopyFile>) {
    while moves.changed().await.is_ok() {
        tokio::time::sleep(COLLECT).await;
        moves.borrow_and_update();
        write_aside(&ledger, &copy).await;
    }
}

/// Writes the copy without blocking other tasks.
pub(crate) async fn write_aside(ledger: &Arc<Ledger>, copy: &Arc<CopyFile>) {
    let (ledger, copy) = (ledger.clone(), copy.clone());
    if let Err(error) = tokio::task::spawn_blocking(move || write(&ledger, &copy)).await {
        tracing::warn!(%error, "the copy of the catalogue was not written");
    }
}

/// Writes the copy; a failure costs nothing but that a start without the owner would find an older one.
pub(crate) fn write(ledger: &Ledger, copy: &CopyFile) {
    if let Err(error) = copy.write(&ledger.list("")) {
        tracing::warn!(%error, "the copy of the catalogue cannot be written; is the disk full?");
    }
}
