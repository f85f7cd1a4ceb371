//! The `uv` of this node: which one, with which folder for downloads. Must never know what it is asked for, nor how it is
//! run.

use std::{
    ffi::OsString,
    future::{Future, pending},
    path::{Path, PathBuf},
    time::Instant,
};

use haulier_model::{Error, Result};
use haulier_requirements::{Lock, Purpose, Run, Uv};
use tokio::sync::OnceCell;

use crate::runtimes::on_path;

/// The `uv` of this node.
pub(super) struct NodeUv {
    named: Option<PathBuf>,
    cache: PathBuf,
    found: OnceCell<Uv>,
}

/// One run of it.
pub(super) struct Asked<'a> {
    pub(super) operation: &'a str,
    /// An interpreter that may have it as a module.
    pub(super) python: &'a Path,
    pub(super) arguments: Vec<OsString>,
    /// What it reads from standard input.
    pub(super) input: String,
    pub(super) deadline: Instant,
}

impl NodeUv {
    pub(super) fn new(named: Option<PathBuf>, cache: PathBuf) -> Self {
        Self { named, cache, found: OnceCell::new() }
    }

    /// The program that it was named by.
    pub(super) fn named(&self) -> Option<&Path> {
        self.named.as_deref()
    }

    /// Runs `uv` with the node's own settings of indexes and returns what it prints. Errors: those of [`Uv::run`].
    pub(super) async fn run(&self, asked: Asked<'_>) -> Result<String> {
        self.run_unless(asked, |_| pending()).await
    }

    /// The same, and ends it with the error of `stop`, which gets the process's id, if that comes first.
    pub(super) async fn run_unless<F: Future<Output = Error>>(
        &self,
        asked: Asked<'_>,
        stop: impl FnOnce(u32) -> F,
    ) -> Result<String> {
        let Asked { operation, python, arguments, input, deadline } = asked;
        let uv = self.found.get_or_try_init(|| self.find(python)).await;
        let uv = uv.map_err(|error| error.in_operation(operation))?;
        let run = Run { operation, purpose: Purpose::Install, arguments, input, deadline, limit: Lock::LIMIT };
        uv.run_unless(run, stop).await
    }

    async fn find(&self, python: &Path) -> Result<Uv> {
        let found = match &self.named {
            Some(named) => Uv::at(on_path(named, "--uv")?),
            None => Uv::find_with(python)
                .await
                .map_err(|error| error.hint("pip install uv, on the node; or name it: haulier node --uv PATH"))?,
        };
        Ok(found.apart(&self.cache))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn no_uv_is_an_error_that_says_so() {
        let uv = NodeUv::new(Some("/nowhere/uv".into()), "/tmp".into());
        let deadline = Instant::now() + Duration::from_secs(5);
        let (operation, python) = ("build", Path::new("/nowhere/python"));
        let asked = Asked { operation, python, arguments: Vec::new(), input: String::new(), deadline };
        let error = uv.run(asked).await.unwrap_err();
        assert!(error.hint_text().contains("--uv") && error.operation() == "build", "{error}");
    }
}
