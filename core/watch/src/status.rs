//! What a watch says about itself. It decides nothing.

/// The most problems that a status lists.
pub(crate) const MOST_PROBLEMS: usize = 100;
/// The most characters of an error in a status.
const MOST_ERROR: usize = 1_000;

/// What a watch says about itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchStatus {
    /// As in the options.
    pub id: String,
    /// Of the storage, without credentials.
    pub url: String,
    /// What the watch does.
    pub state: WatchState,
    /// Why there is an outage; none if there is none.
    pub last_error: Option<String>,
    /// When the storage was last listed with success, in milliseconds since the epoch.
    pub last_success_ms: Option<u64>,
    /// How many units this watch has deployed.
    pub units: usize,
    /// How many units in the storage wait until they have settled, or for their turn.
    pub settling: usize,
    /// What could not be deployed or undeployed: at most 100.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problem_count: usize,
}

/// What a watch does.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchState {
    /// It has not looked yet.
    Starting,
    /// The last look was good.
    Watching,
    /// The storage cannot be listed, or too much is gone at once. Nothing is undeployed.
    Outage,
}

impl WatchState {
    /// "starting", "watching" or "outage".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Watching => "watching",
            Self::Outage => "outage",
        }
    }
}

/// Something that could not be deployed or undeployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// In the storage: a file, or the folder of a unit.
    pub path: String,
    /// "name:version", if the path is a unit's.
    pub unit: Option<String>,
    /// What becomes of it.
    pub state: ProblemState,
    /// What is wrong.
    pub error: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
}

/// What becomes of something that could not be deployed or undeployed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemState {
    /// It is bad, and not tried again until it changes.
    Quarantined,
    /// Somebody else deployed that unit, or two paths give the same unit.
    Conflict,
    /// It is tried again.
    Retrying,
    /// The path is no unit's.
    Ignored,
}

impl ProblemState {
    /// "quarantined", "conflict", "retrying" or "ignored".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Conflict => "conflict",
            Self::Retrying => "retrying",
            Self::Ignored => "ignored",
        }
    }
}

/// The text of an error, cut to what a status may hold.
pub(crate) fn shorten(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    match text.char_indices().nth(MOST_ERROR) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
