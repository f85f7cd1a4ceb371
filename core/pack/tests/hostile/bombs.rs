//! Little that becomes much: by ratio, by sum, by nesting, by count.

use haulier_model::ErrorKind;
use haulier_pack::Limits;

use crate::{
    built::{Part, archive, deflated, part, read_as, read_within},
    memory,
};

fn too_much(name: &str, bytes: &[u8], limits: &Limits) -> String {
    let error = read_within(name, bytes, limits).expect_err("the archive is refused");
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    error.message().to_owned()
}

#[test]
fn by_ratio_by_sum_and_by_count() {
    let zeros = vec![0; 8 << 20];
    assert!(too_much("a.jar", &archive(&[deflated("x", &zeros)]), &Limits::default()).contains("zip bomb"));
    // Below the size from which the ratio counts, each by itself, and too much together.
    let small = deflated("0", &zeros[..1 << 20]);
    let many: Vec<Part> = (0..20).map(|number| Part { name: number.to_string().into(), ..small.clone() }).collect();
    let limits = Limits { size: 10 << 20, ..Limits::default() };
    assert!(too_much("a.jar", &archive(&many), &limits).contains("more bytes"));
    let limits = Limits { entries: 19, ..Limits::default() };
    assert!(too_much("a.jar", &archive(&many), &limits).contains("more entries"));
}

/// The announced size keeps below every limit, and the compressed form goes on and on: it is stopped at what it announced.
#[test]
fn by_a_size_that_is_too_small() {
    let bomb = Part { size: 10, ..deflated("x", &vec![0; 64 << 20]) };
    let mut refused = None;
    let peak = memory::peak(|| refused = read_as("a.jar", &archive(std::slice::from_ref(&bomb))).err());
    let error = refused.expect("the archive is refused");
    assert!(error.message().contains("more than the 10 bytes"), "{error}");
    assert!(peak < 2 << 20, "{peak} bytes of memory");
}

/// Jars in a zip are read as roots: their entries and bytes count for the whole source, and jars in jars are only bytes.
#[test]
fn by_nesting() {
    let inner = archive(&[deflated("zeros", &vec![0; 1 << 20])]);
    let jars: Vec<Part> = (0..30).map(|number| part(&format!("{number}.jar"), &inner)).collect();
    let limits = Limits { size: 8 << 20, ..Limits::default() };
    let peak = memory::peak(|| {
        assert!(too_much("a.zip", &archive(&jars), &limits).contains("more bytes"));
    });
    assert!(peak < 8 << 20, "{peak} bytes of memory");
    let many = archive(&(0..50).map(|number| part(&number.to_string(), b"")).collect::<Vec<_>>());
    let jars: Vec<Part> = (0..30).map(|number| part(&format!("{number}.jar"), &many)).collect();
    let limits = Limits { entries: 1000, ..Limits::default() };
    assert!(too_much("a.zip", &archive(&jars), &limits).contains("more entries"));

    let mut nested = archive(&[part("a.txt", b"x")]);
    for depth in 0..40 {
        nested = archive(&[part(&format!("{depth}.jar"), &nested)]);
    }
    let roots = read_as("a.zip", &nested).unwrap();
    assert_eq!(roots.len(), 1, "only the first level is taken apart");
}

/// All entries share the bytes of one: each is fine by itself.
#[test]
fn by_overlap() {
    let kernel = deflated("0", &vec![7; 1 << 20]);
    let parts: Vec<Part> = (0..100)
        .map(|number| {
            let first = number == 0;
            let bytes = if first { kernel.bytes.clone() } else { Vec::new() };
            Part { name: b"same".to_vec(), bytes, offset: Some(0), ..kernel.clone() }
        })
        .collect();
    let error = read_as("a.jar", &archive(&parts)).expect_err("the archive is refused");
    assert!(error.message().contains("overlap"), "{error}");
}
