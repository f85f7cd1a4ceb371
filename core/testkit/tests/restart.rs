//! A node that is killed at any instant has its units whole when it comes back: real processes, real SIGKILL.
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use haulier::Cluster;
use haulier_testkit::{NodeOptions, Random, TestNode, fixture};

/// What was deployed and acknowledged: name to digest.
type Acknowledged = Arc<Mutex<BTreeMap<String, String>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_whole_after_a_kill_at_any_instant() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 100 } else { 12 };
    let mut node = TestNode::start(NodeOptions::default()).expect("a node");
    let acknowledged = Acknowledged::default();
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds {
        let cluster = haulier::connect(node.address()).await.expect("a connection");
        let deploying = tokio::spawn(deploy_until_it_fails(cluster, round, acknowledged.clone()));
        let instant = Duration::from_micros(random.below(120_000));
        let _ = tokio::time::timeout(instant, std::future::pending::<()>()).await;
        node.kill9();
        deploying.abort();
        let _ = deploying.await;
        node.restart().unwrap_or_else(|error| panic!("round {round}, killed after {instant:?}: {error}"));
        whole(&node, &acknowledged).await;
    }
    let acknowledged = acknowledged.lock().expect("no thread panicked").len();
    println!("{rounds} kills, {acknowledged} acknowledged deploys");
    assert!(acknowledged > 0);
}

async fn deploy_until_it_fails(cluster: Cluster, round: u32, acknowledged: Acknowledged) {
    for count in 0.. {
        let name = format!("unit-{round}-{count}");
        let source = source(count);
        match cluster.deploy(&name, "1.0.0").source(&source).send().await {
            Ok(unit) => acknowledged.lock().expect("no thread panicked").insert(name, unit.digest.to_string()),
            Err(_) => return,
        };
    }
}

fn source(count: u32) -> PathBuf {
    fixture(["pricing-1.jar", "tasks.jar", "order-a.jar", "scoring-1/acme_scoring"][count as usize % 4])
}

/// Every acknowledged unit is there with its digest; every unit that is there is complete, acknowledged or not.
async fn whole(node: &TestNode, acknowledged: &Acknowledged) {
    let cluster = haulier::connect(node.address()).await.expect("a connection after the restart");
    let units = cluster.list_deployments().await.expect("the units");
    let listed: BTreeMap<String, String> =
        units.iter().map(|unit| (unit.name.to_string(), unit.digest.to_string())).collect();
    for (name, digest) in &*acknowledged.lock().expect("no thread panicked") {
        assert_eq!(listed.get(name), Some(digest), "{name} was acknowledged");
    }
    for name in listed.keys() {
        let (round, count) = name.trim_start_matches("unit-").split_once('-').expect("unit-round-count");
        let again = cluster.deploy(name, "1.0.0").source(source(count.parse().expect("a count"))).send().await;
        let again = again.unwrap_or_else(|error| panic!("{name} of round {round} is not whole: {error:?}"));
        assert_eq!(again.digest.to_string(), listed[name]);
    }
    if let Some(name) = listed.keys().next_back().filter(|name| name.ends_with("-0")) {
        let price: i64 = cluster.task(name.as_str(), "acme.Price").call(21).await.expect("a class of the unit");
        assert_eq!(price, 42);
    }
    cluster.close().await;
}

#[test]
fn a_folder_that_earlier_nodes_used_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join("environments");
    std::fs::create_dir_all(old.join("prepared")).expect("a folder");
    std::fs::write(old.join("prepared/part.py"), "VALUE = 1").expect("a file");
    let options = NodeOptions { data_dir: Some(folder.path().to_owned()), ..NodeOptions::default() };
    let node = TestNode::start(options).expect("a node");
    assert!(!old.exists(), "{}", node.output());
    assert!(folder.path().join("python/class-paths").is_dir() && folder.path().join("python/environments").is_dir());
}
