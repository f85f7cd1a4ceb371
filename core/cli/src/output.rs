//! Printing: tables for people, JSON for programs. A reader that has gone is no error.

use std::{
    io::{self, Write as _},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use haulier::DeployedUnit;
use serde_json::{Value as Json, json};

/// Prints to standard output.
pub(crate) fn say(text: &str) {
    // `haulier ls | head -1` closes the pipe early.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

pub(crate) fn say_json(value: &Json) {
    say(&format!("{value:#}"));
}

/// A table without lines: a header in capitals, and columns.
pub(crate) fn table<R: IntoIterator<Item = String>>(header: &[&str], rows: impl IntoIterator<Item = R>) {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    let text = table.to_string();
    let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    say(&lines.join("\n"));
}

/// "1.5 MiB".
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// "5m", "3h": the largest unit that fits.
pub(crate) fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// The time since `milliseconds` after the epoch.
pub(crate) fn age_since(milliseconds: u64) -> String {
    let then = UNIX_EPOCH + Duration::from_millis(milliseconds);
    age(SystemTime::now().duration_since(then).unwrap_or_default())
}

/// Units as a table.
pub(crate) fn units(units: &[DeployedUnit]) {
    let rows = units.iter().map(|unit| {
        [
            unit.name.clone(),
            unit.version.clone(),
            unit.aliases.join(", "),
            unit.state.name().to_owned(),
            size(unit.size),
            unit.entries.to_string(),
            unit.holders.join(", "),
            unit.digest.short(),
            age_since(unit.deployed_at_ms),
            unit.sources.join(", "),
        ]
    });
    table(&["unit", "version", "aliases", "status", "size", "files", "nodes", "digest", "age", "sources"], rows);
}

/// A unit for programs.
pub(crate) fn unit_object(unit: &DeployedUnit) -> Json {
    json!({
        "name": unit.name,
        "version": unit.version,
        "status": unit.state.name(),
        "digest": unit.digest.to_string(),
        "size": unit.size,
        "files": unit.entries,
        "generation": unit.generation,
        "deployed_at_ms": unit.deployed_at_ms,
        "deployed_by": unit.deployed_by,
        "sources": unit.sources,
        "holders": unit.holders,
        "aliases": unit.aliases,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        let sizes = [0, 1023, 1024, 1536, 1 << 20, (1 << 20) - 1, 5 << 30, 1 << 50].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "5.0 GiB", "1024.0 TiB"]);
        let ages = [0, 59, 60, 7199, 86400].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["0s", "59s", "1m", "1h", "1d"]);
        assert_eq!(age_since(u64::MAX / 2_000_000), "0s", "a clock that runs ahead is no trouble");
    }
}
