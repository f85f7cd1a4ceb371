//! Content by digest: packs however they are cut, what is wrong with them, and collection.

use std::collections::HashSet;

use haulier_model::{Digest, ErrorKind};
use haulier_pack::Limits;
use haulier_store::{Collected, CollectionRules, Received, Store};

use crate::{Fixture, assert_whole, collect, deploy, pack};

const CONTENTS: [&[u8]; 4] = [b"first", b"", b"a third that is longer", &[7; 100_000]];

fn receive(store: &Store, chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> haulier_model::Result<Received> {
    let mut receiver = store.receive()?;
    for chunk in chunks {
        receiver.write(chunk.as_ref())?;
    }
    receiver.finish(true)
}

fn assert_read(store: &Store, contents: &[&[u8]]) {
    for bytes in contents {
        assert_eq!(&*store.read(&Digest::of(bytes)).unwrap(), *bytes);
    }
}

#[tokio::test]
async fn packs_cut_anywhere_are_the_same() {
    for size in [1, 7, 39, 40, 41, 4096, usize::MAX] {
        let fixture = Fixture::new();
        let store = fixture.open().await;
        let bytes = pack(&CONTENTS);
        let received = receive(&store, bytes.chunks(size.min(bytes.len()))).unwrap();
        assert_eq!(received, Received { records: 4, bytes: 100_027, duplicates: 0 }, "chunks of {size}");
        assert_read(&store, &CONTENTS);
        assert_eq!((fixture.count("packs"), fixture.count("incoming")), (1, 0));
        drop(store);
        assert_read(&fixture.open().await, &CONTENTS);
    }
}

#[tokio::test]
async fn duplicates_are_counted_and_not_written() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let first = receive(&store, [pack(&[b"a", b"b", b"a"])].iter()).unwrap();
    assert_eq!(first, Received { records: 3, bytes: 3, duplicates: 1 });
    let again = receive(&store, [pack(&[b"b", b"a"])].iter()).unwrap();
    assert_eq!(again, Received { records: 2, bytes: 2, duplicates: 2 });
    assert_eq!(receive(&store, std::iter::empty::<&[u8]>()).unwrap(), Received::default());
    assert_eq!(fixture.count("packs"), 1);
}

#[tokio::test]
async fn a_wrong_record_is_refused_also_as_a_duplicate() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    store.put(b"wrong").unwrap();
    for present in [false, true] {
        let mut wrong = pack(&[b"good", b"wrong", b"never reached"]);
        let body = wrong.windows(5).position(|window| window == b"wrong").unwrap();
        wrong[body] ^= 1;
        if !present {
            // The digest is changed too, so that nobody has it.
            wrong[body - 40] ^= 1;
        }
        let mut receiver = store.receive().unwrap();
        let error = receiver.write(&wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert_eq!(receiver.write(b"more").unwrap_err().to_string(), error.to_string(), "it stays failed");
        assert!(receiver.finish(false).is_err());
        assert!(store.contains(&Digest::of(b"good")) && !store.contains(&Digest::of(b"never reached")));
    }
    assert_eq!(fixture.count("incoming"), 0);
}

#[tokio::test]
async fn a_broken_upload_resumes() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let bytes = pack(&CONTENTS);
    let wanted = || CONTENTS.iter().map(|bytes| Digest::of(bytes));
    let mut receiver = store.receive().unwrap();
    receiver.write(&bytes[..bytes.len() - 1]).unwrap();
    let error = receiver.finish(false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(store.missing(wanted()), [Digest::of(CONTENTS[3])]);

    let mut receiver = store.receive().unwrap();
    receiver.write(&pack(&[CONTENTS[3]])[..1000]).unwrap();
    drop(receiver);
    assert_eq!((fixture.count("packs"), fixture.count("incoming")), (1, 0));
    drop(store);

    let store = fixture.open().await;
    assert_eq!(store.missing(wanted().chain(wanted())), [Digest::of(CONTENTS[3])]);
    receive(&store, [pack(&[CONTENTS[3]])].iter()).unwrap();
    assert_eq!(store.missing(wanted()), []);
}

#[tokio::test]
async fn limits_and_lies_about_sizes_are_refused() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let limits = Limits { entry_size: 10, ..Limits::default() };
    let mut receiver = store.receive_within(&limits).unwrap();
    assert_eq!(receiver.write(&pack(&[b"12345678901"])).unwrap_err().kind(), ErrorKind::ResourceExhausted);
    let huge = [Digest::of(b"x").as_ref(), &u64::MAX.to_le_bytes(), b"x"].concat();
    assert_eq!(receive(&store, [huge].iter()).unwrap_err().kind(), ErrorKind::ResourceExhausted);
    assert_eq!((fixture.count("packs"), fixture.count("incoming")), (0, 0));
}

#[tokio::test]
async fn large_uploads_become_several_packs() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let contents: Vec<Vec<u8>> = (0..9_u8).map(|index| vec![index; 8 << 20]).collect();
    let records = contents.iter().map(|bytes| pack(&[bytes]));
    assert_eq!(receive(&store, records).unwrap().records, 9);
    assert_eq!(fixture.count("packs"), 3);
    assert_read(&store, &contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_absent_is_not_found() {
    let store = Fixture::new();
    let store = store.open().await;
    let absent = Digest::of(b"absent");
    assert_eq!(store.read(&absent).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.manifest(&absent).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(store.locate(&absent).is_none() && !store.contains(&absent));
}

#[tokio::test]
async fn a_collection_takes_what_nobody_names() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let unit = deploy(&store, "orders", "1.0", &[b"in a unit", &[3; 200_000]]).await.unwrap();
    let [leased, live, unused] = [b"leased", b"living", b"unused"].map(|bytes| store.put(bytes).unwrap());
    let lease = store.lease([leased]);
    let mapped = store.read(&unused).unwrap();

    let collected = store.collect(CollectionRules::default(), move |_| HashSet::from([live])).await.unwrap();
    assert_eq!(collected.packs, 1);
    assert!(collected.bytes > 6);
    assert_eq!(store.missing([leased, live, unused].into_iter()), [unused]);
    assert_eq!(&*mapped, b"unused", "who reads it goes on");

    drop(lease);
    assert_eq!(collect(&store).await.unwrap().packs, 2);
    assert_whole(&store, &unit);
    store.undeploy(&unit.id.clone().into(), false).await.unwrap();
    assert_eq!(collect(&store).await.unwrap().packs, 0, "OBSOLETE units keep their content");
    store.remove(&unit.id, unit.generation).await.unwrap();
    assert_eq!(collect(&store).await.unwrap().packs, 2);
    assert_eq!(fixture.count("packs"), 0);
    drop(store);
    assert_eq!(fixture.open().await.missing([unused].into_iter()), [unused]);
}

#[tokio::test]
async fn what_lives_in_a_dead_pack_moves() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let shared = [5; 50_000];
    let big = deploy(&store, "big", "1.0", &[&shared, &[6; 900_000]]).await.unwrap();
    let small = deploy(&store, "small", "1.0", &[&shared]).await.unwrap();
    let digest = Digest::of(&shared);
    let before = store.locate(&digest).unwrap();
    store.undeploy(&big.id.clone().into(), false).await.unwrap();
    store.remove(&big.id, big.generation).await.unwrap();

    // Somebody reads it where it is.
    let in_use = move |_: &Store| HashSet::from([digest]);
    let held = store.collect(CollectionRules::default(), in_use).await.unwrap();
    assert!(held.bytes < 1000 && held.held_bytes >= 900_000, "{held:?}");
    let lease = store.lease([digest]);
    assert_eq!(collect(&store).await.unwrap().bytes, 0);
    drop(lease);
    assert_eq!(store.locate(&digest), Some(before.clone()));
    let told =
        store.collect(CollectionRules { dry_run: true, ..Default::default() }, |_| HashSet::new()).await.unwrap();
    assert_eq!((told.packs, told.held_bytes), (0, held.held_bytes));

    let freed = collect(&store).await.unwrap();
    assert!(freed.packs == 1 && freed.bytes > 900_000 && freed.held_bytes == 0, "{freed:?}");
    assert!(!before.pack.exists());
    assert_whole(&store, &small);
    drop(store);
    let store = fixture.open().await;
    assert_whole(&store, &small);
    assert_eq!(collect(&store).await.unwrap(), Collected::default());
}

#[tokio::test]
async fn what_moves_is_on_the_disk() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let shared = [5; 50_000];
    // Comes at the same time as the unit, so that both have it; nobody has synced this one.
    let mut beside = store.receive().unwrap();
    beside.write(&pack(&[&shared])).unwrap();
    let big = deploy(&store, "big", "1.0", &[&shared, &[6; 900_000]]).await.unwrap();
    beside.finish(false).unwrap();
    let small = deploy(&store, "small", "1.0", &[&shared]).await.unwrap();
    let before = store.locate(&Digest::of(&shared)).unwrap();
    store.undeploy(&big.id.clone().into(), false).await.unwrap();
    store.remove(&big.id, big.generation).await.unwrap();
    let rules = CollectionRules { younger_stay: std::time::Duration::from_secs(3600), ..Default::default() };
    store.collect(rules, |_| HashSet::new()).await.unwrap();
    let after = store.locate(&Digest::of(&shared)).unwrap();
    assert_ne!(after, before);
    assert!(std::fs::metadata(&after.pack).unwrap().permissions().readonly(), "synced packs are read-only");
    assert_whole(&store, &small);
}

#[tokio::test]
async fn a_pack_that_was_left_stays_for_who_reads_it() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let shared = [7; 50_000];
    let big = deploy(&store, "big", "1.0", &[&shared, &[8; 900_000]]).await.unwrap();
    let small = deploy(&store, "small", "1.0", &[&shared]).await.unwrap();
    let digest = Digest::of(&shared);
    let before = store.locate(&digest).unwrap();
    store.undeploy(&big.id.clone().into(), false).await.unwrap();
    store.remove(&big.id, big.generation).await.unwrap();
    // It is found in the old pack right before it moves: the first answer does not know, the second does.
    let asked = std::sync::atomic::AtomicBool::default();
    let late = move |_: &Store| match asked.swap(true, std::sync::atomic::Ordering::Relaxed) {
        false => HashSet::new(),
        true => HashSet::from([digest]),
    };
    assert!(store.collect(CollectionRules::default(), late).await.unwrap().bytes < 1000);
    assert!(before.pack.exists() && store.locate(&digest).unwrap() != before);
    assert!(collect(&store).await.unwrap().bytes > 900_000);
    assert!(!before.pack.exists());
    assert_whole(&store, &small);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collections_and_deployments_at_once() {
    let fixture = Fixture::new();
    let store = fixture.open_with(haulier_store::Durability::Process).await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let collecting = tokio::spawn({
        let store = store.clone();
        async move {
            let mut packs = 0;
            while stopped.try_recv().is_err() {
                packs += collect(&store).await.unwrap().packs;
            }
            packs
        }
    });
    let mut told = 0;
    for number in 0..200_u32 {
        let name = format!("unit-{number}");
        match deploy(&store, &name, "1.0", &[&number.to_le_bytes(), b"shared by all"]).await {
            Ok(record) => crate::assert_whole(&store, &record),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
                told += 1;
            }
        }
    }
    stop.send(()).unwrap();
    collecting.await.unwrap();
    let records = store.list(None).await.unwrap();
    assert_eq!(records.len() + told, 200);
    records.iter().for_each(|record| crate::assert_whole(&store, record));
}
