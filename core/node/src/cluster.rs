//! Questions about the cluster: its nodes, and a node that is to take nothing new.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use haulier_model::{Digest, Error, ErrorKind};
use haulier_protocol::{
    build_id, status,
    v1::{self, cluster_service_client::ClusterServiceClient, cluster_service_server::ClusterService},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    continuous,
    core::NodeCore,
    members::{Peer, Registration},
    session::Session,
};

/// How long another node may take to answer for itself.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Cluster(pub(crate) Arc<NodeCore>);

#[tonic::async_trait]
impl ClusterService for Cluster {
    type WatchNodesStream = ReceiverStream<Result<v1::WatchNodesResponse, Status>>;

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        self.0.identify(request.metadata())?;
        let mut nodes = vec![this_node(&self.0).await];
        if !request.into_inner().this_node {
            let peers = self.0.members.all();
            nodes.extend(futures_util::future::join_all(peers.iter().map(|peer| ask(peer))).await);
            nodes.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(Response::new(v1::ListNodesResponse { nodes }))
    }

    async fn watch_nodes(
        &self,
        request: Request<v1::WatchNodesRequest>,
    ) -> Result<Response<Self::WatchNodesStream>, Status> {
        self.0.identify(request.metadata())?;
        let (sender, receiver) = mpsc::channel(1);
        let node = Arc::downgrade(&self.0);
        let mut changes = self.0.members.watch();
        tokio::spawn(async move {
            loop {
                let Some(nodes) = node.upgrade().map(|node| known_nodes(&node)) else { return };
                if sender.send(Ok(v1::WatchNodesResponse { nodes })).await.is_err() {
                    return;
                }
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let identity = self.0.identify(request.metadata())?;
        let sessions: Vec<_> = self.0.sessions.lock().values().cloned().collect();
        let own = sessions.iter().filter(|session| session.origin.is_none() && session.identity == identity);
        let mut sessions: Vec<_> = own.map(|session| session_info(&self.0, session)).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.age_ms));
        let continuous = continuous::list(&self.0, &identity).await.map_err(|error| status::from_error(&error))?;
        Ok(Response::new(v1::ListSessionsResponse { sessions, continuous }))
    }

    async fn list_loaders(
        &self,
        request: Request<v1::ListLoadersRequest>,
    ) -> Result<Response<v1::ListLoadersResponse>, Status> {
        let identity = self.0.identify(request.metadata())?;
        Ok(Response::new(v1::ListLoadersResponse { workers: self.0.worker_loaders(identity.name()) }))
    }

    async fn drain_node(
        &self,
        request: Request<v1::DrainNodeRequest>,
    ) -> Result<Response<v1::DrainNodeResponse>, Status> {
        self.0.identify(request.metadata())?;
        let request = request.into_inner();
        if request.node == self.0.name {
            self.0.members.change(|own| own.draining = !request.undo);
            tracing::info!(draining = !request.undo, "told by an operator");
            return Ok(Response::new(v1::DrainNodeResponse { node: Some(this_node(&self.0).await) }));
        }
        let operation = format!("drain {}", request.node);
        let Some(peer) = self.0.members.get(&request.node) else {
            let error =
                Error::new(ErrorKind::NotFound, operation, format!("the cluster has no node '{}'", request.node));
            return Err(status::from_error(&error.hint("haulier nodes")));
        };
        let mut client = ClusterServiceClient::new(peer.channel());
        match tokio::time::timeout(PATIENCE, client.drain_node(peer.request(request))).await {
            Ok(answer) => answer,
            Err(_) => {
                let error = Error::new(ErrorKind::Unavailable, operation, "the node does not answer");
                Err(status::from_error(&error.hint("haulier nodes; a node that is lost takes no tasks anyway")))
            }
        }
    }
}

fn session_info(node: &NodeCore, session: &Session) -> v1::SessionInfo {
    let snapshots = session.code.snapshots();
    v1::SessionInfo {
        id: session.id.clone(),
        node: node.name.clone(),
        identity: session.identity.name().to_owned(),
        language: session.language.map_or(v1::Language::Rust, v1::Language::from).into(),
        age_ms: u64::try_from(session.opened.elapsed().as_millis()).unwrap_or(u64::MAX),
        tasks: session.open_tasks(),
        snapshots: snapshots.into_iter().map(|(digest, _)| Digest::concatenate(&[digest]).into()).collect(),
        mode: session.mode.name().to_owned(),
    }
}

/// What this node says about itself.
async fn this_node(node: &NodeCore) -> v1::Node {
    let (queued, executing) = node.scheduler.load();
    let held: Vec<Digest> = node.holdings.borrow().iter().copied().collect();
    v1::Node {
        runtimes: node.runtimes().await.clone(),
        queued,
        executing,
        uptime_seconds: node.started.elapsed().as_secs(),
        code_round_trips: node.class_paths.code_round_trips.load(Ordering::Relaxed),
        held_units: Digest::concatenate(&held).into(),
        ..described(&node.members.own(), true)
    }
}

/// What a member says about itself, or, if it does not answer, what is known of it.
async fn ask(peer: &Peer) -> v1::Node {
    let mut client = ClusterServiceClient::new(peer.channel());
    let asked = client.list_nodes(peer.request(v1::ListNodesRequest { this_node: true }));
    if peer.is_heard()
        && let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, asked).await
        && let Some(node) = answer.into_inner().nodes.pop()
    {
        return node;
    }
    v1::Node {
        held_units: Digest::concatenate(&peer.held()).into(),
        ..described(&peer.registration(), peer.is_heard())
    }
}

fn known_nodes(node: &NodeCore) -> Vec<v1::Node> {
    let peers = node.members.all();
    let peers = peers.iter().map(|peer| described(&peer.registration(), peer.is_heard()));
    std::iter::once(described(&node.members.own(), true)).chain(peers).collect()
}

fn described(registration: &Registration, heard: bool) -> v1::Node {
    let state = match (heard, registration.draining) {
        (false, _) => v1::NodeState::Lost,
        (true, true) => v1::NodeState::Draining,
        (true, false) => v1::NodeState::Alive,
    };
    v1::Node {
        name: registration.name.clone(),
        address: registration.address.clone(),
        version: if registration.version.is_empty() { build_id().to_owned() } else { registration.version.clone() },
        runtimes: registration.runtimes.clone().into_iter().collect(),
        process_id: registration.process_id,
        state: state.into(),
        labels: registration.labels.clone().into_iter().collect::<HashMap<_, _>>(),
        slots: u32::from(registration.slots),
        owns_catalogue: registration.owns_catalogue,
        local_code: registration
            .local_code
            .parse::<Digest>()
            .map(|digest| Digest::concatenate(&[digest]).into())
            .unwrap_or_default(),
        ..v1::Node::default()
    }
}
