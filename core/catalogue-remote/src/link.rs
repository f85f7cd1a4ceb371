//! The connection to the owner, as those who need it see it: there is one, or it is away and why.

use std::time::Duration;

use futures_util::future::BoxFuture;
use haulier_model::{Error, ErrorKind, Result, Retry};
use haulier_protocol::{AUTHORIZATION, MESSAGE_LIMIT, status, v1::catalogue_service_client::CatalogueServiceClient};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

pub(crate) type Client = CatalogueServiceClient<Channel>;
pub(crate) type Answer<T> = BoxFuture<'static, Result<Response<T>, Status>>;

/// How long a write is tried, over however many connections, until its caller is told that the owner is away.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);

/// Between two attempts over a connection that looks whole.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Link {
    dial: Box<dyn Fn() -> Channel + Send + Sync>,
    owner: String,
    authorization: Option<MetadataValue<Ascii>>,
    /// `None` while the owner is away.
    client: watch::Sender<Option<Client>>,
    problem: Mutex<Option<Error>>,
}

impl Link {
    pub(crate) fn new(
        dial: impl Fn() -> Channel + Send + Sync + 'static,
        owner: String,
        authorization: Option<MetadataValue<Ascii>>,
    ) -> Self {
        let (client, problem) = (watch::Sender::new(None), Mutex::new(None));
        Self { dial: Box::new(dial), owner, authorization, client, problem }
    }

    /// A connection of its own, which nobody else uses yet.
    pub(crate) fn dial(&self) -> Client {
        CatalogueServiceClient::new((self.dial)()).max_decoding_message_size(MESSAGE_LIMIT)
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    /// Everybody uses this connection from now on.
    pub(crate) fn connected(&self, client: Client) {
        *self.problem.lock() = None;
        self.client.send_replace(Some(client));
    }

    /// Returns whether it was not known before.
    pub(crate) fn away(&self, problem: Error) -> bool {
        *self.problem.lock() = Some(problem);
        self.client.send_replace(None).is_some()
    }

    /// Waits until the owner has been reached, or it is known why not.
    pub(crate) async fn first_outcome(&self) -> Result<()> {
        let mut changes = self.client.subscribe();
        loop {
            if changes.borrow_and_update().is_some() {
                return Ok(());
            }
            if let Some(problem) = self.problem() {
                return Err(problem);
            }
            // The sender is a part of this link.
            let _ = changes.changed().await;
        }
    }

    pub(crate) fn problem(&self) -> Option<Error> {
        self.problem.lock().clone()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.client.borrow().is_some()
    }

    /// The present connection, and what wakes up when it is no longer the present one.
    pub(crate) fn present(&self) -> (Option<Client>, watch::Receiver<Option<Client>>) {
        let mut changes = self.client.subscribe();
        let client = changes.borrow_and_update().clone();
        (client, changes)
    }

    /// Asks until there is an answer. A connection that breaks meanwhile leaves open whether the owner has done it, so
    /// `message` must be a request that does no harm when it is repeated.
    pub(crate) async fn insist<M: Clone, T>(
        &self,
        operation: &str,
        message: M,
        ask: impl Fn(Client, Request<M>) -> Answer<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + WRITE_TIMEOUT;
        let mut asked = false;
        loop {
            let (client, mut changes) = self.present();
            let Some(client) = client else {
                match tokio::time::timeout_at(deadline, changes.changed()).await {
                    Ok(_) => continue,
                    Err(_) => return Err(self.unreachable(operation, asked)),
                }
            };
            asked = true;
            let answer = tokio::select! {
                answer = ask(client, self.request(message.clone())) => answer,
                _ = changes.changed() => continue,
                () = tokio::time::sleep_until(deadline) => return Err(self.unreachable(operation, asked)),
            };
            match answer {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) if !is_lost(&status) => return Err(status::to_error(&status, operation)),
                Err(_) if Instant::now() + PAUSE >= deadline => return Err(self.unreachable(operation, asked)),
                // Whatever comes first: what follows the owner most often has noticed too.
                Err(_) => drop(tokio::time::timeout(PAUSE, changes.changed()).await),
            }
        }
    }

    fn unreachable(&self, operation: &str, asked: bool) -> Error {
        let outcome = if asked { "; whether it was done is not known" } else { "" };
        let message = format!("the node at {}, which owns the catalogue, does not answer{outcome}", self.owner);
        let error = Error::new(ErrorKind::Unavailable, operation, message)
            .with_retry(Retry::Later)
            .hint("the node that owns the catalogue is away; try again later: haulier nodes");
        match self.problem() {
            Some(problem) => error.context("reason", problem.message()),
            None => error,
        }
    }
}

/// Whether a status says that there was no answer.
pub(crate) fn is_lost(status: &Status) -> bool {
    let kind = status::to_error(status, "").kind();
    !status::is_answer(status) && matches!(kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded)
}
