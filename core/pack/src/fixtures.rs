//! Classes compiled by `javac`, and folders, for the tests of this crate.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// Classes of each form that a task may have; every one of them but `Unused` is named, directly or not, by `Task`.
const SOURCES: [(&str, &str); 9] = [
    (
        "com/acme/Task.java",
        r#"package com.acme;
        import java.util.*;
        import java.util.function.*;
        public class Task implements java.util.concurrent.Callable<Object>, java.io.Serializable {
            @Marked(Reasons.class) private List<Generic> generics;
            private Element[][] elements;
            public Object call() throws Exception {
                Supplier<Object> constructor = OnlyInLambda::new;
                Runnable anonymous = new Runnable() { public void run() { new Nested().run(); } };
                class Local { Color color = Color.RED; }
                Function<Integer, Point> points = x -> new Point(x, long.class.hashCode() + 1L);
                return List.of(constructor, anonymous, new Local(), points, Task[].class);
            }
            private static class Nested { private Nested() {} void run() {} }
        }"#,
    ),
    ("com/acme/OnlyInLambda.java", "package com.acme; public class OnlyInLambda { class Inner {} { new Inner(); } }"),
    ("com/acme/Generic.java", "package com.acme; public class Generic {}"),
    ("com/acme/Element.java", "package com.acme; public class Element {}"),
    ("com/acme/Point.java", "package com.acme; public record Point(int x, double y) {}"),
    (
        "com/acme/Color.java",
        "package com.acme; public enum Color { RED { int rank() { return 1; } }; abstract int rank(); }",
    ),
    (
        "com/acme/Marked.java",
        "package com.acme; import java.lang.annotation.*;
        @Retention(RetentionPolicy.RUNTIME) public @interface Marked { Class<?> value(); }",
    ),
    ("com/acme/Reasons.java", "package com.acme; public class Reasons {}"),
    (
        "com/acme/Unused.java",
        "package com.acme; public class Unused { Task task; String \u{fc}\u{1d4b3} = \"Lcom/acme/No\"; }",
    ),
];

/// The folder of the classes of [`SOURCES`], compiled once for all tests.
pub(crate) fn classes() -> &'static Path {
    static CLASSES: OnceLock<TempDir> = OnceLock::new();
    CLASSES.get_or_init(|| compile(&SOURCES)).path()
}

/// Compiles sources into a new folder.
pub(crate) fn compile(sources: &[(&str, &str)]) -> TempDir {
    let from = folder(sources);
    let to = tempfile::tempdir().unwrap();
    let output = Command::new("javac")
        .args(["--release", "17", "-g", "-encoding", "UTF-8", "-d"])
        .arg(to.path())
        .args(sources.iter().map(|(path, _)| from.path().join(path)))
        .output()
        .expect("javac of a JDK 17 is on the PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}

/// Makes a jar with `jar`, which puts a manifest first.
pub(crate) fn jar(folder: &Path, to: &Path) -> PathBuf {
    let status = Command::new("jar").arg("--create").arg("--file").arg(to).arg("-C").arg(folder).arg(".").status();
    assert!(status.expect("jar of a JDK 17 is on the PATH").success());
    to.to_owned()
}

/// A new folder with files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(folder.path(), path, text.as_bytes());
    }
    folder
}

/// Writes a file and the folders that it is in.
pub(crate) fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// The paths of a root, in order.
pub(crate) fn paths(root: &crate::PackedRoot) -> Vec<&str> {
    root.root.entries.iter().map(|entry| entry.path.as_str()).collect()
}
