//! Every implementation passes the conformance checks; what only the embedded one promises is checked here too.

use std::{path::Path, sync::Arc, time::Duration};

use haulier_catalogue::{
    Catalogue, CatalogueOptions, Changes, Clock, Event, MemoryCatalogue, OperationId, RedbCatalogue,
    conformance::{self, Subject},
};
use haulier_model::{ErrorKind, Retry};

#[tokio::test]
async fn memory() {
    let options = options();
    let catalogue = Arc::new(MemoryCatalogue::new(options.clone()));
    conformance::run(Subject { catalogue, history: options.history, clock: options.clock }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redb() {
    let (folder, options) = (tempfile::tempdir().unwrap(), options());
    let catalogue = Arc::new(open_with(folder.path(), options.clone()));
    conformance::run(Subject { catalogue, history: options.history, clock: options.clock }).await;
}

/// Without any request, by the clock of the system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_end_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let catalogues: [Arc<dyn Catalogue>; 2] = [Arc::new(MemoryCatalogue::default()), Arc::new(open(folder.path()))];
    for catalogue in catalogues {
        let ttl = Duration::from_millis(30);
        let revision = catalogue.register("a", None, Vec::new(), ttl, OperationId::random()).await.unwrap();
        let mut watch = catalogue.watch("", revision).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.expect("it ends in time");
        let Changes::Events(events) = answer.unwrap() else { panic!("it was not long ago") };
        assert_eq!(events, [Event::Deleted { key: "a".to_owned(), revision: revision + 1 }]);
    }
}

#[tokio::test]
async fn redb_gives_registrations_their_whole_time_after_a_restart() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    let (ttl, nearly) = (Duration::from_secs(10), Duration::from_secs(9));
    let open = || open_with(folder.path(), CatalogueOptions { clock: clock.clone(), ..CatalogueOptions::default() });
    let catalogue = open();
    let revision = catalogue.register("a", None, b"one".to_vec(), ttl, OperationId::random()).await.unwrap();
    let plain = catalogue.compare_and_set("b", None, Vec::new(), OperationId::random()).await.unwrap();
    clock.advance(nearly);
    let id = catalogue.list("").await.unwrap().catalogue;
    drop(catalogue);
    clock.advance(ttl * 10);

    let catalogue = open();
    assert_eq!(catalogue.list("").await.unwrap().catalogue, id, "it keeps its name");
    clock.advance(nearly);
    catalogue.renew("a", revision).await.unwrap();
    clock.advance(nearly);
    catalogue.renew("a", revision).await.unwrap();
    assert_eq!(catalogue.renew("b", plain).await.unwrap_err().kind(), ErrorKind::NotFound);
    drop(catalogue);

    let catalogue = open();
    clock.advance(ttl);
    assert_eq!(catalogue.renew("none", 1).await.unwrap_err().kind(), ErrorKind::NotFound);
    let left = catalogue.list("").await.unwrap();
    assert_eq!(left.records.iter().map(|record| record.key.as_str()).collect::<Vec<_>>(), ["b"]);
    assert!(left.revision > plain, "the end is a change");
    drop(catalogue);
    assert_eq!(open().list("").await.unwrap(), left, "what has ended does not come back");
}

/// Such a file was written by the version before registrations.
#[tokio::test]
async fn redb_takes_over_files_of_format_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue.redb");
    write_old_file(&path, 1);
    let catalogue = open(folder.path());
    let listing = catalogue.list("").await.unwrap();
    let record = &listing.records[0];
    assert_eq!((record.key.as_str(), record.value.as_slice(), record.revision), ("a", b"kept".as_slice(), 4));
    assert_eq!((listing.revision, listing.records.len()), (7, 1));
    let next = catalogue.compare_and_set("a", Some(4), Vec::new(), OperationId::random()).await.unwrap();
    assert_eq!(next, 8);
    drop(catalogue);
    assert_eq!(open(folder.path()).list("").await.unwrap().catalogue, listing.catalogue);
    std::fs::remove_file(&path).unwrap();
    write_old_file(&path, 3);
    let error = RedbCatalogue::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("format 3"), "{error}");
}

fn write_old_file(path: &Path, format: u64) {
    let database = redb::Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut numbers = transaction.open_table(redb::TableDefinition::<&str, u64>::new("numbers")).unwrap();
    numbers.insert("format", format).unwrap();
    numbers.insert("revision", 7).unwrap();
    drop(numbers);
    let mut records = transaction.open_table(redb::TableDefinition::<&str, &[u8]>::new("records")).unwrap();
    let stored = [&4_u64.to_le_bytes(), [9; 16].as_slice(), b"kept"].concat();
    records.insert("a", stored.as_slice()).unwrap();
    drop(records);
    transaction.commit().unwrap();
}

fn options() -> CatalogueOptions {
    CatalogueOptions { history: 100, clock: Clock::manual() }
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
    assert_eq!(before.records.len(), 1);
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
    open_with(folder, CatalogueOptions::default())
}

fn open_with(folder: &Path, options: CatalogueOptions) -> RedbCatalogue {
    RedbCatalogue::open_with(&folder.join("catalogue.redb"), options).unwrap()
}
