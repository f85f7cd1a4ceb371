//! Ends and directories that lie, and those that two readers would understand in two ways.

use haulier_model::ErrorKind;

use crate::built::{End, Part, archive, body, deflated, large_end, part, paths, read_as, refusal};

#[test]
fn two_ends_are_two_archives() {
    let (mut out, end) = body(&[part("seen", b"1")]);
    let (hidden, mut inner) = body(&[part("hidden", b"2")]);
    let base = out.len() + 22;
    // The whole second archive is the comment of the first: one reader begins at the first end, another at the last.
    inner.offset += base as u32;
    let comment = [&hidden[..], &inner.encode()].concat();
    out.extend(End { comment, ..end }.encode());
    let error = refusal(&out);
    assert!(error.message().contains("two ends"), "{error}");

    let (mut out, end) = body(&[part("seen", b"1")]);
    out.extend(End { comment: b"PK\x05\x06 is no end, nor is PK\x06\x07".to_vec(), ..end }.encode());
    assert_eq!(paths(&read_as("a.jar", &out).unwrap()[0]), ["seen"]);
}

#[test]
fn a_large_end_that_disagrees() {
    let parts = [part("a", b"1"), part("b", b"2")];
    let (out, end) = body(&parts);
    let at = out.len() as u64;
    let (count, size, offset) = (u64::from(end.count), u64::from(end.size), u64::from(end.offset));
    let max = End { count: u16::MAX, size: u32::MAX, offset: u32::MAX, comment: Vec::new() };
    let with = |large: Vec<u8>, end: &End| [&out[..], &large, &end.encode()].concat();
    for fine in [with(large_end(count, size, offset, at), &max), with(large_end(count, size, offset, at), &end)] {
        assert_eq!(paths(&read_as("a.jar", &fine).unwrap()[0]), ["a", "b"]);
    }
    for (reason, bytes) in [
        ("disagree", with(large_end(1, size, offset, at), &end)),
        ("disagree", with(large_end(count, size - 1, offset, at), &End { count: u16::MAX, ..end.clone() })),
        ("not where it should be", with(large_end(count, size, offset, at + 1), &max)),
        ("not where it should be", with(large_end(count, size, offset, 0), &max)),
        ("not where it should be", with(large_end(count, size, u64::MAX, at), &max)),
        ("bytes for 2 entries", with(large_end(count, u64::MAX, 0, at), &max)),
        ("more entries", with(large_end(u64::MAX, size, offset, at), &max)),
        ("bytes for 0 entries", with(large_end(0, size, offset, at), &max)),
        ("fewer entries", with(large_end(3, size, offset, at), &max)),
        ("more than the 1 entries", with(large_end(1, size, offset, at), &max)),
    ] {
        let error = refusal(&bytes);
        assert!(error.message().contains(reason), "{reason}: {error}");
    }
}

/// The extra field with 64-bit values: sizes, then the offset.
fn wide(values: &[u64]) -> Vec<u8> {
    let mut extra = vec![1, 0, 8 * values.len() as u8, 0];
    extra.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    extra
}

#[test]
fn wide_values_that_lie() {
    let lying = |values: &[u64], change: fn(&mut Part)| {
        let mut part = Part { extra: wide(values), ..part("x", b"0123456789") };
        change(&mut part);
        refusal(&archive(&[part]))
    };
    let sizes = |part: &mut Part| (part.size, part.compressed) = (u32::MAX, u32::MAX);
    for (values, change) in [
        (&[u64::MAX, u64::MAX][..], sizes as fn(&mut Part)),
        (&[4 << 30, 4 << 30], sizes),
        (&[10], sizes),
        (&[], sizes),
        (&[u64::MAX], |part| part.offset = Some(u32::MAX)),
        (&[1 << 63], |part| part.offset = Some(u32::MAX)),
        (&[u64::MAX - 5], |part| part.offset = Some(u32::MAX)),
    ] {
        let error = lying(values, change);
        let kinds = [ErrorKind::InvalidArgument, ErrorKind::ResourceExhausted];
        assert!(kinds.contains(&error.kind()), "{values:?}: {error}");
    }
}

#[test]
fn sizes_that_follow_the_bytes() {
    let descriptor = |part: &Part, signed: bool| {
        let mut out = if signed { b"PK\x07\x08".to_vec() } else { Vec::new() };
        crate::built::put(&mut out, &[], &[part.crc, part.compressed, part.size]);
        out
    };
    for signed in [true, false] {
        let mut parts = [part("stored", b"0123456789"), deflated("deflated", &[7; 5000])];
        for part in &mut parts {
            (part.flags, part.sizes_later) = (1 << 3, true);
            part.descriptor = descriptor(part, signed);
        }
        assert_eq!(paths(&read_as("a.jar", &archive(&parts)).unwrap()[0]), ["stored", "deflated"]);
        parts[1].size -= 1;
        assert!(refusal(&archive(&parts)).message().contains("more than the 4999 bytes"));
    }
    // Zeros without the flag that announces them are a disagreement.
    let silent = Part { sizes_later: true, ..part("x", b"0123456789") };
    assert!(refusal(&archive(&[silent])).message().contains("disagrees on the size"));
}

#[test]
fn four_gibibytes_that_are_not_there() {
    for size in [u32::MAX - 1, 1 << 31] {
        let stored = Part { size, compressed: size, ..part("x", b"") };
        let squeezed = Part { size, ..deflated("x", b"1") };
        for part in [stored, squeezed] {
            let error = refusal(&archive(&[part]));
            assert!([ErrorKind::InvalidArgument, ErrorKind::ResourceExhausted].contains(&error.kind()), "{error}");
        }
    }
}
