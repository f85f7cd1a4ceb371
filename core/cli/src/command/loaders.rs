//! `haulier sessions --loaders`: the class loaders that stay in the memory of workers.

use haulier::{Cluster, LeakedLoader, Result};
use serde_json::{Value as Json, json};

use crate::{arguments::Format, output};

/// As of a digest in the lists.
const SHOWN_DIGITS: usize = 12;

pub(super) async fn list(cluster: &Cluster, format: Format) -> Result<()> {
    let workers = cluster.loaders().await?;
    match format {
        Format::Json => {
            let object = |worker: &haulier::WorkerLoaders| {
                json!({
                    "worker": worker.worker,
                    "node": worker.node,
                    "process_id": worker.process_id,
                    "identity": worker.identity,
                    "draining": worker.draining,
                    "released": worker.released,
                    "collected": worker.collected,
                    "leaked": worker.leaked.iter().map(object).collect::<Json>(),
                })
            };
            output::say_json(&workers.iter().map(object).collect::<Json>());
        }
        Format::Table => {
            let rows = workers.iter().map(|worker| {
                [
                    worker.worker.clone(),
                    worker.node.clone(),
                    worker.process_id.to_string(),
                    group(&worker.identity),
                    if worker.draining { "draining" } else { "active" }.to_owned(),
                    worker.released.to_string(),
                    worker.collected.to_string(),
                    worker.leaked.len().to_string(),
                ]
            });
            output::table(&["worker", "node", "process", "serves", "state", "released", "collected", "stay"], rows);
            for worker in &workers {
                worker.leaked.iter().for_each(|loader| output::say(&line(&worker.worker, loader)));
            }
        }
    }
    Ok(())
}

/// Whose tasks a worker runs: a digest by its first digits.
fn group(identity: &str) -> String {
    match identity.strip_prefix("code ") {
        Some(digest) => format!("code {}", digest.get(..SHOWN_DIGITS).unwrap_or(digest)),
        None => identity.to_owned(),
    }
}

/// What stays, as a line for people.
pub(super) fn line(place: &str, loader: &LeakedLoader) -> String {
    let (code, held_by) = (loader.labels.join(", "), loader.suspects.join("; "));
    format!("{place}: {code} stays since {}, held by: {held_by}", output::age(loader.age))
}

/// What stays, for programs.
pub(super) fn object(loader: &LeakedLoader) -> Json {
    json!({
        "labels": loader.labels,
        "suspects": loader.suspects,
        "age_ms": u64::try_from(loader.age.as_millis()).unwrap_or(u64::MAX),
    })
}
