//! One fault each, at an instant where it hurts.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use haulier_catalogue::{Catalogue, Changes, Event, MemoryCatalogue, OperationId};
use haulier_model::{Error, ErrorKind, Retry};
use tokio::time::Instant;

use crate::network::{Follower, OWNER, Outcome, add_owner, join, memory, simulation};

/// Until which a write must have failed, and a read must have been answered.
const WRITE_BOUND: Duration = Duration::from_millis(4_100);
const READ_BOUND: Duration = Duration::from_millis(2_100);

fn random() -> OperationId {
    OperationId::random()
}

async fn wait(duration: Duration) {
    tokio::time::sleep(duration).await;
}

async fn set(catalogue: &dyn Catalogue, key: &str, value: &[u8]) -> u64 {
    let current = catalogue.get(key).await.unwrap().map(|record| record.revision);
    catalogue.compare_and_set(key, current, value.to_vec(), random()).await.unwrap()
}

/// Every event of a catalogue that has forgotten none.
async fn all_events(catalogue: &MemoryCatalogue) -> Vec<Event> {
    let mut watch = catalogue.watch("", 0).await.unwrap();
    let mut events = Vec::new();
    while let Ok(changes) = tokio::time::timeout(Duration::ZERO, watch.next()).await {
        let Changes::Events(more) = changes.unwrap() else { panic!("its history is long enough") };
        events.extend(more);
    }
    events
}

fn assert_away(error: &Error) {
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error}");
    assert!(error.message().contains(OWNER) && error.hint_text().ends_with("haulier nodes"), "{error}");
}

#[test]
fn a_write_whose_answer_is_lost_is_done_once_and_succeeds() {
    let (mut sim, owner, folder) = (simulation(1), memory(1_000), tempfile::tempdir().unwrap());
    let served = owner.clone();
    add_owner(&mut sim, move || served.clone());
    let copy = folder.path().join("a");
    sim.client("a", async move {
        let member = Arc::new(join(&copy, 1_000).await?);
        let begun = member.compare_and_set("counted", None, b"0".to_vec(), random()).await?;
        turmoil::partition_oneway(OWNER, "a");
        let operation = random();
        let writer = member.clone();
        let lost =
            tokio::spawn(async move { writer.compare_and_set("counted", Some(begun), b"1".to_vec(), operation).await });
        wait(Duration::from_millis(500)).await;
        // The request has arrived, and its answer has not.
        let found = owner.get("counted").await?.unwrap();
        assert_eq!((found.operation, found.value.as_slice()), (operation, b"1".as_slice()));
        assert!(!lost.is_finished());
        turmoil::repair_oneway(OWNER, "a");
        // Another one wins before the repetition comes.
        let other = owner.compare_and_set("counted", Some(found.revision), b"2".to_vec(), random()).await?;
        assert_eq!(lost.await??, found.revision);
        let record = member.get("counted").await?.unwrap();
        assert_eq!((record.revision, record.value.as_slice()), (other, b"2".as_slice()));
        assert_eq!(all_events(&owner).await.len(), 3);
        Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn without_the_owner_reads_come_from_the_copy_and_writes_fail_in_time() {
    let (mut sim, folder) = (simulation(2), tempfile::tempdir().unwrap());
    let owner = memory(1_000);
    let served = owner.clone();
    add_owner(&mut sim, move || served.clone());
    let copy = folder.path().join("a");
    sim.client("a", async move {
        let member = join(&copy, 1_000).await?;
        let revision = set(&member, "kept", b"1").await;
        turmoil::partition(OWNER, "a");
        owner.compare_and_set("kept", Some(revision), b"2".to_vec(), random()).await?;
        let begun = Instant::now();
        assert_eq!(member.get("kept").await?.unwrap().revision, revision);
        assert!(begun.elapsed() <= READ_BOUND, "{:?}", begun.elapsed());
        wait(Duration::from_secs(1)).await;
        assert!(!member.is_connected());
        for _ in 0..3 {
            let begun = Instant::now();
            assert_eq!(member.get("kept").await?.unwrap().revision, revision);
            assert_eq!(member.list("").await?.records.len(), 1);
            assert_eq!(begun.elapsed(), Duration::ZERO, "it is known that the owner is away");
            assert_away(&member.compare_and_set("kept", Some(revision), Vec::new(), random()).await.unwrap_err());
            assert_away(&member.delete("kept", revision, random()).await.unwrap_err());
            assert_away(&member.renew("kept", revision).await.unwrap_err());
            assert!(begun.elapsed() <= WRITE_BOUND * 3, "{:?}", begun.elapsed());
        }
        turmoil::repair(OWNER, "a");
        // It is written once the owner is found again, without another request.
        set(&member, "other", b"").await;
        assert!(member.is_connected() && member.status().problem.is_none());
        assert_eq!(member.get("kept").await?.unwrap().value, b"2");
        Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn compaction_during_a_partition_misses_no_deletion() {
    let (mut sim, folder) = (simulation(3), tempfile::tempdir().unwrap());
    let owner = memory(16);
    let served = owner.clone();
    add_owner(&mut sim, move || served.clone());
    let copy = folder.path().join("a");
    sim.client("a", async move {
        let member = join(&copy, 1_000).await?;
        for key in ["deleted", "kept", "recreated"] {
            set(&member, key, b"before").await;
        }
        let mut follower = Follower::new(&member).await?;
        let before = member.list("").await?.revision;
        turmoil::partition(OWNER, "a");
        for key in ["deleted", "recreated"] {
            owner.delete(key, owner.get(key).await?.unwrap().revision, random()).await?;
        }
        set(&*owner, "recreated", b"after").await;
        for round in 0..50_u8 {
            set(&*owner, "often", &[round]).await;
        }
        assert_eq!(owner.watch("", before).await?.next().await?, Changes::Compacted, "the owner has forgotten it");
        let mut deleted = Vec::new();
        wait(Duration::from_secs(5)).await;
        turmoil::repair(OWNER, "a");
        while follower.known != list(&*owner).await {
            deleted.extend(
                follower.read(&member).await?.into_iter().filter(|event| matches!(event, Event::Deleted { .. })),
            );
        }
        assert_eq!(follower.compacted, 0, "the copy has a history of its own");
        assert_eq!(deleted.iter().map(Event::key).collect::<Vec<_>>(), ["deleted"]);
        Ok(())
    });
    sim.run().unwrap();
}

async fn list(catalogue: &dyn Catalogue) -> std::collections::BTreeMap<String, haulier_catalogue::Record> {
    let records = catalogue.list("").await.unwrap().records;
    records.into_iter().map(|record| (record.key.clone(), record)).collect()
}

/// The owner's data folder was wiped: it comes back with another catalogue, whose revisions begin anew.
#[test]
fn another_catalogue_at_the_same_address_is_seen_as_its_difference() {
    let (mut sim, folder) = (simulation(4), tempfile::tempdir().unwrap());
    let current = Rc::new(RefCell::new(memory(1_000)));
    let served = current.clone();
    add_owner(&mut sim, move || served.borrow().clone());
    let (copy, stage) = (folder.path().join("a"), Rc::new(RefCell::new(0)));
    let (reached, now) = (stage.clone(), current.clone());
    sim.client("a", async move {
        let member = join(&copy, 1_000).await?;
        for round in 0..20_u8 {
            set(&member, "a", &[round]).await;
        }
        let last = set(&member, "b", b"old").await;
        let mut follower = Follower::new(&member).await?;
        *reached.borrow_mut() = 1;
        while *reached.borrow() != 2 {
            wait(Duration::from_millis(10)).await;
        }
        let owner = now.borrow().clone();
        follower.forget_revisions();
        while follower.known != list(&*owner).await {
            follower.read(&member).await?;
        }
        assert_eq!(follower.compacted, 0);
        assert_eq!(member.watch("", last).await?.next().await?, Changes::Compacted, "a revision of the old one");
        assert!(set(&member, "d", b"").await < last);
        assert_eq!(follower.read(&member).await?[0].key(), "d");
        Ok(())
    });
    loop {
        let finished = sim.step().unwrap();
        if *stage.borrow() == 1 {
            sim.crash(OWNER);
            let fresh = memory(1_000);
            let write = async {
                set(&*fresh, "b", b"new").await;
                set(&*fresh, "c", b"new").await;
            };
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(write);
            *current.borrow_mut() = fresh;
            sim.bounce(OWNER);
            *stage.borrow_mut() = 2;
        }
        if finished {
            return;
        }
    }
}

#[test]
fn a_registration_ends_while_its_member_is_cut_off() {
    let (mut sim, folder) = (simulation(5), tempfile::tempdir().unwrap());
    let owner = memory(1_000);
    add_owner(&mut sim, move || owner.clone());
    for name in ["a", "b"] {
        let copy = folder.path().join(name);
        let ttl = Duration::from_secs(3);
        sim.client(name, async move { if name == "a" { cut_off(&copy, ttl).await } else { watch_it(&copy).await } });
    }
    sim.run().unwrap();
}

async fn cut_off(copy: &std::path::Path, ttl: Duration) -> Outcome {
    let member = join(copy, 1_000).await?;
    let revision = member.register("nodes/a", None, Vec::new(), ttl, random()).await?;
    for _ in 0..5 {
        wait(Duration::from_secs(2)).await;
        member.renew("nodes/a", revision).await?;
    }
    turmoil::partition(OWNER, "a");
    wait(Duration::from_secs(10)).await;
    assert!(member.get("nodes/a").await?.is_some(), "its copy cannot know");
    turmoil::repair(OWNER, "a");
    assert_eq!(member.renew("nodes/a", revision).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(member.register("nodes/a", None, b"again".to_vec(), ttl, random()).await? > revision);
    Ok(())
}

async fn watch_it(copy: &std::path::Path) -> Outcome {
    let member = join(copy, 1_000).await?;
    let mut watch = member.watch("nodes/", 0).await?;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let Changes::Events(events) = watch.next().await? else { panic!("it began at the beginning") };
        seen.extend(events.into_iter().map(|event| (matches!(event, Event::Put(_)), Instant::now())));
    }
    assert_eq!(seen.iter().map(|(put, _)| *put).collect::<Vec<_>>(), [true, false, true]);
    let lived = seen[1].1 - seen[0].1;
    assert!((13.0..13.2).contains(&lived.as_secs_f64()), "{lived:?}: renewed for 10 s, and 3 s more");
    Ok(())
}
