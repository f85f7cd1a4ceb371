//! The names that never leave a client.

use haulier_model::Result;

use crate::refusal;

/// Patterns of files that are never part of a session's code, wherever they are.
///
/// A pattern without `/` is compared with each part of a path, so `.git` leaves out the whole folder; one with `/` with
/// the whole path. `*` stands for any characters of one part, `?` for one character, `**` for any number of parts. Case
/// does not matter.
///
/// ```
/// use haulier_pack::DenyList;
///
/// let deny = DenyList::default();
/// assert!(deny.matches("config/.env") && deny.matches("keys/Server.PEM") && deny.matches(".git/config"));
/// assert!(!deny.matches("com/acme/Environment.class"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyList(Vec<Vec<String>>);

impl Default for DenyList {
    /// `.env`, `*.pem`, `*.p12`, `*.jks`, `application*.yml`, `application*.yaml`, `application*.properties`, `.git`;
    /// and the client's own native library, which no worker needs.
    fn default() -> Self {
        const PATTERNS: [&str; 9] = [
            ".env",
            "*.pem",
            "*.p12",
            "*.jks",
            "application*.yml",
            "application*.yaml",
            "application*.properties",
            ".git",
            "libhaulier_jni*",
        ];
        Self(PATTERNS.iter().map(|pattern| vec![(*pattern).to_owned()]).collect())
    }
}

impl DenyList {
    /// A list that denies nothing.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// A list of exactly these patterns; `InvalidArgument` for an empty one.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut list = Self::none();
        for pattern in patterns {
            list.add(pattern.as_ref())?;
        }
        Ok(list)
    }

    /// Adds a pattern.
    pub fn add(&mut self, pattern: &str) -> Result<()> {
        let trimmed = pattern.trim_matches('/');
        if trimmed.is_empty() {
            return Err(refusal::refused(format!("the pattern '{pattern}' is empty")).in_operation("read a deny list"));
        }
        self.0.push(trimmed.to_lowercase().split('/').map(str::to_owned).collect());
        Ok(())
    }

    /// Whether the entry, or a folder that it is in, must stay at the client. `path` has `/` and is relative.
    pub fn matches(&self, path: &str) -> bool {
        self.matching(path).is_some()
    }

    /// The pattern that matches the entry, or a folder that it is in.
    pub(crate) fn pattern_of(&self, path: &str) -> Option<String> {
        self.matching(path).map(|pattern| pattern.join("/"))
    }

    fn matching(&self, path: &str) -> Option<&[String]> {
        if self.0.is_empty() {
            return None;
        }
        let path = path.to_lowercase();
        let parts: Vec<&str> = path.split('/').collect();
        let found = self.0.iter().find(|pattern| match pattern.as_slice() {
            [single] => parts.iter().any(|part| part_matches(single.as_bytes(), part.as_bytes())),
            several => (1..=parts.len()).any(|end| path_matches(several, &parts[..end])),
        });
        found.map(Vec::as_slice)
    }
}

fn path_matches(pattern: &[String], parts: &[&str]) -> bool {
    match (pattern.split_first(), parts.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            (0..=parts.len()).any(|skipped| path_matches(rest, &parts[skipped..]))
        }
        (Some((first, rest)), Some((part, others))) => {
            part_matches(first.as_bytes(), part.as_bytes()) && path_matches(rest, others)
        }
        _ => false,
    }
}

/// Compares without recursion, so that a pattern of many `*` costs at most the product of both lengths.
fn part_matches(pattern: &[u8], part: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while from < part.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == part[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((star_at, star_from)) => {
                    at = star_at + 1;
                    from = star_from + 1;
                    star = Some((star_at, from));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let table = [
            (".env", ".env", true),
            (".env", "a/b/.env", true),
            (".env", ".environment", false),
            (".env", ".env/x", true),
            ("*.pem", "a/key.PEM", true),
            ("*.pem", "pem", false),
            ("application*.yml", "application-prod.yml", true),
            ("application*.yml", "my-application.yml", false),
            ("conf/*.xml", "conf/a.xml", true),
            ("conf/*.xml", "x/conf/a.xml", false),
            ("conf/*.xml", "conf/x/a.xml", false),
            ("**/conf/*.xml", "x/y/conf/a.xml", true),
            ("secret/keys", "secret/keys/x/y", true),
            ("?.txt", "a.txt", true),
            ("?.txt", "ab.txt", false),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXbXbY", false),
            ("*", "anything/at/all", true),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(DenyList::new([pattern]).unwrap().matches(path), expected, "{pattern} {path}");
        }
        assert!(!DenyList::none().matches(".env"));
        assert!(DenyList::new(["/"]).is_err());
    }
}
