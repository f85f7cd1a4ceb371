//! The commands as a user types them: runs the binary of the distribution to its end. It knows no command.
use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::process::Command;

use crate::TestNode;

/// The longest time for a command.
const DEADLINE: Duration = Duration::from_secs(60);

/// `haulier` against one node.
#[derive(Clone, Debug)]
pub struct CommandLine {
    address: String,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it printed to standard output.
    pub output: String,
    /// What it printed to standard error.
    pub complaint: String,
}

impl CommandLine {
    /// Commands that connect to this address.
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), environment: Vec::new(), folder: None }
    }

    /// With a variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// In this folder. Default: that of the test.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Runs it with these arguments.
    ///
    /// # Panics
    /// If it does not start, or not end within 60 seconds.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(TestNode::binary());
        command.args(arguments).env("HAULIER_ADDRESS", &self.address).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let ended = tokio::time::timeout(DEADLINE, command.output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("haulier {arguments:?} does not end")).expect("the binary");
        Ended {
            code: ended.status.code().unwrap_or(-1),
            output: String::from_utf8_lossy(&ended.stdout).into_owned(),
            complaint: String::from_utf8_lossy(&ended.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// What it printed, if it succeeded.
    ///
    /// # Panics
    /// If it did not.
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.output, self.complaint);
        self.output
    }
}
