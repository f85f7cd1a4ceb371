//! Lists of units in the form of the interface: `[{"id", "versionToStatus": [{"version", "status"}]}]`.

use std::collections::BTreeMap;

use haulier_model::{UnitName, VersionOrder};
use serde::Serialize;

use crate::{engine::GatewayUnit, parameters::Filter};

/// A name with its versions, rising.
#[derive(Debug, Serialize)]
pub(crate) struct UnitVersions {
    id: String,
    #[serde(rename = "versionToStatus")]
    versions: Vec<VersionStatus>,
}

#[derive(Debug, Serialize)]
struct VersionStatus {
    version: String,
    status: &'static str,
}

/// The units that `filter` wants, by name; a name without such versions is left out.
pub(crate) fn list(units: Vec<GatewayUnit>, filter: &Filter) -> Vec<UnitVersions> {
    let mut names: BTreeMap<UnitName, Vec<GatewayUnit>> = BTreeMap::new();
    for unit in units.into_iter().filter(|unit| is_wanted(unit, filter)) {
        names.entry(unit.name.clone()).or_default().push(unit);
    }
    let versions = |mut units: Vec<GatewayUnit>| {
        let order = VersionOrder::of(units.iter().map(|unit| &unit.version));
        units.sort_by(|a, b| order.compare(&a.version, &b.version));
        let status = |unit: GatewayUnit| VersionStatus { version: unit.version.to_string(), status: unit.state.name() };
        units.into_iter().map(status).collect()
    };
    names.into_iter().map(|(name, units)| UnitVersions { id: name.to_string(), versions: versions(units) }).collect()
}

fn is_wanted(unit: &GatewayUnit, filter: &Filter) -> bool {
    filter.name.as_ref().is_none_or(|name| *name == unit.name)
        && filter.version.as_ref().is_none_or(|version| version.same_as(&unit.version))
        && (filter.states.is_empty() || filter.states.contains(&unit.state))
}
