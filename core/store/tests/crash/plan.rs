//! What a child is to do, as it travels to it through one variable of its environment.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Has the plan of a child; without it the test that is the child does nothing.
pub(crate) const VARIABLE: &str = "HAULIER_CRASH_PLAN";

/// An instant: a fail point, and how often it must have been passed.
pub(crate) type Instant = (String, u32);

/// What a child is to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Where the catalogue and the two stores are.
    pub(crate) folder: PathBuf,
    /// How often it goes through all that it does.
    pub(crate) cycles: u32,
    /// It kills itself at this instant.
    pub(crate) kill: Option<Instant>,
    /// At this instant all garbage is collected on another thread, while the first one waits.
    pub(crate) collect: Option<Instant>,
    /// A fail point that breaks a rule, or leaves a step out.
    pub(crate) sabotage: Option<String>,
    /// Whether it says which of the points that order matters for it passes.
    pub(crate) traced: bool,
}

impl Plan {
    pub(crate) fn of_environment() -> Option<Self> {
        let text = std::env::var(VARIABLE).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).unwrap()
    }
}

/// An instant, for a table.
pub(crate) fn at(point: &str, pass: u32) -> Option<Instant> {
    Some((point.to_owned(), pass))
}
