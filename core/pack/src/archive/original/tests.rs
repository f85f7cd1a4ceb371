//! Which archives keep their bytes, through everything that reads sources.

use std::{fs, io::Write as _, path::Path};

use haulier_model::{Digest, ErrorKind, Original};

use crate::{DenyList, Limits, PackedRoot, ReadOptions, fixtures};

fn source(path: &Path) -> Vec<PackedRoot> {
    PackedRoot::read_source(path, &Limits::default()).unwrap()
}

/// A jar of these files, as the tools of the world write it.
fn zipped(files: &[&str], comment: &str) -> Vec<u8> {
    let mut jar = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    jar.set_comment(comment).unwrap();
    for name in files {
        jar.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        jar.write_all(&[7; 1000]).unwrap();
    }
    jar.finish().unwrap().into_inner()
}

/// A jar whose writer could not go back: descriptors follow its entries.
fn streamed() -> Vec<u8> {
    let mut jar = zip::ZipWriter::new_stream(Vec::new());
    for name in ["a/A.class", "a/b.txt"] {
        jar.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        jar.write_all(&[7; 1000]).unwrap();
    }
    jar.finish().unwrap().into_inner()
}

/// The same archive with `bytes` in front of its directory, which nothing mentions.
fn with_gap(jar: &[u8], bytes: &[u8]) -> Vec<u8> {
    let end = jar.len() - 22;
    let at = u32::from_le_bytes(jar[end + 16..end + 20].try_into().unwrap());
    let (entries, rest) = jar.split_at(at as usize);
    let mut all = [entries, bytes, rest].concat();
    let end = all.len() - 22;
    all[end + 16..end + 20].copy_from_slice(&(at + bytes.len() as u32).to_le_bytes());
    all
}

#[test]
fn archives_that_are_more_than_their_entries_are_kept_as_they_were() {
    let plain = zipped(&["a/A.class", "META-INF/MANIFEST.MF", "META-INF/x/y.RSA", "y.SF"], "");
    let signed = |block: &str| zipped(&["META-INF/MANIFEST.MF", "META-INF/acme.SF", block, "a/A.class"], "");
    let cases: [(&str, Vec<u8>, bool); 9] = [
        ("plain", plain.clone(), false),
        ("with descriptors", streamed(), false),
        ("signed", signed("META-INF/ACME.RSA"), true),
        ("signed with another ending", signed("meta-inf/acme.ec"), true),
        ("a signature without its block", signed("META-INF/other.RSA"), false),
        ("a script in front", [b"#!/bin/sh\n", &plain[..]].concat(), true),
        ("a comment", zipped(&["a/A.class"], "built by hand"), true),
        ("bytes behind the entries", with_gap(&plain, b"another signature"), true),
        ("bytes behind descriptors", with_gap(&streamed(), &[0; 7]), true),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jar");
    for (what, bytes, kept) in cases {
        fs::write(&path, &bytes).unwrap();
        let root = &source(&path)[0];
        assert_eq!(root.root.original.is_some(), kept, "{what}");
        let asked = ReadOptions { opaque: true, ..ReadOptions::default() };
        let asked = &PackedRoot::read_source_as(&path, &asked).unwrap()[0];
        let original = Original { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        assert_eq!((asked.root.original, &asked.root.entries), (Some(original), &root.root.entries), "{what}");
        assert_eq!(asked.digest() == root.digest(), kept);
        let mut copied = Vec::new();
        asked.copy_original(&mut copied).unwrap();
        assert_eq!(copied, bytes, "{what}");
        assert_eq!(root.copy_original(&mut Vec::new()).is_ok(), kept);
        let session = &PackedRoot::read_class_roots(&path, &DenyList::none(), &Limits::default()).unwrap()[0];
        assert_eq!(session.root.original, None, "a session sends what it runs");
    }
    fs::write(&path, &plain).unwrap();
    let asked = &PackedRoot::read_source_as(&path, &ReadOptions { opaque: true, ..ReadOptions::default() }).unwrap()[0];
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    assert_eq!(asked.copy_original(&mut Vec::new()).unwrap_err().kind(), ErrorKind::SessionLost, "it has changed");
}

#[test]
fn only_archives_have_exact_bytes() {
    let folder = fixtures::folder(&[("p/__init__.py", ""), ("m.py", ""), ("c/a/A.class", "")]);
    let jars = folder.path().join("libs");
    fs::create_dir(&jars).unwrap();
    fs::write(jars.join("odd.jar"), zipped(&["a/A.class"], "odd")).unwrap();
    fs::write(jars.join("plain.jar"), zipped(&["a/B.class"], "")).unwrap();
    let opaque = ReadOptions { opaque: true, ..ReadOptions::default() };
    for path in ["p", "m.py", "c", "libs"] {
        let error = PackedRoot::read_source_as(&folder.path().join(path), &opaque).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.hint_text().contains("--opaque"), "{path}: {error}");
    }
    let kept = |roots: Vec<PackedRoot>| roots.iter().map(|root| root.root.original.is_some()).collect::<Vec<_>>();
    assert_eq!(kept(source(&jars)), [true, false], "a jar of a folder is kept for its own sake");

    let zip = folder.path().join("box.zip");
    let boxed = |others: &[(&str, Vec<u8>)]| {
        let mut out = zip::ZipWriter::new(fs::File::create(&zip).unwrap());
        for (name, bytes) in others {
            out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            out.write_all(bytes).unwrap();
        }
        out.finish().unwrap();
    };
    let jar = ("libs/plain.jar", zipped(&["a/B.class"], ""));
    boxed(std::slice::from_ref(&jar));
    assert_eq!(kept(PackedRoot::read_source_as(&zip, &opaque).unwrap()), [true]);
    boxed(&[jar, ("a/A.class", vec![1])]);
    assert_eq!(kept(source(&zip)), [false, false]);
    let error = PackedRoot::read_source_as(&zip, &opaque).unwrap_err();
    assert!(error.message().contains("besides jars"), "{error}");
}

#[test]
fn an_original_counts_against_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jar");
    fs::write(&path, [&vec![b'#'; 5000][..], &zipped(&["a/A.class"], "")].concat()).unwrap();
    let limits = Limits { entry_size: 4000, ..Limits::default() };
    let error = PackedRoot::read_source(&path, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
}
