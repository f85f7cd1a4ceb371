//! `explain`: where a name of a class path comes from. Reads lists of files, and loads nothing.

use haulier_loader::{ExplainedPlace, Explanation, Index, IndexOptions, IndexRoot, RootEntry};
use haulier_model::{Error, ErrorKind, Language, LoadingPolicy, Manifest, Result, UnitReference};
use haulier_protocol::v1;

use crate::{core::NodeCore, identity::Identity, placing::parent_prefixes};

const OPERATION: &str = "explain a name";
/// The most characters of a name, and the most units.
const LONGEST_NAME: usize = 1024;
const MOST_UNITS: usize = 100;

/// Explains a name as a task would find it that has these units and that session.
pub(crate) async fn explain(
    node: &NodeCore,
    identity: &Identity,
    request: v1::ExplainRequest,
) -> Result<v1::ExplainResponse> {
    let invalid =
        |message: &str, hint: &str| Err(Error::new(ErrorKind::InvalidArgument, OPERATION, message).hint(hint));
    if request.name.is_empty() || request.name.len() > LONGEST_NAME {
        return invalid("there is no name, or a very long one", "haulier explain com.acme.Price --unit pricing");
    }
    if request.units.is_empty() && request.session_id.is_empty() || request.units.len() > MOST_UNITS {
        return invalid("name 1 to 100 units, or a session", "haulier explain NAME --unit UNIT, or --session SESSION");
    }
    let policy = LoadingPolicy::from(request.policy());
    let languages = match request.language() {
        v1::Language::Unspecified => vec![Language::Java, Language::Python],
        one => vec![Language::try_from(one)?],
    };
    let parent_prefixes = parent_prefixes(&request.parent_prefixes)?;
    let roots = roots(node, identity, &request).await?;
    let explain = |language: Language| {
        let options = IndexOptions { language, policy, parent_prefixes: parent_prefixes.clone() };
        Index::new(options, roots.clone()).explain(&request.name)
    };
    // Large units have very many names.
    let mut explanations: Vec<Explanation> =
        tokio::task::block_in_place(|| languages.into_iter().map(explain).collect());
    // One that has it, else one that could have it.
    let found = explanations.iter().position(|explanation| !explanation.places.is_empty());
    let possible = || explanations.iter().position(|explanation| !explanation.searched.is_empty());
    let chosen = found.or_else(possible).unwrap_or(0);
    Ok(answer(explanations.swap_remove(chosen)))
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
    for (index, root) in node.store.roots(manifest)?.into_iter().enumerate() {
        let entries = root.entries.iter().map(|entry| RootEntry {
            path: entry.path.as_str().into(),
            digest: entry.digest,
            size: entry.size,
            executable: entry.executable,
        });
        roots.push(IndexRoot { label: label(index), kind: root.kind, peer, entries: entries.collect() });
    }
    Ok(())
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
