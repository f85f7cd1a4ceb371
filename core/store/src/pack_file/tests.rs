//! Pack files on disk: written, indexed, cut short.

use std::fs;

use haulier_model::Digest;

use super::*;

fn sealed(folder: &Path) -> (Pack, Vec<Extent>) {
    let mut writer = PackWriter::create(folder).unwrap();
    for content in [&b"first"[..], b"", b"third"] {
        writer.append(content).unwrap();
        writer.end(Digest::of(content));
    }
    writer.seal(folder).unwrap().unwrap()
}

#[test]
fn a_sealed_pack_opens_with_its_contents() {
    let folder = tempfile::tempdir().unwrap();
    let (pack, extents) = sealed(folder.path());
    let (opened, found) = Pack::open(&pack.path).unwrap();
    assert_eq!(found.len(), extents.len());
    let bytes = fs::read(&opened.path).unwrap();
    for (extent, content) in found.iter().zip([&b"first"[..], b"", b"third"]) {
        assert_eq!(extent.digest, Digest::of(content));
        assert_eq!(&bytes[extent.range()], content);
    }
}

#[test]
fn a_pack_that_is_cut_or_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (pack, _) = sealed(folder.path());
    let whole = fs::read(&pack.path).unwrap();
    let damaged = folder.path().join("damaged.pack");
    for end in 0..whole.len() {
        fs::write(&damaged, &whole[..end]).unwrap();
        assert!(Pack::open(&damaged).is_err(), "cut at {end}");
    }
    let mut changed = whole.clone();
    changed[0] ^= 1;
    fs::write(&damaged, &changed).unwrap();
    assert!(Pack::open(&damaged).is_err(), "a pack that may not have been synced is verified in full");
}
