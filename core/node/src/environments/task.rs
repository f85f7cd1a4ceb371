//! What one task runs with: the interpreter that can run it, and on it an environment, if its units have locks or its
//! session wants one.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use haulier_model::{Digest, EnvironmentPolicy, Error, ErrorKind, Hasher, Language, Result};
use haulier_protocol::v1;
use haulier_requirements::{Exact, Lock, Pin};

use super::{
    Environments, Recipe,
    build::cannot_write,
    lock::{self, OwnedLock},
    requirement,
    uv::Asked,
};
use crate::{
    class_paths::ResolvedClassPath,
    continuous,
    core::NodeCore,
    pythons::{self, PythonRuntime, Wish},
    session::Session,
};

const OPERATION: &str = "resolve requirements";

/// The runtime of a task that `arrived` then. May take as long as the build of an environment.
///
/// # Errors
/// `Incompatible` if no interpreter fits or distributions differ, `Conflict` if locks do; those of a build.
pub(crate) async fn runtime(
    node: &Arc<NodeCore>,
    session: &Session,
    submit: &v1::Submit,
    class_path: &Arc<ResolvedClassPath>,
    arrived: Instant,
) -> Result<Arc<PythonRuntime>> {
    let is_python = session.language == Some(Language::Python);
    let version = Some(session.language_version.as_str()).filter(|version| is_python && !version.is_empty());
    let wish =
        Wish { by_value: pythons::by_value(&submit.requires), version, extensions: class_path.extension_modules() };
    let base = node.pythons.choose(wish).await?;
    let locks = read_locks(node, class_path).await?;
    let policy = EnvironmentPolicy::from(submit.environment());
    let requirements = match policy {
        EnvironmentPolicy::Ignore => Vec::new(),
        _ => requirement::parse(&submit.requirements)?,
    };
    let task = Wanted { node, base, locks, carried: class_path.distributions(), arrived };
    if policy == EnvironmentPolicy::Build && task.locks_lack(&requirements)? {
        return task.with(&requirements).await;
    }
    let runtime = task.by_locks().await?;
    let versions = if requirements.is_empty() { HashMap::new() } else { task.installed(&runtime).await? };
    let differences = requirement::differences(&requirements, &versions, task.carried);
    match policy {
        _ if differences.is_empty() => Ok(runtime),
        EnvironmentPolicy::Build => task.with(&requirements).await,
        _ => Err(requirement::refusal(&node.name, &runtime, &differences)),
    }
}

/// The locks of a class path; what a client has not sent yet is taken from it.
async fn read_locks(node: &Arc<NodeCore>, class_path: &Arc<ResolvedClassPath>) -> Result<Vec<OwnedLock>> {
    let mut locks = Vec::new();
    for place in class_path.locks() {
        let paths = vec![Lock::FILE.to_owned()];
        let request = v1::EntryRequest { root: place.root, paths, ..Default::default() };
        continuous::entries(node, class_path, &request).await?;
        let bytes = node.store.read(&place.digest)?;
        locks.push(OwnedLock::parse(&place.owner, place.digest, &bytes)?);
    }
    Ok(locks)
}

struct Wanted<'a> {
    node: &'a Arc<NodeCore>,
    base: Arc<PythonRuntime>,
    locks: Vec<OwnedLock>,
    /// Distributions that the class path itself has.
    carried: &'a HashSet<String>,
    arrived: Instant,
}

impl Wanted<'_> {
    /// The environment of the locks; without locks the interpreter as it is.
    async fn by_locks(&self) -> Result<Arc<PythonRuntime>> {
        if self.locks.is_empty() {
            return Ok(self.base.clone());
        }
        let built = self.get(lock::merge(&self.locks)?).await;
        built.map_err(|error| match error.kind() {
            // What only the installer could judge: its markers decide whether pins meet.
            ErrorKind::Incompatible => lock::disagreement(&self.locks, |_| true)
                .map_or_else(|| error.clone(), |conflict| conflict.with_source(error.clone())),
            _ => error,
        })
    }

    /// Whether locks do not have all of these, so that one environment of both is built: theirs alone would serve nobody.
    /// What a lock has under a marker may not be in its environment.
    fn locks_lack(&self, requirements: &[Exact]) -> Result<bool> {
        if self.locks.is_empty() || requirements.is_empty() {
            return Ok(false);
        }
        let pins = lock::merge(&self.locks)?;
        let everywhere = pins.pins().iter().filter(|pin| pin.marker.is_empty());
        let pinned = everywhere.map(|pin| (pin.name.clone(), pin.version.clone())).collect();
        Ok(!requirement::differences(requirements, &pinned, self.carried).is_empty())
    }

    async fn get(&self, pins: Lock) -> Result<Arc<PythonRuntime>> {
        let locks = self.locks.iter().map(|lock| lock.digest).collect();
        self.environments().get(Recipe { base: self.base.clone(), pins, locks }, self.arrived).await
    }

    async fn installed(&self, runtime: &PythonRuntime) -> Result<HashMap<String, String>> {
        self.environments().installed.versions(runtime, self.node.limits.start).await
    }

    /// The environment of the locks and of a session's requirements.
    async fn with(&self, requirements: &[Exact]) -> Result<Arc<PythonRuntime>> {
        let wanted = requirements.iter().filter(|requirement| !self.carried.contains(&requirement.name));
        let wanted: Vec<String> = wanted.map(Exact::to_string).collect();
        let fixed = lock::merge(&self.locks)?;
        let key = key(&self.base, &wanted, &fixed);
        let (environments, base) = (self.environments().clone(), self.base.clone());
        let limits = fixed.clone();
        let work = || {
            Box::pin(async move { environments.resolve(key, &base, &wanted, &limits).await })
                as futures_util::future::BoxFuture<'static, Result<String>>
        };
        let text = self.environments().resolutions.join(key, self.arrived, work).await?;
        let resolved = Lock::parse(&text)?;
        self.get(Lock::united([&fixed, &resolved])).await
    }

    fn environments(&self) -> &Arc<Environments> {
        &self.node.python_environments
    }
}

fn key(base: &PythonRuntime, wanted: &[String], fixed: &Lock) -> Digest {
    let mut hasher = Hasher::default();
    let interpreter = &base.interpreter;
    let program = interpreter.program.to_string_lossy();
    for text in [&*program, &interpreter.version, &wanted.join("\n"), &fixed.to_string()] {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    }
    hasher.finish()
}

impl Environments {
    /// The lock of what a session asks for, resolved once and kept; what its units have fixed stays so.
    async fn resolve(&self, key: Digest, base: &PythonRuntime, wanted: &[String], fixed: &Lock) -> Result<String> {
        let path = self.locks.join(format!("{}.txt", &key.hex()[..32]));
        if let Ok(text) = tokio::fs::read_to_string(&path).await {
            return Ok(text);
        }
        tracing::info!(requirements = wanted.len(), python = base.interpreter.version, "resolving requirements");
        let constraints = self.locks.join(format!("{}.constraints", &key.hex()[..32]));
        let pinned: Vec<String> = fixed.pins().iter().map(Pin::to_string).collect();
        let write = |path: &std::path::Path, text: String| {
            std::fs::write(path, text).map_err(|error| cannot_write(path, error))
        };
        write(&constraints, pinned.join("\n"))?;
        let options = ["pip", "compile", "-", "--generate-hashes", "--no-header", "--no-annotate", "--only-binary"];
        let options = options.into_iter().chain([":all:", "--python"]).map(Into::into);
        let arguments =
            options.chain([base.program.clone().into(), "--constraints".into(), constraints.clone().into()]);
        let (python, deadline) = (base.program.as_path(), Instant::now() + self.bounds.build);
        let (arguments, input) = (arguments.collect(), wanted.join("\n"));
        let text = self.uv.run(Asked { operation: OPERATION, python, arguments, input, deadline }).await;
        // It was for this run alone.
        let _ = std::fs::remove_file(&constraints);
        let text = text?;
        Lock::parse(&text).map_err(|error| Error::internal(OPERATION, error.to_string()))?;
        let fresh = path.with_extension("new");
        write(&fresh, text.clone())?;
        std::fs::rename(&fresh, &path).map_err(|error| cannot_write(&path, error))?;
        Ok(text)
    }
}
