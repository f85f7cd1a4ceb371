//! Closures over small Python trees.

use super::*;
use haulier_model::RootKind;

use crate::{Limits, PackedRoots, Selection, fixtures};

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

#[test]
fn modules_that_differ_by_case_alone() {
    let files = [
        ("user.py", "import acme.inner"),
        ("acme/__init__.py", ""),
        ("acme/Inner.py", ""),
        ("acme/inner.py", ""),
        ("apart.py", "import zone"),
        ("zone/__init__.py", ""),
        ("zone/README", ""),
        ("zone/readme", ""),
        ("tops.py", "import shop, Shop"),
        ("Shop.py", ""),
        ("shop.py", ""),
    ];
    let first = fixtures::folder(&[("early.py", "import late"), ("late.py", "")]);
    let second = fixtures::folder(&files);
    let paths = [first.path().to_owned(), second.path().to_owned()];
    let snapshot = PackedRoots::read(RootKind::Python, &paths, &Selection::default(), &|_| {}).unwrap();
    let check = |start: &str| {
        let (found, foreign) = snapshot.closure_entries(RootKind::Python, &[start.to_owned()]);
        snapshot.check_twins(&found, &foreign)
    };
    for fine in ["early", "apart", "Shop"] {
        check(fine).unwrap();
    }
    for (start, path, kept) in
        [("user", "acme/inner.py", "acme/Inner.py"), ("tops", "shop.py", "Shop.py"), ("shop", "shop.py", "Shop.py")]
    {
        let error = check(start).unwrap_err();
        assert_eq!(error.kind(), haulier_model::ErrorKind::InvalidArgument);
        assert!(error.message().starts_with(&format!("'{path}' differs from '{kept}' by case only")), "{error}");
        let line = format!("echo '/{path}' >> '{}/.haulierignore'", second.path().display());
        assert!(error.hint_text().contains(&line), "{error}");
    }
    let left_out = snapshot.roots[1].left_out();
    assert!(left_out.iter().any(|out| out.path == "zone/readme" && out.rule.contains("'zone/README'")), "{left_out:?}");
}
