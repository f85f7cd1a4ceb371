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
fn a_pack_that_is_cut_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (pack, _) = sealed(folder.path());
    let whole = fs::read(&pack.path).unwrap();
    for end in 0..whole.len() {
        fs::write(&pack.path, &whole[..end]).unwrap();
        assert!(Pack::open(&pack.path).is_err(), "cut at {end}");
    }
    fs::write(&pack.path, &whole).unwrap();
    assert!(Pack::open(&pack.path).is_ok());
}

#[test]
fn a_pack_with_another_bit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (pack, _) = sealed(folder.path());
    let whole = fs::read(&pack.path).unwrap();
    for index in 0..whole.len() {
        let mut changed = whole.clone();
        changed[index] ^= 1;
        fs::write(&pack.path, &changed).unwrap();
        assert!(Pack::open(&pack.path).is_err(), "changed at {index}");
    }
}

#[test]
fn a_footer_with_the_right_name_is_still_checked() {
    let folder = tempfile::tempdir().unwrap();
    let extent = |offset, size| Extent::new(Digest::of(b"x"), offset, size);
    for (extents, problem) in [
        (vec![extent(0, 9)], "leaves the file"),
        (vec![extent(1, 1)], "gap"),
        (vec![extent(0, 2), extent(1, 2)], "overlap"),
        (vec![extent(0, 1)], "bytes before the footer"),
        (vec![extent(0, u64::MAX), extent(u64::MAX, 2)], "overflow"),
    ] {
        let (footer, name) = footer::encode(&extents, &[7; 16]);
        let path = folder.path().join(name);
        fs::write(&path, [b"xxx", footer.as_slice()].concat()).unwrap();
        assert!(Pack::open(&path).is_err(), "{problem}");
    }
}

#[test]
fn a_synced_pack_is_read_only_and_opens_by_its_footer() {
    let folder = tempfile::tempdir().unwrap();
    let (pack, _) = sealed(folder.path());
    let pack = Arc::new(pack);
    assert!(sync(std::slice::from_ref(&pack), folder.path()).is_ok());
    assert!(pack.is_synced() && Pack::open(&pack.path).unwrap().0.is_synced());
    assert_eq!(fs::metadata(&pack.path).unwrap().permissions().mode() & 0o222, 0);
}
