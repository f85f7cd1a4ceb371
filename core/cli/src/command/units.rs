//! `haulier undeploy`, `haulier list-deployments`, `haulier inspect`.

use haulier::{Cluster, Result};
use serde_json::{Value as Json, json};

use crate::{
    arguments::{Format, Inspect, ListDeployments, Undeploy},
    output,
};

pub(super) async fn undeploy(cluster: &Cluster, arguments: Undeploy) -> Result<()> {
    let removed = cluster.undeploy(&arguments.reference, arguments.force).await?;
    match arguments.connection.output {
        Format::Json => output::say_json(&removed.iter().map(output::unit_object).collect::<Json>()),
        Format::Table => removed.iter().for_each(|unit| output::say(&format!("undeployed {unit}"))),
    }
    Ok(())
}

pub(super) async fn list(cluster: &Cluster, arguments: ListDeployments) -> Result<()> {
    let units = match &arguments.name {
        Some(name) => cluster.list_units(name).await?,
        None => cluster.list_deployments().await?,
    };
    match arguments.connection.output {
        Format::Json => output::say_json(&units.iter().map(output::unit_object).collect::<Json>()),
        Format::Table => output::units(&units),
    }
    Ok(())
}

pub(super) async fn inspect(cluster: &Cluster, arguments: Inspect) -> Result<()> {
    let details = cluster.inspect(&arguments.reference).await?;
    let unit = &details.unit;
    let source = |index: usize| unit.sources.get(index).map_or("", String::as_str);
    match arguments.connection.output {
        Format::Json => {
            let mut object = output::unit_object(unit);
            object["entries"] = details
                .entries
                .iter()
                .map(|entry| {
                    json!({
                        "path": entry.path,
                        "digest": entry.digest.to_string(),
                        "size": entry.size,
                        "executable": entry.executable,
                        "source": source(entry.source),
                    })
                })
                .collect();
            output::say_json(&object);
        }
        Format::Table => {
            output::say(&format!("{unit}  {}", unit.state.name()));
            output::say(&format!("digest       {}", unit.digest));
            output::say(&format!("size         {} in {} files", output::size(unit.size), unit.entries));
            output::say(&format!("generation   {}", unit.generation));
            output::say(&format!("deployed by  {}, {} ago", unit.deployed_by, output::age_since(unit.deployed_at_ms)));
            output::say("");
            let rows = details.entries.iter().map(|entry| {
                [source(entry.source).to_owned(), entry.path.clone(), output::size(entry.size), entry.digest.short()]
            });
            output::table(&["source", "path", "size", "digest"], rows);
        }
    }
    Ok(())
}
