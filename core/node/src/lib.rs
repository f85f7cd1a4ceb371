//! A Haulier node: sessions, scheduling and workers behind the protocol.
//!
//! A node keeps deployed units, takes code and tasks from clients, and runs the tasks in worker processes that it
//! supervises. User code never runs inside it.
//!
//! ```no_run
//! # async fn start() -> haulier_model::Result<()> {
//! let node = haulier_node::Node::builder().data_dir("data").listen(([127, 0, 0, 1], 0).into()).start().await?;
//! println!("listening on {}", node.address());
//! node.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod admission;
mod broadcast;
mod catalogue;
mod class_paths;
mod cluster;
mod code;
mod content;
mod continuous;
mod control;
mod core;
mod deployer;
mod deployments;
mod directories;
mod environments;
mod explaining;
mod fetching;
mod garbage;
mod gateway;
mod holdings;
mod housekeeping;
mod identity;
mod jdks;
mod leaks;
mod loaders;
mod local_code;
mod members;
mod memory;
mod modules;
mod options;
mod past_tasks;
mod payloads;
mod peers;
mod placements;
mod placing;
mod pool;
mod preparing;
mod pythons;
mod relays;
mod results;
mod routing;
mod run;
mod runtimes;
mod schedule;
mod server;
mod session;
mod stopping;
mod units;
mod uploads;
mod watching;
mod wheels;
mod workers;

pub use haulier_store::Durability;
pub use options::{Limits, NodeBuilder};
pub use server::Node;
