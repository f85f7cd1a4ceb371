//! Code that stays: after its clients, after the node's end, until it is undeployed or makes room.
use std::time::Duration;

use haulier::{
    Cluster, ConnectOptions, ContinuousCode,
    DeploymentMode::{Continuous, Private},
    ErrorKind, Language, Target,
};
use haulier_testkit::{CommandLine, NodeOptions, PeerClient, Proxy, TestNode, fixture, until};

use crate::client::{JAVA, PYTHON, count, count_by, java, java_with, module, python};

const DEADLINE: Duration = Duration::from_secs(30);
/// A class of the same jar that the closure of [`JAVA`] does not have.
const UNSEEN: (&str, &str) = ("acme/tasks/AsCallable", "acme.tasks.AsCallable");

/// The one code that stays.
pub(crate) async fn only(cluster: &Cluster) -> ContinuousCode {
    let mut all = cluster.continuous_code().await.expect("a list");
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Waits until the node has no session but this one.
pub(crate) async fn alone(cluster: &Cluster) {
    let alone = until(DEADLINE, async || cluster.sessions().await.is_ok_and(|sessions| sessions.len() == 1));
    assert!(alone.await, "the other sessions have ended");
}

#[tokio::test]
async fn it_stays_after_its_clients_and_the_node() {
    let mut node = TestNode::start(NodeOptions::default()).expect("a node");
    let first = java(node.address(), Continuous).await;
    assert_eq!(count(&first, JAVA).await, 1);
    first.cluster.close().await;
    let operator = haulier::connect(node.address()).await.expect("a connection");
    alone(&operator).await;
    let code = only(&operator).await;
    assert!(code.held_bytes > 0 && code.held_bytes < code.size, "only what its tasks needed is here: {code:?}");
    assert_eq!((code.names.as_slice(), code.origins.len()), (["tasks.jar".to_owned()].as_slice(), 1));
    let second = java(node.address(), Continuous).await;
    assert_eq!(count(&second, JAVA).await, 2, "its loader stayed");
    second.cluster.close().await;
    assert_eq!(count_by(&operator, &code.reference(), JAVA).await.expect("a result"), 3, "no client is needed");
    operator.collect_garbage(false).await.expect("a collection");
    operator.close().await;
    node.restart().expect("the node again");
    let operator = haulier::connect(node.address()).await.expect("a connection");
    operator.collect_garbage(false).await.expect("a collection");
    assert_eq!(only(&operator).await.snapshot, code.snapshot);
    assert_eq!(count_by(&operator, &code.reference()[..20], JAVA).await.expect("a result"), 1);
    let proxy = Proxy::start(node.address()).expect("a proxy");
    let third = java_with(ConnectOptions::new(proxy.address()).mode(Continuous)).await;
    assert_eq!(count(&third, JAVA).await, 2);
    let size = std::fs::metadata(fixture("classes/tasks/acme/tasks/Count.class")).expect("a class").len();
    let round_trips: u64 = operator.nodes().await.expect("the nodes").iter().map(|node| node.code_round_trips).sum();
    assert_eq!(round_trips, 1, "an offer, and no pack of {size} bytes and more");
}

#[tokio::test]
async fn what_never_came_is_named() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let client = java(node.address(), Continuous).await;
    assert_eq!(count(&client, JAVA).await, 1);
    let operator = haulier::connect(node.address()).await.expect("a connection");
    let reference = only(&operator).await.reference();
    client.cluster.close().await;
    alone(&operator).await;
    let error = operator.task(&*reference, UNSEEN.1).call::<String>(()).await.expect_err("it never came");
    let text = format!("{error} {:?} {:?}", error.remote(), error.hint_text());
    assert!(text.contains("acme/tasks/AsCallable.class") && text.contains("has gone"), "{error:?}");
    assert!(text.contains("haulier deploy") && text.contains("haulier promote"), "{error:?}");
    assert_eq!(count_by(&operator, &reference, JAVA).await.expect("what came runs"), 2);
    let again = java(node.address(), Continuous).await;
    assert_eq!(again.call(Target::Any, UNSEEN.0, UNSEEN.1, &[]).await.expect("a result"), "callable".into());
    again.cluster.close().await;
    alone(&operator).await;
    assert_eq!(operator.task(&*reference, UNSEEN.1).call::<String>(()).await.expect("now it is here"), "callable");
}

#[tokio::test]
async fn python_code_stays_too() {
    let mut node = TestNode::start(NodeOptions::default().arguments(["--slots", "1"])).expect("a node");
    let folder = tempfile::tempdir().unwrap();
    let client = python(node.address(), Continuous, &module(folder.path())).await;
    assert_eq!(count(&client, PYTHON).await, 1);
    client.cluster.close().await;
    let operator = haulier::connect(node.address()).await.expect("a connection");
    alone(&operator).await;
    let reference = only(&operator).await.reference();
    assert_eq!(count_by(&operator, &reference, PYTHON).await.expect("a result"), 2);
    operator.close().await;
    drop(folder);
    node.restart().expect("the node again");
    let operator = haulier::connect(node.address()).await.expect("a connection");
    assert_eq!(count_by(&operator, &reference, PYTHON).await.expect("a result"), 1);
}

#[tokio::test]
async fn undeploy_ends_it() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let client = java(node.address(), Continuous).await;
    assert_eq!(count(&client, JAVA).await, 1);
    let command = CommandLine::new(node.address());
    let listed = command.run(&["sessions"]).await;
    let short = client.cluster.continuous_code().await.expect("a list").remove(0).snapshot.short();
    assert!(listed.code == 0 && listed.output.contains(&format!("session:{short}")), "{listed:?}");
    let listed: serde_json::Value =
        serde_json::from_str(&command.run(&["sessions", "--output", "json"]).await.output).expect("JSON");
    let code = listed.as_array().expect("a list").iter().find(|one| one["kind"] == "continuous").expect("the code");
    let reference = code["id"].as_str().expect("a reference");
    assert!(code["held_bytes"].as_u64() > Some(0) && code["origins"][0].is_string(), "{code}");
    let undeployed = command.run(&["undeploy", &format!("session:{}", &reference[8..18])]).await;
    assert!(undeployed.code == 0 && undeployed.output.contains(reference), "{undeployed:?}");
    let unknown = command.run(&["undeploy", reference]).await;
    assert!(unknown.code == 3 && unknown.complaint.contains("haulier sessions"), "{unknown:?}");
    let refused = client.cluster.task(reference, JAVA.1).call::<i64>(()).await.expect_err("it is gone");
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused:?}");
    // Who is still there begins anew, when the last task with the old loader has been let go.
    let anew = until(DEADLINE, async || {
        let seen = count(&client, JAVA).await;
        let undeployed = seen != 1 && client.cluster.undeploy(reference, false).await.is_ok();
        assert!(seen == 1 || undeployed);
        seen == 1
    });
    assert!(anew.await, "the old loader has gone");
    assert_eq!(only(&client.cluster).await.reference(), reference);
}

#[tokio::test]
async fn what_is_not_used_goes_and_what_is_used_stays() {
    let node = TestNode::start(NodeOptions::default().arguments(["--continuous-ttl", "1"])).expect("a node");
    let staying = java(node.address(), Continuous).await;
    assert_eq!(count(&staying, JAVA).await, 1);
    let kept = only(&staying.cluster).await;
    let options = ConnectOptions::new(node.address()).mode(Continuous);
    let leaving = PeerClient::connect(options, Language::Java, vec![fixture("pricing-1.jar")]).await;
    leaving.call(Target::Any, "acme/Price", "acme.Price#versions", &[]).await.expect("a result");
    leaving.cluster.close().await;
    let gone = until(DEADLINE, async || {
        let code = staying.cluster.continuous_code().await.expect("a list");
        code.iter().all(|code| code.snapshot == kept.snapshot)
    });
    assert!(gone.await, "nobody used it: {}", node.output());
    assert_eq!(only(&staying.cluster).await.snapshot, kept.snapshot, "it is in use: {}", node.output());
    assert_eq!(count(&staying, JAVA).await, 2);
}

#[tokio::test]
async fn the_least_recently_used_makes_room() {
    let node = TestNode::start(NodeOptions::default().arguments(["--continuous-count", "1"])).expect("a node");
    let operator = ConnectOptions::new(node.address()).mode(Private).connect().await.expect("a connection");
    let first = java(node.address(), Continuous).await;
    assert_eq!(count(&first, JAVA).await, 1);
    let kept = only(&operator).await;
    // The first one is in use: the second cannot stay, and says so.
    let refused = price(&node).await.expect_err("no room");
    assert_eq!(refused.kind(), ErrorKind::ResourceExhausted, "{refused:?}");
    assert!(refused.hint_text().contains("--continuous-count"), "{refused:?}");
    assert_eq!(only(&operator).await.snapshot, kept.snapshot);
    first.cluster.close().await;
    let replaced =
        until(DEADLINE, async || price(&node).await.is_ok() && only(&operator).await.snapshot != kept.snapshot);
    assert!(replaced.await, "{}", node.output());
}

#[tokio::test]
async fn what_takes_too_much_makes_room() {
    let arguments = ["--continuous-bytes", "1", "--continuous-ttl", "20"];
    let node = TestNode::start(NodeOptions::default().arguments(arguments)).expect("a node");
    price(&node).await.expect("a result");
    let operator = haulier::connect(node.address()).await.expect("a connection");
    let gone = until(DEADLINE, async || {
        let none = operator.continuous_code().await.is_ok_and(|code| code.is_empty());
        none && node.output().contains("had to make room")
    });
    assert!(gone.await, "{}", node.output());
}

async fn price(node: &TestNode) -> haulier::Result<()> {
    let options = ConnectOptions::new(node.address()).mode(Continuous);
    let client = PeerClient::connect(options, Language::Java, vec![fixture("pricing-1.jar")]).await;
    let result = client.call(Target::Any, "acme/Price", "acme.Price#versions", &[]).await;
    client.cluster.close().await;
    result.map(drop)
}

#[tokio::test]
async fn no_unit_has_its_name() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let refused = cluster.deploy("session", "1.0.0").source(fixture("pricing-1.jar")).send().await;
    assert_eq!(refused.expect_err("a reserved name").kind(), ErrorKind::InvalidArgument);
    for bad in ["session:12345", "session:pricing"] {
        let refused = cluster.task(bad, JAVA.1).call::<i64>(()).await.expect_err("no digest");
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{refused:?}");
    }
}
