//! Asks an interpreter what is installed, and says how long its answer holds. No code of a distribution runs. Must never
//! know what is asked.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime},
};

/// Bytes that an answer may have.
const LONGEST: usize = 16 << 20;
/// Characters of what an interpreter says if it fails.
const LONGEST_PROBLEM: usize = 300;

/// Where an interpreter has looked, and when each folder was changed last.
#[derive(Default)]
pub(super) struct Folders(Vec<(PathBuf, Option<SystemTime>)>);

impl Folders {
    pub(super) fn add(&mut self, folder: &str) {
        self.0.push((folder.into(), changed_at(Path::new(folder))));
    }

    /// Whether nothing has come or gone since.
    pub(super) fn are_unchanged(&self) -> bool {
        self.0.iter().all(|(folder, changed)| changed_at(folder) == *changed)
    }

    /// In the order in which they are searched.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(folder, _)| folder.as_path())
    }
}

fn changed_at(folder: &Path) -> Option<SystemTime> {
    std::fs::metadata(folder).ok()?.modified().ok()
}

/// What the program `question` prints, about `folder` or about all that the interpreter sees; the problem, if it prints
/// nothing within `patience`.
pub(super) async fn ask(
    interpreter: &Path,
    question: &str,
    folder: Option<PathBuf>,
    patience: Duration,
) -> Result<String, String> {
    let failed = |problem: String| format!("{} does not say what is installed: {problem}", interpreter.display());
    let mut command = tokio::process::Command::new(interpreter);
    command.args(["-I", "-c", question]).args(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(patience, command.output()).await;
    let output = output.map_err(|_| failed("it took too long".into()))?.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() || output.stdout.len() > LONGEST {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().chars().take(LONGEST_PROBLEM).collect()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
