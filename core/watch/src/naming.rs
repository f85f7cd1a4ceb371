//! Which unit a path in a storage belongs to. It knows paths only, no files.

use haulier_model::{EntryPath, UnitId, UnitName, Version};

/// A path that belongs to a unit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: UnitId,
    /// The file at the top, or the folder, that is the whole unit: `a-1.0.jar`, `a/1.0`.
    pub(crate) source: String,
}

impl Named {
    /// The unit of `path`, if its name is a unit's.
    pub(crate) fn of(path: &str) -> Option<Self> {
        EntryPath::new(path).ok()?;
        let mut parts = path.splitn(3, '/');
        match (parts.next()?, parts.next(), parts.next()) {
            (file, None, _) => Some(Self { id: of_file(file)?, source: file.to_owned() }),
            (name, Some(version), Some(_)) => {
                let source = format!("{name}/{version}");
                Some(Self { id: id(name, version)?, source })
            }
            _ => None,
        }
    }
}

/// The same for versions that are the same, however they are written: `1` and `1.0.0`.
pub(crate) fn key(name: &UnitName, version: &Version) -> String {
    let text = version.as_str();
    let (core, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let numbers: Vec<&str> = core.split('.').collect();
    let number =
        |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()) && (*part == "0" || !part.starts_with('0'));
    let plain = numbers.iter().all(|part| !part.is_empty() && number(part));
    if !plain || numbers.len() > 3 {
        return format!("{name}:{text}");
    }
    let kept = numbers.iter().rposition(|part| *part != "0").map_or(1, |last| last + 1);
    format!("{name}:{}{rest}", numbers[..kept].join("."))
}

/// What Python imports the name of a unit as.
pub(crate) fn module(name: &UnitName) -> String {
    name.as_str().replace(['-', '.'], "_")
}

pub(crate) fn extension(file: &str) -> Option<String> {
    Some(file.rsplit_once('.')?.1.to_ascii_lowercase())
}

fn of_file(file: &str) -> Option<UnitId> {
    let stem = file.rsplit_once('.')?.0;
    match extension(file)?.as_str() {
        "whl" => of_wheel(stem),
        "jar" | "zip" | "py" => of_stem(stem),
        _ => None,
    }
}

/// The version begins at the last '-' with a digit behind it that leaves two legal parts.
fn of_stem(stem: &str) -> Option<UnitId> {
    stem.rmatch_indices('-').find_map(|(index, _)| {
        let version = &stem[index + 1..];
        version.starts_with(|c: char| c.is_ascii_digit()).then(|| id(&stem[..index], version)).flatten()
    })
}

/// `name-version(-build)-python-abi-platform`.
fn of_wheel(stem: &str) -> Option<UnitId> {
    let parts: Vec<&str> = stem.split('-').collect();
    matches!(parts.len(), 5 | 6).then(|| id(parts[0], parts[1])).flatten()
}

fn id(name: &str, version: &str) -> Option<UnitId> {
    Some(UnitId { name: name.parse().ok()?, version: version.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_units() {
        for (path, unit, source) in [
            ("pricing-1.2.0.jar", "pricing:1.2.0", "pricing-1.2.0.jar"),
            ("commons-lang3-3.14.0-SNAPSHOT.JAR", "commons-lang3:3.14.0-SNAPSHOT", "commons-lang3-3.14.0-SNAPSHOT.JAR"),
            ("a-1.0-2.zip", "a-1.0:2", "a-1.0-2.zip"),
            ("a-1.0-2..3.jar", "", ""),
            ("scoring-0.3.py", "scoring:0.3", "scoring-0.3.py"),
            ("my_pkg-1.0-py3-none-any.whl", "my_pkg:1.0", "my_pkg-1.0-py3-none-any.whl"),
            ("my_pkg-1.0-1-cp311-abi3-linux_x86_64.whl", "my_pkg:1.0", "my_pkg-1.0-1-cp311-abi3-linux_x86_64.whl"),
            ("my_pkg-1.0.whl", "", ""),
            ("pricing/1.2.0/pricing.jar", "pricing:1.2.0", "pricing/1.2.0"),
            ("pricing/1.2.0/lib/x y #%2e (ü).jar", "pricing:1.2.0", "pricing/1.2.0"),
            ("pricing/1.2.0", "", ""),
            ("pricing/1 2/a.jar", "", ""),
            ("pricing.jar", "", ""),
            ("pricing-1.2.0.txt", "", ""),
            ("pricing-1.2.0", "", ""),
            ("-1.jar", "", ""),
            ("größe-1.jar", "", ""),
            ("a b-1.jar", "", ""),
            ("../1/x.jar", "", ""),
            ("a/1/../../x.jar", "", ""),
            ("/a/1/x.jar", "", ""),
            ("a\\b-1.jar", "", ""),
            ("", "", ""),
        ] {
            let named = Named::of(path);
            assert_eq!(named.as_ref().map_or(String::new(), |named| named.id.to_string()), unit, "{path}");
            assert_eq!(named.map_or(String::new(), |named| named.source), source, "{path}");
        }
    }

    #[test]
    fn keys_are_equal_where_versions_are() {
        let texts = [
            "1", "1.0", "1.0.0", "1.0.0.0", "0", "0.0", "1.0-rc", "1-rc", "1.10", "1.1", "v1", "v1.0", "1+b", "01",
            "01.0",
        ];
        let name: UnitName = "a".parse().unwrap();
        let versions: Vec<Version> = texts.iter().map(|text| text.parse().unwrap()).collect();
        for (one, other) in versions.iter().flat_map(|one| versions.iter().map(move |other| (one, other))) {
            assert_eq!(key(&name, one) == key(&name, other), one.same_as(other), "{one} {other}");
        }
    }
}
