//! Why a change of a head was refused, in words, with the command that helps.

use haulier_model::{Digest, Error, ErrorKind, Selector, UnitName, Version};

use super::{Generation, Head, State, order};
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

/// No version of that name was ever deployed, or all are gone.
pub(crate) fn unknown(name: &UnitName) -> Error {
    Error::new(ErrorKind::NotFound, "find a unit", format!("no unit '{name}' is deployed")).hint(DEPLOY_OR_LIST)
}

const DEPLOY_OR_LIST: &str = "haulier deploy NAME PATH, or haulier list-deployments";
