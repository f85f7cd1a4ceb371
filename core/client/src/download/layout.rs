//! Where the sources of a unit go in a folder, and in which form. Names come from a node: they are checked like paths of
//! archives. Must never touch a file system.

use haulier_model::{EntryPath, Error, ErrorKind, Result};

use crate::{UnitDetails, UnitEntry, UnitOriginal};

/// One source as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The file or the folder, relative to the folder of the download.
    pub(super) path: EntryPath,
    pub(super) form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The bytes of an archive that is kept as it was.
    Exact(UnitOriginal),
    /// An archive of the entries.
    Archive,
    /// The entries as files below `path`.
    Folder,
    /// The entries as files below the folder of the download: their own paths begin with `path`. A Python file, or a
    /// package folder.
    Inside,
}

/// Where each source goes, in their order.
pub(super) fn plan(details: &UnitDetails) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for (index, name) in details.unit.sources.iter().enumerate() {
        let is_taken = |path: &EntryPath| targets.iter().any(|target| are_in_one_way(&target.path, path));
        let own = EntryPath::new(name)?;
        let path = if is_taken(&own) { EntryPath::new(&format!("{}-{name}", index + 1))? } else { own.clone() };
        if is_taken(&path) {
            let message = format!("two of its sources would be '{path}'");
            return Err(Error::new(ErrorKind::InvalidArgument, "", message).hint("deploy them as two units"));
        }
        let original = details.originals.iter().find(|original| original.source == index);
        let mut entries = details.entries.iter().filter(|entry| entry.source == index);
        let form = match original {
            Some(original) => Form::Exact(original.clone()),
            None if is_archive(name) => Form::Archive,
            None if path == own && is_inside(&mut entries, name) => Form::Inside,
            None => Form::Folder,
        };
        targets.push(Target { path, form });
    }
    Ok(targets)
}

/// Whether two paths cannot both be there: one is the other, or would be a folder of it. Some file systems know no case.
fn are_in_one_way(one: &EntryPath, other: &EntryPath) -> bool {
    let (one, other) = (one.as_str().to_lowercase(), other.as_str().to_lowercase());
    let begins = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('/'));
    one == other || begins(&one, &other) || begins(&other, &one)
}

fn is_archive(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    ending.is_some_and(|ending| matches!(ending.as_str(), "jar" | "zip" | "whl"))
}

fn is_inside<'a>(entries: &mut impl Iterator<Item = &'a UnitEntry>, name: &str) -> bool {
    let mut any = false;
    let inside = entries.all(|entry| {
        any = true;
        entry.path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    any && inside
}

#[cfg(test)]
mod tests {
    use haulier_model::Digest;

    use crate::{DeployedUnit, UnitState};

    use super::*;

    fn details(sources: &[(&str, &[&str])], opaque: &[usize]) -> UnitDetails {
        let entry = |source: usize, path: &str| UnitEntry {
            path: path.to_owned(),
            digest: Digest::of(b"x"),
            size: 1,
            executable: false,
            source,
        };
        let entries =
            sources.iter().enumerate().flat_map(|(index, (_, paths))| paths.iter().map(move |path| entry(index, path)));
        let unit = DeployedUnit {
            name: "unit".to_owned(),
            version: "1".to_owned(),
            digest: Digest::of(b"unit"),
            state: UnitState::Deployed,
            size: 0,
            entries: 0,
            generation: 1,
            deployed_at_ms: 0,
            deployed_by: String::new(),
            sources: sources.iter().map(|(name, _)| (*name).to_owned()).collect(),
            holders: Vec::new(),
            aliases: Vec::new(),
            warnings: Vec::new(),
        };
        let original = |source: &usize| UnitOriginal { source: *source, digest: Digest::of(b"jar"), size: 3 };
        UnitDetails {
            leaked_loaders: Vec::new(),
            requirements: Vec::new(),
            entries: entries.collect(),
            unit,
            origins: Vec::new(),
            originals: opaque.iter().map(original).collect(),
        }
    }

    fn planned(sources: &[(&str, &[&str])], opaque: &[usize]) -> Vec<(String, &'static str)> {
        let form = |form: &Form| match form {
            Form::Exact(_) => "exact",
            Form::Archive => "archive",
            Form::Folder => "folder",
            Form::Inside => "inside",
        };
        let targets = plan(&details(sources, opaque)).unwrap();
        targets.iter().map(|target| (target.path.to_string(), form(&target.form))).collect()
    }

    #[test]
    fn each_source_gets_a_place_of_its_own() {
        let sources: [(&str, &[&str]); 8] = [
            ("a.jar", &["A.class"]),
            ("libs/b.JAR", &["B.class"]),
            ("A.jar", &["A.class"]),
            ("classes", &["com/acme/C.class"]),
            ("mypackage", &["mypackage/__init__.py", "mypackage/data.txt"]),
            ("one.py", &["one.py"]),
            ("libs", &["libs/x.py"]),
            ("empty", &[]),
        ];
        let expected = [
            ("a.jar", "exact"),
            ("libs/b.JAR", "archive"),
            ("3-A.jar", "archive"),
            ("classes", "folder"),
            ("mypackage", "inside"),
            ("one.py", "inside"),
            ("7-libs", "folder"),
            ("empty", "folder"),
        ];
        assert_eq!(planned(&sources, &[0]), expected.map(|(path, form)| (path.to_owned(), form)));
        assert_eq!(planned(&[("mypackage", &["mypackage/a.py", "mypackages/b.py"])], &[])[0].1, "folder");
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        for name in ["../a.jar", "/etc/passwd", "a\\b.jar", "C:/a.jar", "", "a/./b.jar", "a\0.jar"] {
            let error = plan(&details(&[(name, &[])], &[0])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name:?}");
        }
        let twice: [(&str, &[&str]); 3] = [("2-a.jar", &[]), ("a.jar", &[]), ("a.jar", &[])];
        assert!(plan(&details(&twice, &[])).is_ok(), "3-a.jar is free");
        let twice: [(&str, &[&str]); 3] = [("a.jar", &[]), ("3-a.jar", &[]), ("a.jar", &[])];
        assert!(plan(&details(&twice, &[])).is_err());
    }
}
