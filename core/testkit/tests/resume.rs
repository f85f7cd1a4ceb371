//! A session outlives its connection: what was submitted is neither lost nor run twice when the connection breaks.
use std::time::Duration;

use haulier::{ConnectOptions, ErrorKind, Value};
use haulier_testkit::{NodeOptions, Proxy, TestNode, fixture, until};

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_survive_broken_connections() {
    let cuts = if std::env::var_os("HAULIER_SOAK").is_some() { 100 } else { 8 };
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let proxy = Proxy::start(node.address()).unwrap();
    let cluster = haulier::connect(proxy.address()).await.expect("a connection");
    cluster.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).send().await.expect("a unit");
    let calls = cluster.task("tasks", "acme.tasks.Surroundings#calls").timeout(DEADLINE);
    let mut seen = vec![calls.call::<i64>(()).await.expect("a warm worker")];
    for round in 0..cuts {
        let handles: Vec<_> = (0..200).map(|_| calls.submit::<i64>(())).collect();
        assert!(proxy.cut() > 0, "round {round} had a connection to cut");
        for handle in handles {
            seen.push(handle.await.unwrap_or_else(|error| panic!("round {round}: {error:?}")));
        }
    }
    seen.sort_unstable();
    let expected: Vec<i64> = (1..=seen.len() as i64).collect();
    assert_eq!(seen, expected, "each submit ran once and was answered once");
}

#[tokio::test]
async fn a_connection_that_stays_broken_ends_the_session() {
    // Where nobody listens, so that the client finds no way around the proxy.
    let hidden = NodeOptions::default().arguments(["--advertise", "127.0.0.1:1"]);
    let node = TestNode::start(hidden).expect("a node");
    let proxy = Proxy::start(node.address()).unwrap();
    let options = ConnectOptions::new(proxy.address()).resume_window(Duration::from_secs(1));
    let cluster = options.connect().await.expect("a connection");
    cluster.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).send().await.expect("a unit");
    let never = cluster.task("tasks", "acme.tasks.Faults#never").submit::<Value>(());
    proxy.refuse(true);
    proxy.cut();
    let ended = tokio::time::timeout(DEADLINE, never).await.expect("an end in time").expect_err("lost");
    assert_eq!(ended.kind(), ErrorKind::SessionLost, "{ended:?}");
}

#[tokio::test]
async fn a_restarted_node_does_not_know_the_session() {
    let mut node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    cluster.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).send().await.expect("a unit");
    let never = cluster.task("tasks", "acme.tasks.Faults#never").submit::<Value>(());
    // What the node has never seen would be submitted again.
    let begun = async || cluster.nodes().await.is_ok_and(|nodes| nodes.iter().any(|node| node.executing > 0));
    assert!(until(DEADLINE, begun).await, "the task begins");
    node.restart().expect("the node again");
    let ended = tokio::time::timeout(DEADLINE, never).await.expect("an end in time").expect_err("lost");
    assert_eq!(ended.kind(), ErrorKind::SessionLost, "{ended:?}");
    let again = haulier::connect(node.address()).await.expect("a new session");
    let result: String = again.task("tasks", "acme.tasks.AsCallable").timeout(DEADLINE).call(()).await.expect("a task");
    assert_eq!(result, "callable");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_tasks_with_it() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let staying = haulier::connect(node.address()).await.expect("a connection");
    let leaving = haulier::connect(node.address()).await.expect("a connection");
    leaving.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).send().await.expect("a unit");
    let never = leaving.task("tasks", "acme.tasks.Faults#never").submit::<Value>(());
    leaving.close().await;
    let ended = tokio::time::timeout(DEADLINE, never).await.expect("an end in time").expect_err("cancelled");
    assert_eq!(ended.kind(), ErrorKind::Canceled, "{ended:?}");
    let error = leaving.nodes().await.expect_err("a closed cluster");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    let result: String =
        staying.task("tasks", "acme.tasks.AsCallable").timeout(DEADLINE).call(()).await.expect("a task");
    assert_eq!(result, "callable");
}
