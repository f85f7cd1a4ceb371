//! Closures over small Python trees.

use super::*;
use crate::{Limits, Selection, fixtures};

fn closure(folders: &[&[(&str, &str)]], start: &[&str]) -> Vec<String> {
    let folders: Vec<_> = folders.iter().map(|files| fixtures::folder(files)).collect();
    let read = |folder: &tempfile::TempDir| {
        PackedRoot::read_python_root(folder.path(), &Selection::default(), &Limits::default(), &|_| {})
    };
    let roots: Vec<PackedRoot> = folders.iter().map(read).collect::<Result<_, _>>().unwrap();
    let start: Vec<String> = start.iter().map(|name| (*name).to_owned()).collect();
    let (found, _) = python(&roots, &start);
    found.iter().map(|(root, index)| format!("{root}:{}", roots[*root].root.entries[*index].path)).collect()
}

#[test]
fn whole_packages_transitively() {
    let project: &[(&str, &str)] = &[
        ("app/__init__.py", ""),
        ("app/main.py", "from . import parts\nfrom .parts.deep import x\nimport numpy, tools"),
        ("app/parts/deep.py", "import os"),
        ("app/data/table.csv", "1"),
        ("tools.py", "def late():\n    import circular"),
        ("circular/__init__.py", "import tools, app"),
        ("unused/__init__.py", "import tools"),
        ("tools_extra.py", ""),
    ];
    let expected = [
        "0:app/__init__.py",
        "0:app/data/table.csv",
        "0:app/main.py",
        "0:app/parts/deep.py",
        "0:tools.py",
        "0:circular/__init__.py",
    ];
    assert_eq!(closure(&[project], &["app.main"]), expected);
    assert!(closure(&[project], &["numpy", "", "."]).is_empty());
}

#[test]
fn names_that_no_root_has() {
    let folder =
        fixtures::folder(&[("app.py", "import os, numpy.linalg\nfrom tools import x\nimport numpy"), ("tools.py", "")]);
    let root = PackedRoot::read_python_root(folder.path(), &Selection::default(), &Limits::default(), &|_| {}).unwrap();
    assert_eq!(python(&[root], &["app".to_owned(), "absent".to_owned()]).1, ["absent", "os", "numpy"]);
}

#[test]
fn the_first_regular_package_wins_and_namespaces_join() {
    let one: &[(&str, &str)] = &[("name/one.py", "import regular"), ("regular/part.py", "")];
    let two: &[(&str, &str)] = &[("name/two.py", ""), ("regular/__init__.py", ""), ("module.py", "")];
    let three: &[(&str, &str)] = &[("regular/__init__.py", ""), ("module/__init__.py", ""), ("fast.abi3.so", "")];
    let roots = [one, two, three];
    assert_eq!(closure(&roots, &["name.one"]), ["0:name/one.py", "1:name/two.py", "1:regular/__init__.py"]);
    assert_eq!(closure(&roots, &["module"]), ["1:module.py"]);
    assert_eq!(closure(&roots, &["fast"]), ["2:fast.abi3.so"]);
}
