//! Fetching from real servers over real stores: one dies, lies, is silent, lacks what is wanted.

mod serving;

use std::{collections::HashSet, time::Duration};

use haulier_model::{Digest, ErrorKind, Retry};
use haulier_store::Store;
use tokio::task::JoinSet;

use self::serving::{Behaviour, Local, Serving};
use super::*;

/// A unit of about 2 MB: some contents larger than a chunk, most smaller.
fn contents() -> Vec<Vec<u8>> {
    let sizes = [100_000, 0, 700_000, 300_000].into_iter().chain((1..200).map(|index| index * 53));
    sizes.enumerate().map(|(index, size)| (index as u32).to_le_bytes().repeat(size / 4)).collect()
}

fn assert_whole(store: &Store, unit: Digest) {
    assert!(store.holds(&unit));
    for bytes in contents() {
        assert_eq!(*store.read(&Digest::of(&bytes)).unwrap(), *bytes);
    }
}

fn fetches() -> Fetches {
    Fetches::new(Duration::from_secs(10))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_make_one_download() {
    let origin = Serving::start(Behaviour::Gated).await;
    let unit = origin.deploy(&contents()).await;
    let node = Local::open().await;
    let fetches = fetches();
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (fetches, store, holders) = (fetches.clone(), node.store.clone(), vec![origin.holder()]);
        tasks.spawn(async move { fetches.unit(&store, unit, holders).await });
    }
    origin.asked(1).await;
    origin.open();
    tasks.join_all().await.into_iter().for_each(|fetched| fetched.unwrap());
    assert_whole(&node.store, unit);
    let asked = origin.asked(3).await;
    assert_eq!(asked.len(), 3, "manifest, root, entries");
    let all: Vec<Digest> = asked.concat();
    assert_eq!(all.len(), all.iter().collect::<HashSet<_>>().len(), "nothing is asked for twice");
    fetches.unit(&node.store, unit, Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_that_others_fetch_are_waited_for() {
    let origin = Serving::start(Behaviour::Gated).await;
    origin.deploy(&contents()).await;
    let node = Local::open().await;
    let fetches = fetches();
    let digests: Vec<Digest> = contents().iter().map(|bytes| Digest::of(bytes)).collect();
    let fetch = |range: std::ops::Range<usize>| {
        let (fetches, store, holders) = (fetches.clone(), node.store.clone(), vec![origin.holder()]);
        let wanted = digests[range].to_vec();
        tokio::spawn(async move { fetches.entries(&store, wanted, holders).await.unwrap() })
    };
    let first = fetch(0..120);
    origin.asked(1).await;
    let second = fetch(80..203);
    assert_eq!(origin.asked(2).await, [digests[0..120].to_vec(), digests[120..203].to_vec()]);
    let third = fetch(60..100);
    origin.open();
    for fetched in [first, second, third] {
        assert_eq!(fetched.await.unwrap(), []);
    }
    assert_eq!(node.store.missing(digests.iter().copied()), []);
    assert_eq!(origin.asked(2).await.len(), 2);
    let absent = Digest::of(b"absent");
    assert_eq!(fetches.entries(&node.store, vec![digests[0], absent], vec![origin.holder()]).await.unwrap(), [absent]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_dies_is_replaced_for_the_rest() {
    for chunks in [0, 1, 2, 6] {
        let (dying, other) =
            (Serving::start(Behaviour::DiesAfter(chunks)).await, Serving::start(Behaviour::Honest).await);
        let unit = dying.deploy(&contents()).await;
        assert_eq!(other.deploy(&contents()).await, unit);
        let node = Local::open().await;
        let (fetches, store, holders) = (fetches(), node.store.clone(), vec![dying.holder(), other.holder()]);
        let fetching = tokio::spawn(async move { fetches.unit(&store, unit, holders).await });
        dying.dies().await;
        fetching.await.unwrap().unwrap();
        assert_whole(&node.store, unit);
        let asked: usize = other.asked(1).await.iter().map(Vec::len).sum();
        let all = contents().len() + 2;
        // Manifest and root come in a chunk each; of the others, the last two may have been on their way.
        if chunks < 3 {
            assert_eq!(asked, all - chunks);
        } else {
            assert!(asked <= all - 4, "{asked} of {all} after {chunks} chunks");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bytes_and_silence_are_given_up() {
    for (behaviour, why) in [
        (Behaviour::Lies, "promised as"),
        (Behaviour::Strays, "not asked for"),
        (Behaviour::Silent, "nothing came for"),
        (Behaviour::Refuses, "permission_denied"),
    ] {
        let (bad, good) = (Serving::start(behaviour).await, Serving::start(Behaviour::Honest).await);
        let unit = bad.deploy(&contents()).await;
        good.deploy(&contents()).await;
        let node = Local::open().await;
        let fetches = Fetches::new(Duration::from_millis(300));
        let error = fetches.unit(&node.store, unit, vec![bad.holder()]).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error}");
        assert!(error.message().contains(&bad.name) && error.message().contains(why), "{behaviour:?}: {error}");
        assert!(!node.store.holds(&unit));
        fetches.unit(&node.store, unit, vec![bad.holder(), good.holder()]).await.unwrap();
        assert_whole(&node.store, unit);
        assert_eq!(bad.asked(2).await.len(), 2, "{behaviour:?}: once for each fetch");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_has_it_each_holder_is_named() {
    let (without, dead) = (Serving::start(Behaviour::Honest).await, Serving::start(Behaviour::Honest).await);
    let unit = dead.deploy(&contents()).await;
    dead.kill();
    let node = Local::open().await;
    let fetches = fetches();
    let error = fetches.unit(&node.store, unit, vec![dead.holder(), without.holder()]).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
    let lacks = format!("{}: it lacks 1 of 1", without.name);
    for part in [unit.to_string(), format!("{}: ", dead.name), lacks] {
        assert!(error.message().contains(&part), "{part} in {error}");
    }
    assert!(error.hint_text().contains("haulier nodes") && error.hint_text().contains("deploy"), "{error}");

    let error = fetches.unit(&node.store, unit, Vec::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never));
    assert_eq!(fetches.entries(&node.store, vec![unit], Vec::new()).await.unwrap(), [unit]);
    assert_eq!(fetches.entries(&node.store, vec![unit], vec![dead.holder()]).await.unwrap(), [unit]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_come_from_several_holders() {
    let (some, rest) = (Serving::start(Behaviour::Honest).await, Serving::start(Behaviour::Honest).await);
    let whole = Local::open().await;
    let unit = serving::deploy(&whole.store, &contents()).await;
    let all = serving::digests(&whole.store, unit);
    let (even, odd): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(index, _)| index % 2 == 0);
    for (serving, digests) in [(&some, even), (&rest, odd)] {
        let digests = digests.into_iter().map(|(_, digest)| *digest).collect();
        serving::copy(&whole.store, &serving.local.store, digests);
    }
    let node = Local::open().await;
    fetches().unit(&node.store, unit, vec![some.holder(), rest.holder()]).await.unwrap();
    assert_whole(&node.store, unit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_waiting_stops_nobody_else() {
    let origin = Serving::start(Behaviour::Gated).await;
    let unit = origin.deploy(&contents()).await;
    let node = Local::open().await;
    let fetches = fetches();
    let fetch = || {
        let (fetches, store, holders) = (fetches.clone(), node.store.clone(), vec![origin.holder()]);
        tokio::spawn(async move { fetches.unit(&store, unit, holders).await })
    };
    let first = fetch();
    origin.asked(1).await;
    let second = fetch();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    origin.open();
    second.await.unwrap().unwrap();
    assert_whole(&node.store, unit);
    assert_eq!(origin.asked(3).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_download_is_repeated_with_holders_it_did_not_know() {
    let (dying, good) = (Serving::start(Behaviour::DiesAfter(0)).await, Serving::start(Behaviour::Honest).await);
    let unit = dying.deploy(&contents()).await;
    good.deploy(&contents()).await;
    let node = Local::open().await;
    let fetches = fetches();
    let fetch = |holders: Vec<Holder>| {
        let (fetches, store) = (fetches.clone(), node.store.clone());
        tokio::spawn(async move { fetches.unit(&store, unit, holders).await })
    };
    let first = fetch(vec![dying.holder()]);
    dying.asked(1).await;
    let second = fetch(vec![dying.holder(), good.holder()]);
    dying.dies().await;
    assert_eq!(first.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    second.await.unwrap().unwrap();
    assert_whole(&node.store, unit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_come_is_not_collected_before_the_rest_is_there() {
    let origin = Serving::start(Behaviour::Gated).await;
    let unit = origin.deploy(&contents()).await;
    let node = Local::open().await;
    let (fetches, store, holders) = (fetches(), node.store.clone(), vec![origin.holder()]);
    let fetching = tokio::spawn(async move { fetches.unit(&store, unit, holders).await });
    for request in 1..=3 {
        assert_eq!(origin.asked(request).await.len(), request);
        // Nothing in this store's catalogue names the unit.
        assert_eq!(
            node.store.collect(haulier_store::CollectionRules::default(), |_| HashSet::new()).await.unwrap().packs,
            0
        );
        origin.open_once();
    }
    fetching.await.unwrap().unwrap();
    assert_whole(&node.store, unit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_show_the_token() {
    let origin = Serving::start(Behaviour::Asks("Bearer secret")).await;
    let unit = origin.deploy(&contents()).await;
    let node = Local::open().await;
    let error = fetches().unit(&node.store, unit, vec![origin.holder()]).await.unwrap_err();
    assert!(error.message().contains("permission_denied"), "{error}");
    let holder = Holder { authorization: Some("Bearer secret".parse().unwrap()), ..origin.holder() };
    fetches().unit(&node.store, unit, vec![holder]).await.unwrap();
    assert_whole(&node.store, unit);
}
