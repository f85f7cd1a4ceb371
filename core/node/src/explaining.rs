//! `explain`: where a name of a class path comes from. Reads lists of files, and loads nothing.

mod elsewhere;

use haulier_loader::{
    Delegation, ExplainedPlace, Explanation, Index, IndexOptions, IndexRoot, NameKind, Parent, RootEntry,
};
use haulier_model::{
    Digest, Error, ErrorKind, Language, LoadingPolicy, Manifest, Result, Root, RootKind, UnitReference,
};
use haulier_protocol::v1;

use crate::{
    core::NodeCore,
    environments::Runs,
    identity::Identity,
    past_tasks::{self, TaskCode, TaskPlace},
    placing::parent_prefixes,
};

const OPERATION: &str = "explain a name";
/// The most characters of a name, and the most units.
const LONGEST_NAME: usize = 1024;
const MOST_UNITS: usize = 100;

/// What is searched for a name, and by which rules.
struct Searched {
    languages: Vec<Language>,
    policy: LoadingPolicy,
    parent_prefixes: Vec<String>,
    roots: Vec<IndexRoot>,
    /// What Python code runs with, where it is known.
    runs: Option<Runs>,
}

/// Explains a name as a task finds it, or as one would that has these units and that session.
pub(crate) async fn explain(
    node: &NodeCore,
    identity: &Identity,
    request: v1::ExplainRequest,
) -> Result<v1::ExplainResponse> {
    check_name(&request.name)?;
    if request.task.is_empty() {
        return search(node, of_names(node, identity, &request).await?, &request.name).await;
    }
    let (name, task) = (&request.name, &request.task);
    match past_tasks::place_of(node, task, identity)? {
        Some(TaskPlace::Here(code)) => search(node, of_task(node, &code, task)?, name).await,
        place => elsewhere::explain(node, identity, name, task, place).await,
    }
}

/// Explains a name as a task found it that has run on this node, for a client of another one.
pub(crate) async fn explain_for_peer(node: &NodeCore, request: &v1::ExplainTaskRequest) -> Result<v1::ExplainResponse> {
    let v1::ExplainTaskRequest { name, task, identity } = request;
    check_name(name)?;
    match past_tasks::place_of(node, task, &Identity::relayed(identity))? {
        Some(TaskPlace::Here(code)) => search(node, of_task(node, &code, task)?, name).await,
        _ => Err(elsewhere::unknown(task, &format!("the node '{}' does not know its class path", node.name))),
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > LONGEST_NAME {
        let message = "there is no name, or a very long one";
        return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, message)
            .hint("haulier explain com.acme.Price --unit pricing"));
    }
    Ok(())
}

async fn search(node: &NodeCore, searched: Searched, name: &str) -> Result<v1::ExplainResponse> {
    let Searched { languages, policy, parent_prefixes, roots, runs } = searched;
    let explain = |language: Language| {
        let options = IndexOptions { language, policy, parent_prefixes: parent_prefixes.clone() };
        Index::new(options, roots.clone()).explain(name)
    };
    // Large units have very many names.
    let mut explanations: Vec<Explanation> =
        tokio::task::block_in_place(|| languages.into_iter().map(explain).collect());
    // One that has it, else one that could have it.
    let found = explanations.iter().position(|explanation| !explanation.places.is_empty());
    let possible = || explanations.iter().position(|explanation| !explanation.searched.is_empty());
    let chosen = found.or_else(possible).unwrap_or(0);
    let mut explanation = explanations.swap_remove(chosen);
    if let Some(runs) = runs.filter(|_| asks_parent(&explanation)) {
        explanation.parent = runs.find(node, &explanation.name).await?;
    }
    Ok(answer(explanation))
}

/// Whether what is installed says more: of a module that the interpreter may give.
fn asks_parent(explanation: &Explanation) -> bool {
    explanation.kind == NameKind::Module && explanation.delegation != Delegation::ChildOnly
}

/// What a task would have that names units and a session.
async fn of_names(node: &NodeCore, identity: &Identity, request: &v1::ExplainRequest) -> Result<Searched> {
    if request.units.is_empty() && request.session_id.is_empty() || request.units.len() > MOST_UNITS {
        return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, "name 1 to 100 units, a session, or a task")
            .hint("haulier explain NAME --unit UNIT, --session SESSION, or --job TASK"));
    }
    let languages = match request.language() {
        v1::Language::Unspecified => vec![Language::Java, Language::Python],
        one => vec![Language::try_from(one)?],
    };
    let found = roots(node, identity, request).await?;
    let runs = if languages.contains(&Language::Python) {
        let version =
            if request.session_id.is_empty() { None } else { node.session_of(&request.session_id, identity).ok() };
        let version = version.filter(|session| session.language == Some(Language::Python));
        let version = version.map(|session| session.language_version.clone());
        // Without a Python on the node, the class path alone is explained.
        Runs::with(node, &found.locks, version.as_deref()).await.ok()
    } else {
        None
    };
    Ok(Searched {
        languages,
        policy: LoadingPolicy::from(request.policy()),
        parent_prefixes: parent_prefixes(&request.parent_prefixes)?,
        roots: found.roots,
        runs,
    })
}

/// What a task has or had. Its class path is known by digests: the content may have gone since.
fn of_task(node: &NodeCore, code: &TaskCode, task: &str) -> Result<Searched> {
    let gone = |error: Error| {
        let message = format!("the code of task {task} is no longer on the node '{}', which ran it", node.name);
        Error::new(ErrorKind::NotFound, OPERATION, message)
            .hint("run it again, or name its class path: haulier explain NAME --unit UNIT, or --session SESSION")
            .with_source(error)
    };
    let kind = if code.language == Language::Python { RootKind::Python } else { RootKind::Jvm };
    let (mut roots, mut labels) = (Vec::new(), code.labels.iter());
    for (manifest, peer) in &code.sources {
        let of_language = node.store.roots(manifest).map_err(gone)?.into_iter().filter(|root| root.kind == kind);
        roots.extend(of_language.zip(&mut labels).map(|(root, label)| index_root(&root, label.clone(), *peer)));
    }
    let parent_prefixes = code.parent_prefixes.clone();
    let runs = code.python.clone().map(Runs::at);
    Ok(Searched { languages: vec![code.language], policy: code.policy, parent_prefixes, roots, runs })
}

/// The roots of a class path, and the locks in them with their owners.
#[derive(Default)]
struct Found {
    roots: Vec<IndexRoot>,
    locks: Vec<(String, Digest)>,
}

/// The roots of the class path: units in their order, the session's snapshot, the node's own code.
async fn roots(node: &NodeCore, identity: &Identity, request: &v1::ExplainRequest) -> Result<Found> {
    let mut roots = Found::default();
    for reference in &request.units {
        let record = node.store.resolve(&reference.parse::<UnitReference>()?).await?;
        node.hold_unit(&record).await?;
        let manifest = node.store.manifest(&record.digest)?;
        let label = |index: usize| match record.sources.get(index) {
            Some(source) => format!("{}/{source}", record.id),
            None => record.id.to_string(),
        };
        add(node, &manifest, label, false, &mut roots)?;
    }
    if !request.session_id.is_empty() {
        let session = node.session_of(&request.session_id, identity)?;
        let (_, snapshot) = session.code.newest_snapshot(&request.snapshot).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, OPERATION, "the session has sent no such code")
                .hint("haulier sessions shows the snapshots of each session")
        })?;
        let label = |index: usize| format!("session {}/{}", session.id, snapshot.name(index));
        add(node, &snapshot.manifest, label, true, &mut roots)?;
    }
    if let Some(local) = &node.class_paths.local {
        let label = |index: usize| match local.names.get(index) {
            Some(name) => format!("node/{name}"),
            None => "node".to_owned(),
        };
        add(node, &local.manifest, label, false, &mut roots)?;
    }
    Ok(roots)
}

fn add(
    node: &NodeCore,
    manifest: &Manifest,
    label: impl Fn(usize) -> String,
    peer: bool,
    found: &mut Found,
) -> Result<()> {
    for (index, root) in node.store.roots(manifest)?.iter().enumerate() {
        let label = label(index);
        if let Some(lock) = root.entries.iter().find(|entry| entry.path.as_str() == Root::LOCK).filter(|_| !peer) {
            found.locks.push((label.split('/').next().unwrap_or_default().to_owned(), lock.digest));
        }
        found.roots.push(index_root(root, label, peer));
    }
    Ok(())
}

fn index_root(root: &Root, label: String, peer: bool) -> IndexRoot {
    let entries = root.entries.iter().map(|entry| RootEntry {
        path: entry.path.as_str().into(),
        digest: entry.digest,
        size: entry.size,
        executable: entry.executable,
    });
    IndexRoot { label, kind: root.kind, peer, entries: entries.collect() }
}

fn answer(explanation: Explanation) -> v1::ExplainResponse {
    let place = |place: &ExplainedPlace| v1::ExplainedPlace {
        label: place.label.clone(),
        path: place.path.clone(),
        digest: place.digest.map(|digest| bytes::Bytes::copy_from_slice(digest.as_bytes())).unwrap_or_default(),
        size: place.size,
        peer: place.peer,
    };
    let mut places: Vec<v1::ExplainedPlace> = explanation.places.iter().map(place).collect();
    if let Parent::Has { label, path } = &explanation.parent {
        let parent_first = matches!(explanation.delegation, Delegation::ParentFirst | Delegation::ParentOnly);
        let at = if parent_first { 0 } else { places.len() };
        places.insert(at, v1::ExplainedPlace { label: label.clone(), path: path.clone(), ..Default::default() });
    }
    v1::ExplainResponse {
        kind: explanation.kind.name().to_owned(),
        verdict: explanation.verdict(),
        rule: explanation.rule.to_string(),
        places,
        text: explanation.to_string(),
        name: explanation.name,
        searched: explanation.searched,
        nearest: explanation.nearest,
    }
}
