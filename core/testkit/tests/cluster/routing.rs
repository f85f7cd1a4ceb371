//! Where tasks run: on a named node, by label, by key, on the least loaded one, on all. Three real nodes of one slot.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use haulier::{Cluster, ErrorKind, Task};
use haulier_testkit::{
    Gate, NodeOptions, TestCluster,
    cluster::{alive, name},
    within,
};

const DEADLINE: Duration = Duration::from_secs(30);
const NAMES: [&str; 3] = ["n1", "n2", "n3"];

async fn cluster() -> (TestCluster, Cluster) {
    let one_slot = |labels: &[&str]| {
        let labels = labels.iter().flat_map(|label| ["--label", label]);
        NodeOptions::default().arguments(["--slots", "1"]).arguments(labels)
    };
    let options = vec![one_slot(&["zone=a"]), one_slot(&["zone=b", "disk=ssd"]), one_slot(&["zone=b"])];
    let cluster = TestCluster::start_with(options).await;
    let client = cluster.deploy_tasks().await;
    (cluster, client)
}

fn task(client: &Cluster, entry_point: &str) -> Task {
    client.task("tasks", format!("acme_cluster:{entry_point}")).timeout(DEADLINE)
}

async fn place(task: Task) -> String {
    task.call(()).await.unwrap_or_else(|error| panic!("{error:?}"))
}

/// Where the tasks of these keys run, as the node of this client routes them.
async fn places(client: &Cluster, keys: usize) -> Vec<String> {
    let tasks: Vec<Task> = (0..keys).map(|key| task(client, "where").key(format!("customer-{key}"))).collect();
    join_all(tasks.into_iter().map(place)).await
}

#[tokio::test]
async fn targets_are_met_from_every_node() {
    let (cluster, _) = cluster().await;
    for number in 1..=3 {
        let client = cluster.client(number).await;
        let place_of = |choose: &dyn Fn(Task) -> Task| place(choose(task(&client, "where")));
        for name in NAMES {
            assert_eq!(place_of(&|task| task.node(name)).await, name, "asked n{number}");
        }
        for _ in 0..4 {
            assert_ne!(place_of(&|task| task.label("zone", "b")).await, "n1", "asked n{number}");
            assert_eq!(place_of(&|task| task.label("zone", "b").label("disk", "ssd")).await, "n2", "asked n{number}");
            assert_eq!(place_of(&|task| task.label("zone", "a").key("any")).await, "n1", "asked n{number}");
        }
        let nowhere = task(&client, "where").label("zone", "c").call::<String>(()).await;
        let nowhere = nowhere.expect_err("no node has this label");
        assert!(nowhere.to_string().contains("zone=c"), "{nowhere}");
        assert!(nowhere.hint_text().contains("haulier nodes"), "{nowhere:?}");
        let unknown = task(&client, "where").node("n9").call::<String>(()).await.expect_err("no such node");
        assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown:?}");
    }
}

#[tokio::test]
async fn a_broadcast_gives_each_nodes_outcome() {
    let (cluster, _) = cluster().await;
    for number in 1..=3 {
        let client = cluster.client(number).await;
        let outcomes = task(&client, "where").broadcast::<String>(()).await.expect("outcomes");
        let seen: BTreeMap<String, String> =
            outcomes.into_iter().map(|(node, result)| (node, result.expect("a name"))).collect();
        assert_eq!(seen, NAMES.map(|name| (name.to_owned(), name.to_owned())).into());

        let labelled = task(&client, "where").label("zone", "b").broadcast::<String>(()).await.expect("outcomes");
        let labelled: BTreeSet<String> = labelled.into_iter().map(|(node, _)| node).collect();
        assert_eq!(labelled, ["n2".to_owned(), "n3".to_owned()].into());
        let nowhere = task(&client, "where").label("zone", "c").broadcast::<String>(()).await;
        let nowhere = nowhere.expect_err("no node has this label");
        assert!(nowhere.to_string().contains("zone=c"), "{nowhere}");

        for bad in NAMES {
            let outcomes = task(&client, "fail_on").broadcast::<String>(bad).await.expect("outcomes");
            assert_eq!(outcomes.len(), 3);
            for (node, result) in outcomes {
                match result {
                    Ok(seen) => assert!(seen == node && node != bad, "{node} answered {seen}"),
                    Err(error) => {
                        assert_eq!((node.as_str(), error.kind()), (bad, ErrorKind::TaskFailed), "{error:?}");
                        let remote = error.remote().expect("what the task threw");
                        assert!(remote.type_name.contains("ValueError") && remote.message.contains(bad), "{remote:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn tasks_that_wait_spread_over_the_nodes() {
    let (cluster, client) = cluster().await;
    let gate = Gate::open().await;
    for round in 0..3 {
        // In the first round no node has ever run a task; later they know tasks as short.
        let hold = task(&client, "hold");
        let handles: Vec<_> = (0..3).map(|_| hold.submit::<String>(gate.port())).collect();
        // They run at the same time, or this never ends: each node has one slot.
        let held = gate.all(3).await;
        let nodes: BTreeSet<&str> = held.iter().map(|held| held.node.as_str()).collect();
        assert_eq!(nodes, NAMES.into(), "round {round}");
        for held in held {
            held.release().await;
        }
        for handle in handles {
            within(30, "a released task", handle).await.expect("a result");
        }
        join_all((0..100).map(|_| place(task(&client, "where")))).await;
    }
    // More than there are slots: all run in the end, and no node stands idle while tasks wait.
    let hold = task(&client, "hold");
    let handles: Vec<_> = (0..12).map(|_| hold.submit::<String>(gate.port())).collect();
    for _ in 0..12 {
        gate.next().await.release().await;
    }
    let ran = join_all(handles).await;
    let ran: BTreeSet<String> = ran.into_iter().map(|result| result.expect("a result")).collect();
    assert_eq!(ran.len(), 3, "{ran:?}");
    drop(cluster);
}

#[tokio::test]
async fn a_key_stays_on_its_node_as_long_as_that_is_there() {
    const KEYS: usize = 60;
    let (mut cluster, client) = cluster().await;
    let before = places(&client, KEYS).await;
    for name in NAMES {
        let count = before.iter().filter(|place| *place == name).count();
        assert!(count >= KEYS / 10, "{name} has {count} of {KEYS} keys");
    }
    for number in 1..=3 {
        assert_eq!(places(&cluster.client(number).await, KEYS).await, before, "asked n{number}");
    }

    cluster.kill9(3);
    for number in 1..=2 {
        let client = cluster.client(number).await;
        cluster.sees(&client, "n3 lost", |nodes| alive(nodes) == ["n1", "n2"]).await;
    }
    let after = places(&client, KEYS).await;
    for (before, after) in before.iter().zip(&after) {
        assert!(after != "n3" && (before == after || before == "n3"), "from {before} to {after}");
    }
    assert_eq!(places(&cluster.client(2).await, KEYS).await, after);

    cluster.restart(3);
    cluster.all_alive(&[1, 2, 3]).await;
    assert_eq!(places(&client, KEYS).await, before, "the keys go back to {}", name(3));
}
