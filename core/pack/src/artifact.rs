//! What an artifact says about its own version: the manifest of a jar, the metadata of a wheel.

use haulier_model::Version;

use crate::{PackedRoot, PackedRoots};

/// Metadata above this size is not read.
const LARGEST: u64 = 1 << 20;

impl PackedRoots {
    /// The version that the artifact says it has, if it is a single jar or wheel: `Implementation-Version` or
    /// `Bundle-Version` of a jar's manifest, else the one `pom.properties` in it; `Version` of a wheel's metadata. A lock
    /// of requirements beside it does not count.
    pub fn artifact_version(&self) -> Option<Version> {
        let roots: Vec<&PackedRoot> = self.roots.iter().filter(|root| !root.root.is_lock()).collect();
        match roots.as_slice() {
            [root] => of_wheel(root).or_else(|| of_jar(root)),
            // The class path inside a jar: the version is that of the jar.
            [root, inside @ ..] if root.file().is_some() && inside.iter().all(|root| root.file().is_none()) => {
                of_jar(root)
            }
            _ => None,
        }
    }
}

fn of_jar(root: &PackedRoot) -> Option<Version> {
    let manifest = text(root, root.index_of("META-INF/MANIFEST.MF")?)?;
    let main = manifest.replace("\r\n", "\n").replace('\r', "\n");
    // Attributes of single entries come after the first empty line; a line that begins with a space goes on.
    let main = main.split("\n\n").next().unwrap_or_default().replace("\n ", "");
    let attribute = |name: &str| field(&main, name);
    attribute("Implementation-Version").or_else(|| attribute("Bundle-Version")).or_else(|| of_pom(root))
}

fn of_pom(root: &PackedRoot) -> Option<Version> {
    let mut found = root
        .starts("META-INF/maven/", "")
        .filter(|index| root.root.entries[*index].path.as_str().ends_with("/pom.properties"));
    let (Some(only), None) = (found.next(), found.next()) else { return None };
    let properties = text(root, only)?;
    properties.lines().find_map(|line| line.strip_prefix("version=")?.trim().parse().ok())
}

fn of_wheel(root: &PackedRoot) -> Option<Version> {
    let is_metadata = |path: &str| {
        path.strip_suffix("/METADATA").is_some_and(|folder| !folder.contains('/') && folder.ends_with(".dist-info"))
    };
    let mut found = (0..root.root.entries.len()).filter(|index| is_metadata(root.root.entries[*index].path.as_str()));
    let (Some(only), None) = (found.next(), found.next()) else { return None };
    field(&text(root, only)?, "Version")
}

/// `Name: value` at the begin of a line.
fn field(text: &str, name: &str) -> Option<Version> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
}

fn text(root: &PackedRoot, index: usize) -> Option<String> {
    if root.root.entries[index].size > LARGEST {
        return None;
    }
    root.bytes(index).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _};

    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::Limits;

    fn version(file: &str, entries: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, content) in entries {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        let roots = PackedRoots::read_sources([&path], &Limits::default()).unwrap();
        roots.artifact_version().map(|version| version.to_string())
    }

    #[test]
    fn an_artifact_knows_its_version() {
        let manifest = "META-INF/MANIFEST.MF";
        let pom = ("META-INF/maven/g/a/pom.properties", "#x\nversion=3.1\ngroupId=g\n");
        let other = ("META-INF/maven/g/b/pom.properties", "version=4\n");
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
        let table: [Case<'_>; 8] = [
            ("a.jar", &[(manifest, "Manifest-Version: 1.0\r\nImplementation-Version: 1.2\r\n .3\r\n")], Some("1.2.3")),
            (
                "a.jar",
                &[(manifest, "Manifest-Version: 1.0\nBundle-Version: 2.0\n\nName: x\nImplementation-Version: 9\n")],
                Some("2.0"),
            ),
            ("a.jar", &[(manifest, "Manifest-Version: 1.0\n"), pom], Some("3.1")),
            ("a.jar", &[(manifest, "Manifest-Version: 1.0\n"), pom, other], None),
            ("a.jar", &[(manifest, "Implementation-Version: ${project version}\n")], None),
            ("a.jar", &[("A.class", "x")], None),
            (
                "m-1.0-py3-none-any.whl",
                &[("m.py", ""), ("m-1.0.dist-info/METADATA", "Name: m\nVersion: 1.0\n")],
                Some("1.0"),
            ),
            ("m.zip", &[("m.py", "")], None),
        ];
        for (file, entries, expected) in table {
            assert_eq!(version(file, entries).as_deref(), expected, "{file} {entries:?}");
        }
    }

    #[test]
    fn a_lock_beside_it_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let (jar, lock) = (folder.path().join("a.jar"), folder.path().join(haulier_model::Root::LOCK));
        let mut archive = zip::ZipWriter::new(File::create(&jar).unwrap());
        archive.start_file("META-INF/MANIFEST.MF", SimpleFileOptions::default()).unwrap();
        archive.write_all(b"Implementation-Version: 1.2\n").unwrap();
        archive.finish().unwrap();
        std::fs::write(&lock, "six==1.16.0\n").unwrap();
        let roots = PackedRoots::read_sources([&jar, &lock], &Limits::default()).unwrap();
        assert_eq!(roots.names(), ["a.jar", haulier_model::Root::LOCK]);
        assert_eq!(roots.artifact_version().unwrap().to_string(), "1.2");
        assert!(PackedRoots::read_sources([&folder.path().join("other.txt")], &Limits::default()).is_err());
    }
}
