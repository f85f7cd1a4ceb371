//! Real nodes for tests, one or a cluster of them: their processes, proxies that cut their connections, certificates;
//! and the servers of others that they take code from.
//!
//! Owns processes and files of tests and ends them all. It uses what a user would use (the distribution folder, the
//! command line, the native client) and never reaches into the node.
mod answer;
mod archive;
pub mod cases;
pub mod cluster;
mod command;
mod fixtures;
mod gate;
mod node;
mod peer;
mod process;
mod proxy;
mod random;
mod servers;
mod tls;

pub use answer::{answer, answers};
pub use archive::Jar;
pub use cluster::TestCluster;
pub use command::{CommandLine, Ended};
pub use fixtures::{client_jar, fixture, fixtures, target_dir};
pub use gate::{Gate, Held};
pub use node::{NodeOptions, TestNode};
pub use peer::PeerClient;
pub use process::{descendants, eventually, is_alive, until, within};
pub use proxy::Proxy;
pub use random::{Random, random_bytes};
pub use servers::TestServer;
pub use tls::TlsMaterial;
