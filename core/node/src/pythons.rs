//! The Python interpreters of this node, and which one runs a task. Must never know how their processes are started, nor
//! what is installed for them.

mod interpreter;
mod tags;

use std::{
    hash::{Hash, Hasher},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Result};
use tokio::sync::OnceCell;

pub(crate) use self::{interpreter::Interpreter, tags::wheel_tags};
use crate::environments::InUse;

/// The implementations that functions travel between by value.
const IMPLEMENTATIONS: [&str; 3] = ["cpython-", "pypy-", "graalpy-"];

/// What Python tasks run with: an interpreter of the node as it is, or an environment that was built on it.
#[derive(Debug)]
pub(crate) struct PythonRuntime {
    /// The program of the worker.
    pub(crate) program: PathBuf,
    pub(crate) interpreter: Arc<Interpreter>,
    /// Keeps the environment on disk; `None` for an interpreter as it is.
    pub(crate) environment: Option<InUse>,
}

impl PartialEq for PythonRuntime {
    fn eq(&self, other: &Self) -> bool {
        self.program == other.program
    }
}

impl Eq for PythonRuntime {}

impl Hash for PythonRuntime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.program.hash(state);
    }
}

/// What decides on the interpreter of a task.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    /// What code by value was made with: "cpython-3.11". Nothing else reads it.
    pub(crate) by_value: Option<&'a str>,
    /// The version of the client's own interpreter, which is taken if it is there: "3.11.7".
    pub(crate) version: Option<&'a str>,
    pub(crate) extensions: &'a [ExtensionModule],
}

impl Wish<'_> {
    /// Whether nothing better can be found.
    fn is_met_by(&self, interpreter: &Interpreter) -> bool {
        self.is_possible_on(interpreter) && self.version.is_none_or(|version| interpreter.is_like(version))
    }

    fn is_possible_on(&self, interpreter: &Interpreter) -> bool {
        self.reads(interpreter) && self.extensions.iter().all(|module| interpreter.loads(module))
    }

    fn reads(&self, interpreter: &Interpreter) -> bool {
        self.by_value.is_none_or(|needed| interpreter.capability() == needed)
    }
}

/// An extension module that only certain interpreters load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtensionModule {
    /// Where it is from, for messages: "fast:1.0.0/fast/core.cpython-312-x86_64-linux-gnu.so".
    pub(crate) label: String,
    /// What its files end with, one for each interpreter: ".cpython-312-x86_64-linux-gnu.so".
    pub(crate) suffixes: Vec<String>,
}

/// The capability of an interpreter that a payload by value needs: "cpython-3.11".
pub(crate) fn by_value(requires: &[String]) -> Option<&str> {
    requires.iter().map(String::as_str).find(|name| IMPLEMENTATIONS.iter().any(|prefix| name.starts_with(prefix)))
}

/// The `python3` programs of a node in the order in which they were named; the first one is the default.
pub(crate) struct Pythons {
    programs: Vec<(PathBuf, OnceCell<Arc<PythonRuntime>>)>,
    patience: Duration,
}

impl Pythons {
    /// `patience`: how long a program may take to say what it is.
    pub(crate) fn new(mut programs: Vec<PathBuf>, patience: Duration) -> Self {
        if programs.is_empty() {
            programs.push("python3".into());
        }
        Self { programs: programs.into_iter().map(|program| (program, OnceCell::new())).collect(), patience }
    }

    /// The interpreter for a task; of those that can run it the one with the client's version, else the first.
    ///
    /// # Errors
    /// `Incompatible` with what the task needs and what is there; `Unavailable` if the default does not work.
    pub(crate) async fn choose(&self, wish: Wish<'_>) -> Result<Arc<PythonRuntime>> {
        // A first task does not wait for what others say.
        let default = self.at(0).await?;
        if wish.is_met_by(&default.interpreter) {
            return Ok(default);
        }
        let known = self.all().await?;
        let interpreters: Vec<&Interpreter> = known.iter().map(|runtime| &*runtime.interpreter).collect();
        select(&interpreters, wish).map(|index| known[index].clone())
    }

    /// Those that work, the default first.
    pub(crate) async fn all(&self) -> Result<Vec<Arc<PythonRuntime>>> {
        let mut known = vec![self.at(0).await?];
        for index in 1..self.programs.len() {
            match self.at(index).await {
                Ok(runtime) => known.push(runtime),
                Err(error) => tracing::warn!(%error, "a Python interpreter of this node is left out"),
            }
        }
        Ok(known)
    }

    async fn at(&self, index: usize) -> Result<Arc<PythonRuntime>> {
        let (program, cell) = &self.programs[index];
        let ask = || async {
            let interpreter = Arc::new(interpreter::ask(program, self.patience).await?);
            Ok(Arc::new(PythonRuntime { program: interpreter.program.clone(), interpreter, environment: None }))
        };
        cell.get_or_try_init(ask).await.cloned()
    }
}

fn select(known: &[&Interpreter], wish: Wish<'_>) -> Result<usize> {
    let best = (0..known.len()).find(|index| wish.is_met_by(known[*index]));
    let possible = best.or_else(|| (0..known.len()).find(|index| wish.is_possible_on(known[*index])));
    possible.ok_or_else(|| match wish.by_value {
        Some(needed) if !known.iter().any(|interpreter| wish.reads(interpreter)) => unread(known, needed),
        _ => unloaded(known, wish.extensions),
    })
}

/// The names of interpreters, each once: "cpython-3.11, cpython-3.13".
pub(crate) fn names<'a>(known: impl IntoIterator<Item = &'a Interpreter>) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in known.into_iter().map(Interpreter::capability) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn unread(known: &[&Interpreter], needed: &str) -> Error {
    let who = if known.len() == 1 { "worker" } else { "node" };
    let message = format!("the task needs {needed}; the {who} has {}", names(known.iter().copied()));
    Error::new(ErrorKind::Incompatible, "run a task", message).hint(
        "use the same minor version of Python on both sides, name another one (haulier node --python PATH --python \
         OTHER), or put the function into a module of its own",
    )
}

fn unloaded(known: &[&Interpreter], extensions: &[ExtensionModule]) -> Error {
    let bad = |module: &&ExtensionModule| !known.iter().any(|interpreter| interpreter.loads(module));
    let module = extensions.iter().find(bad).or(extensions.first());
    let what = module.map_or_else(String::new, |module| module.label.clone());
    let message = format!("{what} is not for {}, which this node has", names(known.iter().copied()));
    Error::new(ErrorKind::Incompatible, "run a task", message)
        .hint("deploy a wheel for one of them, or name the interpreter: haulier node --python PATH --python OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(suffixes: &[&str]) -> ExtensionModule {
        let suffixes = suffixes.iter().map(|suffix| (*suffix).to_owned()).collect();
        ExtensionModule { label: "fast:1/fast/core.so".into(), suffixes }
    }

    #[test]
    fn what_must_be_comes_before_what_is_liked() {
        let [eleven, twelve] = [interpreter::example("3.11.7"), interpreter::example("3.12.1")];
        let known = [&eleven, &twelve];
        let select = |by_value, version, extensions: &[ExtensionModule]| {
            select(&known, Wish { by_value, version, extensions }).map_err(|error| error.to_string())
        };
        assert_eq!(select(None, None, &[]), Ok(0));
        assert_eq!(select(None, Some("3.12.9"), &[]), Ok(1), "the client's");
        assert_eq!(select(None, Some("3.1"), &[]), Ok(0), "3.1 is no 3.12");
        assert_eq!(select(Some("cpython-3.12"), Some("3.11.7"), &[]), Ok(1));
        let twelfth = [module(&[".cpython-312-x86_64-linux-gnu.so"])];
        assert_eq!(select(None, Some("3.11.7"), &twelfth), Ok(1), "the only one that loads it");
        let error = select(Some("cpython-3.13"), None, &[]).unwrap_err();
        assert!(error.contains("the task needs cpython-3.13; the node has cpython-3.11, cpython-3.12"), "{error}");
        let tenth = [module(&[".cpython-310-x86_64-linux-gnu.so"])];
        let error = select(None, None, &tenth).unwrap_err();
        assert!(error.contains("fast:1/fast/core.so is not for cpython-3.11, cpython-3.12"), "{error}");
    }

    #[test]
    fn capabilities_that_name_an_interpreter() {
        let requires = ["cloudpickle-3".to_owned(), "cpython-3.11".to_owned()];
        assert_eq!(by_value(&requires), Some("cpython-3.11"));
        assert_eq!(by_value(&requires[..1]), None);
    }
}
