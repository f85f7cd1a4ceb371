//! Classes compiled by `javac`, and damaged ones.

use std::fs;

use haulier_model::ErrorKind;
use proptest::prelude::*;

use super::*;
use crate::fixtures;

fn read(name: &str) -> Vec<u8> {
    fs::read(fixtures::classes().join(format!("com/acme/{name}.class"))).unwrap()
}

fn own_references(name: &str) -> Vec<String> {
    let class = references(&read(name)).unwrap();
    assert_eq!((class.name, class.major), (format!("com/acme/{name}"), 61));
    let own = class.references.iter().filter_map(|name| name.strip_prefix("com/acme/"));
    let mut own: Vec<String> = own.map(str::to_owned).collect();
    own.sort();
    own
}

#[test]
fn every_form_of_reference() {
    // Lambda and constructor reference, anonymous, local, nested; generic signature, array, annotation with a class.
    assert_eq!(
        own_references("Task"),
        ["Element", "Generic", "Marked", "OnlyInLambda", "Point", "Reasons", "Task$1", "Task$1Local", "Task$Nested"]
    );
    assert_eq!(own_references("Color"), ["Color$1"]);
    assert_eq!(own_references("Color$1"), ["Color"]);
    assert_eq!(own_references("Task$Nested"), ["Task"]);
    assert_eq!(own_references("OnlyInLambda$Inner"), ["OnlyInLambda"]);
    assert_eq!(own_references("Point"), [""; 0]);
    // A text that has no end is no descriptor; names beyond ASCII do not disturb.
    assert_eq!(own_references("Unused"), ["Task"]);
}

#[test]
fn descriptors() {
    let table: [(&str, &[&str]); 9] = [
        ("(ILa/B;[[Lc/D;J)Le/F;", &["a/B", "c/D", "e/F"]),
        ("Ljava/util/Map<La/B;-Lc/D<*>;>;", &["java/util/Map", "a/B", "c/D"]),
        ("<T:La/B;:Lc/D;>La/Base<TT;>;", &["a/B", "c/D", "a/Base"]),
        ("La/Outer<TT;>.Inner;", &["a/Outer"]),
        ("LL;", &["L"]),
        ("ILLNESS; of L; all", &["LNESS"]),
        ("L;", &[]),
        ("Lnot a name;", &[]),
        ("La/B", &[]),
    ];
    for (text, expected) in table {
        let mut found = Vec::new();
        visit_descriptor(text.as_bytes(), &mut |name| found.push(name.to_owned()));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn modified_utf8_is_not_utf8() {
    let table: [(&[u8], Option<&str>); 6] = [
        (b"a\xC0\x80b", Some("a\0b")),
        (b"\xED\xA0\xB5\xED\xB2\xB3", Some("\u{1d4b3}")),
        ("ü".as_bytes(), Some("ü")),
        (b"\xED\xA0\xB5", None),
        (b"\xFF", None),
        (b"\xE0\x80", None),
    ];
    for (bytes, expected) in table {
        assert_eq!(modified_utf8(bytes).ok().as_deref(), expected, "{bytes:?}");
    }
}

#[test]
fn damage_is_an_error() {
    let whole = read("Task");
    let pool_end = whole.len() / 2;
    for bytes in [&b""[..], b"PK\x03\x04", b"\xCA\xFE\xBA\xBE", &whole[..12], &whole[1..]] {
        let error = references(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().starts_with("read a class file: "), "{error}");
    }
    for at in 0..pool_end {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xFF;
        let _ = references(&damaged);
        let _ = references(&whole[..at]);
    }
}

#[test]
fn a_pool_that_claims_more_than_there_is() {
    let mut bytes = b"\xCA\xFE\xBA\xBE\0\0\0\x3D\xFF\xFF".to_vec();
    assert!(references(&bytes).unwrap_err().message().contains("too early"));
    bytes.extend_from_slice(&[1, 0xFF, 0xFF, b'x']);
    assert!(references(&bytes).unwrap_err().message().contains("too early"));
    bytes[10] = 99;
    assert!(references(&bytes).unwrap_err().message().contains("unknown kind 99"));
}

#[test]
fn a_full_pool() {
    // 65,534 constants: a class, its name, and classes that all have that name.
    let mut bytes = b"\xCA\xFE\xBA\xBE\0\0\0\x45\xFF\xFF\x01\0\x03a/B".to_vec();
    for _ in 0..65_533 {
        bytes.extend_from_slice(&[7, 0, 1]);
    }
    bytes.extend_from_slice(&[0, 0x21, 0, 2]);
    let class = references(&bytes).unwrap();
    assert_eq!(class, ClassReferences { name: "a/B".to_owned(), major: 69, references: vec![] });
}

/// Texts full of letters that could begin a name, none of which does: each was once searched to its end.
#[test]
fn texts_are_read_in_linear_time() {
    for pattern in [&b"xL"[..], b"BL", b"L", b"(L", b";L", b"L<", b"LL;"] {
        for end in [&b";"[..], b".;", b" "] {
            let mut text = pattern.repeat(65_000 / pattern.len());
            text.extend_from_slice(end);
            let begun = std::time::Instant::now();
            for _ in 0..50 {
                visit_descriptor(&text, &mut |_| {});
            }
            let took = begun.elapsed();
            assert!(
                took < std::time::Duration::from_secs(2),
                "{:?} takes {took:?}",
                pattern.escape_ascii().to_string()
            );
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = references(&bytes);
        let _ = references(&[b"\xCA\xFE\xBA\xBE\0\0\0\x3D".as_slice(), &bytes].concat());
        visit_descriptor(&bytes, &mut |_| {});
    }

    #[test]
    fn damaged_classes_never_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = read("Color");
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let _ = references(&bytes);
    }
}
