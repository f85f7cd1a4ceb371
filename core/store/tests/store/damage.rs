//! Files that were cut or changed behind the store's back: noticed at the start, set aside, said, and healed by
//! deploying again.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use haulier_model::{Digest, ErrorKind, Retry};
use haulier_store::Store;

use crate::{Fixture, assert_whole, collect, deploy};

const CONTENTS: [&[u8]; 2] = [b"small", &[9; 200_000]];

fn pack_of(store: &Store, bytes: &[u8]) -> PathBuf {
    let path = store.locate(&Digest::of(bytes)).unwrap().pack.to_path_buf();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

#[tokio::test]
async fn a_unit_that_lost_content_is_refused_until_it_is_deployed_again() {
    for cut in [0, 1, 40, 100_000, 200_100] {
        let fixture = Fixture::new();
        let store = fixture.open().await;
        let record = deploy(&store, "orders", "1.0", &CONTENTS).await.unwrap();
        let pack = pack_of(&store, CONTENTS[1]);
        drop(store);
        fs::File::options().write(true).open(&pack).unwrap().set_len(cut).unwrap();

        let store = fixture.open().await;
        assert_eq!(fixture.count("damaged"), 1, "cut at {cut}");
        assert_eq!(store.list(None).await.unwrap().len(), 1, "it is still listed");
        assert_eq!(store.resolve(&"orders".parse().unwrap()).await.unwrap(), record);
        assert!(!store.holds(&record.digest) && !store.missing_of_unit(&record.digest).unwrap().is_empty());
        let error = store.refuse_incomplete(&record).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never));
        assert!(error.message().contains("'orders:1.0'") && error.message().contains("lost content"), "{error}");
        assert!(error.hint_text().contains("haulier deploy orders PATH --version 1.0"), "{error}");
        assert_eq!(collect(&store).await.unwrap().packs, 0, "what is left of it stays, for its repair");

        let again = deploy(&store, "orders", "1.0", &CONTENTS).await.unwrap();
        assert_eq!(again, record, "the same bytes are the same unit");
        assert!(store.holds(&record.digest) && store.refuse_incomplete(&record).is_ok());
        assert_whole(&store, &record);
    }
}

#[tokio::test]
async fn content_that_comes_back_heals_without_a_deployment() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let record = deploy(&store, "orders", "1.0", &[b"alone in its pack"]).await.unwrap();
    let pack = pack_of(&store, b"alone in its pack");
    drop(store);
    fs::remove_file(pack).unwrap();
    let store = fixture.open().await;
    assert!(!store.holds(&record.digest) && store.refuse_incomplete(&record).is_err());
    crate::send(&store, &[b"alone in its pack"]);
    assert!(store.holds(&record.digest) && store.refuse_incomplete(&record).is_ok());
}

#[tokio::test]
async fn what_may_not_have_reached_the_disk_is_verified() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let good = store.put(b"good").unwrap();
    let bad = store.put(b"was never written").unwrap();
    let pack = pack_of(&store, b"was never written");
    drop(store);
    // As a file system may leave it after a power cut: the length and the end are right, the beginning is zeros.
    let mut bytes = fs::read(&pack).unwrap();
    bytes[..4].fill(0);
    fs::write(&pack, bytes).unwrap();

    let store = fixture.open().await;
    assert_eq!(store.missing([good, bad].into_iter()), [bad]);
    assert_eq!(fixture.count("damaged"), 1);
    store.put(b"was never written").unwrap();
    assert_eq!(&*store.read(&bad).unwrap(), b"was never written");
}

#[tokio::test]
async fn structure_is_verified_whenever_it_is_read() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let record = deploy(&store, "orders", "1.0", &[b"x"]).await.unwrap();
    let manifest = store.manifest(&record.digest).unwrap();
    let location = store.locate(&record.digest).unwrap();
    fs::set_permissions(&location.pack, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(&location.pack).unwrap();
    bytes[location.offset as usize] ^= 1;
    fs::write(&location.pack, bytes).unwrap();
    assert_eq!(store.manifest(&record.digest).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.roots(&manifest).unwrap().len(), 1, "the root is in another pack");
}

#[tokio::test]
async fn leftovers_are_removed_and_strangers_are_left_alone() {
    let fixture = Fixture::new();
    drop(fixture.open().await);
    fs::write(fixture.path().join("incoming/half.part"), b"half").unwrap();
    fs::write(fixture.path().join("packs/README"), b"not a pack").unwrap();
    fs::write(fixture.path().join("packs/0000.pack"), b"no pack either").unwrap();
    let store = fixture.open().await;
    assert_eq!((fixture.count("incoming"), fixture.count("damaged"), fixture.count("packs")), (0, 1, 1));
    drop(store);
}

#[tokio::test]
async fn one_process_owns_the_folder() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let second = Store::open(fixture.path(), fixture.catalogue.clone(), haulier_store::Durability::Machine).await;
    let error = second.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("another node uses") && error.hint_text().contains("--data-dir"), "{error}");
    drop(store);
    fixture.open().await;
}
