//! Checks of watches and of the bounded history.

use std::time::Duration;

use super::{Subject, delete, get, set};
use crate::{Catalogue, Changes, Event, OperationId, Revision, Watch};

/// How long a change may take until a watch must have it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A watch has the changes under its prefix, all of them, in order, and from the revision on that it was given.
pub async fn watches_see_every_change(catalogue: &dyn Catalogue) {
    let (key, other) = ("conformance/watch/a", "conformance/watch/b");
    let before = catalogue.list("conformance/watch/").await.expect("a listing").revision;
    let mut early = watch(catalogue, "conformance/watch/", before).await;
    let first = set(catalogue, key, None, b"one", OperationId::random()).await;
    let created = get(catalogue, key).await.expect("it was written");
    set(catalogue, "conformance/watched", None, b"", OperationId::random()).await;
    let second = set(catalogue, key, Some(first), b"two", OperationId::random()).await;
    let changed = get(catalogue, key).await.expect("it was written");
    set(catalogue, other, None, b"", OperationId::random()).await;
    let beside = get(catalogue, other).await.expect("it was written");
    delete(catalogue, key, second).await;
    delete(catalogue, key, second).await;
    let after = catalogue.list("conformance/watch/").await.expect("a listing").revision;
    set(catalogue, key, None, b"three", OperationId::random()).await;
    let last = get(catalogue, key).await.expect("it was written");

    let seen = events(&mut early, 5).await;
    let deleted = seen[3].revision();
    assert!(deleted > beside.revision && deleted <= after, "{} < {deleted} <= {after}", beside.revision);
    let gone = Event::Deleted { key: key.to_owned(), revision: deleted };
    let expected = [Event::Put(created), Event::Put(changed), Event::Put(beside), gone, Event::Put(last)];
    assert_eq!(seen, expected);
    for (after, left) in [(before, 0), (first, 1), (second - 1, 1), (second, 2), (deleted, 4)] {
        let mut late = watch(catalogue, "conformance/watch/", after).await;
        assert_eq!(events(&mut late, 5 - left).await, expected[left..], "after {after}");
    }
    let mut narrow = watch(catalogue, other, before).await;
    assert_eq!(events(&mut narrow, 1).await, expected[2..3]);
}

/// A reader that gives up waiting and comes back has missed nothing.
pub async fn watches_outlast_impatient_readers(catalogue: &dyn Catalogue) {
    let key = "conformance/impatient";
    let start = catalogue.list(key).await.expect("a listing").revision;
    let mut watch = watch(catalogue, key, start).await;
    let (mut expected, mut seen) = (None, Vec::new());
    for round in 0..20_u8 {
        if let Ok(answer) = tokio::time::timeout(Duration::ZERO, watch.next()).await {
            seen.extend(unwrap(answer.expect("the catalogue lives")));
        }
        expected = Some(set(catalogue, key, expected, &[round], OperationId::random()).await);
    }
    seen.extend(events(&mut watch, 20 - seen.len()).await);
    let values: Vec<u8> = seen.iter().flat_map(|event| value(event).to_vec()).collect();
    assert_eq!(values, (0..20).collect::<Vec<u8>>());
}

/// A watch that would begin before the history, or at a revision that has not come, is told to list.
pub async fn forgotten_changes_are_said_to_be(subject: &Subject) {
    let (catalogue, key) = (&*subject.catalogue, "conformance/forgotten");
    let start = catalogue.list(key).await.expect("a listing").revision;
    write_often(catalogue, key, subject.history + 1).await;
    for prefix in [key, "conformance/nothing"] {
        let mut late = watch(catalogue, prefix, start).await;
        assert_eq!(next(&mut late).await, Changes::Compacted);
        assert_eq!(next(&mut late).await, Changes::Compacted, "it stays so");
    }
    let now = catalogue.list(key).await.expect("a listing").revision;
    let mut future = watch(catalogue, key, now + 1_000).await;
    assert_eq!(next(&mut future).await, Changes::Compacted);
    let mut anew = watch(catalogue, key, now).await;
    let record = get(catalogue, key).await.expect("it was written");
    set(catalogue, key, Some(record.revision), b"anew", OperationId::random()).await;
    assert_eq!(events(&mut anew, 1).await.iter().map(value).collect::<Vec<_>>(), [b"anew"]);
}

/// A watch that nobody reads either has every change in the end, or says that it has not.
pub async fn slow_watches_have_all_or_list_again(subject: &Subject) {
    let (catalogue, key) = (&*subject.catalogue, "conformance/slow");
    let start = catalogue.list(key).await.expect("a listing").revision;
    let mut slow = watch(catalogue, key, start).await;
    let count = 3 * subject.history;
    let last = write_often(catalogue, key, count).await;
    let mut seen = Vec::new();
    while seen.len() < count {
        match next(&mut slow).await {
            Changes::Events(events) => seen.extend(events.iter().map(Event::revision)),
            Changes::Compacted => break,
        }
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen.len() < count || seen.last() == Some(&last), "{} of {count}, then {last}", seen.len());
}

async fn write_often(catalogue: &dyn Catalogue, key: &str, count: usize) -> Revision {
    let mut current = get(catalogue, key).await.map(|record| record.revision);
    for _ in 0..count {
        current = Some(set(catalogue, key, current, b"often", OperationId::random()).await);
    }
    current.unwrap_or_default()
}

pub(super) async fn watch(catalogue: &dyn Catalogue, prefix: &str, after: Revision) -> Watch {
    catalogue.watch(prefix, after).await.expect("a watch begins")
}

async fn next(watch: &mut Watch) -> Changes {
    let answer = tokio::time::timeout(PATIENCE, watch.next()).await.expect("a watch has its changes in time");
    answer.expect("the catalogue lives")
}

/// The next `count` events, and no more.
pub(super) async fn events(watch: &mut Watch, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(unwrap(next(watch).await));
    }
    assert_eq!(events.len(), count, "{events:?}");
    events
}

fn unwrap(changes: Changes) -> Vec<Event> {
    match changes {
        Changes::Events(events) => events,
        Changes::Compacted => panic!("these changes were not long ago"),
    }
}

fn value(event: &Event) -> &[u8] {
    match event {
        Event::Put(record) => &record.value,
        Event::Deleted { key, .. } => panic!("{key} was not deleted"),
    }
}
