//! Archives that are kept as they were: part of the unit like any entry, on every way that content goes.

use haulier_model::{Digest, ErrorKind, Manifest, Original, Root};
use haulier_store::Store;

use crate::{Fixture, collect, pack, request, root, send};

const JAR: &[u8] = b"the jar as it was";

/// A root of these contents with an original that is said to be this one.
fn opaque(contents: &[&[u8]], original: Original) -> Root {
    Root { original: Some(original), ..root(contents) }
}

fn jar() -> Original {
    Original { digest: Digest::of(JAR), size: JAR.len() as u64 }
}

/// Receives these records, and returns the manifest of the root.
fn receive(store: &Store, root: &Root, contents: &[&[u8]]) -> Manifest {
    let mut receiver = store.receive().unwrap();
    receiver.write(&pack(&[&[root.encode().as_slice()], contents].concat())).unwrap();
    receiver.finish(false).unwrap();
    Manifest { roots: vec![root.digest()] }
}

#[tokio::test]
async fn it_is_required_counted_kept_and_collected_with_its_unit() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let manifest = receive(&store, &opaque(&[b"a", b"b"], jar()), &[b"a", b"b"]);
    let error = store.publish(request("orders", "1.0", manifest.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "the archive has not come: {error}");
    // In a pack of its own, so that a collection may take it alone.
    store.put(JAR).unwrap();
    let unit = store.publish(request("orders", "1.0", manifest.clone())).await.unwrap();
    assert_eq!((unit.size, unit.entries), (2 + jar().size, 2), "it has a size and is no file");
    assert!(store.contents_of(&manifest).contains(&jar().digest));

    let plain = send(&store, &[b"a", b"b"]);
    let other = store.publish(request("orders", "1.1", plain)).await.unwrap();
    assert_ne!(other.digest, unit.digest, "with and without are two units");
    collect(&store).await.unwrap();
    assert_eq!(*store.read(&jar().digest).unwrap(), *JAR);
    drop(store);

    let store = fixture.open().await;
    assert!(store.holds(&unit.digest));
    assert_eq!(*store.read(&jar().digest).unwrap(), *JAR);
    let lease = store.lease_unit(&unit.digest).unwrap();
    for record in store.undeploy(&"orders:1.0".parse().unwrap(), false).await.unwrap() {
        store.remove(&record.id, record.generation).await.unwrap();
    }
    collect(&store).await.unwrap();
    assert!(store.contains(&jar().digest), "a task has it");
    drop(lease);
    collect(&store).await.unwrap();
    assert!(!store.contains(&jar().digest));
    assert!(store.holds(&other.digest));
}

#[tokio::test]
async fn it_travels_to_other_nodes() {
    let (one, two) = (Fixture::new(), Fixture::new());
    let (from, to) = (one.open().await, two.open().await);
    let manifest = receive(&from, &opaque(&[b"a"], jar()), &[b"a", JAR]);
    let unit = from.publish(request("orders", "1.0", manifest)).await.unwrap();
    let mut asked = Vec::new();
    loop {
        let missing = to.missing_of_unit(&unit.digest).unwrap();
        if missing.is_empty() {
            break;
        }
        let mut receiver = to.receive_wanted(missing.iter().copied()).unwrap();
        from.pack(missing.clone()).for_each(|chunk| receiver.write(&chunk.unwrap()).unwrap());
        receiver.finish(false).unwrap();
        asked.push(missing.len());
    }
    assert_eq!(asked, [1, 1, 2], "manifest, root, then entry and archive");
    to.settle(&unit.digest).unwrap();
    assert_eq!(*to.read(&jar().digest).unwrap(), *JAR);
}

#[tokio::test]
async fn one_that_is_not_what_the_root_says_is_refused() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for size in [jar().size - 1, jar().size + 1, 0] {
        let lying = opaque(&[b"a"], Original { size, ..jar() });
        let manifest = receive(&store, &lying, &[b"a", JAR]);
        let error = store.publish(request("orders", "1.0", manifest)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let huge = opaque(&[b"a"], Original { size: Original::MAX_SIZE + 1, ..jar() });
    let manifest = receive(&store, &huge, &[b"a"]);
    let error = store.roots(&manifest).unwrap_err();
    assert!(error.message().contains("more than allowed"), "before anything of it is asked for: {error}");
    // Bytes that do not hash to the digest that they are sent under never arrive.
    let record = [Digest::of(JAR).as_ref(), &4_u64.to_le_bytes(), b"fake"].concat();
    let mut receiver = store.receive().unwrap();
    assert_eq!(receiver.write(&record).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(store.list(None).await.unwrap(), []);
}
