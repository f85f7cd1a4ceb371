//! What names and versions of units mean while they move: aliases, replacement and undeploys under load and at once.
use std::{collections::BTreeSet, path::Path, time::Duration};

use futures_util::future::{join_all, try_join_all};
use haulier::{Cluster, ErrorKind, TaskHandle, UnitState};
use haulier_testkit::{Jar, TestCluster, fixture, until, within};

use crate::node;

const DEADLINE: Duration = Duration::from_secs(60);
const ONE: &str = "price 1, rate 1";
const TWO: &str = "price 2, rate 2";

/// Deploys pricing:1.0.0 and pricing:2.0.0.
async fn two_versions(cluster: &Cluster, nodes: &str) {
    for (version, jar) in [("1.0.0", "pricing-1.jar"), ("2.0.0", "pricing-2.jar")] {
        let deploy = cluster.deploy("pricing", version).jar(fixture(jar)).nodes(nodes);
        deploy.send().await.expect("a version");
    }
}

fn submit(cluster: &Cluster, unit: &str) -> TaskHandle<String> {
    cluster.task(unit, "acme.Price#versions").timeout(DEADLINE).submit(())
}

async fn versions(cluster: &Cluster, unit: &str) -> String {
    submit(cluster, unit).await.unwrap_or_else(|error| panic!("{unit}: {error:?}"))
}

/// The results of many tasks, none of which may fail, and none of which may be a mixture.
async fn all_whole(what: &str, tasks: Vec<TaskHandle<String>>) -> BTreeSet<String> {
    let seen = within(60, what, try_join_all(tasks)).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let seen: BTreeSet<String> = seen.into_iter().collect();
    assert!(seen.iter().all(|seen| seen == ONE || seen == TWO), "{what}: {seen:?}");
    seen
}

#[tokio::test]
async fn an_alias_moves_under_load() {
    let (_node, cluster) = node().await;
    two_versions(&cluster, "").await;
    let (unit, previous) = cluster.set_alias("pricing", "stable", "1.0.0").await.expect("an alias");
    assert_eq!((unit.version.as_str(), previous), ("1.0.0", None));
    let mut seen = all_whole("the first", vec![submit(&cluster, "pricing:stable")]).await;
    let mut before = "1.0.0";
    for round in 0..20 {
        let (version, expected) = if round % 2 == 0 { ("2.0.0", TWO) } else { ("1.0.0", ONE) };
        let early: Vec<_> = (0..150).map(|_| submit(&cluster, "pricing:stable")).collect();
        let moving = cluster.set_alias("pricing", "stable", version);
        let during = async { (0..150).map(|_| submit(&cluster, "pricing:stable")).collect::<Vec<_>>() };
        let (moved, during) = futures_util::join!(moving, during);
        let (unit, previous) = moved.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        assert_eq!((unit.version.as_str(), previous.as_deref()), (version, Some(before)), "round {round}");
        before = version;
        // Whoever asks after the answer gets the new one, whatever is still under way.
        assert_eq!(versions(&cluster, "pricing:stable").await, expected, "round {round}");
        seen.extend(all_whole("a round", early.into_iter().chain(during).collect()).await);
    }
    assert_eq!(seen.len(), 2, "both were seen");
}

#[tokio::test]
async fn an_alias_holds_its_version() {
    let (_node, cluster) = node().await;
    two_versions(&cluster, "").await;
    cluster.set_alias("pricing", "stable", "1.0.0").await.expect("an alias");
    cluster.set_alias("pricing", "canary", "2.0.0").await.expect("an alias");
    let refused = cluster.undeploy("pricing:1.0.0", false).await.expect_err("an alias points to it");
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused:?}");
    assert!(refused.to_string().contains("stable"), "{refused:?}");
    assert_eq!(versions(&cluster, "pricing:stable").await, ONE);
    for (name, alias, version, kind) in [
        ("pricing", "stable", "3.0.0", ErrorKind::NotFound),
        ("unknown", "stable", "1.0.0", ErrorKind::NotFound),
        ("pricing", "latest", "1.0.0", ErrorKind::InvalidArgument),
        ("pricing", "1x", "1.0.0", ErrorKind::InvalidArgument),
    ] {
        let refused = cluster.set_alias(name, alias, version).await.expect_err("no alias");
        assert_eq!(refused.kind(), kind, "{name}:{alias}: {refused:?}");
        assert!(!refused.hint_text().is_empty(), "{refused:?}");
    }
    let removed = cluster.undeploy("pricing:1.0.0", true).await.expect("by force");
    assert_eq!(removed.len(), 1);
    let gone = submit(&cluster, "pricing:stable").await.expect_err("the alias went with it");
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone:?}");
    assert_eq!(versions(&cluster, "pricing:canary").await, TWO);
    assert_eq!(cluster.remove_alias("pricing", "canary").await.expect("an alias"), "2.0.0");
    let gone = cluster.remove_alias("pricing", "canary").await.expect_err("it is gone");
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone:?}");
    two_versions(&cluster, "").await;
    cluster.set_alias("pricing", "stable", "1.0.0").await.expect("an alias");
    let removed = cluster.undeploy("pricing", false).await.expect("all of it");
    assert_eq!(removed.len(), 2, "{removed:?}");
    let empty = until(DEADLINE, async || cluster.list_units("pricing").await.is_ok_and(|units| units.is_empty())).await;
    assert!(empty, "{:?}", cluster.list_units("pricing").await);
}

#[tokio::test]
async fn an_alias_is_the_same_on_every_node() {
    let nodes = TestCluster::start(2).await;
    let (first, second) = (nodes.client(1).await, nodes.client(2).await);
    two_versions(&first, "all").await;
    for round in 0..10 {
        let (version, expected) = if round % 2 == 0 { ("1.0.0", ONE) } else { ("2.0.0", TWO) };
        let (setting, other) = if round % 4 < 2 { (&first, &second) } else { (&second, &first) };
        setting.set_alias("pricing", "stable", version).await.expect("an alias");
        let seen = until(DEADLINE, async || versions(other, "pricing:stable").await == expected).await;
        assert!(seen, "round {round}: the other node does not see it{nodes}");
        let listed = other.list_units("pricing").await.expect("a list");
        let aliased: Vec<&str> =
            listed.iter().filter(|unit| unit.aliases == ["stable"]).map(|unit| unit.version.as_str()).collect();
        assert_eq!(aliased, [version], "{listed:?}");
    }
}

#[tokio::test]
async fn an_alias_never_dangles() {
    let nodes = TestCluster::start(2).await;
    let (first, second) = (nodes.client(1).await, nodes.client(2).await);
    let (mut set, mut undeployed) = (0, 0);
    for round in 0..50 {
        first.deploy("pricing", "1.0.0").jar(fixture("pricing-1.jar")).nodes("all").send().await.expect("a version");
        let (one, other) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let (alias, undeploy) = within(30, "both", async {
            futures_util::join!(one.set_alias("pricing", "stable", "1.0.0"), other.undeploy("pricing:1.0.0", false))
        })
        .await;
        let listed = first.list_units("pricing").await.expect("a list");
        let deployed: Vec<_> = listed.iter().filter(|unit| unit.state == UnitState::Deployed).collect();
        match (alias, undeploy) {
            (Ok(_), Err(refused)) => {
                assert_eq!(refused.kind(), ErrorKind::Conflict, "round {round}: {refused:?}");
                assert!(deployed.len() == 1 && deployed[0].aliases == ["stable"], "round {round}: {listed:?}");
                set += 1;
            }
            (Err(refused), Ok(_)) => {
                assert!(
                    matches!(refused.kind(), ErrorKind::NotFound | ErrorKind::Conflict),
                    "round {round}: {refused:?}"
                );
                assert!(deployed.is_empty(), "round {round}: {listed:?}");
                let dangling = first.inspect("pricing:stable").await.expect_err("no alias");
                assert_eq!(dangling.kind(), ErrorKind::NotFound, "round {round}: {dangling:?}");
                undeployed += 1;
            }
            both => panic!("round {round}: {both:?}{nodes}"),
        }
        if !deployed.is_empty() {
            first.undeploy("pricing", true).await.expect("an end");
        }
    }
    println!("the alias was first {set} times, the undeploy {undeployed} times");
}

#[tokio::test]
async fn a_replacement_under_load_is_never_mixed() {
    let (_node, cluster) = node().await;
    let deploy = |jar: &str| cluster.deploy("pricing", "1.0.0").jar(fixture(jar)).replace(true).send();
    deploy("pricing-1.jar").await.expect("a unit");
    versions(&cluster, "pricing").await;
    let mut seen = BTreeSet::new();
    for (jar, expected) in [("pricing-2.jar", TWO), ("pricing-1.jar", ONE)] {
        let mut tasks: Vec<_> = (0..500).map(|_| submit(&cluster, "pricing")).collect();
        let replacing = deploy(jar);
        let more = async { (0..500).map(|_| submit(&cluster, "pricing")).collect::<Vec<_>>() };
        let (replaced, more) = futures_util::join!(replacing, more);
        replaced.expect("a replacement");
        assert_eq!(versions(&cluster, "pricing").await, expected);
        tasks.extend(more);
        seen.extend(all_whole("1,000 tasks", tasks).await);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    let one = until(DEADLINE, async || cluster.list_units("pricing").await.is_ok_and(|units| units.len() == 1)).await;
    assert!(one, "{:?}", cluster.list_units("pricing").await);
}

#[tokio::test]
async fn two_deployers_at_once() {
    let (node, cluster) = node().await;
    let other = haulier::connect(node.address()).await.expect("a connection");
    for round in 0..10 {
        let name = format!("pricing-{round}");
        let deploy = |cluster: &Cluster, version: &str, jar: &str, replace: bool| {
            cluster.deploy(&name, version).jar(fixture(jar)).replace(replace).send()
        };
        let (one, two) = futures_util::join!(
            deploy(&cluster, "1.0.0", "pricing-1.jar", false),
            deploy(&other, "1.0.0", "pricing-1.jar", false)
        );
        assert_eq!(one.expect("the same bytes").digest, two.expect("the same bytes").digest, "round {round}");
        let (one, two) = futures_util::join!(
            deploy(&cluster, "2.0.0", "pricing-1.jar", false),
            deploy(&other, "2.0.0", "pricing-2.jar", false)
        );
        let won = versions(&cluster, &format!("{name}:2.0.0")).await;
        let refused = match (one, two) {
            (Ok(_), Err(error)) if won == ONE => error,
            (Err(error), Ok(_)) if won == TWO => error,
            both => panic!("round {round}, {won}: {both:?}"),
        };
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused:?}");
        let (one, two) = futures_util::join!(
            deploy(&cluster, "2.0.0", "pricing-1.jar", true),
            deploy(&other, "2.0.0", "pricing-2.jar", true)
        );
        let (one, two) = (one.expect("a replacement"), two.expect("a replacement"));
        let last = cluster.inspect(&format!("{name}:2.0.0")).await.expect("the unit").unit.digest;
        let seen = versions(&other, &format!("{name}:2.0.0")).await;
        assert_eq!(seen, if last == one.digest { ONE } else { TWO }, "round {round}");
        assert!(last == one.digest || last == two.digest, "round {round}");
    }
}

#[tokio::test]
async fn revisions_are_counted_once() {
    let (node, cluster) = node().await;
    let folder = tempfile::tempdir().expect("a folder");
    let jar = |number: usize| {
        let path = folder.path().join(format!("{number}.jar"));
        Jar::read(&fixture("pricing-1.jar")).with("number.txt", number.to_string()).write(&path);
        path
    };
    let same = jar(0);
    let deploy = |path: &Path| cluster.deploy("counted", "").jar(path).send();
    let revisions = join_all((0..4).map(|_| deploy(&same))).await;
    let revisions: BTreeSet<String> =
        revisions.into_iter().map(|unit| unit.expect("a revision").version.to_string()).collect();
    assert_eq!(revisions, BTreeSet::from(["0.0.1".to_owned()]), "the same bytes are one revision");
    let jars: Vec<_> = (1..=4).map(jar).collect();
    let revisions = join_all(jars.iter().map(|path| deploy(path))).await;
    let revisions: BTreeSet<String> =
        revisions.into_iter().map(|unit| unit.expect("a revision").version.to_string()).collect();
    let expected = ["0.0.2", "0.0.3", "0.0.4", "0.0.5"].map(str::to_owned);
    assert_eq!(revisions, BTreeSet::from(expected), "{}", node.output());
    cluster.deploy("counted", "1.0.0").jar(&same).send().await.expect("an explicit version");
    let mixed = deploy(&same).await.expect_err("revisions are not counted beside explicit versions");
    assert_eq!(mixed.kind(), ErrorKind::Conflict, "{mixed:?}");
    assert!(mixed.hint_text().contains("--version"), "{mixed:?}");
}
