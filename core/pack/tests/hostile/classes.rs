//! Class files of a real compiler.

use std::{fs, process::Command};

use haulier_pack::class_file;

use crate::feed;

const SOURCE: &str = "
import java.util.*;
import java.util.function.*;
public class Task implements java.util.concurrent.Callable<Map<String, List<int[]>>>, java.io.Serializable {
    record Point(int x, double y) {}
    enum Color { RED { int rank() { return 1; } }; abstract int rank(); }
    @Deprecated private static final long NUMBER = 123456789012L;
    public Map<String, List<int[]>> call() {
        Supplier<Object> text = () -> \"t\u{fc}\u{1d4b3}\\0\" + NUMBER + 1.5 + 2.5f;
        Function<Object, Integer> hash = Object::hashCode;
        return new HashMap<>(Map.of(text.get().toString(), List.of(new int[] {hash.apply(new Point(1, 2))})));
    }
}";

fn corpus() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Task.java"), SOURCE).unwrap();
    let compiled = Command::new("javac").current_dir(&folder).args(["-g", "-encoding", "UTF-8", "Task.java"]).status();
    assert!(compiled.expect("javac of a JDK 17 is on the PATH").success());
    let classes = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let classes = classes.filter(|path| path.extension().is_some_and(|extension| extension == "class"));
    let mut classes: Vec<_> = classes.collect();
    classes.sort();
    classes.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn classes() {
    let corpus = corpus();
    assert!(corpus.len() >= 4 && corpus.iter().all(|class| class_file::references(class).is_ok()));
    feed(
        &corpus,
        |length| (64 << 10) + 64 * length,
        |bytes| {
            if let Ok(class) = class_file::references(bytes) {
                let mut seen = std::collections::HashSet::new();
                assert!(class.references.iter().all(|name| *name != class.name && seen.insert(name)));
                let named: usize = class.references.iter().map(String::len).sum();
                assert!(named <= 2 * bytes.len(), "{named} bytes of names in {}", bytes.len());
            }
        },
    );
}
