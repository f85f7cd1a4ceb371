//! Slots: a long task holds up neither the results that were finished before it, nor the tasks behind it, nor a cancel.
use std::time::Duration;

use haulier::{Cluster, ErrorKind, Value};
use haulier_testkit::{Gate, NodeOptions, TestNode, cluster::cluster_tasks, fixture, until};

const DEADLINE: Duration = Duration::from_secs(30);
const LANGUAGES: [(&str, &str, &str); 2] = [
    ("tasks", "acme.tasks.Values#echo", "acme.tasks.Faults#never"),
    ("python-tasks", "acme_tasks.values:echo", "acme_tasks.faults:never"),
];

async fn node(slots: &str) -> (TestNode, Cluster) {
    let node = TestNode::start(NodeOptions::default().arguments(["--slots", slots])).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    cluster.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).send().await.expect("a unit");
    cluster.deploy("python-tasks", "1.0.0").source(fixture("acme_tasks")).send().await.expect("a unit");
    (node, cluster)
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| panic!("{what} took more than {DEADLINE:?}"))
}

#[tokio::test]
async fn results_before_a_long_task_are_out_at_once() {
    let (_node, cluster) = node("1").await;
    for (unit, echo, never) in LANGUAGES {
        let (echo, never) = (cluster.task(unit, echo), cluster.task(unit, never));
        let short: Vec<_> = (0..5).map(|number| echo.submit::<i64>(number)).collect();
        let long = never.submit::<Value>(());
        for (number, handle) in (0..).zip(short) {
            assert_eq!(within("a finished result", handle).await.expect("a result"), number, "{unit}");
        }
        long.cancel();
        assert_eq!(within("the long task", long).await.expect_err("cancelled").kind(), ErrorKind::Canceled);
    }
}

#[tokio::test]
async fn a_long_task_delays_nobody_while_a_slot_is_free() {
    let (_node, cluster) = node("2").await;
    for (unit, echo, never) in LANGUAGES {
        let (echo, never) = (cluster.task(unit, echo), cluster.task(unit, never));
        let long = never.submit::<Value>(());
        let short: Vec<_> = (0..500).map(|number| echo.submit::<i64>(number)).collect();
        for (number, handle) in (0..).zip(short) {
            assert_eq!(within("a short task", handle).await.expect("a result"), number, "{unit}");
        }
        long.cancel();
        assert_eq!(within("the long task", long).await.expect_err("cancelled").kind(), ErrorKind::Canceled);
    }
}

#[tokio::test]
async fn a_cancel_does_not_wait_behind_large_payloads() {
    let (_node, cluster) = node("2").await;
    for (unit, echo, never) in LANGUAGES {
        let (echo, never) = (cluster.task(unit, echo), cluster.task(unit, never));
        let long = never.submit::<Value>(());
        let payload = vec![7_u8; 16 << 20];
        let large: Vec<_> = (0..4).map(|_| echo.submit::<Value>(payload.as_slice())).collect();
        long.cancel();
        assert_eq!(within("the cancel", long).await.expect_err("cancelled").kind(), ErrorKind::Canceled);
        for handle in large {
            let result = within("a large payload", handle).await.expect("a result");
            assert_eq!(result, Value::Bytes(payload.clone()), "{unit}");
        }
    }
}

#[tokio::test]
async fn many_submits_wait_for_credit_and_are_all_answered() {
    let (_node, cluster) = node("2").await;
    let echo = cluster.task("tasks", "acme.tasks.Values#echo");
    let handles: Vec<_> = (0..20_000).map(|number| echo.submit::<i64>(number)).collect();
    for (number, handle) in (0..).zip(handles) {
        assert_eq!(within("a task of many", handle).await.expect("a result"), number);
    }
}

/// A node has 32 Python processes at the most.
#[tokio::test]
async fn a_node_that_has_no_room_for_more_workers_says_so_once() {
    const PROCESSES: usize = 32;
    let mut options = NodeOptions::default().arguments(["--slots", "40"]);
    options.environment.push(("HAULIER_LOG".into(), "info,haulier_node=debug".into()));
    let node = TestNode::start(options).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    cluster.deploy("gate", "1.0.0").source(cluster_tasks()).send().await.expect("a unit");
    let gate = Gate::open().await;
    let hold = cluster.task("gate", "acme_cluster:hold");
    let tasks: Vec<_> = (0..PROCESSES + 2).map(|_| hold.submit::<String>(gate.port())).collect();
    let held = gate.all(PROCESSES).await;
    let said = |text: &str| node.output().matches(text).count();
    let tried = until(DEADLINE, async || said("a further worker could not be started either") >= 5).await;
    assert!(tried, "it tries again:\n{}", node.output());
    drop(held);
    drop(gate.all(2).await);
    for task in tasks {
        within("a task", task).await.expect("a result");
    }
    let over = until(DEADLINE, async || said("no further workers are wanted") > 0).await;
    assert!(over, "that it is over:\n{}", node.output());
    assert_eq!(said("a further worker could not be started;"), 1, "{}", node.output());
    assert_eq!(said("no further workers are wanted"), 1, "{}", node.output());
}
