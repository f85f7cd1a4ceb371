//! The node that owns the catalogue dies: the others run, list and load what there is, and refuse what would change the
//! catalogue; a client that was connected to it goes on at another node.
use std::{
    fs,
    time::{Duration, Instant},
};

use haulier::{Cluster, ConnectOptions, Error, ErrorKind, Language, Retry, Task};
use haulier_testkit::{
    Gate, PeerClient, TestCluster,
    cluster::{alive, name},
    fixture, until, within,
};

const DEADLINE: Duration = Duration::from_secs(60);

fn task(client: &Cluster, entry_point: &str) -> Task {
    client.task("tasks", format!("acme_cluster:{entry_point}")).timeout(DEADLINE)
}

fn names<T>(outcomes: haulier::Result<Vec<(String, haulier::Result<T>)>>) -> Vec<String> {
    let outcomes = outcomes.expect("outcomes").into_iter();
    let mut names: Vec<String> = outcomes
        .map(|(node, result)| result.map(|_| node.clone()).unwrap_or_else(|error| panic!("{node}: {error:?}")))
        .collect();
    names.sort();
    names
}

/// A client with Python code that changes.
async fn project(cluster: &TestCluster, number: usize, value: i64) -> (PeerClient, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("shop.py"), format!("def price():\n    return {value}\n")).expect("a module");
    let options = ConnectOptions::new(cluster.address(number));
    (PeerClient::connect(options, Language::Python, vec![folder.path().to_owned()]).await, folder)
}

/// Everything that needs no change of the catalogue, through a node that is no owner.
async fn reads_go_on(cluster: &TestCluster, client: &Cluster) {
    for name in ["n2", "n3"] {
        let place: String = task(client, "where").node(name).call(()).await.expect("a deployed unit");
        assert_eq!(place, name);
        let java = client.task("java-tasks", "acme.tasks.AsCallable").node(name).timeout(DEADLINE);
        assert_eq!(java.call::<String>(()).await.expect("a deployed jar"), "callable");
    }
    assert_eq!(names(task(client, "where").broadcast::<String>(()).await), ["n2", "n3"]);
    let listed = within(10, "the list", client.list_deployments()).await.expect("the units");
    let listed: Vec<&str> = listed.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(listed, ["java-tasks", "tasks"]);
    let details = within(10, "the files", client.inspect("tasks:1.0.0")).await.expect("the files");
    assert!(details.entries.iter().any(|entry| entry.path == "acme_cluster.py"), "{details:?}");
    let unknown = within(10, "an unknown unit", client.inspect("unknown")).await.expect_err("nothing has this name");
    assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown:?}");
    for number in [2, 3] {
        let price = 40 + number as i64;
        let (peer, _folder) = project(cluster, number, price).await;
        let outcomes = within(30, "peer loading", peer.broadcast("shop", "shop:price", &[])).await.expect("outcomes");
        assert!(outcomes.iter().all(|(_, seen)| seen.as_ref().is_ok_and(|seen| *seen == price.into())), "{outcomes:?}");
        assert_eq!(names(Ok(outcomes)), ["n2", "n3"], "asked {}", name(number));
    }
}

fn is_refused_for_now(error: &Error, what: &str, begun: Instant) {
    let took = begun.elapsed();
    println!("without the owner, {what} is refused after {} ms: {error}", took.as_millis());
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{what}: {error:?}");
    assert!(took < Duration::from_secs(10), "{what} took {took:?}");
}

async fn writes_are_refused(client: &Cluster) {
    let begun = Instant::now();
    let deployed = client.deploy("pricing", "1.0.0").source(fixture("pricing-1.jar")).send();
    let deployed = within(30, "a deploy", deployed).await;
    is_refused_for_now(&deployed.expect_err("no owner"), "deploy", begun);
    let begun = Instant::now();
    let undeployed = within(30, "an undeploy", client.undeploy("tasks", false)).await;
    is_refused_for_now(&undeployed.expect_err("no owner"), "undeploy", begun);
    assert_eq!(task(client, "where").node("n2").call::<String>(()).await.expect("it is still there"), "n2");
}

#[tokio::test]
async fn without_its_owner_the_cluster_runs_what_it_has() {
    let mut cluster = TestCluster::start(3).await;
    let first = cluster.deploy_tasks().await;
    first.deploy("java-tasks", "1.0.0").source(fixture("tasks.jar")).nodes("all").send().await.expect("a unit");
    let client = cluster.client(2).await;
    assert_eq!(names(task(&client, "where").broadcast::<String>(()).await), ["n1", "n2", "n3"]);

    cluster.kill9(1);
    for number in [2, 3] {
        let client = cluster.client(number).await;
        cluster.sees(&client, "n1 lost", |nodes| alive(nodes) == ["n2", "n3"]).await;
    }
    reads_go_on(&cluster, &client).await;
    writes_are_refused(&client).await;
    // What was refused leaves nothing behind.
    reads_go_on(&cluster, &client).await;

    cluster.restart(1);
    let begun = Instant::now();
    cluster.all_alive(&[1, 2, 3]).await;
    println!("with the owner back, all see all after {} ms", begun.elapsed().as_millis());
    let deployed = until(DEADLINE, async || {
        let deploy = client.deploy("pricing", "1.0.0").source(fixture("pricing-1.jar")).nodes("all");
        match deploy.send().await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                false
            }
        }
    });
    assert!(deployed.await, "deploy through n2 works again{cluster}");
    println!("... and deploys work after {} ms", begun.elapsed().as_millis());
    for name in ["n1", "n2", "n3"] {
        let price = client.task("pricing", "acme.Price").node(name).timeout(DEADLINE);
        assert_eq!(price.call::<i64>(21).await.expect("a price"), 42, "on {name}");
    }
    let gone = client.undeploy("pricing", false).await.expect("undeploy through n2 works again");
    assert_eq!(gone.len(), 1);
    assert_eq!(names(task(&client, "where").broadcast::<String>(()).await), ["n1", "n2", "n3"]);
}

#[tokio::test]
async fn a_hanging_owner_is_as_good_as_dead() {
    let cluster = TestCluster::start(3).await;
    let first = cluster.deploy_tasks().await;
    first.deploy("java-tasks", "1.0.0").source(fixture("tasks.jar")).nodes("all").send().await.expect("a unit");
    let client = cluster.client(2).await;
    cluster.stop(1);
    cluster.sees(&client, "n1 lost", |nodes| alive(nodes) == ["n2", "n3"]).await;
    writes_are_refused(&client).await;
    reads_go_on(&cluster, &client).await;
    cluster.resume(1);
    cluster.all_alive(&[1, 2, 3]).await;
    let deploy = client.deploy("pricing", "1.0.0").source(fixture("pricing-1.jar")).nodes("all");
    within(60, "a deploy", deploy.send()).await.expect("deploys work again");
}

/// A client goes on at another node when its own is killed.
async fn a_client_moves_on(cluster: &mut TestCluster, client: Cluster) {
    assert_eq!(client.node(), "n1");
    assert_eq!(names(task(&client, "where").broadcast::<String>(()).await), ["n1", "n2", "n3"]);
    let gate = Gate::open().await;
    let here = task(&client, "hold").node("n1").submit::<String>(gate.port());
    let there = task(&client, "hold").node("n2").submit::<String>(gate.port());
    let may_move = task(&client, "hold").label("kind", "first").failover().submit::<String>(gate.port());
    let held = gate.all(3).await;

    cluster.kill9(1);
    let begun = Instant::now();
    for lost in [here, there] {
        let lost = within(30, "a task of the lost session", lost).await.expect_err("its owner is gone");
        assert!(matches!(lost.kind(), ErrorKind::SessionLost), "{lost:?}");
    }
    println!("tasks of the lost node end after {} ms", begun.elapsed().as_millis());
    drop(held);
    let again = gate.next().await;
    assert_ne!(again.node, "n1");
    let elsewhere = again.node.clone();
    again.release().await;
    assert_eq!(within(30, "the moved task", may_move).await.expect("it ran again"), elsewhere);

    let place: String = task(&client, "where").call(()).await.expect("the same handle goes on");
    println!("the client goes on at {} after {} ms; a task ran on {place}", client.node(), begun.elapsed().as_millis());
    assert!(["n2", "n3"].contains(&&*client.node()), "{}", client.node());
    cluster.sees(&client, "n1 lost", |nodes| alive(nodes) == ["n2", "n3"]).await;
    assert_eq!(names(task(&client, "where").broadcast::<String>(()).await), ["n2", "n3"]);
}

/// All nodes have the label that the moving task asks for.
async fn labelled() -> TestCluster {
    let options = haulier_testkit::NodeOptions::default().arguments(["--slots", "4", "--label", "kind=first"]);
    let cluster = TestCluster::start_with(vec![options; 3]).await;
    cluster.deploy_tasks().await;
    cluster
}

#[tokio::test]
async fn a_client_that_learnt_the_nodes_goes_on_at_another() {
    let mut cluster = labelled().await;
    let client = cluster.client(1).await;
    within(120, "a client that moves", a_client_moves_on(&mut cluster, client)).await;
}

#[tokio::test]
async fn a_client_with_two_addresses_goes_on_at_the_other() {
    let mut cluster = labelled().await;
    let client = haulier::connect(format!("{},{}", cluster.address(1), cluster.address(2))).await;
    within(120, "a client that moves", a_client_moves_on(&mut cluster, client.expect("a connection"))).await;
    // The first address that answers counts; n1 does not.
    let again = haulier::connect(format!("{},{}", cluster.address(1), cluster.address(2))).await;
    assert_eq!(again.expect("a connection to the second").node(), "n2");
}
