//! One source of a deployment, as the user named it. It reads nothing.

use std::path::PathBuf;

use haulier_model::{Error, ErrorKind, Result};
use haulier_requirements::Requirement;

use super::UnitOrigin;

/// What the user named, and where it came from if somebody has resolved it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) expected: Expected,
    pub(super) path: PathBuf,
    pub(super) origin: Option<UnitOrigin>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Anything,
    File,
    Folder,
}

impl Source {
    /// Whether the node is to fetch it: a URL, Maven coordinates or a requirement, and no path that is there.
    pub(super) fn is_remote(&self) -> bool {
        let text = self.path.to_string_lossy();
        let is_coordinates = || {
            let parts: Vec<&str> = text.split(':').collect();
            let plain = |part: &&str| {
                !part.is_empty()
                    && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
            };
            (3..=5).contains(&parts.len()) && parts.iter().all(plain)
        };
        let is_named = || text.contains("://") || is_coordinates() || Requirement::is_meant(&text);
        self.expected == Expected::Anything && !self.path.exists() && is_named()
    }

    pub(super) fn check(&self, operation: &str) -> Result<()> {
        let shown = self.path.display();
        let (message, hint) = match self.expected {
            Expected::File if self.path.is_dir() => (format!("'{shown}' is a folder, not a jar"), "use folder(path)"),
            Expected::Folder if self.path.is_file() => {
                (format!("'{shown}' is a file, not a folder"), "use jar(path) or source(path)")
            }
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::InvalidArgument, operation, message).hint(hint))
    }
}
