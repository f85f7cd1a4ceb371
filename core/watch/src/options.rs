//! How a storage is watched.

use std::{path::PathBuf, time::Duration};

/// How a storage is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// Names the watch in reports, and its files in `temp`: no two watches of a node may have the same.
    pub id: String,
    /// How often the storage is looked at; by default every 5 seconds for folders, 30 seconds else. A folder is looked
    /// at when something in it changes, too.
    pub interval: Option<Duration>,
    /// How long a unit must have looked the same before it is taken, or absent before it is undeployed; 2 seconds by
    /// default.
    pub settle: Duration,
    /// Where files are put while they are deployed; made if it is missing. Nothing of this watch stays
    /// there; what a run that was killed has left is removed when the next one begins.
    pub temp: PathBuf,
    /// The most bytes that the files of one unit may have; 4 GiB by default. A larger unit is quarantined.
    pub limit: u64,
}

impl WatchOptions {
    /// The defaults.
    pub fn new(id: impl Into<String>, temp: impl Into<PathBuf>) -> Self {
        Self { id: id.into(), interval: None, settle: Duration::from_secs(2), temp: temp.into(), limit: 4 << 30 }
    }

    pub(crate) fn interval_of(&self, is_folder: bool) -> Duration {
        let default = Duration::from_secs(if is_folder { 5 } else { 30 });
        // A look at the storage costs something; a limit keeps a wrong number from making it all that the node does.
        self.interval.unwrap_or(default).max(Duration::from_millis(20))
    }

    /// The least time between two looks, however much happens in the storage.
    pub(crate) fn gap(&self) -> Duration {
        (self.settle / 4).clamp(Duration::from_millis(20), Duration::from_millis(500))
    }
}
