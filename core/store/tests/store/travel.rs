//! Content that goes from one store to another: whole, cut at every chunk, wrong, and while it is collected.

use bytes::Bytes;
use haulier_model::{Digest, ErrorKind, Result};
use haulier_pack::stream::CHUNK_SIZE;
use haulier_store::{Durability, Store, UnitRecord};

use crate::{Fixture, assert_whole, collect, deploy, pack};

/// Sizes around those of a chunk and of a header, so that cuts fall everywhere.
fn contents() -> Vec<Vec<u8>> {
    let sizes =
        [0, 1, CHUNK_SIZE - 40, CHUNK_SIZE - 39, 3, CHUNK_SIZE, 2 * CHUNK_SIZE + 17, 70_000, CHUNK_SIZE - 80, 40, 39];
    sizes.iter().enumerate().map(|(index, size)| vec![index as u8; *size]).collect()
}

async fn deploy_contents(store: &Store) -> UnitRecord {
    let contents = contents();
    deploy(store, "orders", "1.0", &contents.iter().map(Vec::as_slice).collect::<Vec<_>>()).await.unwrap()
}

fn chunks(store: &Store, digests: Vec<Digest>) -> Vec<Bytes> {
    store.pack(digests).collect::<Result<_>>().unwrap()
}

/// Asks `from` for what the unit lacks in `to`, once, and takes at most `limit` chunks.
fn fetch(from: &Store, to: &Store, unit: &Digest, limit: usize) -> Vec<Digest> {
    let missing = to.missing_of_unit(unit).unwrap();
    let mut receiver = to.receive_wanted(missing.iter().copied()).unwrap();
    for chunk in from.pack(missing.clone()).take(limit) {
        receiver.write(&chunk.unwrap()).unwrap();
    }
    drop(receiver);
    missing
}

#[tokio::test]
async fn a_unit_travels_in_three_requests() {
    let (one, two) = (Fixture::new(), Fixture::new());
    let (from, to) = (one.open().await, two.open().await);
    let unit = deploy_contents(&from).await;
    assert_eq!(to.settle(&unit.digest).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fetch(&from, &to, &unit.digest, usize::MAX), [unit.digest]);
    let roots = from.manifest(&unit.digest).unwrap().roots;
    assert_eq!(fetch(&from, &to, &unit.digest, usize::MAX), roots);
    assert_eq!(to.settle(&unit.digest).unwrap_err().kind(), ErrorKind::InvalidArgument, "entries are missing");
    assert!(!to.holds(&unit.digest));
    assert_eq!(fetch(&from, &to, &unit.digest, usize::MAX).len(), contents().len());
    assert_eq!(to.missing_of_unit(&unit.digest).unwrap(), []);
    assert!(to.holds(&unit.digest));
    to.settle(&unit.digest).unwrap();
    for entry in std::fs::read_dir(two.path().join("packs")).unwrap() {
        assert!(entry.unwrap().metadata().unwrap().permissions().readonly(), "settled packs are on disk");
    }
    assert_whole(&to, &unit);
    drop(to);
    assert_whole(&two.open().await, &unit);
}

#[tokio::test]
async fn chunks_are_bounded_and_what_is_absent_is_left_out() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let contents = contents();
    let wanted: Vec<Digest> = contents.iter().map(|bytes| store.put(bytes).unwrap()).collect();
    let chunks = chunks(&store, wanted);
    assert!(chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_SIZE));
    let all = pack(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!(chunks.concat(), all);
    assert!(chunks.len() <= all.len() / CHUNK_SIZE + 2, "{} chunks for {} bytes", chunks.len(), all.len());

    let present = store.put(b"present").unwrap();
    let some = store.pack(vec![Digest::of(b"absent"), present, Digest::of(b"neither")]);
    assert_eq!(some.collect::<Result<Vec<_>>>().unwrap(), [pack(&[b"present"])]);
    assert!(store.pack(vec![Digest::of(b"absent")]).next().is_none());
    assert!(store.pack(Vec::new()).next().is_none());
}

#[tokio::test]
async fn cut_at_every_chunk_and_resumed_from_another() {
    let (one, other) = (Fixture::new(), Fixture::new());
    let (first, second) = (one.open().await, other.open().await);
    let unit = deploy_contents(&first).await;
    assert_eq!(deploy_contents(&second).await.digest, unit.digest);
    let entries = contents();
    let digests: Vec<Digest> = entries.iter().map(|bytes| Digest::of(bytes)).collect();
    let count = chunks(&first, digests.clone()).len();
    assert!(count > 5);
    for cut in 0..=count {
        let fixture = Fixture::new();
        let store = fixture.open_with(Durability::Process).await;
        fetch(&first, &store, &unit.digest, usize::MAX);
        fetch(&first, &store, &unit.digest, usize::MAX);
        fetch(&first, &store, &unit.digest, cut);
        let left = fetch(&second, &store, &unit.digest, usize::MAX);
        // All that came whole stayed: the first record that is missing is the one that was cut.
        let first_left = left.first().map_or(digests.len(), |left| digests.iter().position(|one| one == left).unwrap());
        assert_eq!(left, digests[first_left..], "cut after {cut}");
        assert!(left.is_empty() == (cut == count) && (cut == 0 || left.len() < digests.len()), "cut after {cut}");
        store.settle(&unit.digest).unwrap();
        assert_whole(&store, &unit);
    }
}

#[tokio::test]
async fn what_is_wrong_or_was_not_asked_for_is_refused() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let [good, wrong, stranger] = [&b"good"[..], b"wrong", b"stranger"];
    let wanted = [Digest::of(good), Digest::of(wrong)];
    let mut flipped = pack(&[good, wrong]);
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, why) in [
        (flipped, "promised"),
        (pack(&[good, stranger]), "not asked for"),
        (pack(&[good, good]), "came twice"),
        (pack(&[good, b"", wrong]), "not asked for"),
    ] {
        let mut receiver = store.receive_wanted(wanted).unwrap();
        let error = receiver.write(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(why), "{error}");
        drop(receiver);
        assert_eq!(store.missing(wanted.into_iter()), [Digest::of(wrong)], "what came before it stays");
        assert!(!store.contains(&Digest::of(stranger)));
        assert_eq!(collect(&store).await.unwrap().packs, 1);
    }
}

#[tokio::test]
async fn content_is_not_collected_while_it_is_sent() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let contents = contents();
    let digests: Vec<Digest> = contents.iter().map(|bytes| store.put(bytes).unwrap()).collect();
    let mut sending = store.pack(digests.clone());
    let mut sent = sending.next().unwrap().unwrap().to_vec();
    assert_eq!(collect(&store).await.unwrap().packs, 0);
    sending.by_ref().for_each(|chunk| sent.extend_from_slice(&chunk.unwrap()));
    assert_eq!(sent, pack(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    drop(sending);
    assert_eq!(collect(&store).await.unwrap().packs, digests.len() as u64);
}

#[tokio::test]
async fn a_pack_that_cannot_be_read_ends_with_the_reason() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let (first, second) = (store.put(b"first").unwrap(), store.put(b"second").unwrap());
    std::fs::remove_file(store.locate(&second).unwrap().pack).unwrap();
    let sent: Vec<_> = store.pack(vec![second, first]).collect();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].as_ref().unwrap_err().to_string().contains("a file of the store is gone"));
}
