//! The languages that can run here: the programs that become workers, and their versions.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Language, Result};

use crate::core::NodeCore;

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);

impl NodeCore {
    /// The languages that can run here, with the version of the runtime; asked once.
    pub(crate) async fn runtimes(&self) -> &HashMap<String, String> {
        let probe = || async {
            let (java, python) = tokio::join!(version(self, Language::Java), version(self, Language::Python));
            let found = [(Language::Java, java), (Language::Python, python)];
            found.into_iter().filter_map(|(of, version)| Some((of.name().to_owned(), version?))).collect()
        };
        self.runtimes.get_or_init(probe).await
    }
}

async fn version(node: &NodeCore, language: Language) -> Option<String> {
    let option = if language == Language::Java { "-version" } else { "--version" };
    version_by(&program(node, language, None).await.ok()?, option).await
}

/// The feature release of a `java`: 17.
pub(crate) async fn java_release(program: &Path) -> Option<u16> {
    let version = version_by(&on_path(program, "--java").ok()?, "-version").await?;
    version.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
}

async fn version_by(program: &Path, option: &str) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command.arg(option).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    // `openjdk version "17.0.15" 2025-04-15` on the error output, `Python 3.11.7` on the output.
    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    output.status.success().then(|| version_in(&said)).flatten()
}

/// The first word that begins with a digit, without quotes.
fn version_in(said: &str) -> Option<String> {
    let words = said.split_whitespace().map(|word| word.trim_matches('"'));
    words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

/// `java` of that release; of Python the interpreter itself: a shim would cost its own start each time, and could not be confined.
pub(crate) async fn program(node: &NodeCore, language: Language, java: Option<u16>) -> Result<PathBuf> {
    if language != Language::Python {
        return on_path(node.jdks.program(java).await, "--java");
    }
    let find = || async {
        let shim = on_path(&node.python, "--python")?;
        let mut command = tokio::process::Command::new(&shim);
        command.args(["-I", "-c", "import sys; print(sys.executable)"]).kill_on_drop(true);
        let failed = |problem: String| {
            Error::new(ErrorKind::Unavailable, "start a Python worker", format!("{} {problem}", shim.display()))
                .hint("install Python 3.11 or newer, or name it: haulier node --python PATH")
        };
        let output = tokio::time::timeout(node.limits.start, command.output())
            .await
            .map_err(|_| failed("does not answer".into()))?
            .map_err(|error| failed(format!("cannot be run: {error}")))?;
        let executable = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && Path::new(&executable).is_absolute() {
            return Ok(PathBuf::from(executable));
        }
        Err(failed(format!("does not work: {}", String::from_utf8_lossy(&output.stderr).trim())))
    };
    node.interpreter.get_or_try_init(find).await.cloned()
}

fn on_path(program: &Path, option: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = if program.components().count() > 1 {
        std::path::absolute(program).ok().filter(|path| path.is_file())
    } else {
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
    };
    found.ok_or_else(|| {
        Error::new(
            ErrorKind::Unavailable,
            "start a worker",
            format!("there is no '{}' on this node", program.display()),
        )
        .hint(format!("install it, or name it: haulier node {option} PATH"))
    })
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn versions_in_what_programs_say() {
        let java = "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)";
        assert_eq!(version_in(java).as_deref(), Some("17.0.15"));
        assert_eq!(version_in("Python 3.11.7\n").as_deref(), Some("3.11.7"));
        assert_eq!(version_in("command not found"), None);
    }
}
