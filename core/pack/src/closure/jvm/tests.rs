//! Closures over classes compiled by `javac`.

use std::fs;

use super::*;
use crate::{DenyList, Limits, fixtures};

fn class_root(path: &std::path::Path) -> PackedRoot {
    PackedRoot::read_class_roots(path, &DenyList::default(), &Limits::default()).unwrap().remove(0)
}

fn closure(roots: &[PackedRoot], start: &[&str]) -> Vec<(usize, String)> {
    let start: Vec<String> = start.iter().map(|name| (*name).to_owned()).collect();
    let found = jvm(roots, &start);
    let found = found.iter().map(|(root, index)| (*root, roots[*root].root.entries[*index].path.to_string()));
    found.collect()
}

#[test]
fn all_that_a_task_names() {
    let roots = [class_root(fixtures::classes())];
    let found = closure(&roots, &["com.acme.Task"]);
    assert_eq!(found[0].1, "com/acme/Task.class");
    let mut found: Vec<&str> = found.iter().map(|(_, path)| path.strip_prefix("com/acme/").unwrap()).collect();
    found.sort_unstable();
    let expected = [
        "Color$1.class",
        "Color.class",
        "Element.class",
        "Generic.class",
        "Marked.class",
        "OnlyInLambda$Inner.class",
        "OnlyInLambda.class",
        "Point.class",
        "Reasons.class",
        "Task$1.class",
        "Task$1Local.class",
        "Task$Nested.class",
        "Task.class",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_first_root_wins_and_the_unknown_is_nobodys() {
    let api = fixtures::compile(&[("a/Api.java", "package a; public class Api {}")]);
    let both = fixtures::compile(&[
        ("a/Api.java", "package a; public class Api { Object other; }"),
        ("a/Use.java", "package a; public class Use extends Api {}"),
    ]);
    let (api, both) = (class_root(api.path()), class_root(both.path()));
    let path = |path: &str| path.to_owned();
    let roots = [api, both];
    assert_eq!(closure(&roots, &["a/Use"]), [(1, path("a/Use.class")), (0, path("a/Api.class"))]);
    assert_eq!(closure(&roots, &["a/Use", "a/Api", "a/Use"]).len(), 2);
    assert!(closure(&roots, &["java/lang/String", "a/Missing", ""]).is_empty());
}

#[test]
fn versions_and_manifests_come_with_the_class() {
    let folder = tempfile::tempdir().unwrap();
    let classes = folder.path().join("classes");
    let class = fs::read(fixtures::classes().join("com/acme/Generic.class")).unwrap();
    for path in ["com/acme/Generic.class", "META-INF/versions/17/com/acme/Generic.class", "META-INF/versions/9/x.txt"] {
        fixtures::write(&classes, path, &class);
    }
    let roots = [class_root(&fixtures::jar(&classes, &folder.path().join("x.jar")))];
    let found: Vec<String> = closure(&roots, &["com/acme/Generic"]).into_iter().map(|(_, path)| path).collect();
    assert_eq!(
        found,
        ["com/acme/Generic.class", "META-INF/versions/17/com/acme/Generic.class", "META-INF/MANIFEST.MF"]
    );
}

#[test]
fn a_corrupt_class_ends_its_branch() {
    let folder = fixtures::folder(&[("a/Bad.class", "no class")]);
    assert_eq!(closure(&[class_root(folder.path())], &["a/Bad"]), [(0, "a/Bad.class".to_owned())]);
}
