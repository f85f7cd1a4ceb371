//! Checks of records that end by themselves.

use std::time::Duration;

use haulier_model::{ErrorKind, Retry};

use super::{
    Subject, delete, get, set,
    watching::{events, watch},
};
use crate::{Catalogue, Event, MAX_TTL, OperationId, Revision};

const TTL: Duration = Duration::from_secs(10);
const NEARLY: Duration = Duration::from_secs(9);
const ENDED: ErrorKind = ErrorKind::NotFound;

/// A registration lives for as long as it is renewed in time; its end is seen as a deletion, and nothing else is.
pub async fn registrations_end_unless_renewed(subject: &Subject) {
    let (catalogue, key) = (&*subject.catalogue, "conformance/alive");
    let revision = register(catalogue, key, None, b"one", OperationId::random()).await;
    let mut watch = watch(catalogue, key, revision).await;
    for _ in 0..3 {
        subject.advance(NEARLY).await;
        catalogue.renew(key, revision).await.expect("it lives");
    }
    subject.advance(NEARLY).await;
    assert_eq!(get(catalogue, key).await.map(|record| record.revision), Some(revision));
    let changed = register(catalogue, key, Some(revision), b"two", OperationId::random()).await;
    assert_eq!(renew(catalogue, key, revision).await, Err(ENDED), "it was written anew");
    subject.advance(NEARLY).await;
    let record = get(catalogue, key).await.expect("it was registered again");
    assert_eq!((record.revision, record.value.as_slice()), (changed, b"two".as_slice()));
    subject.advance(TTL - NEARLY).await;
    assert_eq!(get(catalogue, key).await, None);
    assert_eq!(renew(catalogue, key, changed).await, Err(ENDED));
    let again = register(catalogue, key, None, b"three", OperationId::random()).await;

    let seen = events(&mut watch, 3).await;
    assert_eq!(seen[0], Event::Put(record));
    let ended = seen[1].revision();
    assert_eq!(seen[1], Event::Deleted { key: key.to_owned(), revision: ended });
    assert!(changed < ended && ended < again, "{changed} < {ended} < {again}");
    assert_eq!(seen[2].revision(), again);
}

/// A registration is written and deleted like any record; a plain write makes it one that stays.
pub async fn registrations_are_records(subject: &Subject) {
    let (catalogue, key) = (&*subject.catalogue, "conformance/registered");
    let revision = register(catalogue, key, None, b"one", OperationId::random()).await;
    let answer = catalogue.register(key, None, Vec::new(), TTL, OperationId::random()).await;
    assert_eq!(answer.expect_err("it is taken").kind(), ErrorKind::Conflict);
    let kept = set(catalogue, key, Some(revision), b"kept", OperationId::random()).await;
    assert_eq!(renew(catalogue, key, kept).await, Err(ENDED), "it is no registration any more");
    subject.advance(TTL * 2).await;
    assert_eq!(get(catalogue, key).await.map(|record| record.revision), Some(kept));
    let again = register(catalogue, key, Some(kept), b"two", OperationId::random()).await;
    delete(catalogue, key, again).await;
    assert_eq!(renew(catalogue, key, again).await, Err(ENDED));
    let plain = set(catalogue, key, None, b"", OperationId::random()).await;
    subject.advance(TTL * 2).await;
    assert_eq!(get(catalogue, key).await.map(|record| record.revision), Some(plain), "the end belonged to another");
}

/// Whoever repeats a registration whose answer was lost has the one that won, and does not bring back one that ended.
pub async fn repeated_registrations_win_once(subject: &Subject) {
    let (catalogue, key) = (&*subject.catalogue, "conformance/lost");
    let operation = OperationId::random();
    let revision = register(catalogue, key, None, b"", operation).await;
    subject.advance(NEARLY).await;
    assert_eq!(register(catalogue, key, None, b"", operation).await, revision);
    subject.advance(NEARLY).await;
    assert_eq!(renew(catalogue, key, revision).await, Ok(()), "repeating it was a renewal too");
    subject.advance(TTL).await;
    assert_eq!(register(catalogue, key, None, b"", operation).await, revision);
    assert_eq!(get(catalogue, key).await, None);
    assert_eq!(renew(catalogue, key, revision).await, Err(ENDED));
}

/// A registration without time, or with more than anybody needs, is refused.
pub async fn lifetimes_are_checked(catalogue: &dyn Catalogue) {
    for ttl in [Duration::ZERO, MAX_TTL + Duration::from_millis(1), Duration::MAX] {
        let answer = catalogue.register("conformance/ttl", None, Vec::new(), ttl, OperationId::random()).await;
        let error = answer.expect_err("a limit was passed");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::InvalidArgument, Retry::Never), "{error}");
    }
    assert_eq!(get(catalogue, "conformance/ttl").await, None);
}

async fn register(
    catalogue: &dyn Catalogue,
    key: &str,
    expected: Option<Revision>,
    value: &[u8],
    operation: OperationId,
) -> Revision {
    catalogue.register(key, expected, value.to_vec(), TTL, operation).await.expect("a registration succeeds")
}

async fn renew(catalogue: &dyn Catalogue, key: &str, revision: Revision) -> Result<(), ErrorKind> {
    catalogue.renew(key, revision).await.map_err(|error| error.kind())
}
