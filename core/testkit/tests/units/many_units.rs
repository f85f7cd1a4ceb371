//! A node with ten thousand units (a thousand without HAULIER_SOAK): it starts, lists them, goes on deploying and running.
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use haulier_catalogue::RedbCatalogue;
use haulier_model::{Entry, EntryPath, Manifest, Root, RootKind, UnitReference};
use haulier_store::{Durability, PublishRequest, Store};
use haulier_testkit::{NodeOptions, TestNode, fixture, within};

const UNITS: usize = 10_000;
const AT_ONCE: usize = 64;

/// The store of a data folder, as a node opens it.
async fn open(data: &Path, durability: Durability) -> Store {
    let catalogue = Arc::new(RedbCatalogue::open(&data.join("catalogue.redb")).expect("a catalogue"));
    Store::open(&data.join("store"), catalogue, durability).await.expect("a store")
}

/// Publishes units of one small module each, as a node would; the disk is synced once for all of them.
async fn prepare(data: &Path, count: usize) {
    fs::create_dir_all(data).expect("a folder");
    let store = open(data, Durability::Process).await;
    let publish = async |number: usize| {
        let code = format!("def number():\n    return {number}\n").into_bytes();
        let path = EntryPath::new("acme_number.py").expect("a path");
        let digest = store.put(&code).expect("a module");
        let entries = vec![Entry { path, digest, size: code.len() as u64, executable: false }];
        let root = store.put(&Root { kind: RootKind::Python, original: None, entries }.encode()).expect("a root");
        let request = PublishRequest {
            name: format!("number-{number:05}").parse().expect("a name"),
            version: Some("1.0.0".parse().expect("a version")),
            manifest: Manifest { roots: vec![root] },
            sources: vec!["acme_number.py".to_owned()],
            origins: Vec::new(),
            replace: false,
            replaces_only_its_own: false,
            deployed_by: "unverified:test".to_owned(),
        };
        store.publish(request).await.expect("a unit");
    };
    stream::iter(0..count).for_each_concurrent(AT_ONCE, publish).await;
    drop(store);
    let store = open(data, Durability::Machine).await;
    let last: UnitReference = format!("number-{:05}", count - 1).parse().expect("a reference");
    store.resolve(&last).await.expect("the last one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_many_units() {
    // The disk takes half a minute for so many files.
    let count = if std::env::var_os("HAULIER_SOAK").is_some() { UNITS } else { UNITS / 10 };
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let begun = Instant::now();
    within(300, "the units", prepare(&data, count)).await;
    let prepared = begun.elapsed();
    let node = TestNode::start(NodeOptions { data_dir: Some(data), ..NodeOptions::default() }).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let mut times = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        let listed = within(30, "the list", cluster.list_deployments()).await.expect("the units");
        times.push(begun.elapsed());
        assert_eq!(listed.len(), count);
    }
    println!("{count} units: prepared in {prepared:?}, node started in {:?}, listed in {times:?}", node.started_in());
    assert!(times.iter().all(|time| *time < Duration::from_secs(5)), "{times:?}");
    let deadline = Duration::from_secs(60);
    for number in [0, count / 2, count - 1] {
        let task = cluster.task(format!("number-{number:05}"), "acme_number:number").timeout(deadline);
        assert_eq!(task.call::<i64>(()).await.expect("a task"), number as i64);
    }
    let begun = Instant::now();
    cluster.deploy("pricing", "1.0.0").jar(fixture("pricing-1.jar")).send().await.expect("one more");
    println!("one more is deployed in {:?}", begun.elapsed());
    let price = cluster.task("pricing", "acme.Price").timeout(deadline);
    assert_eq!(price.call::<i64>(21).await.expect("a task"), 42);
    cluster.undeploy("number-00000", false).await.expect("one less");
    let begun = Instant::now();
    within(60, "a collection", cluster.collect_garbage(false)).await.expect("a collection");
    println!("content that nothing names was freed in {:?}", begun.elapsed());
    assert_eq!(cluster.list_deployments().await.expect("the units").len(), count);
}
