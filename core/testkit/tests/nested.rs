//! Tasks that submit tasks of their own and wait for them: they hold up nobody, and past the bound they fail at once.

use std::{path::Path, process::Command, time::Duration};

use haulier::{Cluster, Error, ErrorKind, IntoArguments, Value};
use haulier_testkit::{Jar, NodeOptions, TestCluster, TestNode, client_jar};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(90);

fn options(slots: &str) -> NodeOptions {
    NodeOptions::default().arguments(["--slots", slots])
}

async fn call(cluster: &Cluster, entry_point: &str, arguments: impl IntoArguments) -> Result<i64, Error> {
    cluster.task("nested", entry_point).timeout(DEADLINE).call(arguments).await
}

fn list(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|text| Value::from(*text)).collect())
}

async fn deploy_python(cluster: &Cluster) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nested");
    let source = tempfile::tempdir().expect("a folder");
    std::fs::copy(folder.join("acme_nested.py"), source.path().join("acme_nested.py")).expect("the module");
    cluster.deploy("nested", "1.0.0").folder(source.path()).nodes("all").send().await.expect("a unit");
}

async fn deploy_java(cluster: &Cluster, folder: &TempDir) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nested/Nested.java");
    let mut javac = Command::new("javac");
    javac.args(["--release", "17", "-cp"]).arg(client_jar()).arg("-d").arg(folder.path()).arg(source);
    assert!(javac.status().expect("javac of a JDK 17 is on the PATH").success());
    let class = std::fs::read(folder.path().join("acme/Nested.class")).expect("the class");
    let jar = folder.path().join("nested.jar");
    Jar::default().with("acme/Nested.class", class).write(&jar);
    let unit = cluster.deploy("nested", "1.0.0").jar(jar).jar(client_jar());
    unit.nodes("all").send().await.expect("a unit");
}

#[tokio::test]
async fn python_tasks_wait_for_their_own() {
    for slots in ["1", "2"] {
        let node = TestNode::start(options(slots)).expect("a node");
        let cluster = haulier::connect(node.address()).await.expect("a connection");
        deploy_python(&cluster).await;
        let address = node.address();
        let depth = call(&cluster, "acme_nested:count", (list(&[address]), 10)).await.expect("a recursion");
        assert_eq!(depth, 10, "{slots} slots");
        let leaves = call(&cluster, "acme_nested:spread", (address, 3, 3)).await.expect("a tree");
        assert_eq!(leaves, 27, "{slots} slots");
    }
}

#[tokio::test]
async fn java_tasks_wait_for_their_own() {
    for slots in ["1", "2"] {
        let node = TestNode::start(options(slots)).expect("a node");
        let cluster = haulier::connect(node.address()).await.expect("a connection");
        let folder = tempfile::tempdir().expect("a folder");
        deploy_java(&cluster, &folder).await;
        let address = node.address();
        let depth = call(&cluster, "acme.Nested#count", (address, 10)).await.expect("a recursion");
        assert_eq!(depth, 10, "{slots} slots");
        let leaves = call(&cluster, "acme.Nested#spread", (address, 3, 3)).await.expect("a tree");
        assert_eq!(leaves, 27, "{slots} slots");
        let error = call(&cluster, "acme.Nested#count", (address, 60)).await.expect_err("the bound");
        assert_refused(&error);
        let depth = call(&cluster, "acme.Nested#count", (address, 2)).await.expect("it goes on");
        assert_eq!(depth, 2, "{slots} slots");
    }
}

#[tokio::test]
async fn nodes_wait_for_each_other() {
    let nodes = TestCluster::start_with(vec![options("2"), options("2")]).await;
    let cluster = nodes.client(1).await;
    deploy_python(&cluster).await;
    // Each task is the client of the other node.
    let addresses = list(&[nodes.address(2), nodes.address(1)]);
    assert_eq!(call(&cluster, "acme_nested:count", (addresses, 10)).await.expect("a recursion"), 10, "{nodes}");
    // All are clients of one node, and name the other one.
    let arguments = (nodes.address(1), list(&["n2", "n1"]), 10);
    assert_eq!(call(&cluster, "acme_nested:hop", arguments).await.expect("a recursion"), 10, "{nodes}");
}

#[tokio::test]
async fn java_nodes_wait_for_each_other() {
    let nodes = TestCluster::start_with(vec![options("1"), options("1")]).await;
    let cluster = nodes.client(1).await;
    let folder = tempfile::tempdir().expect("a folder");
    deploy_java(&cluster, &folder).await;
    let addresses = list(&[nodes.address(2), nodes.address(1)]);
    assert_eq!(call(&cluster, "acme.Nested#turn", (addresses, 10)).await.expect("a recursion"), 10, "{nodes}");
    for client_of in [1, 2] {
        let arguments = (nodes.address(client_of), list(&["n2", "n1"]), 10);
        assert_eq!(call(&cluster, "acme.Nested#hop", arguments).await.expect("a recursion"), 10, "{nodes}");
    }
    let leaves = call(&cluster, "acme.Nested#spread", (nodes.address(2), 2, 3)).await.expect("a tree");
    assert_eq!(leaves, 8, "{nodes}");
}

#[tokio::test]
async fn past_the_bound_python_tasks_fail_at_once() {
    let node = TestNode::start(options("1")).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy_python(&cluster).await;
    let arguments = (list(&[node.address()]), 60);
    let error = call(&cluster, "acme_nested:count", arguments).await.expect_err("the bound");
    assert_refused(&error);
    let depth = call(&cluster, "acme_nested:count", (list(&[node.address()]), 2)).await.expect("it goes on");
    assert_eq!(depth, 2);
}

/// The outermost task fails because the innermost was refused: what that was told is in the trace.
fn assert_refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::TaskFailed, "{error:?}");
    let said = format!("{error:?}");
    assert!(said.contains("wait for tasks that they have submitted"), "{said}");
}
