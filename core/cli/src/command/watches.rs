//! `haulier watch add`, `haulier watch remove`, `haulier watch list`.

use haulier::{Cluster, Result, StorageWatch};
use serde_json::{Value as Json, json};

use crate::{
    arguments::{Format, Watch},
    output,
};

pub(super) async fn watch(cluster: &Cluster, arguments: Watch) -> Result<()> {
    match arguments {
        Watch::Add(add) => {
            let (interval, settle) = (add.interval.unwrap_or_default(), add.settle.unwrap_or_default());
            let watch = cluster.watch_storage(&add.url, interval, settle).await?;
            say(&watch, "watching", add.connection.output);
        }
        Watch::Remove(remove) => {
            let watch = cluster.unwatch_storage(&remove.watch, remove.undeploy).await?;
            say(&watch, "no longer watching", remove.connection.output);
        }
        Watch::List(list) => {
            let watches = cluster.watched_storages().await?;
            match list.connection.output {
                Format::Json => output::say_json(&watches.iter().map(object).collect::<Json>()),
                Format::Table => table(&watches),
            }
        }
    }
    Ok(())
}

fn say(watch: &StorageWatch, what: &str, format: Format) {
    match format {
        Format::Json => output::say_json(&object(watch)),
        Format::Table => output::say(&format!("{what} {} as {}", watch.url, watch.id)),
    }
}

fn object(watch: &StorageWatch) -> Json {
    let problems = watch.problems.iter().map(|problem| {
        json!({
            "path": problem.path,
            "unit": problem.unit,
            "state": problem.state,
            "error": problem.error,
            "since_ms": problem.since_ms,
        })
    });
    json!({
        "id": watch.id,
        "url": watch.url,
        "state": watch.state,
        "node": watch.node,
        "units": watch.units,
        "settling": watch.settling,
        "interval_ms": u64::try_from(watch.interval.as_millis()).unwrap_or(u64::MAX),
        "settle_ms": u64::try_from(watch.settle.as_millis()).unwrap_or(u64::MAX),
        "last_success_ms": watch.last_success_ms,
        "last_error": watch.last_error,
        "problems": problems.collect::<Vec<_>>(),
    })
}

fn table(watches: &[StorageWatch]) {
    let rows = watches.iter().map(|watch| {
        let last =
            if watch.last_success_ms == 0 { "never".to_owned() } else { output::age_since(watch.last_success_ms) };
        [
            watch.id.clone(),
            watch.url.clone(),
            watch.state.clone(),
            watch.node.clone(),
            watch.units.to_string(),
            watch.settling.to_string(),
            last,
            watch.last_error.clone(),
        ]
    });
    output::table(&["watch", "url", "state", "node", "units", "settling", "last look", "last error"], rows);
    for (watch, problem) in watches.iter().flat_map(|watch| watch.problems.iter().map(move |problem| (watch, problem)))
    {
        output::say(&format!("{}: {} {}: {}", watch.id, problem.path, problem.state, problem.error));
    }
}
