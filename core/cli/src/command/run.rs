//! `haulier run`.

use std::io::Read as _;

use haulier::{Cluster, Error, ErrorKind, Result, Value};
use serde_json::{Value as Json, json};

use crate::{
    arguments::{ClientCommand, Connection, Format, Run},
    failure::{self, Failure},
    json as values, output,
};

/// A command whose arguments have been read, so that a mistake in them needs no node.
pub(super) enum Ready {
    Run(Run, Vec<Value>),
    Other(ClientCommand),
}

impl Ready {
    pub(super) fn connection(&self) -> &Connection {
        match self {
            Self::Run(arguments, _) => &arguments.connection,
            Self::Other(command) => command.connection(),
        }
    }
}

pub(super) fn read_arguments(command: ClientCommand) -> Result<Ready> {
    match command {
        ClientCommand::Run(arguments) => {
            let values = arguments.arguments.iter().map(|text| read(text)).collect::<Result<_>>()?;
            Ok(Ready::Run(arguments, values))
        }
        other => Ok(Ready::Other(other)),
    }
}

pub(super) async fn run(cluster: &Cluster, arguments: Run, values: Vec<Value>) -> Result<(), Failure> {
    let mut task = cluster.task(arguments.unit.as_str(), &arguments.entry_point);
    if let Some(timeout) = arguments.timeout {
        task = task.timeout(timeout);
    }
    if let Some(node) = &arguments.node {
        task = task.node(node);
    }
    if let Some(key) = &arguments.key {
        task = task.key(key);
    }
    if arguments.failover {
        task = task.failover();
    }
    task = arguments.labels.iter().fold(task, |task, (key, value)| task.label(key, value));
    let format = arguments.connection.output;
    if arguments.broadcast {
        return show_all(task.broadcast(values).await?, format);
    }
    let result: Value = task.call(values).await?;
    match (result, format) {
        (Value::String(text), Format::Table) => output::say(&text),
        (result, Format::Table) => output::say(&values::encode(&result).to_string()),
        (result, Format::Json) => output::say_json(&values::encode(&result)),
    }
    Ok(())
}

fn show_all(results: Vec<(String, Result<Value>)>, format: Format) -> Result<(), Failure> {
    let failed = results.iter().any(|(_, result)| result.is_err());
    match format {
        Format::Table => {
            let rows = results.into_iter().map(|(node, result)| match result {
                Ok(value) => [node, values::encode(&value).to_string()],
                Err(error) => [node, failure::text(&error)],
            });
            output::table(&["node", "result"], rows);
        }
        Format::Json => {
            let object = |(node, result): (String, Result<Value>)| match result {
                Ok(value) => json!({ "node": node, "value": values::encode(&value) }),
                Err(error) => json!({ "node": node, "error": failure::object(&error) }),
            };
            output::say_json(&results.into_iter().map(object).collect::<Json>());
        }
    }
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

/// JSON, or where to find some.
fn read(argument: &str) -> Result<Value> {
    let fail = |message: String| {
        Error::new(ErrorKind::InvalidArgument, "read an argument", message)
            .hint("arguments are JSON: 42 '\"text\"' '[1, 2]' @file.json -")
    };
    let text = match argument.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| fail(format!("{path}: {error}")))?,
        None if argument == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| fail(format!("standard input: {error}")))?;
            text
        }
        None => argument.to_owned(),
    };
    let json = serde_json::from_str(&text).map_err(|error| fail(format!("'{argument}' is no JSON: {error}")))?;
    values::decode(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_json_from_here_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        std::fs::write(&file, "[1, \"two\"]\n").unwrap();
        assert_eq!(read(&format!("@{}", file.display())).unwrap(), Value::List(vec![1.into(), "two".into()]));
        assert_eq!(read("-7").unwrap(), Value::from(-7));
        for bad in ["hello", "", "@/nowhere", "1 2"] {
            let error = read(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.hint_text().contains("JSON"), "{bad}");
        }
    }
}
