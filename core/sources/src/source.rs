//! What a user calls a source: a path, a URL, Maven coordinates or a Python requirement. It fetches nothing.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use haulier_model::{Error, Result};
use haulier_requirements::Requirement;
use url::Url;

use crate::location;

/// Where code comes from, as a user writes it.
///
/// "scheme://..." is a URL. Else a path that exists is that path; "g:a:v", "g:a:extension:v" and
/// "g:a:extension:classifier:v" are Maven coordinates; "name==1.0", "name[extra]>=1" and "pypi:name" are requirements of
/// Python distributions; everything else is a path.
///
/// ```
/// use haulier_sources::Source;
///
/// assert!(matches!("https://host/pricing.jar".parse()?, Source::Url(_)));
/// assert!(matches!("com.acme:pricing:jar:tests:1.2.0".parse()?, Source::Maven(_)));
/// assert!(matches!("target/pricing.jar".parse()?, Source::Path(_)));
/// # Ok::<(), haulier_model::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file or folder of this machine; it need not exist.
    Path(PathBuf),
    /// A URL with the scheme file, ftp, http, https or s3; it may hold credentials.
    Url(Url),
    /// Maven coordinates.
    Maven(String),
    /// A requirement of a Python distribution.
    Requirement(Requirement),
}

impl FromStr for Source {
    type Err = Error;

    /// Reads a source; `InvalidArgument` for a URL that is none or has an unknown scheme, and for a requirement of
    /// something else than a distribution of an index.
    fn from_str(text: &str) -> Result<Self> {
        if location::is_url(text) {
            return Ok(Self::Url(location::parse(text)?));
        }
        if !Path::new(text).exists() && is_coordinates(text) {
            return Ok(Self::Maven(text.to_owned()));
        }
        if Requirement::is_meant(text) && !Path::new(text).exists() {
            return Ok(Self::Requirement(text.parse()?));
        }
        Ok(Self::Path(PathBuf::from(text)))
    }
}

/// Shows the source without credentials.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(&location::shown(url)),
            Self::Maven(coordinates) => f.write_str(coordinates),
            Self::Requirement(requirement) => requirement.fmt(f),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Path(_) => "Path",
            Self::Url(_) => "Url",
            Self::Maven(_) => "Maven",
            Self::Requirement(_) => "Requirement",
        };
        write!(f, "{name}({self})")
    }
}

fn is_coordinates(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let legal = |part: &&str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-+".contains(letter))
    };
    (3..=5).contains(&parts.len()) && parts.iter().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_one_kind_of_source() {
        for text in ["com.acme:pricing:1.2.0", "g:a:jar:1", "g:a:jar:tests:1-SNAPSHOT", "g:a:1.0+build.2"] {
            assert_eq!(text.parse::<Source>().unwrap(), Source::Maven(text.into()));
        }
        for text in ["pricing.jar", "g:a", "g::1", "a/b:c:d", "g:a:b:c:d:e", "", "x:y z:1", "://host", "1http://x"] {
            assert_eq!(text.parse::<Source>().unwrap(), Source::Path(text.into()), "{text}");
        }
        for text in ["http://h/x", "https://h/x", "s3://b/x", "ftp://h/x", "file:///x"] {
            assert!(matches!(text.parse::<Source>().unwrap(), Source::Url(_)), "{text}");
        }
        assert!("gopher://h/x".parse::<Source>().is_err());
        for text in ["six==1.16.0", "pypi:six", "a[b]>=1,<2"] {
            assert!(matches!(text.parse::<Source>().unwrap(), Source::Requirement(_)), "{text}");
        }
        assert!("pypi:six @ https://me:secret@h/six.whl".parse::<Source>().is_err());
    }

    #[test]
    fn a_path_that_exists_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g:a:1");
        std::fs::write(&path, "").unwrap();
        let text = path.to_str().unwrap();
        assert_eq!(text.parse::<Source>().unwrap(), Source::Path(path.clone()));
    }

    #[test]
    fn credentials_are_not_shown() {
        let source: Source = "ftp://me:secret@host/x".parse().unwrap();
        assert_eq!(format!("{source} {source:?}"), "ftp://host/x Url(ftp://host/x)");
    }
}
