//! Folders with links, odd files and too much of everything.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::{DenyList, Limits, Selection, fixtures};

fn search(folder: &Path, flavor: Flavor, bad: BadEntry) -> Result<(Vec<String>, Vec<String>)> {
    let selection = Selection::default();
    let rules = selection.bare();
    let mut search = Search::new(folder, flavor, &rules, bad, 1000)?;
    search.everything("")?;
    let mut paths: Vec<String> = search.found.iter().map(|found| found.path.to_string()).collect();
    paths.sort();
    Ok((paths, search.skipped))
}

/// What a folder is refused for, and how many entries a client leaves out.
fn outcome(folder: &Path) -> (String, usize) {
    let refused = search(folder, Flavor::Jvm, BadEntry::Refuse).unwrap_err().message().to_owned();
    (refused, search(folder, Flavor::Jvm, BadEntry::Skip).unwrap().1.len())
}

#[test]
fn links_inside_are_followed() {
    let folder = fixtures::folder(&[("real/x.txt", "1")]);
    symlink("x.txt", folder.path().join("real/y.txt")).unwrap();
    symlink("real", folder.path().join("linked")).unwrap();
    let (paths, skipped) = search(folder.path(), Flavor::Jvm, BadEntry::Refuse).unwrap();
    assert_eq!(paths, ["linked/x.txt", "linked/y.txt", "real/x.txt", "real/y.txt"]);
    assert!(skipped.is_empty());
}

#[test]
fn links_elsewhere_are_not() {
    let outside = fixtures::folder(&[("libs/x.txt", "1"), ("libs-evil/x.txt", "2")]);
    for (target, reason) in [
        ("/etc/passwd", "leaves the folder"),
        ("../libs-evil", "leaves the folder"),
        ("../libs-evil/x.txt", "leaves the folder"),
        ("nowhere", "link to nothing"),
        (".", "link to a folder that it is in"),
        ("link", "link to nothing"),
    ] {
        let link = outside.path().join("libs/link");
        symlink(target, &link).unwrap();
        let (refused, skipped) = outcome(&outside.path().join("libs"));
        assert!(refused.contains(reason), "{target}: {refused}");
        assert_eq!(skipped, 1);
        std::fs::remove_file(link).unwrap();
    }
}

#[test]
fn a_module_of_a_client_may_be_a_link_elsewhere() {
    let outside = fixtures::folder(&[("acme/__init__.py", ""), ("shared/one.py", "1"), ("shared/key.txt", "2")]);
    let acme = outside.path().join("acme");
    symlink("../shared/one.py", acme.join("one.py")).unwrap();
    symlink("../shared/key.txt", acme.join("two.py")).unwrap();
    symlink("../shared/one.py", acme.join("one.txt")).unwrap();
    let (paths, skipped) = search(&acme, Flavor::Python, BadEntry::Skip).unwrap();
    assert_eq!((paths, skipped.len()), (vec!["__init__.py".to_owned(), "one.py".to_owned()], 2));
    let told = std::sync::Mutex::new(Vec::new());
    let note = |folder: &Path| told.lock().unwrap().push(folder.to_owned());
    let selection = Selection::default();
    let rules = selection.bare();
    let mut telling = Search::new(&acme, Flavor::Python, &rules, BadEntry::Skip, 100).unwrap().telling(&note);
    telling.everything("").unwrap();
    drop(telling);
    assert!(told.into_inner().unwrap().contains(&outside.path().canonicalize().unwrap().join("shared")));
    search(&acme, Flavor::Python, BadEntry::Refuse).unwrap_err();
}

#[test]
fn links_that_go_round() {
    let folder = fixtures::folder(&[("a/x", ""), ("b/y", "")]);
    symlink("../b", folder.path().join("a/to_b")).unwrap();
    symlink("../a", folder.path().join("b/to_a")).unwrap();
    let (paths, skipped) = search(folder.path(), Flavor::Jvm, BadEntry::Skip).unwrap();
    assert_eq!(paths, ["a/to_b/y", "a/x", "b/to_a/x", "b/y"]);
    assert_eq!(skipped.len(), 2);
}

#[test]
fn odd_files_are_refused_and_never_opened() {
    let folder = fixtures::folder(&[]);
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (refused, skipped) = outcome(folder.path());
    assert!(refused.contains("no regular file"), "{refused}");
    assert_eq!(skipped, 1);
    assert!(open(&pipe).unwrap_err().message().contains("no regular file"));

    for (name, reason) in [("a\\b", "backslash"), ("C:x", "drive letter")] {
        let folder = fixtures::folder(&[(name, "")]);
        assert!(outcome(folder.path()).0.contains(reason));
    }
    let folder = fixtures::folder(&[]);
    std::fs::write(folder.path().join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xFF")), "")
        .unwrap();
    assert!(outcome(folder.path()).0.contains("no UTF-8"));
}

#[test]
fn too_deep_and_too_many() {
    let deep = fixtures::folder(&[(&format!("{}x", "d/".repeat(200)), "")]);
    assert!(outcome(deep.path()).0.contains("deeper than 128 folders"));
    let many = fixtures::folder(&[("a", ""), ("b", ""), ("c", "")]);
    let selection = Selection::new(DenyList::none());
    let rules = selection.bare();
    let mut search = Search::new(many.path(), Flavor::Jvm, &rules, BadEntry::Skip, 2).unwrap();
    assert_eq!(search.everything("").unwrap_err().kind(), ErrorKind::ResourceExhausted);
}

#[test]
fn what_belongs_to_python() {
    let folder = fixtures::folder(&[
        ("pkg/__init__.py", ""),
        ("pkg/__pycache__/x.cpython-311.pyc", ""),
        ("pkg/old.pyc", ""),
        ("pkg/data/table.csv", ""),
        ("pkg/keys/server.pem", ""),
        (".hidden/x.py", ""),
        ("env/pyvenv.cfg", ""),
        ("env/lib/x.py", ""),
        ("node_modules/x.py", ""),
        ("x/site-packages/y.py", ""),
    ]);
    let (paths, skipped) = search(folder.path(), Flavor::Python, BadEntry::Refuse).unwrap();
    assert_eq!(paths, ["pkg/__init__.py", "pkg/data/table.csv"]);
    assert!(skipped.is_empty());
}

fn read(folder: &Path, bad: BadEntry, keep: Keep, limits: &Limits) -> Result<Files> {
    let selection = Selection::new(DenyList::none());
    let rules = selection.bare();
    let mut search = Search::new(folder, Flavor::Jvm, &rules, bad, limits.entries)?;
    search.everything("")?;
    Files::read(search.found, bad, keep, &mut Budget::new(limits))
}

#[test]
fn entries_are_sorted_by_path_and_have_their_bits() {
    let folder = fixtures::folder(&[("b", "2"), ("a/x", "1"), ("a-b", ""), ("run", "#!")]);
    std::fs::set_permissions(folder.path().join("run"), std::fs::Permissions::from_mode(0o755)).unwrap();
    for keep in [Keep::Paths, Keep::Copy] {
        let files = read(folder.path(), BadEntry::Refuse, keep, &Limits::default()).unwrap();
        let entries: Vec<_> = files.entries.iter().map(|entry| (entry.path.as_str(), entry.executable)).collect();
        assert_eq!(entries, [("a-b", false), ("a/x", false), ("b", false), ("run", true)]);
        for (index, entry) in files.entries.iter().enumerate() {
            let bytes = files.content.bytes(index, entry).unwrap();
            assert_eq!((haulier_model::Digest::of(&bytes), bytes.len() as u64), (entry.digest, entry.size));
        }
    }
}

#[test]
fn twins_and_limits() {
    let folder = fixtures::folder(&[("A.txt", "12345"), ("a.txt", "12345")]);
    let default = Limits::default;
    let error = read(folder.path(), BadEntry::Refuse, Keep::Paths, &default()).err().unwrap();
    assert!(error.message().contains("'a.txt' differs from 'A.txt' by case only"), "{error}");
    assert!(error.hint_text().contains("mv 'a.txt'"), "{error}");
    let files = read(folder.path(), BadEntry::Skip, Keep::Copy, &default()).unwrap();
    assert_eq!((files.entries.len(), files.twins.len(), files.skipped.len()), (1, 1, 0));
    let other = fixtures::folder(&[("a.txt", "12345"), ("b.txt", "12345")]);
    for limits in [Limits { size: 9, ..default() }, Limits { entry_size: 4, ..default() }] {
        let error = read(other.path(), BadEntry::Refuse, Keep::Copy, &limits).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    }
}
