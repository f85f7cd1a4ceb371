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
    /// The languages that can run here, with the versions of their runtimes, the default first; asked once.
    pub(crate) async fn runtimes(&self) -> &HashMap<String, String> {
        let probe = || async {
            let (java, python) = tokio::join!(self.jdks.versions(), python_versions(self));
            let found = [(Language::Java, java), (Language::Python, python)];
            let named =
                |(language, versions): (Language, Vec<String>)| (language.name().to_owned(), versions.join(", "));
            found.into_iter().filter(|(_, versions)| !versions.is_empty()).map(named).collect()
        };
        self.runtimes.get_or_init(probe).await
    }
}

async fn python_versions(node: &NodeCore) -> Vec<String> {
    let known = node.pythons.all().await.unwrap_or_default();
    known.iter().map(|runtime| runtime.interpreter.version.clone()).collect()
}

/// The version of a `java`: "17.0.15".
pub(crate) async fn java_version(program: &Path) -> Option<String> {
    version_by(&on_path(program, "--java").ok()?, "-version").await
}

/// The feature release of a `java`: 17.
pub(crate) async fn java_release(program: &Path) -> Option<u16> {
    java_version(program).await?.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
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

/// `java` of that release.
pub(crate) async fn java(node: &NodeCore, release: Option<u16>) -> Result<PathBuf> {
    on_path(node.jdks.program(release).await, "--java")
}

/// The path of a program that may be named without its folder; `option` names it.
pub(crate) fn on_path(program: &Path, option: &str) -> Result<PathBuf> {
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
