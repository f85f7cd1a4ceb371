//! Every implementation passes the conformance checks; what only the embedded one promises is checked here too.

use std::{path::Path, sync::Arc};

use haulier_catalogue::{Catalogue, MemoryCatalogue, OperationId, RedbCatalogue, conformance};
use haulier_model::{ErrorKind, Retry};

#[tokio::test]
async fn memory() {
    conformance::run(Arc::new(MemoryCatalogue::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redb() {
    let folder = tempfile::tempdir().unwrap();
    conformance::run(Arc::new(open(folder.path()))).await;
}

#[tokio::test]
async fn redb_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let operation = OperationId::random();
    let catalogue = open(folder.path());
    let kept = catalogue.compare_and_set("a", None, b"kept".to_vec(), operation).await.unwrap();
    let deleted = catalogue.compare_and_set("b", None, Vec::new(), OperationId::random()).await.unwrap();
    catalogue.delete("b", deleted, OperationId::random()).await.unwrap();
    let before = catalogue.list("").await.unwrap();
    drop(catalogue);

    let catalogue = open(folder.path());
    assert_eq!(catalogue.list("").await.unwrap(), before);
    assert_eq!(before.len(), 1);
    assert_eq!(catalogue.compare_and_set("a", None, b"kept".to_vec(), operation).await.unwrap(), kept);
    let next = catalogue.compare_and_set("b", None, Vec::new(), OperationId::random()).await.unwrap();
    assert!(next > deleted, "revisions rise across a restart: {next} > {deleted}");
}

#[tokio::test]
async fn redb_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let owner = open(folder.path());
    let error = RedbCatalogue::open(&folder.path().join("catalogue.redb")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("another node uses"), "{error}");
    assert!(error.hint_text().contains("--data-dir"), "{error}");
    drop(owner);
    drop(open(folder.path()));
}

#[test]
fn redb_refuses_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue.redb");
    std::fs::write(&path, b"this is no database, but long enough to be read as one".repeat(200)).unwrap();
    let error = RedbCatalogue::open(&path).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Incompatible, Retry::Never), "{error}");
    let error = RedbCatalogue::open(&folder.path().join("absent/catalogue.redb")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("absent"), "{error}");
}

fn open(folder: &Path) -> RedbCatalogue {
    RedbCatalogue::open(&folder.join("catalogue.redb")).unwrap()
}
