//! Deployment modes of peer loading.

use std::str::FromStr;

use crate::{Error, ErrorKind};

/// How widely the loaders of peer-loaded code are shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeploymentMode {
    /// Nobody shares: each task has its own loader or process.
    Isolated,
    /// Tasks of the same session and snapshot share.
    #[default]
    Private,
    /// All sessions whose class path has the same digest share.
    Shared,
    /// As shared, and it stays after every session has left.
    Continuous,
}

impl DeploymentMode {
    /// The name in configuration and messages: "private".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Continuous => "continuous",
        }
    }
}

impl FromStr for DeploymentMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Isolated, Self::Private, Self::Shared, Self::Continuous]
            .into_iter()
            .find(|mode| mode.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidArgument, "read a deployment mode", format!("'{text}' is no mode"))
                    .hint("isolated, private, shared or continuous")
            })
    }
}
