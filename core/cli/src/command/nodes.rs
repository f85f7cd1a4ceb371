//! `haulier nodes`, `haulier node drain`.

use std::{collections::HashMap, time::Duration};

use haulier::{Cluster, Digest, NodeInfo, NodeState, Result};
use serde_json::{Value as Json, json};

use crate::{
    arguments::{Drain, Format},
    output,
};

pub(super) async fn list(cluster: &Cluster, format: Format) -> Result<()> {
    let nodes = cluster.nodes().await?;
    match format {
        Format::Table => table(&nodes),
        Format::Json => output::say_json(&nodes.iter().map(object).collect::<Json>()),
    }
    Ok(())
}

pub(super) async fn drain(cluster: &Cluster, arguments: Drain) -> Result<()> {
    let name = &arguments.name;
    let node = if arguments.undo { cluster.undrain(name).await? } else { cluster.drain(name).await? };
    match (arguments.connection.output, node.state) {
        (Format::Json, _) => output::say_json(&object(&node)),
        (Format::Table, NodeState::Draining) => {
            let tasks = node.queued + node.executing;
            output::say(&format!("{name} takes no more tasks; {tasks} are left: haulier nodes"));
        }
        (Format::Table, state) => output::say(&format!("{name} is {}", state.name())),
    }
    Ok(())
}

fn table(nodes: &[NodeInfo]) {
    let majority = majority(&nodes.iter().map(|node| node.local_code).collect::<Vec<_>>());
    let rows = nodes.iter().map(|node| {
        [
            node.name.clone(),
            node.address.clone(),
            node.state.name().to_owned(),
            pairs(&node.labels, "="),
            format!("{}/{}", node.executing, node.slots),
            node.queued.to_string(),
            node.held_units.len().to_string(),
            pairs(node.runtimes.iter().map(|(name, version)| (name, version)), " "),
            node.version.clone(),
            output::age(Duration::from_secs(node.uptime_seconds)),
            note(node.local_code, majority),
        ]
    });
    let header =
        ["node", "address", "state", "labels", "running", "queued", "units", "runtimes", "version", "uptime", "note"];
    output::table(&header, rows);
}

fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>, between: &str) -> String {
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}{between}{value}")).collect();
    pairs.join(", ")
}

/// What is unusual about a node: its own code, where that is not what most nodes have.
fn note(code: Option<Digest>, majority: Majority) -> String {
    let short = |code: Option<Digest>| code.map_or_else(|| "none".to_owned(), |digest| digest.short());
    match majority {
        Majority::Has(most) if most == code => String::new(),
        Majority::Has(most) => format!("own code {}, most nodes have {}", short(code), short(most)),
        Majority::None => format!("own code {}, nodes differ", short(code)),
    }
}

/// The code that nodes have besides what is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Majority {
    /// More than half of them have this, or have none.
    Has(Option<Digest>),
    /// There is no majority.
    None,
}

fn majority(codes: &[Option<Digest>]) -> Majority {
    let mut counts: HashMap<_, usize> = HashMap::new();
    for code in codes {
        *counts.entry(*code).or_default() += 1;
    }
    let most = counts.into_iter().find(|(_, count)| 2 * count > codes.len());
    most.map_or(Majority::None, |(code, _)| Majority::Has(code))
}

fn object(node: &NodeInfo) -> Json {
    let runtimes: serde_json::Map<_, _> =
        node.runtimes.iter().map(|(name, version)| (name.clone(), version.clone().into())).collect();
    json!({
        "name": node.name,
        "address": node.address,
        "state": node.state.name(),
        "labels": node.labels,
        "version": node.version,
        "runtimes": runtimes,
        "slots": node.slots,
        "queued": node.queued,
        "executing": node.executing,
        "held_units": node.held_units.iter().map(Digest::to_string).collect::<Json>(),
        "local_code": node.local_code.map(|digest| digest.to_string()),
        "owns_catalogue": node.owns_catalogue,
        "direct": node.direct,
        "process_id": node.process_id,
        "uptime_seconds": node.uptime_seconds,
        "code_round_trips": node.code_round_trips,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_differ_are_noted() {
        let (a, b) = (Some(Digest::of(b"a")), Some(Digest::of(b"b")));
        let notes = |codes: &[Option<Digest>]| -> Vec<String> {
            codes.iter().map(|code| note(*code, majority(codes))).collect()
        };
        assert_eq!(notes(&[a, a]), ["", ""]);
        assert_eq!(notes(&[None]), [""]);
        let [_, odd, _] = &notes(&[a, b, a])[..] else { panic!("three nodes") };
        assert_eq!(odd, &format!("own code {}, most nodes have {}", b.unwrap().short(), a.unwrap().short()));
        assert_eq!(notes(&[None, None, a])[2], format!("own code {}, most nodes have none", a.unwrap().short()));
        assert!(notes(&[a, b]).iter().all(|note| note.ends_with("nodes differ")));
    }
}
