//! Archives built field by field, so that every field can lie, and archives of other writers.

use std::io::{Cursor, Seek, Write};

use haulier_model::{Digest, ErrorKind};
use proptest::prelude::*;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::Limits;

/// An entry as it is written, field by field, so that fields can lie.
#[derive(Clone)]
struct Part {
    name: Vec<u8>,
    local_name: Vec<u8>,
    stored: Vec<u8>,
    method: u16,
    local_method: u16,
    flags: u16,
    crc: u32,
    size: u32,
    local_size: u32,
    compressed: u32,
    mode: u32,
    /// Where the directory says that the entry is, if not where it is.
    offset: Option<u32>,
}

fn part(name: &str, bytes: &[u8]) -> Part {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    let size = bytes.len() as u32;
    Part {
        name: name.into(),
        local_name: name.into(),
        stored: bytes.to_vec(),
        method: 0,
        local_method: 0,
        flags: 0,
        crc: crc.sum(),
        size,
        local_size: size,
        compressed: size,
        mode: 0,
        offset: None,
    }
}

fn deflated(name: &str, bytes: &[u8]) -> Part {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    let stored = encoder.finish().unwrap();
    Part { method: 8, local_method: 8, compressed: stored.len() as u32, stored, ..part(name, bytes) }
}

fn put(out: &mut Vec<u8>, two: &[u16], four: &[u32]) {
    out.extend(two.iter().flat_map(|value| value.to_le_bytes()));
    out.extend(four.iter().flat_map(|value| value.to_le_bytes()));
}

/// Writes an archive that says it has `count` entries.
fn build_counted(parts: &[Part], count: u16) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for part in parts {
        let offset = part.offset.unwrap_or(out.len() as u32);
        out.extend_from_slice(b"PK\x03\x04");
        put(&mut out, &[20, part.flags, part.local_method, 0, 0], &[part.crc, part.compressed, part.local_size]);
        put(&mut out, &[part.local_name.len() as u16, 0], &[]);
        out.extend_from_slice(&part.local_name);
        out.extend_from_slice(&part.stored);
        directory.extend_from_slice(b"PK\x01\x02");
        put(&mut directory, &[0x031E, 20, part.flags, part.method, 0, 0], &[part.crc, part.compressed, part.size]);
        put(&mut directory, &[part.name.len() as u16, 0, 0, 0, 0], &[part.mode << 16, offset]);
        directory.extend_from_slice(&part.name);
    }
    let start = out.len() as u32;
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06");
    put(&mut out, &[0, 0, count, count], &[directory.len() as u32, start]);
    out.extend_from_slice(&[0, 0]);
    out
}

fn build(parts: &[Part]) -> Vec<u8> {
    build_counted(parts, parts.len() as u16)
}

fn read_with(bytes: &[u8], bad: BadEntry, limits: &Limits) -> Result<Opened> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let opening = Opening { deny: &DenyList::default(), bad, place: place_as_is, known: None };
    Archive::open(file, &opening, &mut Budget::new(limits))
}

fn read(bytes: &[u8]) -> Result<Opened> {
    read_with(bytes, BadEntry::Refuse, &Limits::default())
}

fn refusal_of(bytes: &[u8]) -> haulier_model::Error {
    read(bytes).err().expect("the archive is refused")
}

fn paths(opened: &Opened) -> Vec<&str> {
    opened.entries.iter().map(|entry| entry.path.as_str()).collect()
}

fn extracted(opened: &Opened, index: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sink = |block: &[u8]| {
        bytes.extend_from_slice(block);
        Ok(())
    };
    opened.archive.extract(index, &mut sink).unwrap();
    bytes
}

#[test]
fn order_manifest_and_bits_are_kept_and_folders_are_not() {
    let mut script = deflated("run.sh", b"#!/bin/sh");
    script.mode = 0o100_755;
    let parts = [
        part("META-INF/", b""),
        part("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n"),
        deflated("z/Z.class", &[7; 200_000]),
        script,
        part("META-INF/versions/17/z/Z.class", b"17"),
        part("BOOT-INF/lib/inner.jar", b"PK"),
        part("a b/ü#%2e(1).txt", b""),
    ];
    let opened = read(&build(&parts)).unwrap();
    let expected = [
        "META-INF/MANIFEST.MF",
        "z/Z.class",
        "run.sh",
        "META-INF/versions/17/z/Z.class",
        "BOOT-INF/lib/inner.jar",
        "a b/ü#%2e(1).txt",
    ];
    assert_eq!(paths(&opened), expected);
    let executable: Vec<bool> = opened.entries.iter().map(|entry| entry.executable).collect();
    assert_eq!(executable, [false, false, true, false, false, false]);
    assert_eq!((opened.entries[1].digest, opened.entries[1].size), (Digest::of(&[7; 200_000]), 200_000));
    let bytes = extracted(&opened, 1);
    assert_eq!(bytes, [7; 200_000]);
}

#[test]
fn hostile_entries() {
    let fine = part("a/B.class", b"class");
    let named = |name: &str| vec![fine.clone(), part(name, b"x")];
    let with = |change: fn(&mut Part)| {
        let mut part = part("x.txt", b"0123456789");
        change(&mut part);
        vec![fine.clone(), part]
    };
    let table: Vec<(&str, Vec<Part>)> = vec![
        ("leaves the root by '..'", named("../x")),
        ("leaves the root by '..'", named("a/../../x")),
        ("leaves the root by '..'", vec![part("../folder/", b"")]),
        ("is absolute", named("/etc/passwd")),
        ("has a backslash", named("a\\b")),
        ("has a drive letter", named("C:/x")),
        ("has a NUL", named("a\0b")),
        ("has an empty or '.' part", named("a//b")),
        ("has an empty or '.' part", named("./b")),
        ("is empty", named("")),
        ("'A/b.CLASS' differs from 'a/B.class' by case only", named("A/b.CLASS")),
        ("is there twice", named("a/B.class")),
        ("is no UTF-8", with(|part| (part.name, part.local_name) = (b"\xFF".to_vec(), b"\xFF".to_vec()))),
        ("is a symbolic link", with(|part| part.mode = 0o120_777)),
        ("is no regular file", with(|part| part.mode = 0o010_644)),
        ("is encrypted", with(|part| part.flags = 1)),
        ("is compressed by method 12", with(|part| (part.method, part.local_method) = (12, 12))),
        ("is compressed by method 0", with(|part| (part.size, part.local_size) = (9, 9))),
        ("is a folder with content", vec![part("a/", b"x")]),
        ("disagrees on the name", with(|part| part.local_name = b"y.txt".to_vec())),
        ("disagrees on the method", with(|part| part.local_method = 8)),
        ("disagrees on the size", with(|part| part.local_size = 11)),
        ("disagrees on the place", with(|part| part.offset = Some(1))),
        ("its checksum is wrong", with(|part| part.crc ^= 1)),
    ];
    for (reason, parts) in table {
        let error = refusal_of(&build(&parts));
        assert!(error.message().contains(reason), "{reason}: {error}");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

#[test]
fn entries_that_share_bytes() {
    // The second entry is inside the bytes of the first.
    let inner = build(&[part("inner.txt", b"shared")]);
    let outer = part("outer.bin", &inner);
    let mut twin = part("inner.txt", b"shared");
    twin.offset = Some(30 + 9);
    let error = refusal_of(&build(&[outer, twin]));
    assert!(error.message().contains("overlap"), "{error}");
    let mut long = deflated("long.txt", b"0123456789");
    long.compressed += 60;
    let error = refusal_of(&build(&[long]));
    assert!(error.message().contains("overlaps the directory"), "{error}");
}

#[test]
fn damaged_compression() {
    let text = b"some text that is some text that is some text".repeat(50);
    let change = |change: fn(&mut Part)| {
        let mut part = deflated("x.txt", &text);
        change(&mut part);
        refusal_of(&build(&[part])).message().to_owned()
    };
    assert!(change(|part| (part.size, part.local_size) = (10, 10)).contains("more than the 10 bytes"));
    assert!(change(|part| (part.size, part.local_size) = (9999, 9999)).contains("of the 9999 bytes"));
    assert!(change(|part| part.stored[0] = 0xFF).contains("damaged"));
    assert!(change(|part| (part.stored.truncate(10), part.compressed = 10).1).contains("cut off"));
    assert!(change(|part| (part.stored.push(0), part.compressed += 1).1).contains("after the end"));
}

#[test]
fn directories_that_lie() {
    let parts = [part("a", b"1"), part("b", b"2")];
    let whole = build(&parts);
    for (bytes, reason) in [
        (&b""[..], "no archive"),
        (b"text", "no archive"),
        (&whole[..whole.len() - 1], "no archive"),
        (&whole[20..], "not where it should be"),
        (&build_counted(&parts, 1), "more than the 1 entries"),
        (&build_counted(&parts, 3), "fewer entries"),
        (&[&whole[..], b"tail"].concat(), "no archive"),
    ] {
        let error = refusal_of(bytes);
        assert!(error.message().contains(reason), "{reason}: {error}");
    }
    let mut parts_of_several = whole.clone();
    let at = whole.len() - 18;
    parts_of_several[at] = 1;
    assert!(refusal_of(&parts_of_several).message().contains("one part of several"));
    assert_eq!(paths(&read(&build(&[])).unwrap()), [""; 0]);
}

#[test]
fn a_script_in_front_moves_everything() {
    let bytes = [b"#!/bin/sh\nexec java -jar $0\n", &build(&[part("a", b"1")])[..]].concat();
    let opened = read(&bytes).unwrap();
    assert_eq!(opened.entries[0].digest, Digest::of(b"1"));
}

#[test]
fn limits() {
    let default = Limits::default;
    let zeros = deflated("zeros", &vec![0; 2 << 20]);
    let small = [part("a", b"12345"), part("b", b"12345")];
    let table = [
        ("zip bomb", build(&[zeros]), default()),
        ("more entries", build(&small), Limits { entries: 1, ..default() }),
        ("more entries", build_counted(&small, 2000), Limits { entries: 1999, ..default() }),
        ("more bytes", build(&small), Limits { size: 9, ..default() }),
        ("'a' has 5 bytes", build(&small), Limits { entry_size: 4, ..default() }),
    ];
    for (reason, bytes, limits) in table {
        let error = read_with(&bytes, BadEntry::Refuse, &limits).err().expect("the archive is refused");
        assert!(error.message().contains(reason), "{reason}: {error}");
        assert_eq!((error.kind(), error.contexts().len()), (ErrorKind::ResourceExhausted, 1), "{error}");
    }
    assert!(read(&build(&[deflated("zeros", &vec![0; 1 << 20])])).is_ok());
}

#[test]
fn a_client_leaves_out_what_cannot_travel() {
    let parts = [
        part("a/B.class", b"1"),
        part("../x", b"2"),
        part("A/b.class", b"3"),
        part("a/B.class", b"4"),
        part("secret/.env", b"5"),
        part("c", b"6"),
    ];
    let opened = read_with(&build(&parts), BadEntry::Skip, &Limits::default()).unwrap();
    assert_eq!(paths(&opened), ["a/B.class", "c"]);
    assert_eq!((opened.entries[0].digest, opened.skipped.len()), (Digest::of(b"1"), 3));
    let bytes = extracted(&opened, 1);
    assert_eq!(bytes, b"6");
}

fn written(write: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    write(&mut writer);
    writer.finish().unwrap().into_inner()
}

#[test]
fn archives_of_another_writer() {
    let bytes = written(|writer| {
        let large = SimpleFileOptions::default().large_file(true).unix_permissions(0o755);
        writer.start_file("large", large.compression_method(CompressionMethod::Stored)).unwrap();
        writer.write_all(b"large").unwrap();
        writer.add_directory("folder", SimpleFileOptions::default()).unwrap();
        writer.start_file("folder/file", SimpleFileOptions::default()).unwrap();
        writer.write_all(&[1; 1000]).unwrap();
        writer.set_comment("PK\x05\x06 is no end").unwrap();
    });
    let opened = read(&bytes).unwrap();
    assert_eq!(paths(&opened), ["large", "folder/file"]);
    assert!(opened.entries[0].executable);
    let link = written(|writer| writer.add_symlink("a", "/etc/passwd", SimpleFileOptions::default()).unwrap());
    assert!(refusal_of(&link).message().contains("symbolic link"));
}

#[test]
fn more_entries_than_the_small_directory_counts() {
    let bytes = written(|writer| {
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for number in 0..70_000 {
            writer.start_file(format!("{number}"), stored).unwrap();
        }
    });
    assert_eq!(read(&bytes).unwrap().entries.len(), 70_000);
    assert_eq!(
        read_with(&bytes, BadEntry::Skip, &Limits { entries: 69_999, ..Limits::default() }).err().unwrap().kind(),
        ErrorKind::ResourceExhausted
    );
    let moved = [b"script", &bytes[..]].concat();
    assert_eq!(read(&moved).unwrap().entries.len(), 70_000);
}

#[test]
fn sizes_known_only_at_the_end() {
    // A writer that cannot seek leaves zeros in the local header.
    let mut writer = ZipWriter::new_stream(Vec::new());
    writer.start_file("a", SimpleFileOptions::default()).unwrap();
    writer.write_all(&[3; 5000]).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(read(&bytes).unwrap().entries[0].digest, Digest::of(&[3; 5000]));
}

#[test]
fn bytes_that_change_are_noticed() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&build(&[part("a", b"12345")])).unwrap();
    let opening = Opening { deny: &DenyList::none(), bad: BadEntry::Refuse, place: place_as_is, known: None };
    let opened = Archive::open(file.try_clone().unwrap(), &opening, &mut Budget::new(&Limits::default())).unwrap();
    file.seek(std::io::SeekFrom::Start(31)).unwrap();
    file.write_all(b"X").unwrap();
    assert!(opened.archive.extract(0, &mut |_| Ok(())).unwrap_err().message().contains("checksum"));
    file.set_len(5).unwrap();
    assert!(opened.archive.extract(0, &mut |_| Ok(())).unwrap_err().message().contains("cut off"));
}

#[test]
fn wheels_are_laid_out_as_installed() {
    let table = [
        ("pkg-1.0.data/purelib/pkg/a.py", "pkg/a.py"),
        ("pkg-1.0.data/platlib/fast.so", "fast.so"),
        ("pkg-1.0.data/scripts/run", "pkg-1.0.data/scripts/run"),
        ("pkg/purelib/a.py", "pkg/purelib/a.py"),
        ("a.py", "a.py"),
        ("x.data/purelib/../y", "../y"),
    ];
    for (path, expected) in table {
        assert_eq!(place_in_wheel(path), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_archives_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = build(&[part("a/b", b"12345"), deflated("c", &[1; 300])]);
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let _ = read(&bytes);
        let _ = read_with(&bytes, BadEntry::Skip, &Limits::default());
        let _ = read(&bytes[cut.index(bytes.len())..]);
        let _ = read(&bytes[..cut.index(bytes.len())]);
    }
}
