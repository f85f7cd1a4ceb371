//! `haulier sessions`, `haulier promote`.

use haulier::{Cluster, Promotion, Result};
use serde_json::{Value as Json, json};

use crate::{
    arguments::{Format, Promote},
    output,
};

pub(super) async fn list(cluster: &Cluster, format: Format) -> Result<()> {
    let sessions = cluster.sessions().await?;
    match format {
        Format::Json => {
            let object = |session: &haulier::SessionInfo| {
                json!({
                    "id": session.id,
                    "node": session.node,
                    "identity": session.identity,
                    "language": session.language.map(|language| language.name()),
                    "age_ms": u64::try_from(session.age.as_millis()).unwrap_or(u64::MAX),
                    "tasks": session.tasks,
                    "snapshots": session.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
                })
            };
            output::say_json(&sessions.iter().map(object).collect::<Json>());
        }
        Format::Table => {
            let rows = sessions.iter().map(|session| {
                [
                    session.id.clone(),
                    session.node.clone(),
                    session.identity.clone(),
                    session.language.map(|language| language.name().to_owned()).unwrap_or_default(),
                    output::age(session.age),
                    session.tasks.to_string(),
                    session.snapshots.iter().map(haulier::Digest::short).collect::<Vec<_>>().join(", "),
                ]
            });
            output::table(&["session", "node", "identity", "language", "age", "tasks", "snapshots"], rows);
        }
    }
    Ok(())
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
