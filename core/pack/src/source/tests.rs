//! Each kind of source, from the path to the bytes.

use std::{fs, time::Instant};

use haulier_model::{Digest, ErrorKind};

use super::*;
use crate::fixtures::{self, paths, write};

fn source(path: &Path) -> Vec<PackedRoot> {
    PackedRoot::read_source(path, &Limits::default()).unwrap()
}

fn refused(path: &Path) -> haulier_model::Error {
    PackedRoot::read_source(path, &Limits::default()).unwrap_err()
}

/// Names, kinds and paths of roots.
fn shape(roots: &[PackedRoot]) -> Vec<(&str, RootKind, Vec<&str>)> {
    roots.iter().map(|root| (root.name.as_str(), root.root.kind, paths(root))).collect()
}

/// Every entry gives the bytes of its digest, at once and in parts.
fn verify(root: &PackedRoot) {
    for (index, entry) in root.root.entries.iter().enumerate() {
        let bytes = root.bytes(index).unwrap();
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (entry.digest, entry.size));
        let mut copied = Vec::new();
        root.copy_to(index, &mut copied).unwrap();
        assert_eq!(copied, *bytes);
        assert_eq!(root.index_of(entry.path.as_str()), Some(index));
    }
    assert_eq!(root.digest(), root.root.digest());
    assert_eq!(root.index_of("no/such/Entry"), None);
    assert!(root.bytes(root.root.entries.len()).is_err());
}

#[test]
fn a_jar() {
    let folder = tempfile::tempdir().unwrap();
    let jar = fixtures::jar(fixtures::classes(), &folder.path().join("pricing.JAR"));
    let roots = source(&jar);
    assert_eq!((roots.len(), roots[0].name.as_str(), roots[0].root.kind), (1, "pricing.JAR", RootKind::Jvm));
    assert_eq!(paths(&roots[0])[0], "META-INF/MANIFEST.MF");
    assert!(roots[0].index_of("com/acme/Task.class").is_some());
    verify(&roots[0]);
    let class_root = PackedRoot::read_class_roots(&jar, &DenyList::default(), &Limits::default()).unwrap().remove(0);
    assert_eq!(class_root.digest(), roots[0].digest());
}

#[test]
fn the_way_of_packing_is_not_identity() {
    let folder = fixtures::folder(&[("a", "1"), ("b", "2")]);
    let zip = |name: &str, order: &[&str], method: &str| {
        let to = folder.path().join(name);
        let mut jar = std::process::Command::new("jar");
        jar.current_dir(folder.path()).arg(method).arg(&to).args(order);
        assert!(jar.status().unwrap().success());
        source(&to)[0].digest()
    };
    let compressed = zip("c.jar", &["a", "b"], "cfM");
    assert_eq!(compressed, zip("s.jar", &["a", "b"], "cf0M"));
    assert_ne!(compressed, zip("o.jar", &["b", "a"], "cfM"));
}

#[test]
fn a_folder_of_classes_and_jars() {
    let folder = fixtures::folder(&[("com/acme/x.properties", "1"), (".git/config", "secret"), ("empty/file", "")]);
    fs::copy(fixtures::classes().join("com/acme/Task.class"), folder.path().join("com/acme/Task.class")).unwrap();
    fs::create_dir(folder.path().join("lib")).unwrap();
    for jar in ["lib/b.jar", "lib/a.jar", "z.jar"] {
        fixtures::jar(fixtures::folder(&[("x/Y.class", jar)]).path(), &folder.path().join(jar));
    }
    let roots = source(folder.path());
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let jar = ["META-INF/MANIFEST.MF", "x/Y.class"].to_vec();
    let files = ["com/acme/Task.class", "com/acme/x.properties", "empty/file"].to_vec();
    assert_eq!(
        shape(&roots),
        [
            (name, RootKind::Jvm, files),
            ("lib/a.jar", RootKind::Jvm, jar.clone()),
            ("lib/b.jar", RootKind::Jvm, jar.clone()),
            ("z.jar", RootKind::Jvm, jar),
        ]
    );
    roots.iter().for_each(verify);
    assert_eq!(roots[1].name, "lib/a.jar");
}

#[test]
fn a_zip_of_classes_or_jars_or_sources() {
    let folder = fixtures::folder(&[("in/app/App.class", "1"), ("py/pkg/__init__.py", "")]);
    let inner = fixtures::folder(&[("x/Y.class", "y"), ("BOOT-INF/lib/deep.jar", "PK")]);
    fs::create_dir_all(folder.path().join("in/lib")).unwrap();
    fixtures::jar(inner.path(), &folder.path().join("in/lib/b.jar"));
    let zip = |from: &str, to: &str| {
        let to = folder.path().join(to);
        let from = folder.path().join(from);
        let mut jar = std::process::Command::new("jar");
        assert!(jar.arg("cfM").arg(&to).arg("-C").arg(from).arg(".").status().unwrap().success());
        source(&to)
    };
    let both = zip("in", "both.zip");
    assert_eq!((both[0].name.as_str(), paths(&both[0])), ("both.zip", vec!["app/App.class"]));
    assert_eq!(both[1].name, "lib/b.jar");
    // A jar in a jar is a file.
    assert!(both[1].index_of("BOOT-INF/lib/deep.jar").is_some());
    both.iter().for_each(verify);
    let jars = zip("in/lib", "jars.zip");
    assert_eq!(jars.iter().map(|root| root.name.as_str()).collect::<Vec<_>>(), ["b.jar"]);
    let python = zip("py", "python.zip");
    assert_eq!(shape(&python), [("python.zip", RootKind::Python, vec!["pkg/__init__.py"])]);
}

#[test]
fn python_sources() {
    let folder = fixtures::folder(&[
        ("pkg/__init__.py", ""),
        ("pkg/sub/mod.py", "import os"),
        ("pkg/jars/bridge.jar", "no jar at all"),
        ("pkg/__pycache__/mod.pyc", ""),
        ("src/one.py", ""),
        ("src/two/__init__.py", ""),
        ("src/README", ""),
        ("src/.venv/pyvenv.cfg", ""),
    ]);
    std::os::unix::fs::symlink("/usr/bin/env", folder.path().join("src/.venv/python")).unwrap();
    let read = |path: &str| {
        let roots = source(&folder.path().join(path));
        roots.iter().for_each(verify);
        assert_eq!((roots.len(), roots[0].root.kind), (1, RootKind::Python));
        paths(&roots[0]).join(" ")
    };
    assert_eq!(read("pkg"), "pkg/__init__.py pkg/jars/bridge.jar pkg/sub/mod.py");
    assert_eq!(read("src"), "README one.py two/__init__.py");
    assert_eq!(read("src/one.py"), "one.py");
}

#[test]
fn a_wheel() {
    let folder = fixtures::folder(&[
        ("in/pkg/__init__.py", "1"),
        ("in/pkg-1.0.data/purelib/pkg/more.py", "2"),
        ("in/pkg-1.0.dist-info/METADATA", "Name: pkg"),
    ]);
    let wheel = folder.path().join("pkg-1.0-py3-none-any.whl");
    let mut jar = std::process::Command::new("jar");
    assert!(jar.arg("cfM").arg(&wheel).arg("-C").arg(folder.path().join("in")).arg(".").status().unwrap().success());
    let roots = source(&wheel);
    let mut found = paths(&roots[0]);
    found.sort_unstable();
    assert_eq!(found, ["pkg-1.0.dist-info/METADATA", "pkg/__init__.py", "pkg/more.py"]);
    assert_eq!(roots[0].root.kind, RootKind::Python);
    verify(&roots[0]);
}

#[test]
fn what_is_no_source() {
    let folder = fixtures::folder(&[("x.txt", ""), ("texts/x.txt", ""), ("bad.jar", "text"), ("lib/bad.jar", "text")]);
    for (path, kind, reason) in [
        ("x.txt", ErrorKind::InvalidArgument, "no jar, war, zip, wheel"),
        ("texts", ErrorKind::InvalidArgument, "no class, jar or Python source"),
        ("bad.jar", ErrorKind::InvalidArgument, "no archive"),
        ("lib", ErrorKind::InvalidArgument, "no archive"),
        ("missing.jar", ErrorKind::NotFound, "missing.jar"),
    ] {
        let error = refused(&folder.path().join(path));
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(reason), "{error}");
        assert!(error.operation().contains(path), "{error}");
    }
}

#[test]
fn a_file_that_is_also_a_folder() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["a/b", "a-b", "a"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let jar = folder.path().join("x.jar");
    fs::write(&jar, zip.finish().unwrap().into_inner()).unwrap();
    assert!(refused(&jar).message().contains("'a' is a file, and a folder"));
}

#[test]
fn limits_are_for_all_roots_of_a_source() {
    let folder = fixtures::folder(&[("a/X.class", "1")]);
    let jar = fixtures::folder(&[("x", "12"), ("y", "34")]);
    for name in ["one.jar", "two.jar"] {
        fixtures::jar(jar.path(), &folder.path().join(name));
    }
    let read = |entries| PackedRoot::read_source(folder.path(), &Limits { entries, ..Limits::default() });
    // Each jar has two files, a manifest and its folder.
    assert_eq!(read(8).unwrap_err().kind(), ErrorKind::ResourceExhausted);
    assert_eq!(read(9).unwrap().len(), 3);
}

#[test]
fn files_that_change_after_they_were_read() {
    let folder = fixtures::folder(&[("com/acme/A.class", "one"), ("com/acme/B.class", "two")]);
    let deployed = &source(folder.path())[0];
    let session = PackedRoot::read_class_roots(folder.path(), &DenyList::none(), &Limits::default()).unwrap().remove(0);
    write(folder.path(), "com/acme/A.class", b"new");
    fs::remove_file(folder.path().join("com/acme/B.class")).unwrap();
    for index in 0..2 {
        let error = deployed.bytes(index).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
        assert!(error.message().contains("SnapshotGone: 'com/acme/"), "{error}");
    }
    // A session keeps what it saw.
    assert_eq!((&*session.bytes(0).unwrap(), &*session.bytes(1).unwrap()), (&b"one"[..], &b"two"[..]));

    let jar = fixtures::jar(fixtures::classes(), &folder.path().join("x.jar"));
    let root = PackedRoot::read_class_roots(&jar, &DenyList::none(), &Limits::default()).unwrap().remove(0);
    fs::remove_file(&jar).unwrap();
    verify(&root);
    let jar = fixtures::jar(fixtures::classes(), &jar);
    let root = PackedRoot::read_class_roots(&jar, &DenyList::none(), &Limits::default()).unwrap().remove(0);
    fs::write(&jar, "a build truncates the file and writes it again").unwrap();
    assert!(root.bytes(0).unwrap_err().message().contains("SnapshotGone"));
}

#[test]
fn what_a_client_never_offers() {
    let folder = fixtures::folder(&[("a.class", ""), (".env", "1"), ("x/key.pem", "2"), ("application-x.yml", "3")]);
    let root = PackedRoot::read_class_roots(folder.path(), &DenyList::default(), &Limits::default()).unwrap().remove(0);
    assert_eq!(paths(&root), ["a.class"]);
    let jar = fixtures::jar(folder.path(), &folder.path().join("x.jar"));
    let root = PackedRoot::read_class_roots(&jar, &DenyList::default(), &Limits::default()).unwrap().remove(0);
    assert_eq!(paths(&root), ["META-INF/MANIFEST.MF", "a.class"]);
    let empty = fixtures::folder(&[]);
    assert!(
        PackedRoot::read_class_roots(empty.path(), &DenyList::none(), &Limits::default())
            .unwrap()
            .remove(0)
            .root
            .entries
            .is_empty()
    );
}

#[test]
fn an_import_root() {
    let folder = fixtures::folder(&[
        ("main.py", ""),
        ("setup.cfg", ""),
        ("not-a-module.py", ""),
        ("fast.cpython-311-x86_64-linux-gnu.so", ""),
        ("pkg/__init__.py", ""),
        ("pkg/table.csv", ""),
        ("pkg/.env", ""),
        ("space/deep/mod.py", ""),
        ("data/huge.bin", ""),
        ("my-data/x.py", ""),
        (".tox/x.py", ""),
        ("venv/pyvenv.cfg", ""),
        ("venv/lib/x.py", ""),
    ]);
    std::os::unix::fs::symlink("/etc", folder.path().join("outside")).unwrap();
    let read = |limits| PackedRoot::read_python_root(folder.path(), &Selection::default(), &limits, &|_| {});
    let root = read(Limits::default()).unwrap();
    let expected =
        ["fast.cpython-311-x86_64-linux-gnu.so", "main.py", "pkg/__init__.py", "pkg/table.csv", "space/deep/mod.py"];
    assert_eq!(paths(&root), expected);
    assert_eq!((root.root.kind, root.skipped().len()), (RootKind::Python, 1));
    verify(&root);
    // A folder of data may be large without harm; a package may not.
    (0..20).for_each(|number| write(folder.path(), &format!("data/{number}"), b""));
    assert_eq!(read(Limits { entries: 10, ..Limits::default() }).unwrap().digest(), root.digest());
    (0..20).for_each(|number| write(folder.path(), &format!("pkg/m{number}.py"), b""));
    let refused = read(Limits { entries: 10, ..Limits::default() }).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ResourceExhausted);
    assert!(refused.hint_text().contains("echo '/pkg/' >> ") && refused.hint_text().contains(".haulierignore"));
    assert_eq!(
        read(Limits { size: 10, ..Limits::default() }).unwrap().digest(),
        read(Limits::default()).unwrap().digest()
    );
    write(folder.path(), "pkg/large.bin", &[0; 100]);
    assert!(read(Limits { size: 10, ..Limits::default() }).unwrap_err().message().contains("in 'pkg'"));
}

#[test]
fn what_is_left_out_of_an_import_root_and_what_is_included() {
    let folder = fixtures::folder(&[
        (".haulierignore", "/notebooks/\n*.csv\n"),
        ("main.py", ""),
        ("config.json", "{}"),
        ("other.json", "{}"),
        ("acme.egg-info/PKG-INFO", "Name: acme\n"),
        ("acme-1.0.dist-info/METADATA", "Name: acme\n"),
        ("pkg/__init__.py", ""),
        ("pkg/__pycache__/x.pyc", ""),
        ("pkg/table.csv", ""),
        ("pkg/keys/server.pem", ""),
        ("pkg/keys/other.pem", ""),
        ("notebooks/one.py", ""),
        ("data/a.bin", ""),
        ("data/b.txt", ""),
        ("my-data/deep/a.bin", ""),
        ("env/pyvenv.cfg", ""),
        ("env/lib/x.py", ""),
        ("env/share/a.bin", ""),
        (".git/config", ""),
        (".mypy_cache/x.py", ""),
        ("node_modules/x.py", ""),
    ]);
    let root = |included: &[&str]| {
        let mut selection = Selection::default();
        included.iter().for_each(|pattern| selection.include(pattern).unwrap());
        PackedRoot::read_python_root(folder.path(), &selection, &Limits::default(), &|_| {}).unwrap()
    };
    let plain = root(&[]);
    let metadata = ["acme-1.0.dist-info/METADATA", "acme.egg-info/PKG-INFO"];
    assert_eq!(paths(&plain), [&metadata[..], &["main.py", "pkg/__init__.py"]].concat());
    let mut rules: Vec<String> = plain.left_out().iter().map(ToString::to_string).collect();
    rules.sort();
    let expected = [
        "'.git': never sent: .git",
        "'.mypy_cache': hidden",
        "'config.json': cannot be imported",
        "'data': no Python source in it",
        "'env': virtual environment",
        "'my-data': cannot be imported",
        "'node_modules': installed packages",
        "'notebooks': .haulierignore: /notebooks/",
        "'other.json': cannot be imported",
        "'pkg/keys/other.pem': never sent: *.pem",
        "'pkg/keys/server.pem': never sent: *.pem",
        "'pkg/table.csv': .haulierignore: *.csv",
    ];
    assert_eq!(rules, expected);
    let some = root(&["config.json", "data/*.bin", "my-data/**/*.bin", "pkg/keys/server.pem", "*.pem", "env/share/**"]);
    let more = ["config.json", "data/a.bin", "env/share/a.bin", "main.py", "my-data/deep/a.bin", "pkg/__init__.py"];
    assert_eq!(paths(&some), [&metadata[..], &more, &["pkg/keys/server.pem"]].concat());
}

#[test]
fn five_hundred_classes_take_milliseconds() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..500 {
        write(folder.path(), &format!("com/acme/C{number}.class"), &[number as u8; 5 << 10]);
    }
    let started = Instant::now();
    let root = PackedRoot::read_class_roots(folder.path(), &DenyList::default(), &Limits::default()).unwrap().remove(0);
    let elapsed = started.elapsed();
    assert_eq!(root.root.entries.len(), 500);
    // Measured: 10 ms. The bound is for machines that do other things as well.
    assert!(elapsed.as_millis() < 500, "{elapsed:?}");
    println!("500 classes in {elapsed:?}");
}

#[test]
fn packages_under_other_names_than_their_folders() {
    let files = [
        ("src/lib/__init__.py", "from . import deep, side"),
        ("src/lib/deep/__init__.py", ""),
        ("src/lib/deep/table.csv", "1"),
        ("src/lib/side/__init__.py", "never"),
        ("src/lib/.haulierignore", "/acme/scratch.py\n"),
        ("src/lib/scratch.py", ""),
        ("src/lib/.env", "SECRET=1"),
        ("src/other/__init__.py", "S = 1"),
        ("src/one.py", "def one(): return 1"),
        ("src/unrelated.py", ""),
    ];
    let folder = fixtures::folder(&files);
    let place = |path: &str| folder.path().join("src").join(path);
    let packages = [("acme", "lib"), ("acme.side", "other"), ("single", "one.py"), ("gone", "gone")];
    let packages = packages.map(|(name, path)| (name.to_owned(), place(path)));
    let root = PackedRoot::read_python_packages(&packages, &Selection::default(), &Limits::default(), &|_| {}).unwrap();
    let paths: Vec<_> = root.root.entries.iter().map(|entry| entry.path.as_str()).collect();
    let expected =
        ["acme/__init__.py", "acme/deep/__init__.py", "acme/deep/table.csv", "acme/side/__init__.py", "single.py"];
    assert_eq!(paths, expected);
    let side = root.index_of("acme/side/__init__.py").unwrap();
    assert_eq!(&*root.bytes(side).unwrap(), b"S = 1");
    for (path, file) in
        [("acme/side/__init__.py", "other/__init__.py"), ("acme/deep/x", "lib/deep/x"), ("single.py", "one.py")]
    {
        assert_eq!(root.place_of(path), place(file));
    }
    let left_out: Vec<_> = root.left_out().iter().map(ToString::to_string).collect();
    assert!(left_out.contains(&"'acme/scratch.py': .haulierignore: /acme/scratch.py".to_owned()), "{left_out:?}");
    assert!(left_out.contains(&"'acme/.env': never sent: .env".to_owned()), "{left_out:?}");
    let climbing = [("..".to_owned(), place("lib"))];
    assert!(PackedRoot::read_python_packages(&climbing, &Selection::default(), &Limits::default(), &|_| {}).is_err());
}
