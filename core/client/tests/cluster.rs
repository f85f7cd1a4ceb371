//! The client with several nodes: direct ways to nodes, and what goes on when the client's own node is gone.
use std::{fs, sync::Arc, time::Duration};

use haulier::{
    Cluster, CodeScope, Codec, ConnectOptions, DeploymentMode, ErrorKind, Language, NodeOutcome, Result, RootKind,
    Submission, Target, Task, Value,
};
use haulier_testkit::{Gate, NodeOptions, Proxy, TestCluster, within};
use tokio::sync::oneshot;

const DEADLINE: Duration = Duration::from_secs(60);

async fn nodes(count: usize) -> TestCluster {
    let cluster = TestCluster::start_with(vec![NodeOptions::default().arguments(["--slots", "4"]); count]).await;
    cluster.deploy_tasks().await;
    cluster
}

fn task(client: &Cluster, entry_point: &str) -> Task {
    client.task("tasks", format!("acme_cluster:{entry_point}")).timeout(DEADLINE)
}

fn leads_to(nodes: &[haulier::NodeInfo], name: &str) -> bool {
    nodes.iter().any(|node| node.name == name && node.direct)
}

/// Waits until tasks for a node go there directly: one task asks for it, also one that comes before the client was told
/// of the node.
async fn becomes_direct(cluster: &TestCluster, client: &Cluster, name: &str) {
    let place: String = task(client, "where").node(name).call(()).await.expect("a task");
    assert_eq!(place, name);
    cluster.sees(client, "a direct way", |nodes| leads_to(nodes, name)).await;
}

#[tokio::test]
async fn named_nodes_are_reached_directly() {
    let mut cluster = nodes(2).await;
    let proxy = Proxy::start(cluster.address(1)).expect("a proxy");
    let client = haulier::connect(proxy.address()).await.expect("a connection");
    assert!(!leads_to(&client.nodes().await.expect("nodes"), "n2"), "nobody has asked for n2");
    becomes_direct(&cluster, &client, "n2").await;
    // No byte comes from n1 any more.
    proxy.hold(true);
    let place = within(20, "a direct task", task(&client, "where").node("n2").call::<String>(())).await;
    assert_eq!(place.expect("a task"), "n2");
    proxy.hold(false);
    assert_eq!(task(&client, "where").node("n1").call::<String>(()).await.expect("a task"), "n1");

    // The numbers of tasks tell their sessions apart.
    let gate = Gate::open().await;
    let hold = task(&client, "hold");
    let on = |node: &str| hold.clone().node(node).submit::<String>(gate.port());
    let (here, there) = (on("n1"), on("n2"));
    let held = gate.all(2).await;
    assert_ne!(here.id(), there.id());
    assert!(client.cancel(there.id().expect("a number"), false).expect("a cancel"));
    let canceled = within(20, "the canceled task", there).await;
    assert_eq!(canceled.expect_err("it was cancelled").kind(), ErrorKind::Canceled);
    for held in held {
        held.release().await;
    }
    assert_eq!(within(20, "the other task", here).await.expect("a result"), "n1");

    // A lost node ends its tasks, as it would by a detour; the client's own session stands.
    let session = client.session_id();
    let running = on("n2");
    let held = gate.next().await;
    cluster.kill9(2);
    let lost = within(20, "a task of a lost node", running).await.expect_err("its node is gone");
    assert_eq!(lost.kind(), ErrorKind::WorkerLost, "{lost:?}");
    assert!(lost.message().contains("'n2'") && lost.hint_text().contains("failover"), "{lost:?}");
    drop(held);
    assert_eq!(client.session_id(), session);
    cluster.sees(&client, "n2 lost", |nodes| !leads_to(nodes, "n2")).await;
    cluster.restart(2);
    cluster.all_alive(&[1, 2]).await;
    assert_eq!(task(&client, "where").node("n2").call::<String>(()).await.expect("by a detour"), "n2");
    client.close().await;
}

/// Code of this client, as a binding sends it.
struct Project {
    folder: tempfile::TempDir,
    client: Cluster,
    scope: Arc<CodeScope>,
}

impl Project {
    async fn new(address: &str, mode: DeploymentMode) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = include_str!("../../../tests/cluster/acme_cluster.py");
        fs::write(folder.path().join("helper.py"), source).expect("a module");
        let main = "import importlib\ndef hold(port, text=''):\n    helper = importlib.import_module('hel' + 'per')\n    return [helper.hold(port), len(text)]\n";
        fs::write(folder.path().join("program.py"), main).expect("a module");
        let client = ConnectOptions::new(address).mode(mode).connect().await.expect("a connection");
        let scope = client.code_scope(RootKind::Python, vec![folder.path().to_owned()]);
        Self { folder, client, scope }
    }

    async fn submit(
        &self,
        arguments: &[Value],
        change: impl FnOnce(&mut Submission),
    ) -> oneshot::Receiver<Result<Vec<NodeOutcome>>> {
        let (scope, (sender, prepared)) = (self.scope.clone(), oneshot::channel());
        std::thread::spawn(move || sender.send(scope.prepare(&["program".to_owned()])));
        let mut submission = Submission {
            code: Some(prepared.await.expect("no panic").expect("code")),
            payload: haulier::encode_arguments(arguments),
            deadline: Some(DEADLINE),
            ..Submission::new(Language::Python, "program:hold", Codec::Values)
        };
        change(&mut submission);
        let (sender, receiver) = oneshot::channel();
        let completion = Box::new(move |ended| drop(sender.send(ended)));
        self.client.submit(submission, completion).expect("a submit");
        receiver
    }
}

async fn value(ended: oneshot::Receiver<Result<Vec<NodeOutcome>>>) -> Result<Value> {
    let outcomes = within(60, "a task", ended).await.expect("a completion")?;
    let outcome = outcomes.into_iter().next().expect("an outcome");
    haulier::decode_value(&outcome.result?.payload)
}

#[tokio::test]
async fn code_and_large_arguments_go_along_to_another_node() {
    let mut cluster = nodes(2).await;
    let project = Project::new(cluster.address(1), DeploymentMode::Private).await;
    let gate = Gate::open().await;
    let port: Value = gate.port().into();
    let text = Value::from("x".repeat(3_000_000));
    let on_n1 = |submission: &mut Submission| submission.target = Target::Node("n1".into());
    let fails = project.submit(&[port.clone(), text.clone()], on_n1).await;
    let moves = project.submit(&[port.clone(), text], |submission| submission.failover = true).await;
    let held = gate.all(2).await;
    cluster.kill9(1);
    assert_eq!(value(fails).await.expect_err("its node is gone").kind(), ErrorKind::SessionLost);
    drop(held);
    // What the old node had is told to the other one: the code, with what is imported late, and the argument.
    let again = gate.next().await;
    assert_eq!(again.node, "n2");
    again.release().await;
    assert_eq!(value(moves).await.expect("it ran again"), Value::List(vec!["n2".into(), 3_000_000.into()]));
    assert_eq!(project.client.node(), "n2");
    let late = project.submit(&[port], |_| {}).await;
    gate.next().await.release().await;
    assert_eq!(value(late).await.expect("a task"), Value::List(vec!["n2".into(), 0.into()]));
    drop(project.folder);
}

#[tokio::test]
async fn code_goes_directly_where_loaders_are_shared() {
    let cluster = nodes(2).await;
    let proxy = Proxy::start(cluster.address(1)).expect("a proxy");
    let project = Project::new(&proxy.address(), DeploymentMode::Shared).await;
    becomes_direct(&cluster, &project.client, "n2").await;
    let gate = Gate::open().await;
    let on_n2 = |submission: &mut Submission| submission.target = Target::Node("n2".into());
    // The first one may take the detour while the node is told of the code; at the end no byte comes from n1 any more.
    for call in 0..20 {
        let ended = project.submit(&[gate.port().into()], on_n2).await;
        gate.next().await.release().await;
        assert_eq!(value(ended).await.expect("a task"), Value::List(vec!["n2".into(), 0.into()]));
        proxy.hold(call == 18);
    }
}

#[tokio::test]
async fn a_node_that_stops_is_left_at_once() {
    let mut cluster = nodes(2).await;
    let client = cluster.client(1).await;
    let gate = Gate::open().await;
    let moves = task(&client, "hold").failover().submit::<String>(gate.port());
    gate.next().await.release().await;
    within(20, "a task", moves).await.expect("a result");
    let calls: Vec<_> = (0..50).map(|_| task(&client, "where").failover().submit::<String>(())).collect();
    assert!(cluster.node_mut(1).terminate(Duration::from_secs(20)), "it ends");
    for call in calls {
        within(30, "a task with failover", call).await.expect("it ran somewhere");
    }
    assert_eq!(task(&client, "where").call::<String>(()).await.expect("a task"), "n2");
    assert_eq!(client.node(), "n2");
}
