//! The native client of Haulier: deploy code, submit tasks, read results.
//!
//! ```no_run
//! # async fn f() -> haulier::Result<()> {
//! use futures_util::StreamExt as _;
//!
//! let cluster = haulier::connect("localhost:7440").await?;
//! let unit = cluster.deploy("pricing", "1.2.0").jar("pricing.jar").send().await?;
//! let price: i64 = cluster.task(&unit, "com.acme.Price").call(42).await?;
//! let mut prices = cluster.task(&unit, "com.acme.Price").map::<i64>(1..=1000);
//! while let Some(price) = prices.next().await {
//!     println!("{}", price?);
//! }
//! # Ok(()) }
//! ```
//!
//! Every call works from any executor: the connection lives on a [`runtime`] of its own. The bindings of other
//! languages use [`Cluster::submit`], [`Cluster::cancel`] and [`CodeScope::prepare`], which take and bring bytes.

mod arguments;
mod cluster;
mod code;
mod deploy;
mod direct;
mod download;
mod explain;
mod loaders;
mod nodes;
mod options;
#[doc(hidden)]
pub mod relay;
mod route;
pub mod runtime;
mod session;
mod sessions;
mod submission;
mod task;
mod units;
mod waiting;
mod watches;

pub use arguments::IntoArguments;
pub use cluster::Cluster;
pub use code::{CodePreview, CodeScope, PreviewedFile};
pub use deploy::{Deploy, DeployProgress, Deployment, MavenOptions, UnitOrigin};
pub use explain::{ExplainedPlace, Explanation, Question};
pub use haulier_model::{
    Codec, DeploymentMode, Digest, EnvironmentPolicy, Error, ErrorKind, Language, LoadingPolicy, RemoteFailure, Result,
    Retry, RootKind, Value,
};
pub use haulier_pack::LeftOut;
pub use haulier_protocol::values::{decode as decode_value, encode_arguments};
pub use loaders::{LeakedLoader, WorkerLoaders};
pub use nodes::{NodeInfo, NodeState};
pub use options::{ConnectOptions, DEFAULT_PORT};
pub use sessions::{ContinuousCode, Promotion, SessionInfo};
pub use submission::{CodeReference, Completion, NodeOutcome, Output, Submission, Target, TaskId};
pub use task::{Map, Task, TaskHandle, Units};
pub use units::{CollectedGarbage, DeployedUnit, PinnedRequirement, UnitDetails, UnitEntry, UnitOriginal, UnitState};
pub use watches::{StorageWatch, WatchProblem};

/// Connects to the node at `address` (`host:port`, or `host` for port 7440), without token and TLS; see
/// [`ConnectOptions`] for those.
pub async fn connect(address: impl Into<String>) -> Result<Cluster> {
    ConnectOptions::new(address).connect().await
}

/// The version of Haulier with its build: "0.1.0+1a2b3c4d". Nodes and clients should be of the same build.
pub const fn version() -> &'static str {
    haulier_protocol::build_id()
}
