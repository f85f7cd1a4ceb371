//! Archives: of another writer, of the JDK, and one in the other.

use std::{
    fs,
    io::{Cursor, Read as _, Write as _},
    process::Command,
};

use haulier_model::{Digest, ErrorKind, Root};
use haulier_pack::{Limits, PackedRoot};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::feed;

/// Small, so that a reader that ignores them is seen.
fn limits() -> Limits {
    Limits { entries: 500, size: 4 << 20, entry_size: 2 << 20, ratio: 200 }
}

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

/// Entries of every form that archives have.
fn corpus() -> Vec<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("a", SimpleFileOptions::default()).unwrap();
    for (path, options) in [
        ("META-INF/MANIFEST.MF", SimpleFileOptions::default()),
        ("a/B.class", stored()),
        ("a/large", stored().large_file(true)),
        ("a b/ü#%2e(1).txt", SimpleFileOptions::default().unix_permissions(0o755)),
    ] {
        writer.start_file(path, options).unwrap();
        writer.write_all(path.repeat(30).as_bytes()).unwrap();
    }
    writer.start_file("empty", stored()).unwrap();
    writer.set_comment("a comment").unwrap();
    let plain = writer.finish().unwrap().into_inner();

    let mut writer = ZipWriter::new_stream(Vec::new());
    for path in ["one.py", "two.py"] {
        writer.start_file(path, SimpleFileOptions::default()).unwrap();
        writer.write_all(&[7; 3000]).unwrap();
    }
    let streamed = writer.finish().unwrap().into_inner();

    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in [("lib/inner.jar", &plain), ("lib/other.jar", &streamed)] {
        writer.start_file(path, stored()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    let nested = writer.finish().unwrap().into_inner();
    let script = [b"#!/bin/sh\nexec java -jar $0\n", &plain[..]].concat();
    vec![plain, streamed, nested, script, of_the_jdk(), large_directory()]
}

fn of_the_jdk() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("A.txt"), "text".repeat(100)).unwrap();
    let made = Command::new("jar").current_dir(&folder).args(["cf", "a.jar", "A.txt"]).status();
    assert!(made.expect("jar of a JDK 17 is on the PATH").success());
    fs::read(folder.path().join("a.jar")).unwrap()
}

/// An archive with the directory for more than 65,535 entries, although it has one.
fn large_directory() -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a", stored()).unwrap();
    writer.write_all(b"content").unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    let end = bytes.split_off(bytes.len() - 22);
    let number = |at: usize| u32::from_le_bytes(end[at..at + 4].try_into().unwrap());
    let (size, offset, position) = (number(12), number(16), bytes.len() as u64);
    bytes.extend_from_slice(b"PK\x06\x06");
    bytes.extend_from_slice(&44_u64.to_le_bytes());
    bytes.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [1, 1, u64::from(size), u64::from(offset)] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    bytes.extend_from_slice(&position.to_le_bytes());
    bytes.extend_from_slice(&[1, 0, 0, 0]);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0");
    bytes
}

#[test]
fn archives() {
    let corpus = corpus();
    let folder = tempfile::tempdir().unwrap();
    for (index, bytes) in corpus.iter().enumerate() {
        let path = folder.path().join("whole.zip");
        fs::write(&path, bytes).unwrap();
        let roots =
            PackedRoot::read_source(&path, &limits()).unwrap_or_else(|error| panic!("archive {index}: {error}"));
        roots.iter().for_each(|root| consistent(root, bytes));
    }
    let mut turn = 0;
    // Blocks for reading and for inflating, a directory in memory, and what the entries of one archive hold.
    feed(
        &corpus,
        |length| (1 << 20) + 64 * length,
        |bytes| {
            turn += 1;
            let path = folder.path().join(["damaged.jar", "damaged.zip", "damaged.whl"][turn % 3]);
            // A new file each time: a file that is overwritten is flushed by some file systems, and time is for reading.
            let _ = fs::remove_file(&path);
            fs::write(&path, bytes).unwrap();
            match PackedRoot::read_source(&path, &limits()) {
                Ok(roots) => roots.iter().for_each(|root| consistent(root, bytes)),
                Err(error) => {
                    let kinds = [ErrorKind::InvalidArgument, ErrorKind::ResourceExhausted];
                    assert!(kinds.contains(&error.kind()), "{error}");
                }
            }
        },
    );
}

/// What was read is what is said, and another reader that takes the archive sees the same.
fn consistent(root: &PackedRoot, archive: &[u8]) {
    assert_eq!(Root::decode(&root.root.encode()).unwrap(), root.root);
    assert!(root.root.size() <= limits().size && root.root.entries.len() <= limits().entries);
    let mut other = ZipArchive::new(Cursor::new(archive)).ok().filter(|_| root.file().is_some());
    for (index, entry) in root.root.entries.iter().enumerate() {
        let bytes = root.bytes(index).unwrap();
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (entry.digest, entry.size), "{}", entry.path);
        if let Some(other) = &mut other
            && let Ok(mut file) = other.by_name(entry.path.as_str())
        {
            let mut found = Vec::new();
            if (&mut file).take(limits().size).read_to_end(&mut found).is_ok() {
                assert_eq!(found, &*bytes, "another reader sees other bytes at {}", entry.path);
            }
        }
    }
}
