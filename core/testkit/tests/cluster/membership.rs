//! Who belongs to a cluster: joining, leaving in order, draining, and who may not join. Three real nodes.
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use haulier::{Cluster, ConnectOptions, ErrorKind, NodeState};
use haulier_testkit::{
    Gate, NodeOptions, TestCluster, TestNode, TlsMaterial,
    cluster::{alive, cluster_tasks, in_state, name},
    until, within,
};

const DEADLINE: Duration = Duration::from_secs(30);

fn with_labels(labels: &[&str], slots: &str) -> NodeOptions {
    let labels = labels.iter().flat_map(|label| ["--label", label]);
    NodeOptions::default().arguments(["--slots", slots]).arguments(labels)
}

/// Runs `haulier` as a user would.
fn haulier(arguments: &[&str]) -> Output {
    Command::new(TestNode::binary()).args(arguments).output().expect("the command runs")
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn where_it_runs(client: &Cluster) -> String {
    client.task("tasks", "acme_cluster:where").timeout(DEADLINE).call(()).await.expect("a task")
}

#[tokio::test]
async fn every_node_sees_all() {
    let options =
        [with_labels(&["zone=a"], "1"), with_labels(&["zone=b", "disk=ssd"], "2"), with_labels(&["zone=b"], "3")];
    let cluster = TestCluster::start_with(options.to_vec()).await;
    for number in 1..=3 {
        let client = cluster.client(number).await;
        let nodes = within(30, "the nodes", client.nodes()).await.expect("nodes");
        let seen: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.slots, node.owns_catalogue)).collect();
        assert_eq!(seen, [("n1", 1, true), ("n2", 2, false), ("n3", 3, false)], "as n{number} sees them");
        for (index, node) in nodes.iter().enumerate() {
            let process = cluster.node(index + 1);
            assert_eq!((&*node.address, node.process_id), (process.address(), process.process_id()));
            assert_eq!(node.state, NodeState::Alive);
            assert!(node.runtimes.iter().any(|(language, _)| language == "java"), "{:?}", node.runtimes);
            assert!(node.name != client.node() || node.direct, "the client is connected to {}", node.name);
        }
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(nodes[0].labels, labels(&[("zone", "a")]));
        assert_eq!(nodes[1].labels, labels(&[("zone", "b"), ("disk", "ssd")]));
    }
    let table = printed(&haulier(&["nodes", "--address", cluster.address(3)]));
    let shown = |text: &str| table.lines().any(|line| line.contains(text) && line.contains("alive"));
    assert!(shown("n1") && shown("n2") && shown("n3") && table.contains("disk=ssd"), "{table}");
}

#[tokio::test]
async fn nodes_come_and_go() {
    let mut cluster = TestCluster::start(3).await;
    let taken = NodeOptions::default().arguments(["--name", "n2", "--join", cluster.address(1)]);
    let Err(refused) = TestNode::start(taken) else { panic!("two nodes have the name n2") };
    let refused = refused.to_string();
    assert!(refused.contains("'n2'") && refused.contains("--name") && !refused.contains("panicked"), "{refused}");

    // Any member tells where the cluster is.
    let third = cluster.address(3).to_owned();
    assert_eq!(cluster.add_through(Some(&third), NodeOptions::default()), 4);
    cluster.all_alive(&[1, 2, 3, 4]).await;

    // Who leaves in order is gone at once, and not lost.
    assert!(cluster.node_mut(4).terminate(Duration::from_secs(15)), "n4 ends");
    for number in 1..=3 {
        let client = cluster.client(number).await;
        let three = [1, 2, 3].map(name);
        cluster.sees(&client, "three nodes", |nodes| nodes.len() == 3 && alive(nodes) == three).await;
    }
    let said = cluster.node(4).output();
    assert!(!said.contains("ends by itself"), "it has left, it was not given up: {said}");

    // A name is free again when its node has left.
    assert!(cluster.node_mut(3).terminate(Duration::from_secs(15)), "n3 ends");
    let again = NodeOptions::default().arguments(["--name", "n3", "--join", cluster.address(2)]);
    let other = TestNode::start(again).expect("another node of that name, with data of its own");
    let client = cluster.client(1).await;
    let there = |nodes: &[haulier::NodeInfo]| {
        nodes.len() == 3
            && nodes.iter().any(|node| node.process_id == other.process_id() && node.state == NodeState::Alive)
    };
    cluster.sees(&client, "the new n3", there).await;
}

#[tokio::test]
async fn an_address_where_no_cluster_is() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("127.0.0.1:{port}");
    let Err(refused) = TestNode::start(NodeOptions::default().arguments(["--join", &nobody])) else {
        panic!("joined nobody")
    };
    assert!(refused.to_string().contains(&nobody), "{refused}");
}

#[tokio::test]
async fn a_drained_node_finishes_and_takes_nothing_new() {
    let cluster = TestCluster::start_with(vec![with_labels(&["zone=a"], "2"); 3]).await;
    let client = cluster.deploy_tasks().await;
    let task = |entry_point: &str| client.task("tasks", entry_point).timeout(DEADLINE);
    let gate = Gate::open().await;
    let running = task("acme_cluster:hold").node("n2").submit::<String>(gate.port());
    let held = gate.next().await;

    let drained = haulier(&["node", "drain", "n2", "--address", cluster.address(3)]);
    assert!(drained.status.success() && printed(&drained).contains("n2"), "{}", printed(&drained));
    for number in 1..=3 {
        let client = cluster.client(number).await;
        cluster.sees(&client, "n2 draining", |nodes| in_state(nodes, NodeState::Draining) == ["n2"]).await;
        for _ in 0..8 {
            assert_ne!(where_it_runs(&client).await, "n2", "asked n{number}");
        }
        for key in 0..8 {
            let place = client.task("tasks", "acme_cluster:where").timeout(DEADLINE).key(key.to_string());
            assert_ne!(place.call::<String>(()).await.expect("a task"), "n2", "asked n{number}");
        }
    }
    for labelled in [task("acme_cluster:where"), task("acme_cluster:where").label("zone", "a")] {
        let mut names: Vec<String> =
            labelled.broadcast::<String>(()).await.expect("outcomes").into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, ["n1", "n3"]);
    }
    let named = task("acme_cluster:where").node("n2").call::<String>(()).await;
    let named = named.expect_err("it takes nothing new");
    assert_eq!(named.kind(), ErrorKind::Unavailable, "{named:?}");
    assert!(named.to_string().contains("n2") && !named.hint_text().is_empty(), "{named}");

    held.release().await;
    assert_eq!(within(30, "what ran", running).await.expect("it finishes"), "n2");

    let undone = haulier(&["node", "drain", "n2", "--undo", "--address", cluster.address(1)]);
    assert!(undone.status.success(), "{}", printed(&undone));
    cluster.all_alive(&[1, 2, 3]).await;
    // n2 says so first, and each node routes by what it has heard from the catalogue.
    let everywhere = until(DEADLINE, async || {
        task("acme_cluster:where").broadcast::<String>(()).await.is_ok_and(|outcomes| outcomes.len() == 3)
    });
    assert!(everywhere.await, "n2 is part of broadcasts again{cluster}");
    assert_eq!(task("acme_cluster:where").node("n2").call::<String>(()).await.expect("a task"), "n2");

    let unknown = haulier(&["node", "drain", "n9", "--address", cluster.address(1)]);
    assert_eq!(unknown.status.code(), Some(3), "{}", printed(&unknown));
    assert!(printed(&unknown).contains("n9"), "{}", printed(&unknown));
}

/// A port that nobody has now: a node that listens on all addresses must say one before it has it.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A node that listens beyond loopback, with TLS and a token for clients.
fn beyond(material: &TlsMaterial, cluster_token: Option<&Path>) -> NodeOptions {
    let path = |path: &Path| path.display().to_string();
    let port = free_port();
    let mut options = NodeOptions { listen: Some(format!("0.0.0.0:{port}")), ..NodeOptions::default() }
        .arguments(["--advertise".to_owned(), format!("127.0.0.1:{port}")])
        .arguments(["--tls-cert".to_owned(), path(&material.certificate()), "--tls-key".to_owned()])
        .arguments([path(&material.key()), "--tls-ca".to_owned(), path(&material.authority())])
        .arguments(["--token-file".to_owned(), path(&material.folder().join("token"))]);
    if let Some(token) = cluster_token {
        options = options.arguments(["--cluster-token-file".to_owned(), path(token)]);
    }
    options
}

#[tokio::test]
async fn beyond_loopback_only_those_with_the_token_join() {
    const CLIENT: &str = "0123456789abcdef-of-clients";
    const CLUSTER: &str = "0123456789abcdef-of-nodes";
    let material = TlsMaterial::generate();
    let file = |name: &str, text: &str| {
        let path = material.folder().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    file("token", CLIENT);
    let (good, wrong) = (file("cluster-token", CLUSTER), file("other-token", "0123456789abcdef-of-others"));
    let local = |node: &TestNode| node.address().replace("0.0.0.0", "127.0.0.1");

    let first = TestNode::start(beyond(&material, Some(&good)).arguments(["--name", "n1"])).expect("n1");
    let address = local(&first);
    let join = |number: usize, token: Option<&Path>| {
        TestNode::start(beyond(&material, token).arguments(["--name", &name(number), "--join", &address]))
    };
    for token in [None, Some(wrong.as_path()), Some(material.folder().join("token").as_path())] {
        let Err(refused) = join(2, token) else { panic!("a node joined with {token:?}") };
        let refused = refused.to_string();
        assert!(refused.contains("token"), "{refused}");
        assert!(!refused.contains(CLUSTER) && !refused.contains(CLIENT), "{refused}");
    }
    let others = [2, 3].map(|number| join(number, Some(&good)).expect("a member"));

    let authority = fs::read(material.authority()).unwrap();
    let options = |token: &str| ConnectOptions::new(local(&others[1])).ca_certificate(authority.clone()).token(token);
    let client = options(CLIENT).connect().await.expect("a connection");
    let seen = until(DEADLINE, async || client.nodes().await.is_ok_and(|nodes| alive(&nodes) == ["n1", "n2", "n3"]));
    assert!(seen.await, "{:?}\n{}", client.nodes().await, others[1].output());
    client.deploy("tasks", "1.0.0").source(cluster_tasks()).nodes("all").send().await.expect("a unit");
    let task = client.task("tasks", "acme_cluster:fail_on").timeout(DEADLINE);
    let outcomes = within(60, "a broadcast", task.broadcast::<String>("nobody")).await.expect("outcomes");
    assert_eq!(outcomes.len(), 3);
    outcomes.into_iter().for_each(|(node, result)| drop(result.unwrap_or_else(|error| panic!("{node}: {error:?}"))));
    for node in [&first, &others[0], &others[1]] {
        assert!(!node.output().contains(CLUSTER) && !node.output().contains(CLIENT), "a token is in a log");
    }
}
