//! Runs `uv`, which resolves and installs distributions: finds it, bounds its time, and puts what it says last into the
//! error. Must never know what it is asked for.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use haulier_model::{Error, ErrorKind, Result, Retry};
use tokio::{io::AsyncWriteExt as _, process::Command, sync::OnceCell};

use crate::runtimes::on_path;

/// How long `python -m uv --version` may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many of its last lines an error has, and how long one of them may be.
const LAST_LINES: usize = 12;
const LONGEST_LINE: usize = 300;
/// Variables of pip that say where distributions come from, and what `uv` calls them.
const SETTINGS: [(&str, &str); 3] =
    [("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_EXTRA_INDEX_URL", "UV_INDEX"), ("PIP_CERT", "SSL_CERT_FILE")];

/// The `uv` of this node.
pub(super) struct Uv {
    named: Option<PathBuf>,
    cache: PathBuf,
    /// The words that start it.
    found: OnceCell<Vec<OsString>>,
}

impl Uv {
    pub(super) fn new(named: Option<PathBuf>, cache: PathBuf) -> Self {
        Self { named, cache, found: OnceCell::new() }
    }

    /// The program that it was named by.
    pub(super) fn named(&self) -> Option<&Path> {
        self.named.as_deref()
    }

    /// Runs `uv` with the node's own environment and returns what it prints. `python`: an interpreter that may have it as
    /// a module.
    ///
    /// # Errors
    /// `NotFound` if there is no `uv`, `DeadlineExceeded` at the deadline; `Unavailable` if an index does not answer,
    /// `Conflict` if a file has another hash, `Incompatible` if nothing fits. All with its last lines.
    pub(super) async fn run(
        &self,
        operation: &str,
        python: &Path,
        arguments: impl IntoIterator<Item = OsString>,
        input: Option<&str>,
        deadline: Instant,
    ) -> Result<String> {
        let words = self.found.get_or_try_init(|| self.find(operation, python)).await?;
        let mut command = self.command(words);
        command.args(arguments);
        let output = tokio::time::timeout_at(deadline.into(), talk(command, input)).await;
        let output = output.map_err(|_| too_late(operation))?.map_err(|error| {
            Error::new(ErrorKind::Unavailable, operation, format!("uv cannot be run: {error}"))
                .hint("name another one: haulier node --uv PATH")
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failure(operation, &String::from_utf8_lossy(&output.stderr)))
    }

    async fn find(&self, operation: &str, python: &Path) -> Result<Vec<OsString>> {
        if let Some(named) = &self.named {
            return Ok(vec![on_path(named, "--uv")?.into()]);
        }
        if let Ok(found) = on_path(Path::new("uv"), "--uv") {
            return Ok(vec![found.into()]);
        }
        let words: Vec<OsString> = vec![python.into(), "-I".into(), "-m".into(), "uv".into()];
        let mut command = self.command(&words);
        let asked = tokio::time::timeout(PATIENCE, command.arg("--version").output()).await;
        if asked.is_ok_and(|answer| answer.is_ok_and(|output| output.status.success())) {
            return Ok(words);
        }
        Err(Error::new(ErrorKind::NotFound, operation, "this node has no uv, which builds Python environments")
            .hint("pip install uv, on the node; or name it: haulier node --uv PATH"))
    }

    fn command(&self, words: &[OsString]) -> Command {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).kill_on_drop(true).stdin(Stdio::null());
        for (from, to) in SETTINGS {
            if let Some(value) = std::env::var_os(from)
                && std::env::var_os(to).is_none()
            {
                command.env(to, value);
            }
        }
        for name in ["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"] {
            command.env_remove(name);
        }
        command
            .env("UV_CACHE_DIR", &self.cache)
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_NO_PROGRESS", "1")
            .env("NO_COLOR", "1")
            // No settings of a project that the node happens to be started in.
            .current_dir("/");
        command
    }
}

async fn talk(mut command: Command, input: Option<&str>) -> std::io::Result<Output> {
    let Some(input) = input else { return command.output().await };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // If it does not read, it has ended, and what it said is the better error.
        let _ = pipe.write_all(input.as_bytes()).await;
    }
    child.wait_with_output().await
}

pub(super) fn too_late(operation: &str) -> Error {
    Error::new(ErrorKind::DeadlineExceeded, operation, "it took too long, and was ended")
        .with_retry(Retry::Later)
        .hint("submit again: what was downloaded is kept; or look at the network and the index of the node")
}

/// The error of a run, by what it said.
fn failure(operation: &str, said: &str) -> Error {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let (kind, retry, message, hint) = if says(&["Hash mismatch"]) {
        let hint =
            "the index has other files than the lock; deploy again: haulier deploy NAME PATH --requirements FILE";
        (ErrorKind::Conflict, Retry::Never, "a distribution has another hash than the lock says", hint)
    } else if says(&[
        "Failed to fetch",
        "error sending request",
        "Could not connect",
        "Connection refused",
        "dns error",
    ]) {
        let hint = "look at the index of the node (UV_DEFAULT_INDEX, PIP_INDEX_URL), and submit again";
        (ErrorKind::Unavailable, Retry::Later, "an index does not answer", hint)
    } else if says(&["Failed to install"]) {
        let hint = "leave the distribution out, or choose another version of it";
        (ErrorKind::Incompatible, Retry::Never, "a wheel cannot be installed", hint)
    } else if says(&["No solution found", "no wheels", "not found in the package registry", "incompatible"]) {
        let hint = "choose versions that have wheels for the node's Python: haulier nodes";
        (ErrorKind::Incompatible, Retry::Never, "the distributions cannot be had for this interpreter", hint)
    } else {
        let hint = "look at the node's log; the commands are those of uv";
        (ErrorKind::Unavailable, Retry::Later, "uv failed", hint)
    };
    let error = Error::new(kind, operation, format!("{message}: {}", last_lines(said))).with_retry(retry);
    error.hint(hint)
}

/// The last lines, without the users in URLs.
fn last_lines(said: &str) -> String {
    let lines: Vec<String> = said.lines().map(str::trim).filter(|line| !line.is_empty()).map(without_user).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join(" | ")
}

fn without_user(line: &str) -> String {
    let mut parts = line.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let authority = part.split(['/', ' ', '?', '#', '`']).next().unwrap_or_default();
        let start = authority.rfind('@').map_or(0, |at| at + 1);
        shown.push_str("://");
        shown.push_str(&part[start..]);
    }
    shown.chars().filter(|letter| !letter.is_control()).take(LONGEST_LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uv_says_becomes_an_error() {
        let said = "error: Failed to fetch: `https://me:secret@host/simple/six/`\n  Caused by: error sending request";
        let error = failure("build", said);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
        assert!(!error.to_string().contains("secret") && error.to_string().contains("https://host/simple/six/"));
        assert_eq!(failure("build", "Hash mismatch for `six==1.16.0`").kind(), ErrorKind::Conflict);
        assert_eq!(failure("build", "No solution found when resolving").kind(), ErrorKind::Incompatible);
        assert_eq!(failure("build", "").kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn no_uv_is_an_error_that_says_so() {
        let uv = Uv::new(Some("/nowhere/uv".into()), "/tmp".into());
        let deadline = Instant::now() + Duration::from_secs(5);
        let error = uv.run("build", Path::new("/nowhere/python"), [], None, deadline).await.unwrap_err();
        assert!(error.hint_text().contains("--uv"), "{error}");
    }
}
