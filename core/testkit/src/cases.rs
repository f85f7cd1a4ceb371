//! The conformance cases as data: reads tests/conformance/cases, turns their values into the client's and compares
//! values strictly. It knows no client and runs nothing.
//!
//! The data is the repository's own, so whatever is malformed in it panics.

use haulier_model::Value;
use toml::{Table, Value as Toml};

/// The cases of all files; the values become two cases of many steps.
///
/// # Panics
/// If the data is malformed.
pub fn cases() -> Vec<Table> {
    let folder = crate::fixtures::repository().join("tests/conformance/cases");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("cases").map(|entry| entry.expect("a case").path()).collect();
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let file: Table = std::fs::read_to_string(&path).expect("a case").parse().expect("TOML");
        if file.contains_key("value") {
            cases.extend(["java", "python"].map(|language| value_case(&file, language)));
        }
        cases.extend(tables(&file, "case"));
    }
    cases
}

fn value_case(file: &Table, language: &str) -> Table {
    let side = file[language].as_table().expect("a language");
    let unit = Toml::String(format!("{}-{language}", text(file, "unit")));
    let version = Toml::String("1.0.0".into());
    let deploy = [("deploy", &unit), ("version", &version), ("sources", &side["sources"])];
    let mut steps = vec![table(deploy)];
    for entry in tables(file, "value") {
        let arguments = Toml::Array(vec![entry["value"].clone()]);
        for (call, expected) in [("echo", "value"), ("describe", "text")] {
            let call = [("call", &side[call]), ("unit", &unit), ("args", &arguments), ("value", &entry[expected])];
            steps.push(table(call));
        }
    }
    let name = Toml::String(format!("{} values to {language} and back", tables(file, "value").len()));
    let needs = Toml::Array(vec![Toml::String(language.into())]);
    Table::from_iter([("name".into(), name), ("needs".into(), needs), ("steps".into(), Toml::Array(steps))])
}

/// The arguments of a step; `port` is what stands for the runner's port.
pub fn arguments(step: &Table, port: u16) -> Vec<Value> {
    let arguments = step.get("args").and_then(Toml::as_array);
    arguments.into_iter().flatten().map(|value| decode(value, port)).collect()
}

/// The value that a case means.
///
/// # Panics
/// If the data is malformed.
pub fn decode(value: &Toml, port: u16) -> Value {
    let parts = |array: &Vec<Toml>| array.iter().map(|part| decode(part, port)).collect::<Vec<_>>();
    match value {
        Toml::Boolean(value) => Value::Boolean(*value),
        Toml::Integer(value) => Value::Integer(*value),
        Toml::Float(value) => Value::Float(*value),
        Toml::String(value) => Value::String(value.clone()),
        Toml::Array(array) => Value::List(parts(array)),
        Toml::Datetime(value) => panic!("no such value: {value}"),
        Toml::Table(table) => match table.get("$").and_then(Toml::as_str) {
            None => Value::Map(table.iter().map(|(key, part)| (key.as_str().into(), decode(part, port))).collect()),
            Some("null") => Value::Null,
            Some("bytes") => Value::Bytes(unhex(&text(table, "hex"))),
            Some("repeat") => {
                Value::Bytes(unhex(&text(table, "hex")).repeat(table["count"].as_integer().unwrap_or(0) as usize))
            }
            Some("map") => {
                let entries = table["entries"].as_array().expect("entries");
                let pair = |entry: &Toml| (decode(&entry[0], port), decode(&entry[1], port));
                Value::Map(entries.iter().map(pair).collect())
            }
            Some("port") => Value::Integer(port.into()),
            Some(other) => panic!("no such value: {other}"),
        },
    }
}

/// Whether two values are equal in kind and content; NaN equals NaN, 0.0 and -0.0 differ.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => {
            left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan()
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            let pairs = left.iter().zip(right);
            left.len() == right.len()
                && pairs.into_iter().all(|(left, right)| left.0 == right.0 && same(&left.1, &right.1))
        }
        _ => left == right,
    }
}

/// A string of a table; empty if it is not there.
pub fn text(table: &Table, key: &str) -> String {
    table.get(key).and_then(Toml::as_str).unwrap_or_default().to_owned()
}

/// A boolean of a table; false if it is not there.
pub fn flag(table: &Table, key: &str) -> bool {
    table.get(key).and_then(Toml::as_bool).unwrap_or(false)
}

/// Strings of a table; none if they are not there.
pub fn texts(table: &Table, key: &str) -> Vec<String> {
    let array = table.get(key).and_then(Toml::as_array);
    array.into_iter().flatten().filter_map(|part| part.as_str().map(str::to_owned)).collect()
}

/// Tables of a table; none if they are not there.
pub fn tables(table: &Table, key: &str) -> Vec<Table> {
    let array = table.get(key).and_then(Toml::as_array);
    array.into_iter().flatten().filter_map(|part| part.as_table().cloned()).collect()
}

fn table<const N: usize>(entries: [(&str, &Toml); N]) -> Toml {
    Toml::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect())
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_named_once_and_has_steps() {
        let cases = cases();
        let mut names: Vec<_> = cases.iter().map(|case| text(case, "name")).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), cases.len());
        assert!(cases.len() >= 30);
        assert!(cases.iter().all(|case| !tables(case, "steps").is_empty()));
    }

    #[test]
    fn values_are_compared_by_kind_and_bits() {
        assert!(same(&Value::Float(f64::NAN), &Value::Float(f64::NAN)));
        assert!(!same(&Value::Float(0.0), &Value::Float(-0.0)));
        assert!(!same(&Value::Integer(1), &Value::Float(1.0)));
        assert!(!same(&Value::List(vec![Value::Null]), &Value::List(vec![])));
    }
}
