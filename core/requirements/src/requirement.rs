//! One requirement, as a user writes it: `requests`, `requests[socks]>=2,<3`, `six==1.16.0; python_version < "4"`. It
//! never means a file, a URL or an option.

use std::{fmt, str::FromStr};

use haulier_model::{Error, ErrorKind, Result};

/// The longest requirement in bytes.
const LONGEST: usize = 1024;

/// What stands before a requirement that could also be a path: `pypi:requests`.
const PREFIX: &str = "pypi:";

/// A requirement of a distribution, without `pypi:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    text: String,
    name: String,
}

impl Requirement {
    /// Whether `text` is meant as a requirement: it begins with `pypi:`, or it is a name with a condition on its version
    /// (`requests==2.32.3`, `requests[socks]>=2`). A name alone is none: it could be a path.
    pub fn is_meant(text: &str) -> bool {
        let conditional = || {
            let rest = &text[name_end(text)..];
            let rest = rest.trim_start();
            let rest = if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, rest)| rest) } else { rest };
            let rest = rest.trim_start();
            name_end(text) > 0 && ["==", ">=", "<=", "~=", "!=", "<", ">"].iter().any(|sign| rest.starts_with(sign))
        };
        text.starts_with(PREFIX) || conditional()
    }

    /// The name of the distribution, normalised: "requests".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The requirement as resolvers read it: "requests[socks]>=2".
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Requirement {
    type Err = Error;

    /// Reads a requirement, with or without `pypi:`. `InvalidArgument` for what is none, and for what would make a
    /// resolver read more than an index: URLs, options, variables of the environment.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.strip_prefix(PREFIX).unwrap_or(text).trim();
        let end = name_end(text);
        let after = text[end..].trim_start();
        let problem = if text.len() > LONGEST {
            "is too long"
        } else if text.chars().any(char::is_control) {
            "has a line break"
        } else if end == 0 {
            "does not begin with the name of a distribution"
        } else if after.starts_with('@') || text.contains("://") {
            "names a URL"
        } else if text.contains(['$', '#', '\\', '`']) || text.contains(" --") {
            "has more in it than a name, extras, versions and a marker"
        } else if !(after.is_empty() || after.starts_with(['[', '(', '=', '>', '<', '~', '!', ';'])) {
            "has something else than extras, versions or a marker after the name"
        } else {
            return Ok(Self { text: text.to_owned(), name: normalized(&text[..end]) });
        };
        let shown: String = text.chars().filter(|letter| !letter.is_control()).take(80).collect();
        let message = format!("the requirement '{}' {problem}", crate::without_secrets(&shown));
        Err(Error::new(ErrorKind::InvalidArgument, "read a requirement", message).hint(
            "write it like requests==2.32.3, or pypi:requests; files and URLs of wheels are sources of their own",
        ))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A distribution in one version, without a marker: "numpy==2.4.1".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact {
    /// The name, normalised.
    pub name: String,
    /// The version as it was written.
    pub version: String,
}

impl FromStr for Exact {
    type Err = Error;

    /// Reads "name==version". `InvalidArgument` for everything else.
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once("==").filter(|_| text.len() <= LONGEST);
        let parts = parts.map(|(name, version)| (name.trim(), version.trim()));
        match parts {
            Some((name, version)) if is_name(name) && is_version(version) => {
                Ok(Self { name: normalized(name), version: version.to_owned() })
            }
            _ => {
                let shown: String = text.chars().take(80).collect();
                let message = format!("'{}' is no distribution with an exact version", crate::without_secrets(&shown));
                Err(Error::new(ErrorKind::InvalidArgument, "read requirements", message)
                    .hint("name==version, as in numpy==2.4.1"))
            }
        }
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={}", self.name, self.version)
    }
}

/// Whether a text is the name of a distribution, and nothing else.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && name_end(text) == text.len()
}

/// Whether a text is one version, without a wildcard and without anything that a file of requirements would read otherwise.
pub(crate) fn is_version(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".!+_-".contains(letter))
}

/// The name of a distribution as indexes compare it: lower case, and each run of '-', '_' and '.' is one '-'.
pub fn normalized(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            letter => normal.push(letter.to_ascii_lowercase()),
        }
    }
    normal
}

/// Where the name at the begin of `text` ends; 0 if there is none.
pub(crate) fn name_end(text: &str) -> usize {
    let is_inner = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let all = &text[..text.find(|letter| !is_inner(letter)).unwrap_or(text.len())];
    let name = all.trim_end_matches(['.', '_', '-']);
    if name.starts_with(|first: char| first.is_ascii_alphanumeric()) { name.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_as_a_requirement() {
        for text in ["requests==2.32.3", "requests >= 2", "a[b,c]~=1.0; python_version < '4'", "pypi:requests", "a<2"] {
            assert!(Requirement::is_meant(text), "{text}");
            assert!(text.parse::<Requirement>().is_ok(), "{text}");
        }
        for text in ["requests", "target/pricing.jar", "g:a:1.0", "a=b", "./a==1", "==1", "", "https://h/a==1", "a b"] {
            assert!(!Requirement::is_meant(text), "{text}");
        }
    }

    #[test]
    fn nothing_but_an_index_is_read() {
        for text in [
            "a @ https://me:secret@host/a.whl",
            "a@file:///etc/passwd",
            "-r other.txt",
            "--index-url=http://evil",
            "a==1 --hash=sha256:00",
            "a==${HOME}",
            "a==1\n--index-url http://evil",
            "./a",
            "/etc/passwd",
            "pypi:",
            "a b",
            &"a".repeat(2000),
        ] {
            let error = text.parse::<Requirement>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
            assert!(!error.to_string().contains("secret") && !error.hint_text().is_empty(), "{error}");
        }
    }

    #[test]
    fn exact_requirements_are_that() {
        let read: Exact = "NumPy == 2.4.1".parse().unwrap();
        assert_eq!((read.to_string().as_str(), read.name.as_str()), ("numpy==2.4.1", "numpy"));
        for bad in ["six", "six>=1", "six==1.*", "six== --index-url x", "-r==1", "six==1 ; x", "==1", "six==", "a-==1"]
        {
            assert_eq!(bad.parse::<Exact>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn names_are_compared_as_indexes_do() {
        for (name, normal) in [("Foo.Bar", "foo-bar"), ("a__b-_.c", "a-b-c"), ("x1", "x1")] {
            assert_eq!(normalized(name), normal);
        }
        for bad in ["", "-a", "a-", "a b", "a/b", "a;b", "\u{e4}"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert_eq!("pypi:Typing_Extensions[x]>1".parse::<Requirement>().unwrap().name(), "typing-extensions");
    }
}
