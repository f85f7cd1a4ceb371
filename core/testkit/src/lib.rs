//! A real node on a free port for tests: its process, a proxy that cuts its connections, certificates for its TLS.
//!
//! Owns processes and files of tests and ends them all. It uses what a user would use (the distribution folder, the
//! command line, the native client) and never reaches into the node.
pub mod cases;
mod fixtures;
mod node;
mod process;
mod proxy;
mod tls;

pub use fixtures::{fixture, fixtures, target_dir};
pub use node::{NodeOptions, TestNode};
pub use process::{descendants, eventually, is_alive};
pub use proxy::Proxy;
pub use tls::TlsMaterial;
