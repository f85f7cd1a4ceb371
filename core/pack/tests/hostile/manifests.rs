//! Roots and manifests as they travel.

use haulier_model::{Digest, Entry, EntryPath, ErrorKind, Manifest, Root, RootKind};

use crate::feed;

fn root(kind: RootKind, paths: &[&str]) -> Vec<u8> {
    let entry = |path: &&str| Entry {
        path: EntryPath::new(path).unwrap(),
        digest: Digest::of(path.as_bytes()),
        size: path.len() as u64,
        executable: path.ends_with(".sh"),
    };
    Root { kind, original: None, entries: paths.iter().map(entry).collect() }.encode()
}

#[test]
fn roots() {
    let many: Vec<String> = (0..200).map(|number| format!("package/module_{number}.py")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let corpus = [
        root(RootKind::Jvm, &["a/B.class", "run.sh", "a b/ü#%2e(1).txt", "META-INF/services/x.Y"]),
        root(RootKind::Python, &many),
        root(RootKind::Python, &[]),
    ];
    assert!(corpus.iter().all(|bytes| Root::decode(bytes).is_ok()));
    feed(
        &corpus,
        |length| (64 << 10) + 16 * length,
        |bytes| match Root::decode(bytes) {
            Ok(root) => {
                // One form only: else two digests could name one root.
                assert_eq!(root.encode(), bytes);
                assert!(root.check().is_ok());
                assert!(root.entries.iter().all(|entry| EntryPath::new(entry.path.as_str()).is_ok()));
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}"),
        },
    );
}

#[test]
fn manifests() {
    let of = |count: u8| Manifest { roots: (0..count).map(|number| Digest::of(&[number])).collect() }.encode();
    feed(
        &[of(0), of(1), of(100)],
        |length| (64 << 10) + 4 * length,
        |bytes| match Manifest::decode(bytes) {
            Ok(manifest) => assert_eq!(manifest.encode(), bytes),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}"),
        },
    );
}
