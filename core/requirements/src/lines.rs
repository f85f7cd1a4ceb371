//! The lines of pip's requirements format, as far as it takes to tell a lock from what must be resolved. It resolves and
//! opens nothing.

use haulier_model::{Error, ErrorKind, Result};

use crate::{
    Pin, normalized,
    requirement::{is_version, name_end},
};

/// A logical line: without comments, and with those that a backslash continues.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// `name==version; marker --hash=...`
    Pinned(Pin),
    /// Where distributions are looked for: `--index-url`, `--find-links` and the like. The word alone: what follows may
    /// hold a password.
    Place(String),
    /// What changes nothing of a lock: `--require-hashes`, `--only-binary`.
    Idle,
    /// Everything else: what a resolver must look at.
    Loose(String),
}

const PLACES: [&str; 8] =
    ["-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host", "--pypi-url"];
const IDLE: [&str; 5] = ["--require-hashes", "--only-binary", "--no-binary", "--prefer-binary", "--pre"];

/// Reads the logical lines of `text`.
pub(crate) fn read(text: &str) -> Vec<Line> {
    logical(text.strip_prefix('\u{feff}').unwrap_or(text)).iter().map(|line| line_of(line)).collect()
}

fn logical(text: &str) -> Vec<String> {
    let (mut lines, mut open) = (Vec::new(), String::new());
    for line in text.lines() {
        let is_comment = line.trim_start().starts_with('#');
        let line = if is_comment { "" } else { line.split(" #").next().unwrap_or_default().trim_end() };
        match line.strip_suffix('\\') {
            Some(part) => {
                open.push_str(part);
                open.push(' ');
            }
            None => {
                open.push_str(line);
                lines.push(std::mem::take(&mut open));
            }
        }
    }
    lines.push(open);
    lines.retain(|line| !line.trim().is_empty());
    lines
}

fn line_of(line: &str) -> Line {
    let line = line.trim();
    let word = line.split(|letter: char| letter.is_whitespace() || letter == '=').next().unwrap_or_default();
    if PLACES.contains(&word) {
        Line::Place(word.to_owned())
    } else if IDLE.contains(&word) {
        Line::Idle
    } else {
        pin(line).map_or_else(|_| Line::Loose(line.to_owned()), Line::Pinned)
    }
}

/// Reads `name[extras]==version ; marker --hash=sha256:...`; the error says what it lacks to be that.
pub(crate) fn pin(line: &str) -> Result<Pin> {
    let refused = |problem: &str| {
        let shown: String = line.chars().take(80).collect();
        let message = format!("'{}' {problem}", crate::without_secrets(&shown));
        Err(Error::new(ErrorKind::InvalidArgument, "read a lock of requirements", message)
            .hint("uv pip compile --universal --generate-hashes requirements.txt"))
    };
    let mut words = line.split_whitespace().peekable();
    let mut requirement = Vec::new();
    while let Some(word) = words.next_if(|word| !word.starts_with("--")) {
        requirement.push(word);
    }
    let mut hashes = Vec::new();
    for word in words {
        match word.strip_prefix("--hash=").filter(|hash| is_hash(hash)) {
            Some(hash) => hashes.push(hash.to_ascii_lowercase()),
            None => return refused("has an option that is no hash"),
        }
    }
    let requirement = requirement.join(" ");
    let (pinned, marker) = requirement.split_once(';').unwrap_or((&requirement, ""));
    let end = name_end(pinned);
    let rest = pinned[end..].trim();
    let rest = if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, rest)| rest.trim()) } else { rest };
    let version = rest.strip_prefix("==").unwrap_or_default().trim();
    if end == 0 || !is_version(version) {
        return refused("is not of the form name==version");
    }
    if hashes.is_empty() {
        return refused("has no --hash");
    }
    let marker = marker.trim();
    if !marker.chars().all(|letter| letter.is_ascii_alphanumeric() || " _.-'\"<>=!~(),+*".contains(letter)) {
        return refused("has a marker that is not understood");
    }
    hashes.sort();
    hashes.dedup();
    Ok(Pin { name: normalized(&pinned[..end]), version: version.to_owned(), marker: marker.to_owned(), hashes })
}

fn is_hash(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
