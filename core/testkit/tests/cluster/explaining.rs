//! `haulier explain --job` for tasks that another node has run: that node is asked.
use std::time::Duration;

use haulier::{Cluster, ConnectOptions, Error, ErrorKind, Explanation, Language, Question, Result, Target};
use haulier_testkit::{CommandLine, PeerClient, TestCluster, cluster::in_state, fixture, until, within};

const DEADLINE: Duration = Duration::from_secs(20);

/// The name that a failure says is that of a task.
fn task_of(error: &Error) -> String {
    let task = error.contexts().iter().find(|(key, _)| key == "task").map(|(_, task)| task.clone());
    task.unwrap_or_else(|| panic!("no task: {error:?}"))
}

async fn explain(client: &Cluster, task: &str) -> Result<Explanation> {
    let question = Question { name: "acme.Price".into(), task: task.into(), ..Question::default() };
    within(15, "an explanation", client.explain(question)).await
}

async fn peer_client(cluster: &TestCluster, number: usize) -> PeerClient {
    let options = ConnectOptions::new(cluster.address(number));
    PeerClient::connect(options, Language::Java, vec![fixture("pricing-1.jar")]).await
}

/// A task of a class that is not there, on that node.
async fn failed_on(client: &PeerClient, node: &str) -> String {
    let failed = client.call(Target::Node(node.into()), "acme/Price", "acme.Prise", &[]).await;
    task_of(&failed.expect_err("there is no such class"))
}

fn is_from_client(explained: &Explanation) {
    assert!(explained.places[0].peer && explained.places[0].label.ends_with("/pricing-1.jar"), "{explained}");
}

#[tokio::test]
async fn the_node_that_ran_a_task_explains_it() {
    let cluster = TestCluster::start(3).await;
    let (owner, other) = (cluster.client(1).await, cluster.client(2).await);
    let client = peer_client(&cluster, 1).await;
    let session = client.cluster.session_id();
    let task = failed_on(&client, "n3").await;
    assert!(task.starts_with(&format!("{session}/")), "it is named by its client's session: {task}, not {session}");
    // The second task has another number at its owner than at the node that ran it.
    client.call(Target::Node("n2".into()), "acme/Price", "acme.Prise", &[]).await.expect_err("no such class");
    let second = failed_on(&client, "n3").await;
    for task in [&task, &second] {
        is_from_client(&explain(&owner, task).await.expect("the owner asks n3"));
        is_from_client(&explain(&other, task).await.expect("a node that has had nothing to do with it asks, too"));
        is_from_client(&explain(&cluster.client(3).await, task).await.expect("n3 itself knows"));
    }
    let said = CommandLine::new(cluster.address(1)).run(&["explain", "acme.Price", "--job", &second]).await.succeeded();
    assert!(said.contains("pricing-1.jar"), "{said}");
    // All sessions of it end, and what they have run is known for some minutes.
    client.cluster.close().await;
    is_from_client(&explain(&owner, &task).await.expect("it is known after its session"));
    let absent = explain(&owner, &format!("{session}/99")).await.expect_err("no such task");
    assert!(absent.kind() == ErrorKind::NotFound && absent.to_string().contains("no node"), "{absent:?}");
}

#[tokio::test]
async fn units_are_explained_by_the_node_that_ran_them() {
    let cluster = TestCluster::start(3).await;
    let client = cluster.client(1).await;
    for (name, jar) in [("old", "pricing-1.jar"), ("new", "pricing-2.jar")] {
        client.deploy(name, "1.0.0").source(fixture(jar)).nodes("all").send().await.expect("a unit");
    }
    let failing = client.task(["old", "new"], "acme.Prise").broadcast::<()>(()).await.expect("outcomes");
    let tasks: Vec<String> = failing.iter().map(|(_, result)| task_of(result.as_ref().expect_err("none"))).collect();
    assert_eq!((tasks.len(), &tasks[0], &tasks[1]), (3, &tasks[1], &tasks[2]), "each part says the name of the whole");
    let failed = client.task(["old", "new"], "acme.Prise").node("n2").call::<()>(()).await.expect_err("no such class");
    for task in [&tasks[0], &task_of(&failed)] {
        let explained = explain(&client, task).await.expect("a class");
        let labels: Vec<&str> = explained.places.iter().map(|place| place.label.as_str()).collect();
        assert_eq!(labels, ["old:1.0.0/pricing-1.jar", "new:1.0.0/pricing-2.jar"]);
    }
}

#[tokio::test]
async fn a_node_that_has_gone_is_named() {
    let mut cluster = TestCluster::start(3).await;
    let owner = cluster.client(1).await;
    let client = peer_client(&cluster, 1).await;
    let task = failed_on(&client, "n3").await;
    // A process that is being stopped may answer once more.
    let refused = async || {
        let mut last = None;
        let is_refused = until(DEADLINE, async || last.insert(explain(&owner, &task).await).is_err());
        assert!(is_refused.await, "n3 answers: {last:?}");
        let error = last.and_then(Result::err).expect("a failure");
        assert!(error.kind() == ErrorKind::Unavailable && error.to_string().contains("'n3'"), "{error:?}");
        assert!(error.hint_text().contains("--unit"), "{error:?}");
    };
    cluster.stop(3);
    refused().await;
    cluster.resume(3);
    cluster.all_alive(&[1, 2, 3]).await;
    is_from_client(&explain(&owner, &task).await.expect("n3 is back"));
    cluster.kill9(3);
    let lost = |nodes: &[haulier::NodeInfo]| !in_state(nodes, haulier::NodeState::Alive).contains(&"n3".to_owned());
    assert!(cluster.sees(&owner, "n3 lost", lost).await < DEADLINE);
    refused().await;
    cluster.restart(3);
    cluster.all_alive(&[1, 2, 3]).await;
    let forgotten = explain(&owner, &task).await.expect_err("it was in the memory of n3");
    assert!(forgotten.kind() == ErrorKind::NotFound && forgotten.to_string().contains("'n3'"), "{forgotten:?}");
}
