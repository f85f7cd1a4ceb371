//! What the node says about itself.

use std::sync::{Arc, atomic::Ordering};

use haulier_protocol::{
    build_id,
    v1::{self, cluster_service_server::ClusterService},
};
use tonic::{Request, Response, Status};

use crate::server::NodeCore;

pub(crate) struct Cluster(pub(crate) Arc<NodeCore>);

#[tonic::async_trait]
impl ClusterService for Cluster {
    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        self.0.identify(request.metadata())?;
        let node = &self.0;
        let (queued, executing) = node.scheduler.load();
        let this = v1::Node {
            name: node.name.clone(),
            address: node.address.clone(),
            version: build_id().to_owned(),
            runtimes: node.runtimes().await.clone(),
            queued,
            executing,
            process_id: std::process::id(),
            uptime_seconds: node.started.elapsed().as_secs(),
            code_round_trips: node.class_paths.code_round_trips.load(Ordering::Relaxed),
        };
        Ok(Response::new(v1::ListNodesResponse { nodes: vec![this] }))
    }
}
