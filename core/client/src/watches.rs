//! Storages that the cluster watches: what is in them is deployed.

use std::time::Duration;

use haulier_model::{Error, Result};
use haulier_protocol::v1;

use crate::{Cluster, units};

/// A storage that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageWatch {
    /// Its name.
    pub id: String,
    /// Its URL, without credentials.
    pub url: String,
    /// How often it is looked at.
    pub interval: Duration,
    /// How long a file must have been unchanged before it is taken.
    pub settle: Duration,
    /// The node that looks at it; empty: none at the moment.
    pub node: String,
    /// "starting", "watching" or "outage".
    pub state: String,
    /// What is wrong with the storage as a whole; empty: nothing.
    pub last_error: String,
    /// Milliseconds since the epoch of the last look that went well; 0: none yet.
    pub last_success_ms: u64,
    /// Units that are deployed from it.
    pub units: u32,
    /// Files that wait until they have settled.
    pub settling: u32,
    /// Files and units that could not be deployed.
    pub problems: Vec<WatchProblem>,
}

/// A file or a unit of a watched storage that could not be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchProblem {
    /// The path in the storage.
    pub path: String,
    /// The unit that it would be: "name:version"; empty if it is none.
    pub unit: String,
    /// "quarantined", "conflict", "retrying" or "ignored".
    pub state: String,
    /// What is wrong.
    pub error: String,
    /// Milliseconds since the epoch.
    pub since_ms: u64,
}

impl Cluster {
    /// Watches a storage: `file:///srv/units`, `s3://bucket/units`, `ftp://host/units`, `https://host/units/`. What is
    /// there is deployed, what changes is redeployed, what goes is undeployed. One node of the cluster looks at it. Adding
    /// one that is watched changes its times. A zero `interval` or `settle` takes the default (5 s for folders and 30 s
    /// else; 2 s).
    ///
    /// Errors: `InvalidArgument` for a URL that cannot be watched.
    pub async fn watch_storage(&self, url: &str, interval: Duration, settle: Duration) -> Result<StorageWatch> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let request = v1::AddWatchRequest {
            url: url.to_owned(),
            interval_ms: milliseconds(interval),
            settle_ms: milliseconds(settle),
        };
        self.ask("watch a storage".to_owned(), async move |line, operation| {
            let answer = units::client(&line).add_watch(line.route.request(request)).await;
            one(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().watch, &operation)
        })
        .await
    }

    /// Watches a storage no longer, by its id or URL, and undeploys what came from it if `undeploy` is set. `NotFound` if
    /// it is not watched.
    pub async fn unwatch_storage(&self, watch: &str, undeploy: bool) -> Result<StorageWatch> {
        let request = v1::RemoveWatchRequest { watch: watch.to_owned(), undeploy };
        self.ask("remove a watch".to_owned(), async move |line, operation| {
            let answer = units::client(&line).remove_watch(line.route.request(request)).await;
            one(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().watch, &operation)
        })
        .await
    }

    /// The storages that are watched, with their state.
    pub async fn watched_storages(&self) -> Result<Vec<StorageWatch>> {
        self.ask("list watches".to_owned(), async move |line, operation| {
            let answer = units::client(&line).list_watches(line.route.request(v1::ListWatchesRequest {})).await;
            let watches = answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().watches;
            Ok(watches.into_iter().map(StorageWatch::from).collect())
        })
        .await
    }
}

fn one(watch: Option<v1::StorageWatch>, operation: &str) -> Result<StorageWatch> {
    watch.map(StorageWatch::from).ok_or_else(|| Error::internal(operation, "the node sent no watch"))
}

impl From<v1::StorageWatch> for StorageWatch {
    fn from(watch: v1::StorageWatch) -> Self {
        let problem = |problem: v1::WatchProblem| WatchProblem {
            path: problem.path,
            unit: problem.unit,
            state: problem.state,
            error: problem.error,
            since_ms: problem.since_ms,
        };
        Self {
            id: watch.id,
            url: watch.url,
            interval: Duration::from_millis(watch.interval_ms),
            settle: Duration::from_millis(watch.settle_ms),
            node: watch.node,
            state: watch.state,
            last_error: watch.last_error,
            last_success_ms: watch.last_success_ms,
            units: watch.units,
            settling: watch.settling,
            problems: watch.problems.into_iter().map(problem).collect(),
        }
    }
}
