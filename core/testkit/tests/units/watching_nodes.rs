//! Watches that outlive their node: after a restart, at another node of the cluster; and what they never say.
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use haulier::{Cluster, DeployedUnit, UnitState};
use haulier_testkit::{CommandLine, NodeOptions, TestCluster, TestNode, TestServer, cluster::name, fixture, until};
use serde_json::Value as Json;

const DEADLINE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(200);

fn put(folder: &Path, name: &str, jar: &str) {
    let partial = folder.with_extension("partial");
    fs::copy(fixture(jar), &partial).expect("a copy");
    fs::rename(partial, folder.join(name)).expect("a file in its place");
}

async fn deployed(cluster: &Cluster) -> Vec<DeployedUnit> {
    // A connection that a node has left takes a moment to go elsewhere.
    let units = cluster.list_deployments().await.unwrap_or_default();
    units.into_iter().filter(|unit| unit.state == UnitState::Deployed).collect()
}

async fn has(cluster: &Cluster, log: impl Fn() -> String, expected: &[&str]) {
    let has = async || deployed(cluster).await.iter().map(DeployedUnit::reference).eq(expected.iter().copied());
    assert!(until(DEADLINE, has).await, "{:?}, not {expected:?}\n{}", deployed(cluster).await, log());
}

/// The node that looks at the one storage, once it has looked at it.
async fn looks(cluster: &Cluster, log: impl Fn() -> String, condition: impl Fn(&str) -> bool) -> String {
    let mut last = Vec::new();
    let seen = until(DEADLINE, async || {
        last = cluster.watched_storages().await.unwrap_or_default();
        last.iter().any(|watch| condition(&watch.node) && watch.state == "watching" && watch.last_success_ms > 0)
    });
    assert!(seen.await, "{last:?}\n{}", log());
    last.remove(0).node
}

#[tokio::test]
async fn a_killed_node_goes_on_watching() {
    let mut node = TestNode::start(NodeOptions::default()).expect("a node");
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "pricing-1.0.0.jar", "pricing-1.jar");
    put(folder.path(), "tasks-1.0.0.jar", "tasks.jar");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let url = format!("file://{}", folder.path().display());
    cluster.watch_storage(&url, INTERVAL, INTERVAL).await.expect("a watch");
    has(&cluster, || node.output(), &["pricing:1.0.0", "tasks:1.0.0"]).await;
    let before = deployed(&cluster).await;
    cluster.close().await;
    node.kill9();
    node.restart().expect("the node again");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    looks(&cluster, || node.output(), |node| !node.is_empty()).await;
    // What comes next is taken after everything that was there has been read again.
    put(folder.path(), "later-1.0.0.jar", "order-a.jar");
    has(&cluster, || node.output(), &["later:1.0.0", "pricing:1.0.0", "tasks:1.0.0"]).await;
    let after: Vec<_> = deployed(&cluster).await.into_iter().filter(|unit| unit.name != "later").collect();
    assert_eq!(after, before, "nothing is deployed anew");
    put(folder.path(), "pricing-1.0.0.jar", "pricing-2.jar");
    let task = cluster.task("pricing", "acme.Price#versions").timeout(DEADLINE);
    let replaced = until(DEADLINE, async || task.call::<String>(()).await.expect("a task") == "price 2, rate 2");
    assert!(replaced.await, "{}", node.output());
}

#[tokio::test]
async fn one_node_looks_and_another_takes_over() {
    let mut nodes = TestCluster::start(2).await;
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "pricing-1.0.0.jar", "pricing-1.jar");
    put(folder.path(), "tasks-1.0.0.jar", "tasks.jar");
    let first = nodes.client(1).await;
    let url = format!("file://{}", folder.path().display());
    // The owner of the catalogue must not be the one that is killed: nobody could take a lease then. A node that is
    // drained takes no storage.
    first.drain(&name(1)).await.expect("a drain");
    first.watch_storage(&url, INTERVAL, INTERVAL).await.expect("a watch");
    has(&first, || nodes.to_string(), &["pricing:1.0.0", "tasks:1.0.0"]).await;
    looks(&first, || nodes.to_string(), |node| node == name(2)).await;
    first.undrain(&name(1)).await.expect("the end of a drain");
    put(folder.path(), "third-1.0.0.jar", "order-b.jar");
    has(&first, || nodes.to_string(), &["pricing:1.0.0", "tasks:1.0.0", "third:1.0.0"]).await;
    let said = |node: &TestNode| node.output().matches("this node looks at the storage watch=").count();
    assert_eq!([1, 2].map(|number| said(nodes.node(number))), [0, 1], "one looks{nodes}");
    let before = deployed(&first).await;
    let killed = Instant::now();
    nodes.kill9(2);
    looks(&first, || nodes.to_string(), |node| node == name(1)).await;
    println!("another node looked {:.1} s after the first was killed", killed.elapsed().as_secs_f64());
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    put(folder.path(), "later-1.0.0.jar", "order-a.jar");
    has(&first, || nodes.to_string(), &["later:1.0.0", "pricing:1.0.0", "tasks:1.0.0", "third:1.0.0"]).await;
    let generations = |units: &[DeployedUnit]| -> Vec<_> {
        units.iter().filter(|unit| unit.name != "later").map(|unit| (unit.digest, unit.generation)).collect()
    };
    assert_eq!(generations(&deployed(&first).await), generations(&before), "nothing is deployed anew");
}

#[tokio::test]
async fn credentials_are_never_shown() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "pricing-1.0.0.jar", "pricing-1.jar");
    let server = TestServer::ftp(folder.path()).expect("a server");
    let haulier = CommandLine::new(node.address());
    for (password, state) in [("secret%20word", "watching"), ("wrong%20secret", "outage")] {
        let url = server.url().replace("ftp://", &format!("ftp://me:{password}@"));
        let add = ["watch", "add", url.as_str(), "--interval", "0.2", "--settle", "0.2"];
        let added = haulier.run(&add).await.succeeded();
        assert!(!added.contains("secret"), "{added}");
        let seen = until(DEADLINE, async || {
            let watches = cluster.watched_storages().await.expect("the watches");
            watches.len() == 1 && watches[0].state == state
        });
        assert!(seen.await, "{state}: {:?}\n{}", cluster.watched_storages().await, node.output());
        for format in ["table", "json"] {
            let listed = haulier.run(&["watch", "list", "--output", format]).await.succeeded();
            assert!(!listed.contains("secret") && listed.contains(state), "{listed}");
        }
        has(&cluster, || node.output(), &["pricing:1.0.0"]).await;
    }
    let shown = haulier.run(&["inspect", "pricing", "--output", "json"]).await.succeeded();
    let shown: Json = serde_json::from_str(&shown).expect("JSON");
    assert!(shown["origins"][0]["source"].as_str().is_some_and(|source| source.starts_with("ftp://")), "{shown}");
    assert!(!shown.to_string().contains("secret"), "{shown}");
    let url = server.url().replace("ftp://", "ftp://me:other%20secret@");
    let removed = haulier.run(&["watch", "remove", &url, "--undeploy"]).await.succeeded();
    assert!(!removed.contains("secret"), "{removed}");
    assert!(deployed(&cluster).await.is_empty());
    let refused = haulier.run(&["watch", "remove", &url]).await;
    assert!(refused.code == 3 && !refused.complaint.contains("secret"), "{refused:?}");
    let refused = haulier.run(&["watch", "add", "gopher://me:secret@host/x"]).await;
    assert!(refused.code == 2 && !refused.complaint.contains("secret"), "{refused:?}");
    assert!(!node.output().contains("secret"), "{}", node.output());
}
