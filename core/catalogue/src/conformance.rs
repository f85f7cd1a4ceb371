//! What every catalogue must do, as checks that run against any implementation.
//!
//! A check panics when the implementation is wrong; it knows nothing of how records are kept. Each one uses keys of
//! its own, so they may run one after the other against the same catalogue.

mod registering;
mod watching;

use std::{sync::Arc, time::Duration};

use haulier_model::{ErrorKind, Retry};

use crate::{Catalogue, Clock, MAX_KEY_LENGTH, MAX_VALUE_SIZE, OperationId, Record};

pub use registering::*;
pub use watching::*;

/// A catalogue to check.
#[derive(Clone)]
pub struct Subject {
    /// The catalogue itself.
    pub catalogue: Arc<dyn Catalogue>,
    /// The most changes that it remembers: at least 64, and few enough to be written in a moment.
    pub history: usize,
    /// The manual clock by which its registrations end.
    pub clock: Clock,
}

impl Subject {
    /// Lets `duration` pass, and what ends by it end.
    pub async fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
        // Registrations end with the next request, which may be one that fails.
        let error = self.catalogue.renew("conformance/absent", 1).await.expect_err("nothing was registered");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

/// Runs every check against a catalogue.
pub async fn run(subject: Subject) {
    let catalogue = &*subject.catalogue;
    create_read_write_delete(catalogue).await;
    stale_writes_conflict(catalogue).await;
    repeated_operations_win_once(catalogue).await;
    revisions_never_come_back(catalogue).await;
    listing_is_ordered(catalogue).await;
    limits_are_kept(catalogue).await;
    one_of_many_wins(subject.catalogue.clone()).await;
    watches_see_every_change(catalogue).await;
    watches_outlast_impatient_readers(catalogue).await;
    forgotten_changes_are_said_to_be(&subject).await;
    slow_watches_have_all_or_list_again(&subject).await;
    registrations_end_unless_renewed(&subject).await;
    registrations_are_records(&subject).await;
    repeated_registrations_win_once(&subject).await;
    lifetimes_are_checked(catalogue).await;
}

/// A record is what was written last, with the write's revision and operation.
pub async fn create_read_write_delete(catalogue: &dyn Catalogue) {
    let key = "conformance/life";
    assert_eq!(get(catalogue, key).await, None);
    let (first, second) = (OperationId::random(), OperationId::random());
    let created = set(catalogue, key, None, b"one", first).await;
    let expected = Record { key: key.to_owned(), value: b"one".to_vec(), revision: created, operation: first };
    assert_eq!(get(catalogue, key).await, Some(expected));
    let written = set(catalogue, key, Some(created), b"", second).await;
    let expected = Record { key: key.to_owned(), value: Vec::new(), revision: written, operation: second };
    assert_eq!(get(catalogue, key).await, Some(expected));
    delete(catalogue, key, written).await;
    assert_eq!(get(catalogue, key).await, None);
    delete(catalogue, key, written).await;
}

/// A write or deletion that expects another revision changes nothing, and says both.
pub async fn stale_writes_conflict(catalogue: &dyn Catalogue) {
    let key = "conformance/stale";
    let old = set(catalogue, key, None, b"one", OperationId::random()).await;
    let new = set(catalogue, key, Some(old), b"two", OperationId::random()).await;
    for expected in [None, Some(old), Some(new + 1)] {
        let answer = catalogue.compare_and_set(key, expected, b"three".to_vec(), OperationId::random()).await;
        let error = answer.expect_err("a stale write must not win");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Conflict, Retry::Now), "{error}");
        let named = expected.map_or("no record".to_owned(), |revision| revision.to_string());
        assert!(error.message().contains(&named) && error.message().contains(&new.to_string()), "{error}");
    }
    let error = catalogue.delete(key, old, OperationId::random()).await.expect_err("a stale deletion must not win");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let absent = catalogue.compare_and_set("conformance/absent", Some(new), Vec::new(), OperationId::random()).await;
    assert_eq!(absent.expect_err("there is no record").kind(), ErrorKind::Conflict);
    assert_eq!(get(catalogue, key).await.map(|record| record.value), Some(b"two".to_vec()));
}

/// A writer whose answer was lost repeats its operation and learns that it won, also when another write or a deletion
/// came after it; nothing is written twice.
pub async fn repeated_operations_win_once(catalogue: &dyn Catalogue) {
    let key = "conformance/repeated";
    let operation = OperationId::random();
    let revision = set(catalogue, key, None, b"one", operation).await;
    assert_eq!(set(catalogue, key, None, b"one", operation).await, revision);
    assert_eq!(get(catalogue, key).await.map(|record| record.revision), Some(revision));
    let second = set(catalogue, key, Some(revision), b"two", OperationId::random()).await;
    assert_eq!(set(catalogue, key, None, b"one", operation).await, revision, "another write came after it");
    assert_eq!(get(catalogue, key).await.map(|record| record.revision), Some(second));
    delete(catalogue, key, second).await;
    assert_eq!(set(catalogue, key, None, b"one", operation).await, revision, "it was deleted after it");
    assert_eq!(get(catalogue, key).await, None);
    let lost = OperationId::random();
    for _ in 0..2 {
        let error = catalogue.compare_and_set(key, Some(second), Vec::new(), lost).await.expect_err("it was deleted");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
}

/// Revisions rise over all keys, also across a deletion.
pub async fn revisions_never_come_back(catalogue: &dyn Catalogue) {
    let (key, other) = ("conformance/revisions/a", "conformance/revisions/b");
    let mut last = 0;
    for round in 0..3_u8 {
        let first = set(catalogue, key, None, &[round], OperationId::random()).await;
        let beside = set(catalogue, other, None, &[round], OperationId::random()).await;
        assert!(first > last && beside > first, "{last} < {first} < {beside}");
        delete(catalogue, key, first).await;
        delete(catalogue, other, beside).await;
        last = beside;
    }
}

/// A listing has what the prefix says and nothing else, in order.
pub async fn listing_is_ordered(catalogue: &dyn Catalogue) {
    for key in
        ["conformance/list/b", "conformance/list/a", "conformance/list", "conformance/list/ü", "conformance/lisu"]
    {
        set(catalogue, key, None, key.as_bytes(), OperationId::random()).await;
    }
    let records = catalogue.list("conformance/list/").await.expect("a listing").records;
    let keys: Vec<&str> = records.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(keys, ["conformance/list/a", "conformance/list/b", "conformance/list/ü"]);
    assert!(records.iter().all(|record| record.value == record.key.as_bytes()));
    let latest = records.iter().map(|record| record.revision).max();
    let nothing = catalogue.list("conformance/nothing").await.expect("a listing");
    assert_eq!(nothing.records, []);
    assert!(Some(nothing.revision) >= latest, "a listing has the catalogue's revision, not that of its records");
    let everything = catalogue.list("").await.expect("a listing");
    assert!(everything.records.len() >= 5);
    assert_eq!((everything.revision, everything.catalogue), (nothing.revision, nothing.catalogue));
}

/// The largest key and value are taken, larger ones are refused.
pub async fn limits_are_kept(catalogue: &dyn Catalogue) {
    let prefix = "conformance/limits/";
    let longest = format!("{prefix}{}", "k".repeat(MAX_KEY_LENGTH - prefix.len()));
    set(catalogue, &longest, None, &vec![7; MAX_VALUE_SIZE], OperationId::random()).await;
    assert_eq!(get(catalogue, &longest).await.map(|record| record.value.len()), Some(MAX_VALUE_SIZE));
    for (key, size, kind) in [
        (format!("{longest}k"), 1, ErrorKind::InvalidArgument),
        (String::new(), 1, ErrorKind::InvalidArgument),
        (format!("{prefix}large"), MAX_VALUE_SIZE + 1, ErrorKind::ResourceExhausted),
    ] {
        let answer = catalogue.compare_and_set(&key, None, vec![0; size], OperationId::random()).await;
        let error = answer.expect_err("a limit was passed");
        assert_eq!((error.kind(), error.retry()), (kind, Retry::Never), "{error}");
    }
}

/// Of many writers who expect the same revision one wins, and nobody's change is lost.
pub async fn one_of_many_wins(catalogue: Arc<dyn Catalogue>) {
    const WRITERS: u64 = 16;
    const ROUNDS: u64 = 5;
    let key = "conformance/counter";
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let catalogue = catalogue.clone();
        writers.spawn(async move {
            for _ in 0..ROUNDS {
                count_one(&*catalogue, key).await;
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.expect("no writer fails");
    }
    let value = get(&*catalogue, key).await.map(|record| record.value);
    assert_eq!(value, Some((WRITERS * ROUNDS).to_le_bytes().to_vec()));
}

async fn count_one(catalogue: &dyn Catalogue, key: &str) {
    loop {
        let current = get(catalogue, key).await;
        let count = current.as_ref().map_or(0, |record| {
            u64::from_le_bytes(record.value.as_slice().try_into().expect("only counts are written here"))
        });
        let expected = current.map(|record| record.revision);
        let value = (count + 1).to_le_bytes().to_vec();
        match catalogue.compare_and_set(key, expected, value, OperationId::random()).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
    }
}

async fn get(catalogue: &dyn Catalogue, key: &str) -> Option<Record> {
    catalogue.get(key).await.expect("a read succeeds")
}

async fn set(catalogue: &dyn Catalogue, key: &str, expected: Option<u64>, value: &[u8], operation: OperationId) -> u64 {
    catalogue.compare_and_set(key, expected, value.to_vec(), operation).await.expect("a write succeeds")
}

async fn delete(catalogue: &dyn Catalogue, key: &str, expected: u64) {
    catalogue.delete(key, expected, OperationId::random()).await.expect("a deletion succeeds");
}
