//! `haulier undeploy`, `haulier list-deployments`, `haulier inspect`, `haulier alias`, `haulier wait`, `haulier gc`.

use haulier::{Cluster, DeployedUnit, Error, ErrorKind, Result, UnitDetails};
use serde_json::{Value as Json, json};

use super::loaders;
use crate::{
    arguments::{Alias, Format, Gc, Inspect, ListDeployments, Undeploy, Wait},
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

pub(super) async fn alias(cluster: &Cluster, arguments: Alias) -> Result<()> {
    let Alias { name, alias, version, remove, connection } = arguments;
    let format = connection.output;
    match (alias, version, remove) {
        (Some(alias), Some(version), _) => {
            let (unit, previous) = cluster.set_alias(&name, &alias, &version).await?;
            let before = previous.as_ref().map(|previous| format!(", was {previous}")).unwrap_or_default();
            let object = json!({ "alias": alias, "unit": output::unit_object(&unit), "previous": previous });
            say(format, &format!("{name}:{alias} is {}{before}", unit.version), &object);
        }
        (Some(alias), None, true) => {
            let previous = cluster.remove_alias(&name, &alias).await?;
            let object = json!({ "alias": alias, "unit": null, "previous": previous });
            say(format, &format!("removed {name}:{alias}, was {previous}"), &object);
        }
        (wanted, _, _) => {
            let units = cluster.list_units(&name).await?;
            let all = units.iter().flat_map(|unit| unit.aliases.iter().map(move |alias| (alias, unit)));
            let found: Vec<_> =
                all.filter(|(alias, _)| wanted.as_ref().is_none_or(|wanted| wanted == *alias)).collect();
            if let (Some(wanted), true) = (&wanted, found.is_empty()) {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "show an alias",
                    format!("'{name}' has no alias '{wanted}'"),
                )
                .hint(format!("haulier alias {name} {wanted} VERSION")));
            }
            show_aliases(format, &found);
        }
    }
    Ok(())
}

fn show_aliases(format: Format, aliases: &[(&String, &DeployedUnit)]) {
    match format {
        Format::Json => {
            let object =
                |(alias, unit): &(&String, &DeployedUnit)| json!({ "alias": alias, "unit": output::unit_object(unit) });
            output::say_json(&aliases.iter().map(object).collect::<Json>());
        }
        Format::Table => {
            let rows = aliases
                .iter()
                .map(|(alias, unit)| [(*alias).clone(), unit.name.clone(), unit.version.clone(), unit.digest.short()]);
            output::table(&["alias", "unit", "version", "digest"], rows);
        }
    }
}

pub(super) async fn wait(cluster: &Cluster, arguments: Wait) -> Result<()> {
    let unit = cluster.wait_for_unit(&arguments.reference, &arguments.nodes, arguments.timeout).await?;
    let text = format!("{unit} is on {}", unit.holders.join(", "));
    say(arguments.connection.output, &text, &output::unit_object(&unit));
    Ok(())
}

pub(super) async fn collect_garbage(cluster: &Cluster, arguments: Gc) -> Result<()> {
    let collected = cluster.collect_garbage(arguments.dry_run).await?;
    let did = if arguments.dry_run { "would free" } else { "freed" };
    let text = format!(
        "{} {did} {} in {} packs; {} more wait for other content in their packs",
        collected.node,
        output::size(collected.bytes),
        collected.packs,
        output::size(collected.held_bytes)
    );
    let object = json!({
        "node": collected.node,
        "dry_run": arguments.dry_run,
        "packs": collected.packs,
        "bytes": collected.bytes,
        "held_bytes": collected.held_bytes,
    });
    say(arguments.connection.output, &text, &object);
    Ok(())
}

fn say(format: Format, text: &str, object: &Json) {
    match format {
        Format::Json => output::say_json(object),
        Format::Table => output::say(text),
    }
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
        Format::Json => output::say_json(&details_object(&details)),
        Format::Table => {
            output::say(&format!("{unit}  {}", unit.state.name()));
            output::say(&format!("digest       {}", unit.digest));
            output::say(&format!("size         {} in {} files", output::size(unit.size), unit.entries));
            output::say(&format!("generation   {}", unit.generation));
            output::say(&format!("deployed by  {}, {} ago", unit.deployed_by, output::age_since(unit.deployed_at_ms)));
            output::say(&format!("aliases      {}", unit.aliases.join(", ")));
            output::say(&format!("nodes        {}", unit.holders.join(", ")));
            for (source, origin) in unit.sources.iter().zip(&details.origins) {
                let from = if origin.coordinates.is_empty() { &origin.source } else { &origin.coordinates };
                output::say(&format!("source       {source} from {from} sha256:{}", origin.sha256));
            }
            for pin in &details.requirements {
                let marker = if pin.marker.is_empty() { String::new() } else { format!(" ; {}", pin.marker) };
                output::say(&format!("requires     {}=={}{marker}", pin.name, pin.version));
            }
            for original in &details.originals {
                let (source, size) = (source(original.source), output::size(original.size));
                output::say(&format!("opaque       {source} sha256:{} {size}", original.digest.hex()));
            }
            for loader in &details.leaked_loaders {
                output::say(&format!("in memory    {}", loaders::line("a class loader", loader)));
            }
            output::say("");
            let rows = details.entries.iter().map(|entry| {
                [source(entry.source).to_owned(), entry.path.clone(), output::size(entry.size), entry.digest.short()]
            });
            output::table(&["source", "path", "size", "digest"], rows);
        }
    }
    Ok(())
}

/// A unit with its files, for programs.
fn details_object(details: &UnitDetails) -> Json {
    let unit = &details.unit;
    let source = |index: usize| unit.sources.get(index).map_or("", String::as_str);
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
    object["origins"] = details
        .origins
        .iter()
        .map(|origin| json!({ "source": origin.source, "sha256": origin.sha256, "coordinates": origin.coordinates }))
        .collect();
    object["opaque"] = details
        .originals
        .iter()
        .map(|original| {
            let sha256 = original.digest.hex();
            json!({ "source": source(original.source), "sha256": sha256, "size": original.size })
        })
        .collect();
    object["requirements"] = details
        .requirements
        .iter()
        .map(|pin| json!({ "name": pin.name, "version": pin.version, "marker": pin.marker }))
        .collect();
    object["leaked_loaders"] = details.leaked_loaders.iter().map(loaders::object).collect();
    object
}
