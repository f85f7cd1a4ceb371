//! What other nodes ask: where the catalogue is, how this node is, and content.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::{
    PROTOCOL_VERSION, build_id, status,
    v1::{self, peer_service_server::PeerService},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{content, core::NodeCore, explaining, members::INTERVAL, modules::Messages};

/// Digests that a node may ask for at once.
const MOST_DIGESTS: usize = 100_000;

pub(crate) struct Peers(pub(crate) Arc<NodeCore>);

#[tonic::async_trait]
impl PeerService for Peers {
    type ReportStream = ReceiverStream<Result<v1::ReportResponse, Status>>;
    type FetchContentStream = Messages<v1::FetchContentResponse>;

    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        self.0.identify_peer(request.metadata())?;
        let request = request.into_inner();
        check_version(&request).map_err(|error| status::from_error(&error))?;
        Ok(Response::new(v1::JoinResponse {
            catalogue: self.0.catalogue.address().unwrap_or_else(|| self.0.address.clone()),
        }))
    }

    async fn report(&self, request: Request<v1::ReportRequest>) -> Result<Response<Self::ReportStream>, Status> {
        self.0.identify_peer(request.metadata())?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(report(Arc::downgrade(&self.0), request.into_inner().node, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn fetch_content(
        &self,
        request: Request<v1::FetchContentRequest>,
    ) -> Result<Response<Self::FetchContentStream>, Status> {
        self.0.identify_peer(request.metadata())?;
        let digests = Digest::split(&request.into_inner().digests).map_err(|error| status::from_error(&error))?;
        if digests.len() > MOST_DIGESTS {
            let message = format!("{} digests; at most {MOST_DIGESTS} are given at once", digests.len());
            let error = Error::new(ErrorKind::InvalidArgument, "fetch content", message);
            return Err(status::from_error(&error));
        }
        Ok(Response::new(Box::pin(content::send(&self.0.store, digests))))
    }

    async fn explain_task(
        &self,
        request: Request<v1::ExplainTaskRequest>,
    ) -> Result<Response<v1::ExplainTaskResponse>, Status> {
        self.0.identify_peer(request.metadata())?;
        let explained = explaining::explain_for_peer(&self.0, &request.into_inner()).await;
        let answer = |explanation| Response::new(v1::ExplainTaskResponse { explanation: Some(explanation) });
        explained.map(answer).map_err(|error| status::from_error(&error))
    }
}

fn check_version(request: &v1::JoinRequest) -> Result<()> {
    if request.protocol_version == PROTOCOL_VERSION {
        return Ok(());
    }
    let message = format!(
        "the node '{}' ({}) speaks protocol {}, this one ({}) speaks {PROTOCOL_VERSION}",
        request.node,
        request.build_id,
        request.protocol_version,
        build_id()
    );
    Err(Error::new(ErrorKind::Incompatible, "join the cluster", message)
        .hint("run the same version of haulier on all nodes"))
}

/// Says how this node is: now, when units come or go, and at least every half second.
async fn report(node: Weak<NodeCore>, listener: String, sender: mpsc::Sender<Result<v1::ReportResponse, Status>>) {
    let Some(mut changes) = node.upgrade().map(|node| node.holdings.subscribe()) else { return };
    let mut told = HashSet::new();
    loop {
        let Some(report) = node.upgrade().map(|node| current(&node, &listener, &mut told)) else { return };
        if sender.send(Ok(report)).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            changed = changes.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
        }
    }
}

fn current(node: &NodeCore, listener: &str, told: &mut HashSet<Digest>) -> v1::ReportResponse {
    let held: HashSet<Digest> = node.holdings.borrow().iter().copied().collect();
    let report = v1::ReportResponse {
        node: node.name.clone(),
        incarnation: node.members.own().incarnation,
        // What the listener has passed on, it knows itself, and better.
        tasks: node.load().saturating_sub(node.tasks_of(listener)),
        average_task_us: node.scheduler.average().as_micros().try_into().unwrap_or(u64::MAX),
        units_held: Digest::concatenate(held.difference(told)).into(),
        units_dropped: Digest::concatenate(told.difference(&held)).into(),
    };
    *told = held;
    report
}
