//! The nodes of a cluster as a client sees them, and how to take one out of service.

use std::collections::BTreeMap;

use haulier_model::{Digest, Error, Result};
use haulier_protocol::{MESSAGE_LIMIT, v1};
use tonic::transport::Channel;
use v1::cluster_service_client::ClusterServiceClient;

use crate::{Cluster, session::Line};

/// Whether tasks are sent to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeState {
    /// It takes tasks.
    Alive,
    /// It finishes what it has and takes nothing new.
    Draining,
    /// It is registered, but the node that was asked does not hear it.
    Lost,
    /// A state that this client does not know.
    Unknown,
}

impl NodeState {
    /// The name in tables: "alive".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Draining => "draining",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

/// A node as its cluster sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// The node's name, unique in the cluster.
    pub name: String,
    /// The address that clients and other nodes dial, host:port.
    pub address: String,
    /// Whether tasks are sent to it.
    pub state: NodeState,
    /// The labels that it was started with.
    pub labels: BTreeMap<String, String>,
    /// The version of Haulier with its build: "0.1.0+1a2b3c4d".
    pub version: String,
    /// Languages that run there with the versions of their runtimes: ("java", "17.0.15"), sorted.
    pub runtimes: Vec<(String, String)>,
    /// Tasks that can run at the same time.
    pub slots: u32,
    /// Tasks that wait on the node.
    pub queued: u32,
    /// Tasks that run on the node.
    pub executing: u32,
    /// The digests of the deployed units that are whole on the node.
    pub held_units: Vec<Digest>,
    /// The digest of the node's own code; none if it has none. Nodes that differ here may answer differently.
    pub local_code: Option<Digest>,
    /// Whether the node owns the embedded catalogue: without it nothing can be deployed.
    pub owns_catalogue: bool,
    /// Whether this client has a connection to the node; tasks for other nodes go through the one that
    /// [`Cluster::node`] names.
    pub direct: bool,
    /// The process id, for operators of one machine.
    pub process_id: u32,
    /// Seconds since the node started.
    pub uptime_seconds: u64,
    /// Round trips to clients for peer-loaded code since the node started: offers, packs and late requests.
    pub code_round_trips: u64,
}

impl Cluster {
    /// The nodes of the cluster, as the node sees them that this client is connected to.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>> {
        let cluster = self.clone();
        let nodes = self.ask("list nodes".to_owned(), async move |line, operation| {
            let answer = client(&line).list_nodes(line.route.request(v1::ListNodesRequest::default())).await;
            Ok(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().nodes)
        });
        nodes.await?.into_iter().map(|node| cluster.info(node)).collect()
    }

    /// Takes a node out of service: it finishes what it has, and takes nothing new until [`Cluster::undrain`] or its
    /// next start. `NotFound` if no node has this name.
    pub async fn drain(&self, node: &str) -> Result<NodeInfo> {
        self.set_draining(node, false).await
    }

    /// Puts a node that was drained back into service.
    pub async fn undrain(&self, node: &str) -> Result<NodeInfo> {
        self.set_draining(node, true).await
    }

    async fn set_draining(&self, node: &str, undo: bool) -> Result<NodeInfo> {
        let request = v1::DrainNodeRequest { node: node.to_owned(), undo };
        let operation = format!("{} {node}", if undo { "undrain" } else { "drain" });
        let drained = self.ask(operation.clone(), async move |line, operation| {
            let answer = client(&line).drain_node(line.route.request(request)).await;
            Ok(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().node)
        });
        let node = drained.await?.ok_or_else(|| Error::internal(operation, "the node answered without itself"))?;
        self.info(node)
    }

    fn info(&self, node: v1::Node) -> Result<NodeInfo> {
        let direct = self.is_direct(&node.name);
        NodeInfo::of(node, direct)
    }
}

fn client(line: &Line) -> ClusterServiceClient<Channel> {
    ClusterServiceClient::new(line.data.clone()).max_decoding_message_size(MESSAGE_LIMIT)
}

impl NodeInfo {
    fn of(node: v1::Node, direct: bool) -> Result<Self> {
        let state = match v1::NodeState::try_from(node.state) {
            // A node that does not know of states takes tasks.
            Ok(v1::NodeState::Alive | v1::NodeState::Unspecified) => NodeState::Alive,
            Ok(v1::NodeState::Draining) => NodeState::Draining,
            Ok(v1::NodeState::Lost) => NodeState::Lost,
            Err(_) => NodeState::Unknown,
        };
        let mut runtimes: Vec<_> = node.runtimes.into_iter().collect();
        runtimes.sort_unstable();
        let local_code = if node.local_code.is_empty() { None } else { Some(Digest::from_slice(&node.local_code)?) };
        Ok(Self {
            name: node.name,
            address: node.address,
            state,
            labels: node.labels.into_iter().collect(),
            version: node.version,
            runtimes,
            slots: node.slots,
            queued: node.queued,
            executing: node.executing,
            held_units: Digest::split(&node.held_units)?,
            local_code,
            owns_catalogue: node.owns_catalogue,
            direct,
            process_id: node.process_id,
            uptime_seconds: node.uptime_seconds,
            code_round_trips: node.code_round_trips,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says() {
        let digest = Digest::of(b"unit");
        let node = v1::Node {
            name: "n1".into(),
            state: v1::NodeState::Draining.into(),
            labels: [("zone".to_owned(), "a".to_owned())].into(),
            held_units: digest.as_bytes().repeat(2).into(),
            local_code: digest.as_bytes().to_vec().into(),
            ..Default::default()
        };
        let info = NodeInfo::of(node.clone(), true).unwrap();
        assert_eq!((info.state, info.direct, info.labels["zone"].as_str()), (NodeState::Draining, true, "a"));
        assert_eq!((info.held_units, info.local_code), (vec![digest, digest], Some(digest)));
        let later = v1::Node { state: 99, local_code: Default::default(), ..node.clone() };
        let info = NodeInfo::of(later, false).unwrap();
        assert_eq!((info.state, info.local_code), (NodeState::Unknown, None));
        assert!(NodeInfo::of(v1::Node { held_units: vec![1; 33].into(), ..node }, false).is_err());
    }
}
