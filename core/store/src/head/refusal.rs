//! Why a change of a head was refused, in words, with the command that helps.

use haulier_model::{Digest, Error, ErrorKind, Selector, UnitName, Version};

use super::{Generation, Head, State};
use crate::UnitState;

/// How many versions a message lists.
const LISTED: usize = 10;

pub(super) fn other_bytes(name: &UnitName, present: &Generation, offered: Digest) -> Error {
    let message = format!(
        "'{name}:{}' is deployed with other bytes: it has {}, this is {offered}",
        present.version, present.digest
    );
    Error::new(ErrorKind::Conflict, "deploy", message)
        .hint("deploy with --replace, or give the new bytes a new --version")
}

pub(super) fn deployed_by_another(name: &UnitName, present: &Generation) -> Error {
    let message = format!("'{name}:{}' was deployed by {}", present.version, present.deployed_by);
    Error::new(ErrorKind::Conflict, "deploy", message)
        .hint(format!("haulier undeploy {name}:{} first, if it is to be replaced", present.version))
}

pub(super) fn explicit_versions(name: &UnitName, version: &Version) -> Error {
    let message =
        format!("'{name}' has versions that were given explicitly ({version}), so none can be counted for it");
    Error::new(ErrorKind::Conflict, "deploy", message).hint(format!("haulier deploy {name} PATH --version VERSION"))
}

pub(super) fn still_deployed(name: &UnitName, version: &Version) -> Error {
    Error::new(ErrorKind::Conflict, "remove a unit", format!("'{name}:{version}' is DEPLOYED"))
        .hint(format!("haulier undeploy {name}:{version}"))
}

pub(super) fn obsolete(name: &UnitName, present: &Generation) -> Error {
    let state = UnitState::from(present.state).name();
    let message =
        format!("'{name}:{}' is {state}: it was undeployed, and only what runs already goes on", present.version);
    Error::new(ErrorKind::Conflict, "find a unit", message)
        .context("digest", present.digest.to_string())
        .hint(DEPLOY_OR_LIST)
}

pub(super) fn not_found(name: &UnitName, selector: &Selector, head: &Head) -> Error {
    let mut deployed: Vec<&Generation> =
        head.versions.iter().filter(|present| present.state == State::Deployed).collect();
    if deployed.is_empty() {
        return unknown(name);
    }
    let order = head.order();
    deployed.sort_by(|a, b| order(b, a));
    let mut listed: Vec<&str> = deployed.iter().take(LISTED).map(|present| present.version.as_str()).collect();
    if deployed.len() > LISTED {
        listed.push("...");
    }
    let wanted = match selector {
        Selector::Latest => "version".to_owned(),
        Selector::Named(version) => format!("version or alias '{version}'"),
        Selector::Digest(digest) => format!("version with {digest}"),
    };
    let message = format!("unit '{name}' has no {wanted}; deployed are {}", listed.join(", "));
    Error::new(ErrorKind::NotFound, "find a unit", message).hint("haulier list-deployments")
}

pub(super) fn latest_is_computed(name: &UnitName) -> Error {
    Error::new(ErrorKind::InvalidArgument, "set an alias", "'latest' is computed: it is always the highest version")
        .hint(format!("haulier alias {name} stable VERSION"))
}

pub(super) fn no_alias(name: &UnitName, alias: &Version) -> Error {
    let message =
        format!("'{alias}' is no alias: it must begin with a letter, so that it cannot be taken for a version");
    Error::new(ErrorKind::InvalidArgument, "set an alias", message).hint(format!("haulier alias {name} stable VERSION"))
}

pub(super) fn alias_is_a_version(name: &UnitName, alias: &Version) -> Error {
    Error::new(ErrorKind::Conflict, "set an alias", format!("'{name}' has a version '{alias}', which would win"))
        .hint("choose another name for the alias")
}

pub(super) fn unknown_alias(name: &UnitName, alias: &Version, head: &Head) -> Error {
    let known: Vec<&str> = head.aliases.keys().map(String::as_str).take(LISTED).collect();
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    Error::new(ErrorKind::NotFound, "remove an alias", format!("unit '{name}' has no alias '{alias}'; {known}"))
        .hint(format!("haulier alias {name}"))
}

pub(super) fn undeploy_of_alias(name: &UnitName, alias: &Version, target: &str) -> Error {
    Error::new(ErrorKind::Conflict, "undeploy", format!("'{name}:{alias}' is an alias of {target}")).hint(format!(
        "haulier undeploy {name}:{target} --force, or only the alias: haulier alias {name} {alias} --remove"
    ))
}

pub(super) fn aliased(name: &UnitName, version: &Version, alias: &str) -> Error {
    Error::new(ErrorKind::Conflict, "undeploy", format!("the alias '{alias}' points to '{name}:{version}'")).hint(
        format!(
            "move it: haulier alias {name} {alias} VERSION; or take it along: haulier undeploy {name}:{version} --force"
        ),
    )
}

/// No version of that name was ever deployed, or all are gone.
pub(crate) fn unknown(name: &UnitName) -> Error {
    Error::new(ErrorKind::NotFound, "find a unit", format!("no unit '{name}' is deployed")).hint(DEPLOY_OR_LIST)
}

const DEPLOY_OR_LIST: &str = "haulier deploy NAME PATH, or haulier list-deployments";
