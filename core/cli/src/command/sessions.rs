//! `haulier sessions`, `haulier promote`.

use haulier::{Cluster, ContinuousCode, Promotion, Result};
use serde_json::{Value as Json, json};

use crate::{
    arguments::{Format, Promote},
    output,
};

pub(super) async fn list(cluster: &Cluster, format: Format) -> Result<()> {
    let (sessions, continuous) = (cluster.sessions().await?, cluster.continuous_code().await?);
    match format {
        Format::Json => {
            let object = |session: &haulier::SessionInfo| {
                json!({
                    "kind": "session",
                    "id": session.id,
                    "node": session.node,
                    "identity": session.identity,
                    "language": session.language.map(|language| language.name()),
                    "age_ms": u64::try_from(session.age.as_millis()).unwrap_or(u64::MAX),
                    "mode": session.mode,
                    "tasks": session.tasks,
                    "snapshots": session.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
                })
            };
            output::say_json(
                &sessions.iter().map(object).chain(continuous.iter().map(continuous_object)).collect::<Json>(),
            );
        }
        Format::Table => {
            let rows = sessions.iter().map(|session| {
                [
                    session.id.clone(),
                    session.node.clone(),
                    session.identity.clone(),
                    session.language.map(|language| language.name().to_owned()).unwrap_or_default(),
                    session.mode.clone(),
                    output::age(session.age),
                    session.tasks.to_string(),
                    session.snapshots.iter().map(haulier::Digest::short).collect::<Vec<_>>().join(", "),
                ]
            });
            output::table(&["session", "node", "identity", "language", "mode", "age", "tasks", "snapshots"], rows);
            if !continuous.is_empty() {
                output::say("");
                output::table(&["continuous", "identities", "origins", "size", "last use"], continuous.iter().map(row));
            }
        }
    }
    Ok(())
}

fn continuous_object(code: &ContinuousCode) -> Json {
    json!({
        "kind": "continuous",
        "id": code.reference(),
        "identities": code.identities,
        "origins": code.origins,
        "created_at_ms": code.created_at_ms,
        "last_used_ms": code.last_used_ms,
        "held_bytes": code.held_bytes,
        "size": code.size,
        "names": code.names,
    })
}

fn row(code: &ContinuousCode) -> [String; 5] {
    [
        format!("session:{}", code.snapshot.short()),
        code.identities.join(", "),
        code.origins.join(", "),
        format!("{} of {}", output::size(code.held_bytes), output::size(code.size)),
        output::age_since(code.last_used_ms),
    ]
}

pub(super) async fn promote(cluster: &Cluster, arguments: Promote) -> Result<()> {
    let Promote { session, name, version, snapshot, replace, nodes, connection } = arguments;
    let unit = cluster.promote(&session, Promotion { name, version, snapshot, replace, nodes }).await?;
    match connection.output {
        Format::Json => output::say_json(&output::unit_object(&unit)),
        Format::Table => output::say(&format!(
            "deployed {unit} from session {session} ({}, {} files, {})",
            output::size(unit.size),
            unit.entries,
            unit.digest.short()
        )),
    }
    Ok(())
}
