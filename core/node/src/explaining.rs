//! `explain`: where a name of a class path comes from. Reads lists of files, and loads nothing.

mod elsewhere;

use haulier_loader::{ExplainedPlace, Explanation, Index, IndexOptions, IndexRoot, RootEntry};
use haulier_model::{Error, ErrorKind, Language, LoadingPolicy, Manifest, Result, Root, RootKind, UnitReference};
use haulier_protocol::v1;

use crate::{
    core::NodeCore,
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
}

/// Explains a name as a task finds it, or as one would that has these units and that session.
pub(crate) async fn explain(
    node: &NodeCore,
    identity: &Identity,
    request: v1::ExplainRequest,
) -> Result<v1::ExplainResponse> {
    check_name(&request.name)?;
    if request.task.is_empty() {
        return Ok(search(of_names(node, identity, &request).await?, &request.name));
    }
    let (name, task) = (&request.name, &request.task);
    match past_tasks::place_of(node, task, identity)? {
        Some(TaskPlace::Here(code)) => Ok(search(of_task(node, &code, task)?, name)),
        place => elsewhere::explain(node, identity, name, task, place).await,
    }
}

/// Explains a name as a task found it that has run on this node, for a client of another one.
pub(crate) fn explain_for_peer(node: &NodeCore, request: &v1::ExplainTaskRequest) -> Result<v1::ExplainResponse> {
    let v1::ExplainTaskRequest { name, task, identity } = request;
    check_name(name)?;
    match past_tasks::place_of(node, task, &Identity::relayed(identity))? {
        Some(TaskPlace::Here(code)) => Ok(search(of_task(node, &code, task)?, name)),
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

fn search(searched: Searched, name: &str) -> v1::ExplainResponse {
    let Searched { languages, policy, parent_prefixes, roots } = searched;
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
    answer(explanations.swap_remove(chosen))
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
    Ok(Searched {
        languages,
        policy: LoadingPolicy::from(request.policy()),
        parent_prefixes: parent_prefixes(&request.parent_prefixes)?,
        roots: roots(node, identity, request).await?,
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
    Ok(Searched { languages: vec![code.language], policy: code.policy, parent_prefixes, roots })
}

/// The roots of the class path: units in their order, the session's snapshot, the node's own code.
async fn roots(node: &NodeCore, identity: &Identity, request: &v1::ExplainRequest) -> Result<Vec<IndexRoot>> {
    let mut roots = Vec::new();
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
    roots: &mut Vec<IndexRoot>,
) -> Result<()> {
    for (index, root) in node.store.roots(manifest)?.iter().enumerate() {
        roots.push(index_root(root, label(index), peer));
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
    v1::ExplainResponse {
        kind: explanation.kind.name().to_owned(),
        verdict: explanation.verdict(),
        rule: explanation.rule.to_string(),
        places: explanation.places.iter().map(place).collect(),
        text: explanation.to_string(),
        name: explanation.name,
        searched: explanation.searched,
        nearest: explanation.nearest,
    }
}
