//! A node that takes no code of clients runs what it has, and says so of the rest.
use haulier::{Codec, ConnectOptions, DeploymentMode, Error, ErrorKind, Language, Submission, Target};
use haulier_testkit::{NodeOptions, TestNode, answer, fixture};

use crate::client::{JAVA, java};

fn is_refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(error.message().contains("peer loading is off"), "{error}");
    assert!(error.hint_text().contains("haulier deploy"), "{error:?}");
}

async fn unknown_is_refused_and_known_runs(node: &TestNode, address: &str) {
    let client = java(address, DeploymentMode::Private).await;
    assert!(!client.cluster.peer_loading());
    let unknown = client.call(Target::Any, JAVA.0, JAVA.1, &[]).await;
    is_refused(&unknown.expect_err("the node does not have the class"));
    let by_value =
        Submission { requires: vec!["cpython-311".into()], ..Submission::new(Language::Python, "", Codec::Pickle) };
    is_refused(&answer(&client.cluster, by_value).await.expect_err("a function is code"));
    let staying = client.cluster.task("session:123456", JAVA.1).call::<i64>(()).await;
    is_refused(&staying.expect_err("nothing stays here"));
    client.cluster.deploy("pricing", "1.0.0").source(fixture("pricing-1.jar")).send().await.expect("a unit");
    let versions = client.cluster.task("pricing:1.0.0", "acme.Price#versions").call::<String>(()).await;
    assert_eq!(versions.expect("a result"), "price 1, rate 1", "{}", node.output());
}

#[tokio::test]
async fn by_configuration() {
    let node = TestNode::start(NodeOptions::default().arguments(["--no-peer-loading"])).expect("a node");
    unknown_is_refused_and_known_runs(&node, node.address()).await;
}

#[tokio::test]
async fn in_production() {
    let options = NodeOptions::default().arguments(["--profile", "production"]);
    let node = TestNode::start(options).expect("a node");
    unknown_is_refused_and_known_runs(&node, node.address()).await;
}

#[tokio::test]
async fn beyond_loopback() {
    let listen = Some("0.0.0.0:0".to_owned());
    let options = NodeOptions { listen, ..NodeOptions::default() }.arguments(["--insecure"]);
    let node = TestNode::start(options).expect("a node");
    let (_, port) = node.address().rsplit_once(':').expect("host:port");
    unknown_is_refused_and_known_runs(&node, &format!("127.0.0.1:{port}")).await;
}

#[tokio::test]
async fn the_code_of_the_node_itself_runs() {
    let local = fixture("tasks.jar").display().to_string();
    let options = NodeOptions::default().arguments(["--no-peer-loading", "--local-code", &local]);
    let node = TestNode::start(options).expect("a node");
    let cluster = ConnectOptions::new(node.address()).connect().await.expect("a connection");
    let units: [&str; 0] = [];
    assert_eq!(cluster.task(units, JAVA.1).call::<i64>(()).await.expect("a result"), 1);
}
