//! The life of units on real nodes: deploying from everywhere, names, crashes, garbage, watched storages, commands. One
//! program, because each one costs a quarter of a minute to build.

mod command_line;
mod explaining;
mod garbage;
mod gateway;
mod large_files;
mod many_units;
mod memory;
mod node_crash;
mod opaque;
mod policies;
mod requirements;
mod services;
mod sources_on_node;
mod transfer;
mod unloading;
mod versions;
mod watching;
mod watching_nodes;

use haulier::Cluster;
use haulier_testkit::{NodeOptions, TestNode};

/// A node, and a connection to it.
async fn node() -> (TestNode, Cluster) {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    (node, cluster)
}
