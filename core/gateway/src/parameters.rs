//! Names in paths and queries as words of the model.
//!
//! It owns what may be asked for and how. A parameter that is not known is refused: ignoring one that says which nodes
//! would act on all of them.

use std::borrow::Cow;

use haulier_model::{UnitName, Version};

use crate::{engine::UnitState, problem::Problem};

/// The values of a query, by name, in order.
type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

fn pairs<'a>(query: Option<&'a str>, known: &[&str]) -> Result<Pairs<'a>, Problem> {
    let pairs: Pairs<'a> = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect();
    match pairs.iter().find(|(name, _)| !known.contains(&name.as_ref())) {
        None => Ok(pairs),
        Some((name, _)) => {
            let hint = match known {
                [] => "leave it out: this call has no parameters".to_owned(),
                _ => format!("one of: {}", known.join(", ")),
            };
            Err(Problem::bad_request(format!("the parameter '{}' is not known", name.escape_debug()), hint))
        }
    }
}

/// All values of one parameter: repeated, or with commas between them.
fn values<'a>(pairs: &'a Pairs<'_>, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let all = pairs.iter().filter(move |(name, _)| name == wanted);
    all.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
}

/// Refuses a query where there is nothing to ask.
pub(crate) fn none(query: Option<&str>) -> Result<(), Problem> {
    pairs(query, &[]).map(|_| ())
}

/// Which nodes must have a unit: `majority` (default), `all`, or names with commas between them.
pub(crate) fn nodes(query: Option<&str>) -> Result<String, Problem> {
    let pairs = pairs(query, &["deployMode", "initialNodes"])?;
    let modes: Vec<String> = values(&pairs, "deployMode").map(str::to_ascii_lowercase).collect();
    let names: Vec<&str> = values(&pairs, "initialNodes").collect();
    let is_mode = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "all" | "majority");
    match (modes.as_slice(), names.as_slice()) {
        ([], []) if pairs.is_empty() => Ok("majority".to_owned()),
        ([mode], []) if is_mode(mode) => Ok(mode.clone()),
        ([], [_, ..]) if !names.iter().any(|name| is_mode(name)) => Ok(names.join(",")),
        _ => Err(Problem::bad_request(
            "it is not clear which nodes are to have the unit",
            "?deployMode=MAJORITY, ?deployMode=ALL or ?initialNodes=n1,n2",
        )),
    }
}

/// Which units of a list are wanted.
#[derive(Default)]
pub(crate) struct Filter {
    /// Of this name only.
    pub(crate) name: Option<UnitName>,
    /// Of this version only: `1.4` is `1.4.0`.
    pub(crate) version: Option<Version>,
    /// In one of these states; empty means all.
    pub(crate) states: Vec<UnitState>,
}

impl Filter {
    /// For a list of all units: `statuses`.
    pub(crate) fn of_all(query: Option<&str>) -> Result<Self, Problem> {
        let pairs = pairs(query, &["statuses"])?;
        Ok(Self { states: states(&pairs)?, ..Self::default() })
    }

    /// For the units of one name: `version` and `statuses`.
    pub(crate) fn of_name(name: &str, query: Option<&str>) -> Result<Self, Problem> {
        let pairs = pairs(query, &["version", "statuses"])?;
        let version = match pairs.iter().filter(|(name, _)| name == "version").collect::<Vec<_>>().as_slice() {
            [] => None,
            [(_, version)] => Some(version.parse()?),
            _ => return Err(Problem::bad_request("there is more than one 'version'", "?version=1.2.0")),
        };
        Ok(Self { name: Some(name.parse()?), version, states: states(&pairs)? })
    }
}

fn states(pairs: &Pairs<'_>) -> Result<Vec<UnitState>, Problem> {
    let state = |value: &str| {
        let found = UnitState::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(value));
        found.ok_or_else(|| {
            let hint = format!("one of: {}", UnitState::ALL.map(UnitState::name).join(", "));
            Problem::bad_request(format!("'{}' is no status", value.escape_debug()), hint)
        })
    };
    values(pairs, "statuses").map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_nodes() {
        for (query, expected) in [
            (None, "majority"),
            (Some(""), "majority"),
            (Some("deployMode=MAJORITY"), "majority"),
            (Some("deployMode=all"), "all"),
            (Some("initialNodes=n1,n2"), "n1,n2"),
            (Some("initialNodes=n1&initialNodes=n%32"), "n1,n2"),
        ] {
            assert_eq!(nodes(query).unwrap(), expected, "{query:?}");
        }
        for query in [
            "deployMode=SOME",
            "deployMode=",
            "deployMode=ALL&deployMode=MAJORITY",
            "deployMode=ALL&initialNodes=n1",
            "initialNodes=",
            "initialNodes=n1,ALL",
            "nodes=n1",
        ] {
            assert!(nodes(Some(query)).is_err(), "{query}");
        }
    }
}
