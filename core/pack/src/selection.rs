//! What of a client's folders travels: what is left out, by which rule, and what is taken nevertheless.
//!
//! Knows names and patterns only; it never reads a folder. The rules are those of Python import roots; elements of a
//! JVM's class path know the deny list alone.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use haulier_model::Result;
use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::{DenyList, refusal};

/// The file at the top of an import root that says what stays at home, in the syntax of `.gitignore`.
pub const IGNORE_FILE: &str = ".haulierignore";

/// What of a client's folders travels.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// What never leaves the client.
    pub deny: DenyList,
    /// Files that travel although a rule leaves them out.
    include: Vec<String>,
}

impl Selection {
    /// Everything but what `deny` matches, and what the rules of its kind of root leave out.
    pub fn new(deny: DenyList) -> Self {
        Self { deny, include: Vec::new() }
    }

    /// Also takes the files that `pattern` names, and those in folders that it names, although a rule leaves them out: a
    /// path from the import root with the wildcards of `.gitignore` ("config.json", "assets/**", "**/*.sql"). What the
    /// deny list names is taken only if the pattern is its very path. `InvalidArgument` for what is no pattern.
    pub fn include(&mut self, pattern: &str) -> Result<()> {
        let trimmed = pattern.trim_matches('/');
        let anchored = format!("/{trimmed}");
        let valid = !trimmed.is_empty() && !trimmed.starts_with(['!', '#']);
        let valid = valid && GitignoreBuilder::new("/").add_line(None, &anchored).is_ok();
        if !valid {
            return Err(refusal::refused(format!("'{}' is no pattern of files", pattern.escape_debug()))
                .in_operation("read what to include")
                .hint("a path from the import root: config.json, assets/**"));
        }
        self.include.push(trimmed.to_owned());
        Ok(())
    }

    /// Whether something is brought back that the rules leave out: included, or by an ignore file of these roots.
    pub fn brings_back(&self, roots: &[PathBuf]) -> bool {
        let by_file = |root: &PathBuf| Gitignore::new(root.join(IGNORE_FILE)).0.num_whitelists() > 0;
        !self.include.is_empty() || roots.iter().any(by_file)
    }

    /// The deny list and the rules of the kind of root, without an ignore file: of what is deployed, all is wanted.
    pub(crate) fn bare(&self) -> Rules<'_> {
        Rules {
            selection: self,
            root: PathBuf::from("/"),
            wanted: Gitignore::empty(),
            ignored: Gitignore::empty(),
            problem: None,
        }
    }

    /// The rules for the import root `root`, with those of its ignore file.
    pub(crate) fn rules(&self, root: &Path) -> Rules<'_> {
        let mut wanted = GitignoreBuilder::new(root);
        for pattern in &self.include {
            // They were tried when they were added.
            let _ = wanted.add_line(None, &format!("/{pattern}"));
        }
        let file = root.join(IGNORE_FILE);
        let (ignored, problem) = if file.is_file() { Gitignore::new(&file) } else { (Gitignore::empty(), None) };
        Rules {
            selection: self,
            root: root.to_owned(),
            wanted: wanted.build().unwrap_or_else(|_| Gitignore::empty()),
            ignored,
            problem: problem.map(|problem| format!("'{}': {problem}", file.display())),
        }
    }
}

/// The rule for what every interpreter makes by itself: nobody misses it.
pub(crate) const BYTECODE: &str = "bytecode";

/// A file or folder that does not travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path in the root, or of the folder that it is in.
    pub path: String,
    /// Which rule leaves it out: ".haulierignore: results/", "virtual environment".
    pub rule: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}': {}", self.path, self.rule)
    }
}

/// How far the rules go inside a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What no rule leaves out is taken.
    Ruled,
    /// Everything is taken that is not denied: the folder was included, or its ignore file brings it back.
    Whole,
    /// The folder is left out: only what is included is taken.
    Listed,
}

/// What becomes of a file or folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take(Reach),
    /// Not this folder, but something in it may be included; by this rule.
    Look(String),
    LeaveOut(String),
}

/// The rules of one import root.
pub(crate) struct Rules<'a> {
    selection: &'a Selection,
    root: PathBuf,
    wanted: Gitignore,
    ignored: Gitignore,
    /// What of the ignore file could not be understood.
    pub(crate) problem: Option<String>,
}

impl Rules<'_> {
    /// Whether the deny list keeps the entry back, and nobody has asked for it.
    pub(crate) fn denies(&self, path: &str) -> bool {
        self.selection.deny.matches(path) && !self.names_exactly(path)
    }

    /// What becomes of the entry at `path` in a folder that the rules reach so far.
    pub(crate) fn judge(&self, path: &str, is_folder: bool, within: Reach) -> Verdict {
        if let Some(pattern) = self.selection.deny.pattern_of(path)
            && !self.names_exactly(path)
        {
            let rule = format!("never sent: {pattern}");
            return if is_folder && self.leads_to_exact(path) { Verdict::Look(rule) } else { Verdict::LeaveOut(rule) };
        }
        if within == Reach::Whole || self.is_included(path, is_folder) {
            return Verdict::Take(Reach::Whole);
        }
        let rule = match (within, self.ignored.matched(self.root.join(path), is_folder)) {
            (Reach::Listed, _) => String::new(),
            (_, Match::Whitelist(_)) => return Verdict::Take(Reach::Whole),
            (_, Match::Ignore(glob)) => format!("{IGNORE_FILE}: {}", glob.original()),
            (_, Match::None) => match built_in(path, is_folder) {
                Some(rule) => rule.to_owned(),
                None => return Verdict::Take(Reach::Ruled),
            },
        };
        if is_folder && self.leads_to_included(path) { Verdict::Look(rule) } else { Verdict::LeaveOut(rule) }
    }

    /// Whether a pattern of the caller takes this file or folder.
    pub(crate) fn is_included(&self, path: &str, is_folder: bool) -> bool {
        !self.wanted.is_empty() && self.wanted.matched(self.root.join(path), is_folder).is_ignore()
    }

    /// Whether something in this folder may be included.
    pub(crate) fn leads_to_included(&self, folder: &str) -> bool {
        self.selection.include.iter().any(|pattern| {
            let fixed: Vec<&str> =
                pattern.split('/').take_while(|part| !part.contains(['*', '?', '[', '\\'])).collect();
            let rest: Vec<&str> = pattern.split('/').skip(fixed.len()).collect();
            let parts: Vec<&str> = folder.split('/').collect();
            let common = fixed.len().min(parts.len());
            let reaches = fixed.len() + rest.len() > parts.len() || rest.contains(&"**");
            fixed[..common] == parts[..common] && reaches
        })
    }

    fn names_exactly(&self, path: &str) -> bool {
        self.selection.include.iter().any(|pattern| pattern == path)
    }

    fn leads_to_exact(&self, folder: &str) -> bool {
        let below = |pattern: &String| pattern.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.selection.include.iter().any(below)
    }
}

/// The rule that leaves out what no Python program imports.
fn built_in(path: &str, is_folder: bool) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match (is_folder, name) {
        (true, "__pycache__") => Some(BYTECODE),
        (true, "node_modules" | "site-packages") => Some("installed packages"),
        (true, _) if name.starts_with('.') => Some("hidden"),
        (false, _) if name.ends_with(".pyc") || name.ends_with(".pyo") => Some(BYTECODE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(rules: &Rules<'_>, path: &str, is_folder: bool) -> String {
        match rules.judge(path, is_folder, Reach::Ruled) {
            Verdict::Take(reach) => format!("take {reach:?}"),
            Verdict::Look(rule) => format!("look {rule}"),
            Verdict::LeaveOut(rule) => rule,
        }
    }

    #[test]
    fn which_rule_decides() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(IGNORE_FILE), "# mine\nresults/\n*.csv\n!keep.csv\n!.hidden/\n").unwrap();
        let mut selection = Selection::default();
        for pattern in ["config.json", "/node_modules/one.js", "keys/server.pem", "deep/**/x.bin", "*.key"] {
            selection.include(pattern).unwrap();
        }
        let rules = selection.rules(folder.path());
        assert_eq!(rules.problem, None);
        for (path, is_folder, expected) in [
            ("acme", true, "take Ruled"),
            ("acme/price.py", false, "take Ruled"),
            ("acme/__pycache__", true, "bytecode"),
            (".venv", true, "hidden"),
            (".hidden", true, "take Whole"),
            ("acme/results", true, ".haulierignore: results/"),
            ("acme/a.csv", false, ".haulierignore: *.csv"),
            ("acme/keep.csv", false, "take Whole"),
            ("config.json", false, "take Whole"),
            ("acme/config.json", false, "take Ruled"),
            ("node_modules", true, "look installed packages"),
            ("acme/node_modules", true, "installed packages"),
            ("keys/server.pem", false, "take Whole"),
            ("keys/other.pem", false, "never sent: *.pem"),
            (".env", false, "never sent: .env"),
            (".git", true, "never sent: .git"),
            ("deep/a/b/x.bin", false, "take Whole"),
        ] {
            assert_eq!(rule(&rules, path, is_folder), expected, "{path}");
        }
        assert!(rules.leads_to_included("deep") && rules.leads_to_included("deep/a/b"));
        assert!(!rules.leads_to_included("acme") && rules.leads_to_included("node_modules"));
    }

    #[test]
    fn what_is_no_pattern() {
        for bad in ["", "/", "!x", "#x"] {
            assert!(Selection::default().include(bad).is_err(), "{bad}");
        }
    }
}
