//! The distributions that an interpreter has installed, asked once and again when its folders have changed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Result};
use parking_lot::Mutex;

use super::{
    asking::{self, Folders},
    requirement::normal,
    tame,
};
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

#[derive(Default)]
struct Listing {
    folders: Folders,
    versions: HashMap<String, String>,
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
        if let Some(known) = known.filter(|known| known.folders.are_unchanged()) {
            return Ok(known.versions.clone());
        }
        let folder = match &runtime.environment {
            Some(environment) => Some(tame::site_packages(&environment.folder)?),
            None => None,
        };
        let said = asking::ask(&runtime.interpreter.program, QUESTION, folder, patience).await.map_err(|problem| {
            Error::new(ErrorKind::Unavailable, "compare distributions", problem)
                .hint("connect(environment=\"ignore\") does not ask")
        })?;
        let listing = Arc::new(read(&said));
        let versions = listing.versions.clone();
        self.0.lock().insert(program.to_owned(), listing);
        Ok(versions)
    }

    /// Forgets a program that has gone.
    pub(super) fn forget(&self, folder: &Path) {
        self.0.lock().retain(|program, _| !program.starts_with(folder));
    }
}

fn read(said: &str) -> Listing {
    let mut listing = Listing::default();
    for line in said.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["path", folder] if !folder.is_empty() => listing.folders.add(folder),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_counts_until_a_folder_changes() {
        let folder = tempfile::tempdir().unwrap();
        let said = format!("path\t{}\nhas\tSome.Name\t1.0\nhas\tsome-name\t2.0\nhas\tNone\nx", folder.path().display());
        let listing = read(&said);
        assert_eq!(listing.versions, HashMap::from([("some-name".to_owned(), "1.0".to_owned())]));
        assert!(listing.folders.are_unchanged());
        std::fs::remove_dir(folder.path()).unwrap();
        assert!(!listing.folders.are_unchanged());
    }
}
