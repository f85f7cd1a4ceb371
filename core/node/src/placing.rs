//! Where a task runs on this node: its class path, and by its mode the loader and the workers that it shares.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use haulier_model::{ClassPath, ClassPathSource, DeploymentMode, Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::v1;

use crate::{
    class_paths::Sources,
    continuous,
    core::NodeCore,
    environments::{self, PythonPlace},
    loaders::{LoaderKey, Stay},
    past_tasks::TaskCode,
    run::{Placement, shared_group},
    session::Session,
};

/// Of names that a task wants from the parent.
const MOST_PREFIXES: usize = 100;
const LONGEST_PREFIX: usize = 256;

/// Builds, or finds, the class path of a submit that `arrived` then, and what runs it, and holds its loader.
pub(crate) async fn place(
    node: &Arc<NodeCore>,
    session: &Arc<Session>,
    id: u64,
    submit: &v1::Submit,
    arrived: Instant,
) -> Result<Placement> {
    let language: Language = submit.language().try_into()?;
    if language == Language::Rust {
        return Err(Error::new(ErrorKind::InvalidArgument, "run a task", "tasks run in Java or Python")
            .hint("name a Java class or a Python module:callable"));
    }
    check_peer_loading(node, submit)?;
    let sources = sources(node, session, submit).await?;
    if language == Language::Python {
        sources.units.iter().for_each(|unit| node.prepare(unit.record.digest));
    }
    let share = Share::of(session, submit, &sources);
    let continuous = share.mode == DeploymentMode::Continuous && share.of_session;
    let group = share.group(session, &sources);
    let manifests = sources.class_path.sources.iter().map(ClassPathSource::manifest).collect();
    let snapshots = if continuous { sources.snapshots.clone() } else { Vec::new() };
    let (paths, origin, of) = (node.clone(), session.clone(), group.clone());
    let resolve = move || {
        let resolved = paths.class_paths.resolve(&origin, language, &of, sources)?;
        let choice = language == Language::Java && paths.jdks.are_several();
        let newest = choice.then(|| resolved.newest_class(&paths.store)).flatten();
        Ok::<_, Error>((resolved, newest))
    };
    let (class_path, newest) = tokio::task::spawn_blocking(resolve)
        .await
        .map_err(|error| Error::internal("build a class path", error.to_string()))??;
    let java = node.jdks.choose(newest).await?;
    let python = match language {
        Language::Python => Some(environments::runtime(node, session, submit, &class_path, arrived).await?),
        _ => None,
    };
    let code = match &python {
        Some(python) => {
            Arc::new(TaskCode { python: Some(PythonPlace::of(python)), ..TaskCode::clone(&class_path.code) })
        }
        None => class_path.code.clone(),
    };
    let scope = share.scope(session, id);
    let key = LoaderKey { group, language, java, python, class_path: class_path.digest, scope };
    let live = node.loaders.hold(key, manifests, share.stay(language));
    let isolated = share.is_isolated();
    if !isolated {
        session.loaders.keep(&live, continuous);
    }
    if continuous {
        class_path.stays();
    }
    for (digest, snapshot) in &snapshots {
        continuous::keep(node, session, *digest, snapshot, &live).await?;
    }
    Ok(Placement { class_path, isolated, live, code })
}

/// Code of clients is refused where peer loading is off: their classes and modules, and functions that travel by value.
fn check_peer_loading(node: &NodeCore, submit: &v1::Submit) -> Result<()> {
    let by_value = submit.entry_point.is_empty() && !submit.requires.is_empty();
    let of_session = submit.units.iter().any(|reference| continuous::is_reference(reference));
    if node.peer_loading || (submit.snapshot.is_empty() && !by_value && !of_session) {
        return Ok(());
    }
    Err(peer_loading_is_off("run a task"))
}

/// What every refusal of a client's code says.
pub(crate) fn peer_loading_is_off(operation: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, operation, "peer loading is off on this node")
        .hint("deploy the code as a unit: haulier deploy NAME PATH")
}

/// What a submit names, in the order in which it is searched.
async fn sources(node: &Arc<NodeCore>, session: &Arc<Session>, submit: &v1::Submit) -> Result<Sources> {
    let parent_prefixes = parent_prefixes(&submit.parent_prefixes)?;
    let mut class_path = ClassPath { sources: Vec::new(), policy: submit.policy().into(), parent_prefixes };
    let (mut units, mut snapshots) = (Vec::new(), Vec::new());
    for reference in &submit.units {
        let in_operation = |error: Error| error.in_operation(format!("run {reference}"));
        if continuous::is_reference(reference) {
            let (digest, snapshot) =
                continuous::resolve(node, reference, &session.identity).await.map_err(in_operation)?;
            class_path.sources.push(ClassPathSource::Snapshot(digest));
            snapshots.push((digest, snapshot));
            continue;
        }
        let unit = match session.origin {
            None => node.units.pin(reference).await,
            Some(_) => node.units.pin_resolved(reference).await,
        };
        let unit = unit.map_err(in_operation)?;
        node.hold_unit(&unit.record).await.map_err(in_operation)?;
        class_path.sources.push(ClassPathSource::Unit(unit.record.digest));
        units.push(unit);
    }
    if !submit.snapshot.is_empty() {
        let digest = Digest::from_slice(&submit.snapshot)?;
        let snapshot = session.code.snapshot(&digest).ok_or_else(|| not_announced(&digest))?;
        class_path.sources.push(ClassPathSource::Snapshot(digest));
        snapshots.push((digest, snapshot));
    }
    if let Some(local) = &node.class_paths.local {
        class_path.sources.push(ClassPathSource::Local(local.digest));
    }
    Ok(Sources { class_path, units, snapshots })
}

/// The prefixes that a client asks for, each once and in order, so that equal sets are equal class paths.
pub(crate) fn parent_prefixes(asked: &[String]) -> Result<Vec<String>> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '$' | '*' | '-');
    let is_prefix = |text: &String| (1..=LONGEST_PREFIX).contains(&text.len()) && text.chars().all(plain);
    if asked.len() > MOST_PREFIXES || !asked.iter().all(is_prefix) {
        let message = format!("prefixes are at most {MOST_PREFIXES} names of 1 to {LONGEST_PREFIX} characters");
        return Err(Error::new(ErrorKind::InvalidArgument, "build a class path", message)
            .hint("name packages or classes: com.acme.contract"));
    }
    let mut prefixes = asked.to_vec();
    prefixes.sort_unstable();
    prefixes.dedup();
    Ok(prefixes)
}

fn not_announced(snapshot: &Digest) -> Error {
    Error::new(ErrorKind::SessionLost, "build a class path", "the session has not announced this snapshot")
        .context("snapshot", snapshot.short())
        .hint("connect again")
}

/// With whom a task shares.
struct Share {
    mode: DeploymentMode,
    /// Whether the mode counts: tasks without code of a client belong to no session and share by class path. A function
    /// that travels by value belongs to its session like a snapshot.
    of_session: bool,
}

impl Share {
    fn of(session: &Session, submit: &v1::Submit, sources: &Sources) -> Self {
        let of_session = !sources.snapshots.is_empty() || submit.entry_point.is_empty();
        let mode = match submit.mode() {
            // What is run of a session that may have left is shared with it.
            v1::DeploymentMode::Unspecified if submit.snapshot.is_empty() && !sources.snapshots.is_empty() => {
                DeploymentMode::Continuous
            }
            v1::DeploymentMode::Unspecified => session.mode,
            said => said.into(),
        };
        Self { mode, of_session }
    }

    fn is_isolated(&self) -> bool {
        self.of_session && self.mode == DeploymentMode::Isolated
    }

    /// Whose own the loader is.
    fn scope(&self, session: &Session, id: u64) -> Bytes {
        match self.mode {
            DeploymentMode::Isolated if self.of_session => Bytes::copy_from_slice(&id.to_le_bytes()),
            DeploymentMode::Private if self.of_session => Bytes::copy_from_slice(session.id.as_bytes()),
            _ => Bytes::new(),
        }
    }

    /// Who shares a worker process: the tasks of one identity, or all that have the same code and say that they share
    /// it. Code that identities share runs in no process of any one of them.
    fn group(&self, session: &Session, sources: &Sources) -> Arc<str> {
        let shared = matches!(self.mode, DeploymentMode::Shared | DeploymentMode::Continuous);
        if shared && !sources.snapshots.is_empty() && session.identity.is_verified() {
            return shared_group(&sources.class_path.digest());
        }
        session.identity.name().into()
    }

    /// A worker forgets the loader of an isolated Java task by itself; processes of units wait for the next client.
    fn stay(&self, language: Language) -> Stay {
        match (language, self.of_session) {
            (Language::Python, false) => Stay::Warm,
            (Language::Java, true) if self.is_isolated() => Stay::Warm,
            _ => Stay::Held,
        }
    }
}
