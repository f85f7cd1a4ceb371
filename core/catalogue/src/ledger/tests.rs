//! What only implementations over a ledger need: taking over a listing, and bounds.

use std::time::Duration;

use haulier_model::ErrorKind;

use super::*;
use crate::Changes;

fn record(key: &str, revision: Revision) -> Record {
    Record { key: key.to_owned(), value: vec![], revision, operation: OperationId::from_bytes([0; 16]) }
}

fn put(key: &str, revision: Revision) -> Event {
    Event::Put(record(key, revision))
}

fn deleted(key: &str, revision: Revision) -> Event {
    Event::Deleted { key: key.to_owned(), revision }
}

fn listing(catalogue: CatalogueId, revision: Revision, records: &[Record]) -> Listing {
    Listing { records: records.to_vec(), revision, catalogue }
}

fn ledger(id: CatalogueId, history: usize) -> Arc<Ledger> {
    Arc::new(Ledger::new(id, BTreeMap::new(), 0, history))
}

async fn next(watch: &mut Watch) -> Changes {
    tokio::time::timeout(Duration::from_secs(10), watch.next()).await.expect("in time").expect("the ledger lives")
}

#[tokio::test]
async fn a_later_listing_is_seen_as_its_difference() {
    let id = CatalogueId::random();
    let ledger = ledger(id, 10);
    ledger.apply(vec![put("a", 1), put("b", 2), put("c", 3)]);
    let mut watch = ledger.watch("", 3);
    ledger.replace(listing(id, 9, &[record("b", 8), record("c", 3), record("d", 6)]));
    let expected = vec![put("d", 6), put("b", 8), deleted("a", 9)];
    assert_eq!(next(&mut watch).await, Changes::Events(expected.clone()));
    assert_eq!(next(&mut ledger.watch("", 3)).await, Changes::Events(expected), "the history goes on");
    ledger.apply(vec![put("a", 10)]);
    assert_eq!(next(&mut watch).await, Changes::Events(vec![put("a", 10)]));
    assert_eq!(ledger.list("").revision, 10);
}

#[tokio::test]
async fn another_catalogue_is_seen_as_its_difference_and_begins_anew() {
    for id in [CatalogueId::random(), CatalogueId::from_bytes([1; 16])] {
        let first = CatalogueId::from_bytes([1; 16]);
        let ledger = ledger(first, 10);
        ledger.apply(vec![put("a", 50), put("b", 60)]);
        let mut watch = ledger.watch("", 60);
        ledger.replace(listing(id, 7, &[record("b", 5), record("c", 6)]));
        assert_eq!(ledger.position(), (id, 7));
        assert_eq!(next(&mut watch).await, Changes::Events(vec![put("b", 5), put("c", 6), deleted("a", 7)]));
        for after in [0, 6, 50, 60] {
            assert_eq!(next(&mut ledger.watch("", after)).await, Changes::Compacted, "{after} is of another time");
        }
        ledger.apply(vec![put("d", 8)]);
        assert_eq!(next(&mut watch).await, Changes::Events(vec![put("d", 8)]));
        assert_eq!(next(&mut ledger.watch("", 7)).await, Changes::Events(vec![put("d", 8)]));
    }
}

#[tokio::test]
async fn the_history_is_bounded_in_bytes_too() {
    let ledger = ledger(CatalogueId::random(), 1_000_000);
    for revision in 1..=1_000 {
        ledger.apply(vec![Event::Put(Record { value: vec![0; 60 << 10], ..record("a", revision) })]);
    }
    {
        let state = ledger.state.read();
        assert!(state.history_size <= HISTORY_SIZE && state.history.len() > 100, "{} bytes", state.history_size);
        assert_eq!(state.history_size, state.history.iter().map(Event::size).sum::<usize>());
    }
    assert_eq!(next(&mut ledger.watch("", 1)).await, Changes::Compacted);
}

#[tokio::test]
async fn watches_end_with_what_is_known() {
    let ledger = ledger(CatalogueId::random(), 10);
    let mut watch = ledger.watch("", 0);
    ledger.apply(vec![put("a", 1)]);
    ledger.close();
    assert_eq!(next(&mut watch).await, Changes::Events(vec![put("a", 1)]));
    assert_eq!(watch.next().await.expect_err("nothing comes any more").kind(), ErrorKind::Closed);
}
