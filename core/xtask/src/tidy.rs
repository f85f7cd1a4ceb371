//! Checks what the compilers do not: sizes, names, module documentation, notes left behind.
//!
//! Works on the text of every tracked or new source file; generated code is left out. It reads, and never changes.
use std::{error::Error, fs, path::Path, process::Command};

mod functions;

/// A file longer than this fails.
const FILE_CEILING: usize = 800;
/// A file longer than this is named in the warnings.
const FILE_AIM: usize = 400;
/// A function longer than this fails.
const FUNCTION_CEILING: usize = 60;
/// Words that say nothing about what a thing is.
const BANNED: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"];
/// Notes that promise work instead of doing it; in halves, so that this file passes its own check.
const NOTES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// The languages whose text is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    Java,
    Python,
}

impl Language {
    fn of(path: &str) -> Option<Self> {
        match Path::new(path).extension()?.to_str()? {
            "rs" => Some(Self::Rust),
            "java" => Some(Self::Java),
            "py" | "pyi" => Some(Self::Python),
            _ => None,
        }
    }
}

/// Checks the repository; with `warnings` also names the files over the aim.
pub(crate) fn run(warnings: bool) -> Result<(), Box<dyn Error>> {
    let files = sources()?;
    let mut problems = Vec::new();
    let mut long = Vec::new();
    for path in &files {
        let Ok(text) = fs::read_to_string(crate::repository().join(path)) else { continue };
        let lines = text.lines().count();
        if (FILE_AIM..=FILE_CEILING).contains(&lines) {
            long.push(format!("{path}: {lines} lines (aim: {FILE_AIM})"));
        }
        problems.extend(check(path, &text).into_iter().map(|problem| format!("{path}{problem}")));
    }
    if warnings {
        long.iter().for_each(|line| println!("{line}"));
    }
    if problems.is_empty() {
        println!("tidy: {} files, {} over {FILE_AIM} lines", files.len(), long.len());
        return Ok(());
    }
    problems.iter().for_each(|line| eprintln!("{line}"));
    Err(format!("tidy: {} problems", problems.len()).into())
}

/// Tracked files and new ones that are not ignored, without generated code.
fn sources() -> Result<Vec<String>, Box<dyn Error>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(crate::repository())
        .output()?;
    if !output.status.success() {
        return Err("git ls-files failed: tidy needs a git repository".into());
    }
    let listed = String::from_utf8(output.stdout)?;
    let wanted = |path: &&str| Language::of(path).is_some() && !path.split('/').any(|part| part == "generated");
    Ok(listed.lines().filter(wanted).map(str::to_owned).collect())
}

/// The problems of one file, each as ":line: what".
fn check(path: &str, text: &str) -> Vec<String> {
    let Some(language) = Language::of(path) else { return Vec::new() };
    let mut problems = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_CEILING {
        problems.push(format!(": {lines} lines (ceiling: {FILE_CEILING}); is there a second idea in it?"));
    }
    for function in functions::find(language, text) {
        if function.lines > FUNCTION_CEILING {
            let functions::Function { name, line, lines } = function;
            problems.push(format!(":{line}: {name} has {lines} lines (ceiling: {FUNCTION_CEILING})"));
        }
    }
    problems.extend(names(language, path, text));
    for (index, line) in text.lines().enumerate() {
        if let Some(note) = NOTES.iter().find(|note| words(line).any(|word| word == **note)) {
            problems.push(format!(":{}: a {note} note; do it or leave it out", index + 1));
        }
    }
    if !documented(language, path, text) {
        problems.push(": no documentation of the module: say what it owns and what it must never know".into());
    }
    problems
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// Banned words in the names of files and types.
fn names(language: Language, path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if let Some(word) = banned(stem) {
        problems.push(format!(": '{word}' in a file name says nothing about what is in it"));
    }
    let keywords: &[&str] = match language {
        Language::Rust => &["struct", "enum", "trait", "mod"],
        Language::Java => &["class", "interface", "record", "enum"],
        Language::Python => &["class"],
    };
    for (index, line) in text.lines().enumerate() {
        let mut tokens = words(line).filter(|word| !word.is_empty()).skip_while(|word| {
            matches!(*word, "pub" | "crate" | "public" | "private" | "protected" | "static" | "final" | "abstract")
        });
        let (Some(keyword), Some(name)) = (tokens.next(), tokens.next()) else { continue };
        if let Some(word) = keywords.contains(&keyword).then(|| banned(name)).flatten() {
            problems.push(format!(":{}: '{word}' in {name} says nothing about what it is", index + 1));
        }
    }
    problems
}

/// The banned word in a snake_case or CamelCase name.
fn banned(name: &str) -> Option<&'static str> {
    let mut parts = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c == '-' || c.is_uppercase() {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut() {
            last.extend(c.to_lowercase());
        }
    }
    parts.iter().find_map(|part| BANNED.into_iter().find(|word| part.trim_matches(['_', '-']) == *word))
}

/// Whether the file begins by saying what it is.
fn documented(language: Language, path: &str, text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match language {
        Language::Rust => lines.find(|line| !line.starts_with("#!")).is_some_and(|line| line.starts_with("//!")),
        Language::Python => lines
            .find(|line| !line.starts_with('#'))
            .is_none_or(|line| line.starts_with("\"\"\"") || line.starts_with("r\"\"\"")),
        Language::Java => {
            let mut head = lines.take_while(|line| !declares_type(line));
            path.ends_with("module-info.java") || head.any(|line| line.starts_with("/**"))
        }
    }
}

fn declares_type(line: &str) -> bool {
    !line.starts_with(['*', '/', '@'])
        && words(line).any(|word| matches!(word, "class" | "interface" | "record" | "enum"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_names_its_offence() {
        let long = format!("//! Doc.\nfn long() {{\n{}}}\n", "    step();\n".repeat(60));
        let note = format!("//! Doc.\n// {}: later\n", NOTES[0]);
        let table: [(&str, &str, &str); 7] = [
            ("core/a/src/lib.rs", "fn main() {}\n", "no documentation"),
            ("core/a/src/string_utils.rs", "//! Doc.\n", "'utils' in a file name"),
            ("core/a/src/a.rs", "//! Doc.\npub(crate) struct CacheManager;\n", "'manager' in CacheManager"),
            ("core/a/src/b.rs", &long, "long has 62 lines"),
            ("core/a/src/c.rs", &note, "note; do it"),
            ("java/a/Helper.java", "/** Doc. */\npublic final class Other {}\n", "'helper' in a file name"),
            ("python/a.py", "import os\n", "no documentation"),
        ];
        for (path, text, expected) in table {
            let problems = check(path, text);
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{path}: {problems:?}");
        }
    }

    #[test]
    fn plain_files_pass() {
        let table = [
            ("core/a/src/lib.rs", "//! Doc.\nmod lease;\nfn main() {}\n"),
            ("java/a/Lease.java", "package a;\n\n/** A class of its own. */\nrecord Lease(int id) {}\n"),
            ("python/a.py", "#!/usr/bin/env python3\n\"\"\"Doc.\"\"\"\nimport os\n"),
            ("python/__init__.py", ""),
            ("python/commonly.py", "\"\"\"Doc.\"\"\"\n"),
        ];
        for (path, text) in table {
            assert_eq!(check(path, text), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn a_file_over_the_ceiling_fails() {
        let text = format!("//! Doc.\n{}", "\n".repeat(800));
        assert!(check("core/a/src/lib.rs", &text)[0].contains("801 lines"));
    }
}
