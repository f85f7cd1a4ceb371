//! Records for Java: their fields as texts, one after the other, in the order in which the Java records have them.
//!
//! A list of texts is one field with a line for each; a list of records is their number, then their fields.

use haulier::{
    CollectedGarbage, ContinuousCode, DeployedUnit, Digest, Explanation, NodeInfo, SessionInfo, StorageWatch,
    UnitDetails,
};

/// The fields of units, in the order of `DeployedUnit`.
pub(crate) fn units(units: &[DeployedUnit]) -> Vec<String> {
    let fields = |unit: &DeployedUnit| {
        [
            unit.name.clone(),
            unit.version.clone(),
            unit.digest.to_string(),
            unit.state.name().to_owned(),
            unit.size.to_string(),
            unit.entries.to_string(),
            unit.generation.to_string(),
            unit.deployed_at_ms.to_string(),
            unit.deployed_by.clone(),
            unit.sources.join("\n"),
            unit.holders.join("\n"),
            unit.aliases.join("\n"),
            unit.warnings.join("\n"),
        ]
    };
    units.iter().flat_map(fields).collect()
}

/// The fields of a unit, of its entries, of its origins, of its originals and of its requirements.
pub(crate) fn details(details: &UnitDetails) -> Vec<String> {
    let mut fields = units(std::slice::from_ref(&details.unit));
    fields.push(details.entries.len().to_string());
    for entry in &details.entries {
        fields.extend([
            entry.path.clone(),
            entry.digest.to_string(),
            entry.size.to_string(),
            entry.executable.to_string(),
            entry.source.to_string(),
        ]);
    }
    fields.push(details.origins.len().to_string());
    for origin in &details.origins {
        fields.extend([origin.source.clone(), origin.sha256.clone(), origin.coordinates.clone()]);
    }
    fields.push(details.originals.len().to_string());
    for original in &details.originals {
        fields.extend([original.source.to_string(), original.digest.to_string(), original.size.to_string()]);
    }
    fields.push(details.requirements.len().to_string());
    for pin in &details.requirements {
        fields.extend([pin.name.clone(), pin.version.clone(), pin.marker.clone()]);
    }
    fields
}

/// The fields of `Explanation`.
pub(crate) fn explanation(explanation: &Explanation) -> Vec<String> {
    let Explanation { name, kind, verdict, rule, places, searched, nearest, .. } = explanation;
    let mut fields = vec![name.clone(), kind.clone(), verdict.clone(), rule.clone(), places.len().to_string()];
    for place in places {
        fields.extend([
            place.label.clone(),
            place.path.clone(),
            place.digest.map(|digest| digest.to_string()).unwrap_or_default(),
            place.size.to_string(),
            place.peer.to_string(),
        ]);
    }
    fields.extend([searched.join("\n"), nearest.join("\n"), explanation.to_string()]);
    fields
}

/// The fields of sessions, in the order of `SessionInfo`.
pub(crate) fn sessions(sessions: &[SessionInfo]) -> Vec<String> {
    let fields = |session: &SessionInfo| {
        [
            session.id.clone(),
            session.node.clone(),
            session.identity.clone(),
            session.language.map_or("", |language| language.name()).to_owned(),
            session.age.as_millis().to_string(),
            session.tasks.to_string(),
            lines(&session.snapshots),
        ]
    };
    sessions.iter().flat_map(fields).collect()
}

/// The fields of code that stays, in the order of `ContinuousCode`.
pub(crate) fn continuous(codes: &[ContinuousCode]) -> Vec<String> {
    let fields = |code: &ContinuousCode| {
        [
            code.reference(),
            code.identities.join("\n"),
            code.origins.join("\n"),
            code.created_at_ms.to_string(),
            code.last_used_ms.to_string(),
            code.held_bytes.to_string(),
            code.size.to_string(),
            code.names.join("\n"),
        ]
    };
    codes.iter().flat_map(fields).collect()
}

/// The fields of `CollectedGarbage`.
pub(crate) fn garbage(freed: CollectedGarbage) -> Vec<String> {
    vec![freed.node, freed.packs.to_string(), freed.bytes.to_string(), freed.held_bytes.to_string()]
}

/// The fields of watched storages, in the order of `StorageWatch`.
pub(crate) fn watches(watches: &[StorageWatch]) -> Vec<String> {
    let mut fields = Vec::new();
    for watch in watches {
        fields.extend([
            watch.id.clone(),
            watch.url.clone(),
            watch.interval.as_millis().to_string(),
            watch.settle.as_millis().to_string(),
            watch.node.clone(),
            watch.state.clone(),
            watch.last_error.clone(),
            watch.last_success_ms.to_string(),
            watch.units.to_string(),
            watch.settling.to_string(),
            watch.problems.len().to_string(),
        ]);
        for problem in &watch.problems {
            fields.extend([
                problem.path.clone(),
                problem.unit.clone(),
                problem.state.clone(),
                problem.error.clone(),
                problem.since_ms.to_string(),
            ]);
        }
    }
    fields
}

/// The fields of nodes, in the order of `NodeInfo`.
pub(crate) fn nodes(nodes: &[NodeInfo]) -> Vec<String> {
    let fields = |node: &NodeInfo| {
        [
            node.name.clone(),
            node.address.clone(),
            node.state.name().to_owned(),
            pairs(&node.labels),
            node.version.clone(),
            pairs(node.runtimes.iter().map(|(name, version)| (name, version))),
            node.slots.to_string(),
            node.queued.to_string(),
            node.executing.to_string(),
            lines(&node.held_units),
            node.local_code.map(|digest| digest.to_string()).unwrap_or_default(),
            node.owns_catalogue.to_string(),
            node.direct.to_string(),
            node.process_id.to_string(),
            node.uptime_seconds.to_string(),
            node.code_round_trips.to_string(),
        ]
    };
    nodes.iter().flat_map(fields).collect()
}

/// One on each line, name=value.
fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("\n")
}

fn lines(digests: &[Digest]) -> String {
    digests.iter().map(Digest::to_string).collect::<Vec<_>>().join("\n")
}
