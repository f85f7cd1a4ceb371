//! The distributions that an interpreter has installed, asked once and again when its folders have changed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, SystemTime},
};

use haulier_model::{Error, ErrorKind, Result};
use parking_lot::Mutex;

use super::{requirement::normal, tame};
use crate::pythons::PythonRuntime;

/// Prints where it looks, and what is there.
const QUESTION: &str = "\
import importlib.metadata, sys
paths = sys.argv[1:] or sys.path
for path in paths:
    print('path', path, sep='\\t')
for one in importlib.metadata.distributions(path=paths):
    try:
        print('has', one.metadata['Name'], one.version, sep='\\t')
    except Exception:
        pass
";

/// The answers of interpreters, by their programs.
#[derive(Default)]
pub(super) struct Installed(Mutex<HashMap<PathBuf, Arc<Listing>>>);

struct Listing {
    /// Each folder with the time of its last change.
    folders: Vec<(PathBuf, Option<SystemTime>)>,
    versions: HashMap<String, String>,
}

impl Listing {
    fn is_current(&self) -> bool {
        self.folders.iter().all(|(folder, changed)| changed_at(folder) == *changed)
    }
}

impl Installed {
    /// The versions by normalised name. An environment is read by the interpreter that it is built on: its own would run
    /// code of distributions here.
    ///
    /// # Errors
    /// `Unavailable` if the interpreter does not say them within `patience`.
    pub(super) async fn versions(
        &self,
        runtime: &PythonRuntime,
        patience: Duration,
    ) -> Result<HashMap<String, String>> {
        let program = &runtime.program;
        let known = self.0.lock().get(program).cloned();
        if let Some(known) = known.filter(|known| known.is_current()) {
            return Ok(known.versions.clone());
        }
        let folder = match &runtime.environment {
            Some(environment) => Some(tame::site_packages(&environment.folder)?),
            None => None,
        };
        let listing = Arc::new(ask(&runtime.interpreter.program, folder, patience).await?);
        let versions = listing.versions.clone();
        self.0.lock().insert(program.to_owned(), listing);
        Ok(versions)
    }

    /// Forgets a program that has gone.
    pub(super) fn forget(&self, folder: &Path) {
        self.0.lock().retain(|program, _| !program.starts_with(folder));
    }
}

async fn ask(program: &Path, folder: Option<PathBuf>, patience: Duration) -> Result<Listing> {
    let failed = |problem: String| {
        let message = format!("{} does not say what is installed: {problem}", program.display());
        Error::new(ErrorKind::Unavailable, "compare distributions", message)
            .hint("connect(environment=\"ignore\") does not ask")
    };
    let mut command = tokio::process::Command::new(program);
    command.args(["-I", "-c", QUESTION]).args(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(patience, command.output()).await;
    let output = output.map_err(|_| failed("it took too long".into()))?.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(read(&String::from_utf8_lossy(&output.stdout)))
}

fn read(said: &str) -> Listing {
    let mut listing = Listing { folders: Vec::new(), versions: HashMap::new() };
    for line in said.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["path", folder] if !folder.is_empty() => {
                listing.folders.push((folder.into(), changed_at(Path::new(folder))))
            }
            // The first one is what an import finds.
            ["has", name, version] => {
                if let Some(name) = normal(name) {
                    listing.versions.entry(name).or_insert_with(|| version.to_owned());
                }
            }
            _ => {}
        }
    }
    listing
}

pub(super) fn changed_at(folder: &Path) -> Option<SystemTime> {
    std::fs::metadata(folder).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_counts_until_a_folder_changes() {
        let folder = tempfile::tempdir().unwrap();
        let said = format!("path\t{}\nhas\tSome.Name\t1.0\nhas\tsome-name\t2.0\nhas\tNone\nx", folder.path().display());
        let listing = read(&said);
        assert_eq!(listing.versions, HashMap::from([("some-name".to_owned(), "1.0".to_owned())]));
        assert!(listing.is_current());
        std::fs::remove_dir(folder.path()).unwrap();
        assert!(!listing.is_current());
    }
}
