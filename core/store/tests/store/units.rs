//! The life of units over a catalogue, also one whose answers get lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use haulier_catalogue::{Catalogue, Listing, MemoryCatalogue, OperationId, Record, Revision, Watch};
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Retry, UnitReference};
use haulier_store::{PublishRequest, UnitState};

use crate::{Fixture, assert_whole, collect, deploy, request, root, send};

fn reference(text: &str) -> UnitReference {
    text.parse().unwrap()
}

#[tokio::test]
async fn deployed_resolved_listed_and_still_there_after_a_restart() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let first = deploy(&store, "orders", "1.9.0", &[b"one", b"two"]).await.unwrap();
    let second = deploy(&store, "orders", "1.10.0", &[b"one", b"other"]).await.unwrap();
    let other = deploy(&store, "billing", "", &[b"one"]).await.unwrap();
    assert_eq!((first.size, first.entries, first.generation, first.state), (6, 2, 1, UnitState::Deployed));
    assert_eq!(other.id.to_string(), "billing:0.0.1");
    drop(store);

    let store = fixture.open().await;
    assert_eq!(store.list(None).await.unwrap(), [other.clone(), first.clone(), second.clone()]);
    assert_eq!(store.list(Some(&"orders".parse().unwrap())).await.unwrap(), [first.clone(), second.clone()]);
    for (text, expected) in [
        ("orders", &second),
        ("orders:latest", &second),
        ("orders:1.9", &first),
        (&format!("orders@{}", first.digest), &first),
        ("billing", &other),
    ] {
        assert_eq!(store.resolve(&reference(text)).await.unwrap(), *expected, "{text}");
        assert_whole(&store, expected);
    }
    assert_eq!(store.next_version(&"billing".parse().unwrap()).await.unwrap().as_str(), "0.0.2");
    assert_eq!(store.next_version(&"fresh".parse().unwrap()).await.unwrap().as_str(), "0.0.1");
    assert_eq!(store.next_version(&"orders".parse().unwrap()).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn unknown_references_say_what_there_is() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    deploy(&store, "orders", "1.0", &[b"x"]).await.unwrap();
    deploy(&store, "orders", "1.1", &[b"y"]).await.unwrap();
    let absent = format!("orders@{}", Digest::of(b"absent"));
    for (text, words) in [("orders:2.0", "1.1, 1.0"), (absent.as_str(), "1.1, 1.0"), ("unknown", "unknown")] {
        for error in [
            store.resolve(&reference(text)).await.unwrap_err(),
            store.undeploy(&reference(text), false).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.message().contains(words), "{error}");
            assert!(error.hint_text().contains("haulier list-deployments"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_replacement_keeps_the_old_generation_until_it_is_removed() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let old = deploy(&store, "orders", "1.0", &[b"old"]).await.unwrap();
    let manifest = send(&store, &[b"new"]);
    let error = store.publish(request("orders", "1.0", manifest.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    for digest in [old.digest, manifest.digest()] {
        assert!(error.message().contains(&digest.to_string()), "{error}");
    }
    assert!(error.hint_text().contains("--replace"), "{error}");
    let new = store.publish(PublishRequest { replace: true, ..request("orders", "1.0", manifest) }).await.unwrap();
    assert_eq!((new.generation, new.state), (2, UnitState::Deployed));
    assert_eq!(store.resolve(&reference("orders:1.0")).await.unwrap(), new);

    let states = || async {
        let records = store.list(None).await.unwrap();
        records.into_iter().map(|record| (record.generation, record.state)).collect::<Vec<_>>()
    };
    assert_eq!(states().await, [(1, UnitState::Obsolete), (2, UnitState::Deployed)]);
    collect(&store).await.unwrap();
    assert_whole(&store, &old);
    assert_eq!(store.remove(&new.id, new.generation).await.unwrap_err().kind(), ErrorKind::Conflict);
    store.remove(&old.id, old.generation).await.unwrap();
    store.remove(&old.id, old.generation).await.unwrap();
    assert_eq!(states().await, [(2, UnitState::Deployed)]);
}

#[tokio::test]
async fn undeployed_units_drain_and_are_gone_after_a_restart() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let first = deploy(&store, "orders", "1.0", &[b"x"]).await.unwrap();
    deploy(&store, "orders", "1.1", &[b"y"]).await.unwrap();
    let undeployed = store.undeploy(&reference("orders:1.1"), false).await.unwrap();
    assert_eq!(undeployed.iter().map(|record| record.id.to_string()).collect::<Vec<_>>(), ["orders:1.1"]);
    assert_eq!(undeployed[0].state, UnitState::Obsolete);
    assert_eq!(store.undeploy(&reference("orders:1.1"), false).await.unwrap(), undeployed, "it can still be forced");
    let error = store.resolve(&reference("orders:1.1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("OBSOLETE"), "{error}");
    assert_eq!(store.resolve(&reference("orders")).await.unwrap(), first, "latest falls back");
    drop(store);

    let store = fixture.open().await;
    assert_eq!(store.list(None).await.unwrap(), [first]);
    assert_eq!(store.undeploy(&reference("orders:1.1"), false).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.undeploy(&reference("orders"), false).await.unwrap().len(), 1);
    drop(store);
    let store = fixture.open().await;
    assert_eq!(store.list(None).await.unwrap(), []);
    assert_eq!(fixture.catalogue.list("").await.unwrap().records, [], "an empty head is deleted");
}

#[tokio::test]
async fn only_whole_content_is_published() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let absent = Manifest { roots: vec![Digest::of(b"absent")] };
    let no_entries = Manifest { roots: vec![store.put(&root(&[b"absent"]).encode()).unwrap()] };
    let mut lying = root(&[b"content"]);
    lying.entries[0].size += 1;
    store.put(b"content").unwrap();
    let lying = Manifest { roots: vec![store.put(&lying.encode()).unwrap()] };
    let no_root = Manifest { roots: vec![store.put(b"no root at all").unwrap()] };
    for manifest in [absent, no_entries, lying, no_root, Manifest::default()] {
        let error = store.publish(request("orders", "1.0", manifest)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    assert_eq!(store.list(None).await.unwrap(), []);
}

#[tokio::test]
async fn a_short_manifest_that_means_much_is_refused() {
    let fixture = Fixture::new();
    let store = fixture.open_with(haulier_store::Durability::Process).await;
    let contents: Vec<Vec<u8>> = (0..2000_u32).map(|number| number.to_le_bytes().to_vec()).collect();
    let root = send(&store, &contents.iter().map(Vec::as_slice).collect::<Vec<_>>()).roots[0];
    let error = store.publish(request("orders", "1.0", Manifest { roots: vec![root; 1001] })).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ResourceExhausted, Retry::Never), "{error}");
    assert_eq!(store.contents_of(&Manifest { roots: vec![root; 100_000] }).len(), 2001, "each once");
    store.publish(request("orders", "1.0", Manifest { roots: vec![root, root] })).await.unwrap();
}

#[tokio::test]
async fn many_sources_are_listed_whole() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let sources: Vec<String> = (0..3000).map(|index| format!("library-{index}.jar")).collect();
    for (version, content) in [("1.0", b"x"), ("1.1", b"y")] {
        let root = send(&store, &[content]).roots[0];
        let manifest = Manifest { roots: vec![root; 3000] };
        let request = PublishRequest { sources: sources.clone(), ..request("large", version, manifest) };
        store.publish(request).await.unwrap();
    }
    // Both versions share the list, which came with the first.
    let first = store.undeploy(&reference("large:1.0"), false).await.unwrap().remove(0);
    store.remove(&first.id, first.generation).await.unwrap();
    collect(&store).await.unwrap();
    assert_eq!(store.resolve(&reference("large")).await.unwrap().sources, sources);
}

#[tokio::test]
async fn a_full_record_says_so() {
    let fixture = Fixture::new();
    let store = fixture.open_with(haulier_store::Durability::Process).await;
    let manifest = send(&store, &[b"x"]);
    for number in 0..1000 {
        let version = format!("1.0.{number}");
        let Err(error) = store.publish(request("orders", &version, manifest.clone())).await else { continue };
        assert_eq!((error.kind(), error.retry()), (ErrorKind::ResourceExhausted, Retry::Never));
        assert!(error.hint_text().contains("haulier undeploy orders:"), "{error}");
        assert!(number > 100, "at least 100 versions fit, not {number}");
        assert_eq!(store.list(None).await.unwrap().len(), number);
        return;
    }
    panic!("the record never became full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deployments_of_one_name_at_once_all_win() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let mut deployments = tokio::task::JoinSet::new();
    for number in 0..16_u8 {
        let store = store.clone();
        deployments.spawn(async move { deploy(&store, "orders", &format!("1.{number}"), &[&[number]]).await.unwrap() });
    }
    let deployed = deployments.join_all().await;
    assert_eq!(store.list(None).await.unwrap().len(), 16);
    deployed.iter().for_each(|record| assert_whole(&store, record));
}

/// Loses the answer to the next write when told to.
#[derive(Default)]
struct Lossy {
    records: MemoryCatalogue,
    lose_next: AtomicBool,
}

impl Lossy {
    fn lose(&self) -> Result<()> {
        match self.lose_next.swap(false, Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Unavailable, "write a record", "the answer was lost")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Catalogue for Lossy {
    async fn get(&self, key: &str) -> Result<Option<Record>> {
        self.records.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing> {
        self.records.list(prefix).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        operation: OperationId,
    ) -> Result<Revision> {
        let revision = self.records.compare_and_set(key, expected, value, operation).await?;
        self.lose().map(|()| revision)
    }

    async fn delete(&self, key: &str, expected: Revision, operation: OperationId) -> Result<()> {
        self.records.delete(key, expected, operation).await?;
        self.lose()
    }

    async fn register(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Duration,
        operation: OperationId,
    ) -> Result<Revision> {
        self.records.register(key, expected, value, ttl, operation).await
    }

    async fn renew(&self, key: &str, revision: Revision) -> Result<()> {
        self.records.renew(key, revision).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch> {
        self.records.watch(prefix, after).await
    }
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_repeated_without_harm() {
    let catalogue = Arc::new(Lossy::default());
    let fixture = Fixture::with_catalogue(catalogue.clone());
    let store = fixture.open().await;
    for version in ["", "", "1.0"] {
        catalogue.lose_next.store(true, Ordering::Relaxed);
        let name = if version.is_empty() { "counted" } else { "given" };
        let first = deploy(&store, name, version, &[name.as_bytes()]).await;
        let again = deploy(&store, name, version, &[name.as_bytes()]).await.unwrap();
        match first {
            // The second round of "counted": the bytes are those of the newest revision, so nothing is written.
            Ok(record) => assert_eq!(record, again),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
        }
        catalogue.lose_next.store(false, Ordering::Relaxed);
    }
    assert_eq!(store.list(None).await.unwrap().len(), 2);
    let record = store.undeploy(&reference("given"), false).await.unwrap().remove(0);
    catalogue.lose_next.store(true, Ordering::Relaxed);
    assert!(store.remove(&record.id, record.generation).await.is_err());
    store.remove(&record.id, record.generation).await.unwrap();
}
