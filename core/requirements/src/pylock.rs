//! `pylock.toml`, the lock file of [PEP 751](https://peps.python.org/pep-0751/), as far as a lock of ours can say the same:
//! wheels in exact versions with their hashes. Everything else is refused by its name. It opens nothing.

use haulier_model::{Error, ErrorKind, Result};
use toml::{Table, Value};

use crate::{
    Pin, lines,
    requirement::{is_name, is_version},
};

const OPERATION: &str = "read a lock of requirements";
/// What a file may have, and a package of it, besides its own words for other tools.
const OF_FILE: [&str; 9] = [
    "lock-version",
    "environments",
    "requires-python",
    "extras",
    "dependency-groups",
    "default-groups",
    "created-by",
    "packages",
    "tool",
];
const OF_PACKAGE: [&str; 9] = [
    "name",
    "version",
    "marker",
    "requires-python",
    "dependencies",
    "index",
    "sdist",
    "attestation-identities",
    "tool",
];
/// Where a package comes from that no index has.
const ELSEWHERE: [&str; 3] = ["vcs", "directory", "archive"];
/// Markers that mean what was chosen when the lock is installed.
const CHOSEN: [&str; 3] = ["extras", "dependency_groups", "extra "];

/// Whether a file of this name is one: `pylock.toml`, `pylock.NAME.toml`.
pub(crate) fn is_meant(name: &str) -> bool {
    let middle = name.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix("toml"));
    middle
        .is_some_and(|middle| middle.is_empty() || middle.ends_with('.') && !middle.trim_end_matches('.').contains('.'))
}

/// The pins of a file, and whether it names indexes, which a lock does not keep.
pub(crate) fn read(text: &str) -> Result<(Vec<Pin>, bool)> {
    let file: Table = text.parse().map_err(|error: toml::de::Error| refused(error.message()))?;
    let version = file.get("lock-version").and_then(Value::as_str).unwrap_or_default();
    if version.split('.').next() != Some("1") {
        return Err(refused(&format!("its lock-version is '{version}', and 1.0 is understood")));
    }
    if let Some(unknown) = file.keys().find(|key| !OF_FILE.contains(&key.as_str())) {
        return Err(refused(&format!("'{unknown}' is not understood")));
    }
    let (mut pins, mut names_index) = (Vec::new(), false);
    for package in file.get("packages").and_then(Value::as_array).into_iter().flatten() {
        let package = package.as_table().ok_or_else(|| refused("a package is no table"))?;
        names_index |= package.contains_key("index");
        pins.push(pin(package)?);
    }
    Ok((pins, names_index))
}

fn pin(package: &Table) -> Result<Pin> {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let name = text("name").filter(|name| is_name(name)).ok_or_else(|| refused("a package has no name"))?;
    let of_package = |problem: &str| refused(&format!("the package '{name}' {problem}"));
    if let Some(place) = ELSEWHERE.iter().find(|place| package.contains_key(**place)) {
        return Err(of_package(&format!("comes from elsewhere than an index ('{place}')")));
    }
    let known = |key: &str| key == "wheels" || OF_PACKAGE.contains(&key);
    if let Some(unknown) = package.keys().find(|key| !known(key)) {
        return Err(of_package(&format!("has '{unknown}', which is not understood")));
    }
    let version = text("version").filter(|version| is_version(version)).ok_or_else(|| of_package("has no version"))?;
    let marker = text("marker").unwrap_or_default();
    if let Some(chosen) = CHOSEN.iter().find(|chosen| marker.contains(**chosen)) {
        return Err(of_package(&format!("is for a choice of {}, and all of a lock is installed", chosen.trim())));
    }
    let wheels = package.get("wheels").and_then(Value::as_array).filter(|wheels| !wheels.is_empty());
    let wheels = wheels.ok_or_else(|| of_package("has no wheels"))?;
    let hash = |wheel: &Value| Some(format!("--hash=sha256:{}", wheel.get("hashes")?.get("sha256")?.as_str()?));
    let hashes: Option<Vec<String>> = wheels.iter().map(hash).collect();
    let hashes = hashes.ok_or_else(|| of_package("has a wheel without a SHA-256"))?;
    let marker = if marker.is_empty() { String::new() } else { format!(" ; {marker}") };
    // The line of a lock has the rules for each part.
    lines::pin(&format!("{name}=={version}{marker} {}", hashes.join(" ")))
}

fn refused(problem: &str) -> Error {
    let shown: String = problem.chars().take(300).collect();
    Error::new(ErrorKind::InvalidArgument, OPERATION, format!("pylock.toml: {}", crate::without_secrets(&shown)))
        .hint("uv pip compile --universal --only-binary :all: --format pylock.toml requirements.in -o pylock.toml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lock, lock::tests::whole};

    /// As uv writes it.
    fn file(package: &str) -> String {
        whole(&format!(
            "lock-version = \"1.0\"\ncreated-by = \"uv\"\nrequires-python = \">=3.11\"\n\n[[packages]]\n{package}\n"
        ))
    }

    const WHEEL: &str = r#"wheels = [{ url = "https://me:secret@h/a.whl", size = 3, upload-time = 2024-12-04T17:35:26Z, hashes = { sha256 = ""#;

    fn with_wheel(rest: &str) -> String {
        format!("{rest}\n{WHEEL}{}\" }} }}]\n", "ab".repeat(32))
    }

    #[test]
    fn the_names_of_such_files() {
        for (name, meant) in [
            ("pylock.toml", true),
            ("pylock.dev.toml", true),
            ("pyproject.toml", false),
            ("pylock.a.b.toml", false),
            ("pylocktoml", false),
        ] {
            assert_eq!(is_meant(name), meant, "{name}");
        }
    }

    #[test]
    fn its_wheels_become_the_pins_of_a_lock() {
        let (pins, names_index) = read(&file(&with_wheel(
            "name = \"Six_X\"\nversion = \"1.16.0\"\nmarker = \"python_full_version < '3.13'\"\nindex = \"https://h/simple\"",
        )))
        .unwrap();
        assert!(names_index);
        let text = Lock::of(pins).unwrap().to_string();
        let hash = "ab".repeat(32);
        assert_eq!(text, format!("six-x==1.16.0 ; python_full_version < '3.13' \\\n    --hash=sha256:{hash}\n"));
    }

    #[test]
    fn what_a_lock_cannot_say_is_refused_by_its_name() {
        let six = "name = \"six\"\nversion = \"1.16.0\"";
        for (package, part) in [
            (
                format!("{six}\nvcs = {{ type = \"git\", url = \"https://me:secret@h/x\" }}"),
                "'six' comes from elsewhere than an index ('vcs')",
            ),
            (format!("{six}\ndirectory = {{ path = \".\" }}"), "'directory'"),
            (format!("{six}\narchive = {{ url = \"https://h/a.zip\" }}"), "'archive'"),
            (format!("{six}\nsdist = {{ url = \"https://h/a.tar.gz\" }}"), "has no wheels"),
            (
                format!("{six}\nwheels = [{{ url = \"https://h/a.whl\", hashes = {{ md5 = \"00\" }} }}]"),
                "without a SHA-256",
            ),
            (with_wheel("name = \"six\""), "has no version"),
            (with_wheel("version = \"1\""), "no name"),
            (with_wheel(&format!("{six}\nmarker = \"'x' in extras\"")), "a choice of extras"),
            (with_wheel(&format!("{six}\nmarker = \"a`b`\"")), "marker"),
            (with_wheel(&format!("{six}\nsurprise = 1")), "'surprise'"),
        ] {
            let error = read(&file(&package)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{package}");
            assert!(error.to_string().contains(part) && !error.to_string().contains("secret"), "{package}: {error}");
        }
        for text in ["lock-version = \"2.0\"", "", "x", "lock-version = \"1.0\"\nsurprise = 1"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
