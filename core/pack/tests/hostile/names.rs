//! Names: which are refused, and which are odd and fine.

use std::{fs, os::unix::net::UnixListener};

use haulier_model::{Digest, ErrorKind};
use haulier_pack::{Limits, PackedRoot};

use crate::built::{archive, part, paths, read_as, refusal};

#[test]
fn odd_names_that_are_fine() {
    let names = [
        "with space/a (1).txt",
        "#fragment?query%2e%2e%2fx",
        "%2e%2e/x",
        "ünïcødé/日本語.txt",
        "..a/b..",
        "...",
        "a/.hidden",
        "libs-evil/x",
        "libs/x",
        "con.txt",
        "trailing space ",
        "new\nline",
        "-rf",
        "~/x",
        "$HOME/x",
    ];
    let mut parts: Vec<_> = names.iter().map(|name| part(name, name.as_bytes())).collect();
    parts.extend([part("empty folder/", b""), part("empty file", b"")]);
    let roots = read_as("a.jar", &archive(&parts)).unwrap();
    assert_eq!(paths(&roots[0]), [&names[..], &["empty file"]].concat(), "folders are no entries");
    for (index, name) in names.iter().enumerate() {
        assert_eq!(roots[0].root.entries[index].digest, Digest::of(name.as_bytes()), "{name}");
    }
    assert_eq!(roots[0].root.entries.last().unwrap().size, 0);
}

#[test]
fn names_that_leave_the_root() {
    for name in
        ["../x", "a/../../x", "..", "a/..", "/x", "//x", "\\x", "..\\x", "C:x", "c:/x", "C:\\x", "a\0.txt", ".", "./x"]
    {
        for place in ["{}", "a/{}"] {
            let name = place.replace("{}", name);
            // Deeper down, a drive or a slash is only an odd name.
            if place == "a/{}" && name.starts_with("a/C:") || name.starts_with("a/c:") {
                continue;
            }
            let error = refusal(&archive(&[part("fine", b"1"), part(&name, b"2")]));
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name:?}: {error}");
        }
    }
}

/// Twins by case are refused, because some file systems cannot hold both. Twins by Unicode form are two names: a class
/// path here is of Linux, where they are two files, and a loader must not fold what the JVM and Python keep apart.
#[test]
fn twins() {
    for (one, other) in [("a/B", "A/b"), ("ÄRGER", "ärger"), ("ΣΑ", "σα"), ("x", "x"), ("a", "a/b")] {
        let error = refusal(&archive(&[part(one, b"1"), part(other, b"2")]));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{one} {other}: {error}");
    }
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    let roots = read_as("a.jar", &archive(&[part(composed, b"1"), part(decomposed, b"2")])).unwrap();
    assert_eq!(paths(&roots[0]), [composed, decomposed]);
    assert_eq!(roots[0].root.entries[1].digest, Digest::of(b"2"));
}

#[test]
fn folders_with_what_is_no_file() {
    for (kind, reason) in [("fifo", "no regular file"), ("socket", "no regular file"), ("device", "leaves the folder")]
    {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("A.class"), b"class").unwrap();
        let odd = folder.path().join("odd");
        match kind {
            "fifo" => assert!(std::process::Command::new("mkfifo").arg(&odd).status().unwrap().success()),
            "socket" => drop(UnixListener::bind(&odd).unwrap()),
            _ => std::os::unix::fs::symlink("/dev/zero", &odd).unwrap(),
        }
        let error = PackedRoot::read_source(folder.path(), &Limits::default()).unwrap_err();
        assert!(error.message().contains(reason), "{kind}: {error}");
    }
    // A device or a pipe by its own name is never opened: that could wait for ever, or never end.
    for device in ["/dev/zero", "/dev/stdin", "/dev/tty"] {
        assert!(PackedRoot::read_source(device.as_ref(), &Limits::default()).is_err());
    }
}

#[test]
fn files_that_shrink_or_grow_while_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (jar, class) = (folder.path().join("a.jar"), folder.path().join("A.class"));
    fs::write(&jar, archive(&[part("x", &[7; 200_000])])).unwrap();
    fs::write(&class, [7; 200_000]).unwrap();
    let roots = PackedRoot::read_source(folder.path(), &Limits::default()).unwrap();
    assert_eq!(roots.len(), 2);
    for length in [0, 1, 100_000, 199_999, 300_000] {
        for file in [&jar, &class] {
            fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
        }
        for root in &roots {
            let error = root.bytes(0).expect_err("the bytes are not those that were read");
            assert!(error.message().contains("SnapshotGone"), "{} at {length}: {error}", root.name);
        }
    }
}
