//! What becomes of the installed distributions that a client's Python code imports.

use std::str::FromStr;

use crate::{Error, ErrorKind};

/// What a node does with the requirements of a submit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EnvironmentPolicy {
    /// The task is refused if the interpreter that would run it lacks one, or has it in another version.
    #[default]
    Check,
    /// The node builds an environment of them, once for each set, and runs the task there.
    Build,
    /// They are not looked at.
    Ignore,
}

impl EnvironmentPolicy {
    /// The name in configuration and messages: "check".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Build => "build",
            Self::Ignore => "ignore",
        }
    }
}

impl FromStr for EnvironmentPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Check, Self::Build, Self::Ignore]
            .into_iter()
            .find(|policy| policy.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    "read an environment policy",
                    format!("'{text}' says not what to do with distributions"),
                )
                .hint("check, build or ignore")
            })
    }
}
