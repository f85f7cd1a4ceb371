//! Class loaders that stay in the memory of workers, as an operator sees them.

use std::time::Duration;

use haulier_model::Result;
use haulier_protocol::{MESSAGE_LIMIT, v1};
use v1::cluster_service_client::ClusterServiceClient;

use crate::Cluster;

/// A class loader that no task uses any more and that stays in its worker's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeakedLoader {
    /// What it loads from: "pricing:1.2.0/pricing.jar".
    pub labels: Vec<String>,
    /// What is thought to hold it: "thread 'pool-1-thread-1' runs"; "unknown" if nothing was found.
    pub suspects: Vec<String>,
    /// Since it was noticed.
    pub age: Duration,
}

/// What a JVM worker has done with the loaders that it was told to let go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerLoaders {
    /// The worker's name on its node.
    pub worker: String,
    /// The node that it belongs to.
    pub node: String,
    /// Its process.
    pub process_id: u32,
    /// Whose tasks it runs; "code " and the digest of a class path: of all identities that share that code.
    pub identity: String,
    /// Whether another worker takes its place.
    pub draining: bool,
    /// Loaders that no task uses any more, since it started.
    pub released: u64,
    /// Those of them that were collected.
    pub collected: u64,
    /// Those that stay.
    pub leaked: Vec<LeakedLoader>,
}

impl Cluster {
    /// The JVM workers that run tasks of this identity at the node that this client is connected to, those of shared code
    /// included, and the class loaders that stay in their memory although no task uses them any more.
    pub async fn loaders(&self) -> Result<Vec<WorkerLoaders>> {
        self.ask("list loaders".to_owned(), async move |line, operation| {
            let mut client = ClusterServiceClient::new(line.data.clone()).max_decoding_message_size(MESSAGE_LIMIT);
            let answer = client.list_loaders(line.route.request(v1::ListLoadersRequest {})).await;
            let answer = answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner();
            Ok(answer.workers.into_iter().map(WorkerLoaders::from).collect())
        })
        .await
    }
}

impl From<v1::WorkerLoaders> for WorkerLoaders {
    fn from(worker: v1::WorkerLoaders) -> Self {
        Self {
            worker: worker.worker,
            node: worker.node,
            process_id: worker.process_id,
            identity: worker.identity,
            draining: worker.draining,
            released: worker.released,
            collected: worker.collected,
            leaked: worker.leaked.into_iter().map(LeakedLoader::from).collect(),
        }
    }
}

impl From<v1::LeakedLoader> for LeakedLoader {
    fn from(loader: v1::LeakedLoader) -> Self {
        Self { labels: loader.labels, suspects: loader.suspects, age: Duration::from_millis(loader.age_ms) }
    }
}
