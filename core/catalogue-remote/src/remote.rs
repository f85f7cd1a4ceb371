//! The member's end: a catalogue that asks the owner, and has a copy for when it cannot.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use haulier_catalogue::{
    Catalogue, CatalogueId, DEFAULT_HISTORY, Ledger, Listing, OperationId, Record, Revision, Watch,
};
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{status, v1};
use tokio_util::task::AbortOnDropHandle;
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::{
    convert,
    copy::CopyFile,
    follow::{self, Follower},
    link::{self, Answer, Client, Link},
};

/// How long a read waits for the owner until it is answered from the copy.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the owner has to answer at the start.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// What may differ between members.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// The most changes that are remembered for this member's watches. Default: [`DEFAULT_HISTORY`].
    pub history: usize,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self { history: DEFAULT_HISTORY }
    }
}

/// How a member stands to the owner of its catalogue.
#[derive(Clone, Debug)]
pub struct RemoteStatus {
    /// The owner's address.
    pub owner: String,
    /// Whether it answers; otherwise reads are answered from the copy and writes fail.
    pub connected: bool,
    /// Of the last change in the copy.
    pub revision: Revision,
    /// Why it does not answer.
    pub problem: Option<Error>,
}

/// The catalogue of another node.
///
/// Reads are true at the moment when they are asked: the owner says which change was the last, and the answer is given
/// once the copy has it. While the owner is away they are answered from the copy as it is. Writes go to the owner; one
/// whose answer was lost is repeated, and fails with `Unavailable` if there is none within a few seconds. Watches are
/// served from the copy: they outlast the connection, and see what changed meanwhile.
///
/// Dropping it ends its watches and writes the copy once more.
pub struct RemoteCatalogue {
    link: Arc<Link>,
    ledger: Arc<Ledger>,
    copy: Arc<CopyFile>,
    tasks: Option<[AbortOnDropHandle<()>; 2]>,
}

impl RemoteCatalogue {
    /// Follows the catalogue of the node at `owner`, an address that is only shown to people: `dial` makes a new
    /// channel to it, lazily, as [`connect_lazy`](tonic::transport::Endpoint::connect_lazy) does. Every request carries
    /// `authorization`. `copy` is the file of the copy; its folder must exist.
    ///
    /// Returns once the copy is that of the owner, or with the one on disk if the owner cannot be reached. Errors:
    /// `Unavailable` if there is no such copy either; what the owner refuses, for example `PermissionDenied`.
    pub async fn start(
        dial: impl Fn() -> Channel + Send + Sync + 'static,
        owner: String,
        authorization: Option<MetadataValue<Ascii>>,
        copy: &Path,
    ) -> Result<Self> {
        Self::start_with(dial, owner, authorization, copy, RemoteOptions::default()).await
    }

    /// Like [`Self::start`], with a limit of the caller's choice.
    pub async fn start_with(
        dial: impl Fn() -> Channel + Send + Sync + 'static,
        owner: String,
        authorization: Option<MetadataValue<Ascii>>,
        copy: &Path,
        options: RemoteOptions,
    ) -> Result<Self> {
        let copy = Arc::new(CopyFile::new(copy));
        let read = {
            let copy = copy.clone();
            tokio::task::spawn_blocking(move || copy.read()).await
        };
        let read = read.map_err(|error| Error::internal("read the copy of the catalogue", error.to_string()))?;
        let has_copy = read.is_some();
        let Listing { records, revision, catalogue } =
            read.unwrap_or(Listing { records: Vec::new(), revision: 0, catalogue: CatalogueId::default() });
        let records: BTreeMap<String, Record> =
            records.into_iter().map(|record| (record.key.clone(), record)).collect();
        let ledger = Arc::new(Ledger::new(catalogue, records, revision, options.history));
        let link = Arc::new(Link::new(dial, owner, authorization));
        let follower = Follower { link: link.clone(), ledger: ledger.clone() };
        let moves = ledger.moves();
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(follower.run())),
            AbortOnDropHandle::new(tokio::spawn(follow::keep_copy(ledger.clone(), moves, copy.clone()))),
        ];
        let catalogue = Self { link, ledger, copy, tasks: Some(tasks) };
        catalogue.first_contact(has_copy).await?;
        Ok(catalogue)
    }

    /// Whether the owner answers, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.link.is_connected()
    }

    /// How this member stands to the owner.
    pub fn status(&self) -> RemoteStatus {
        RemoteStatus {
            owner: self.link.owner().to_owned(),
            connected: self.link.is_connected(),
            revision: self.ledger.position().1,
            problem: self.link.problem(),
        }
    }

    async fn first_contact(&self, has_copy: bool) -> Result<()> {
        let problem = match tokio::time::timeout(START_TIMEOUT, self.link.first_outcome()).await {
            Ok(Ok(())) => {
                // So that the next start finds one, whatever happens to this process.
                follow::write_aside(&self.ledger, &self.copy).await;
                return Ok(());
            }
            Ok(Err(problem)) => problem,
            Err(_) => Error::new(ErrorKind::Unavailable, "", format!("no answer within {START_TIMEOUT:?}")),
        };
        let owner = self.link.owner();
        if problem.kind() != ErrorKind::Unavailable {
            return Err(problem.in_operation("follow the catalogue").context("owner", owner));
        }
        if has_copy {
            tracing::warn!(owner, "starting from the copy of the catalogue");
            return Ok(());
        }
        let message =
            format!("the node at {owner}, which owns the catalogue, cannot be reached: {}", problem.message());
        Err(Error::new(ErrorKind::Unavailable, "follow the catalogue", message)
            .hint("start that node first; a node that has been a member before starts without it"))
    }

    /// Waits until the copy has everything that was acknowledged before, or it is plain that it will not soon.
    async fn catch_up(&self) -> Result<()> {
        let (Some(client), mut changes) = self.link.present() else { return Ok(()) };
        tokio::select! {
            answer = tokio::time::timeout(READ_TIMEOUT, self.reach_position(client)) => answer.unwrap_or_else(|_| {
                let owner = self.link.owner();
                tracing::info!(owner, "the owner of the catalogue is slow; a read is answered from the copy");
                Ok(())
            }),
            _ = changes.changed() => Ok(()),
        }
    }

    async fn reach_position(&self, mut client: Client) -> Result<()> {
        let position = match client.read_position(self.link.request(v1::ReadPositionRequest {})).await {
            Ok(position) => position.into_inner(),
            Err(status) if link::is_lost(&status) => return Ok(()),
            Err(status) => return Err(status::to_error(&status, "read the catalogue")),
        };
        let catalogue = convert::from_id(&position.catalogue_id)?;
        let reached = |_: &u64| {
            let (known, revision) = self.ledger.position();
            known == catalogue && revision >= position.revision
        };
        // It ends with the ledger, of which this is a part.
        let _ = self.ledger.moves().wait_for(reached).await;
        Ok(())
    }

    async fn write(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
        operation: OperationId,
    ) -> Result<Revision> {
        let request = v1::WriteRecordRequest {
            key: key.to_owned(),
            expected,
            value: value.into(),
            // Far more than is allowed stays far more than is allowed.
            ttl_ms: ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            operation: convert::to_bytes(operation),
        };
        let ask =
            |mut client: Client, request| -> Answer<_> { Box::pin(async move { client.write_record(request).await }) };
        self.link.insist("write a record", request, ask).await.map(|answer| answer.revision)
    }
}

#[async_trait]
impl Catalogue for RemoteCatalogue {
    async fn get(&self, key: &str) -> Result<Option<Record>> {
        self.catch_up().await?;
        Ok(self.ledger.get(key))
    }

    async fn list(&self, prefix: &str) -> Result<Listing> {
        self.catch_up().await?;
        Ok(self.ledger.list(prefix))
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        operation: OperationId,
    ) -> Result<Revision> {
        self.write(key, expected, value, None, operation).await
    }

    async fn delete(&self, key: &str, expected: Revision, operation: OperationId) -> Result<()> {
        let request =
            v1::DeleteRecordRequest { key: key.to_owned(), expected, operation: convert::to_bytes(operation) };
        let ask =
            |mut client: Client, request| -> Answer<_> { Box::pin(async move { client.delete_record(request).await }) };
        self.link.insist("delete a record", request, ask).await.map(drop)
    }

    async fn register(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Duration,
        operation: OperationId,
    ) -> Result<Revision> {
        self.write(key, expected, value, Some(ttl), operation).await
    }

    async fn renew(&self, key: &str, revision: Revision) -> Result<()> {
        let request = v1::RenewRecordRequest { key: key.to_owned(), revision };
        let ask =
            |mut client: Client, request| -> Answer<_> { Box::pin(async move { client.renew_record(request).await }) };
        self.link.insist("renew a registration", request, ask).await.map(drop)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch> {
        // The revision may be that of a write whose change has not come here yet.
        self.catch_up().await?;
        Ok(self.ledger.watch(prefix, after))
    }
}

impl Drop for RemoteCatalogue {
    fn drop(&mut self) {
        self.tasks = None;
        self.ledger.close();
        if self.ledger.position().0 != CatalogueId::default() {
            follow::write(&self.ledger, &self.copy);
        }
    }
}

impl std::fmt::Debug for RemoteCatalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteCatalogue").field("status", &self.status()).finish_non_exhaustive()
    }
}
