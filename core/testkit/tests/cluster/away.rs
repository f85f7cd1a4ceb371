//! A node that was away while units changed comes back and runs the right bytes, never old ones.
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use haulier::{Cluster, ErrorKind, Result};
use haulier_testkit::{TestCluster, cluster::alive, until, within};

const DEADLINE: Duration = Duration::from_secs(60);
/// Units that are, while a node is away: removed, replaced, removed and deployed again with other bytes, left alone.
const UNITS: [(&str, Option<&str>); 4] =
    [("removed", None), ("replaced", Some("two")), ("renewed", Some("two")), ("kept", Some("one"))];

/// Python files that return their version, one folder for each version.
struct Versions(tempfile::TempDir);

impl Versions {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for version in ["one", "two"] {
            std::fs::create_dir(folder.path().join(version)).expect("a folder");
            let code = format!("def version():\n    return '{version}'\n");
            std::fs::write(folder.path().join(version).join("acme_version.py"), code).expect("a module");
        }
        Self(folder)
    }

    fn path(&self, version: &str) -> PathBuf {
        self.0.path().join(version).join("acme_version.py")
    }

    async fn deploy(&self, client: &Cluster, name: &str, version: &str) {
        let deploy = client.deploy(name, "1.0.0").source(self.path(version)).replace(true).nodes("all");
        within(60, "a deploy", deploy.send()).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

/// The version that a task sees on n3; none if the unit is not there.
async fn seen(client: &Cluster, name: &str) -> Result<Option<String>> {
    let task = client.task(format!("{name}:1.0.0"), "acme_version:version").node("n3").timeout(DEADLINE);
    match task.call::<String>(()).await {
        Ok(version) => Ok(Some(version)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// As [`seen`], once n3 takes tasks: where a machine is so busy that a node says nothing for two seconds, the others take it
/// for lost, until they hear it again.
async fn answered(cluster: &TestCluster, client: &Cluster, name: &str) -> Option<String> {
    let mut last = None;
    let taken = until(DEADLINE, async || {
        let result = seen(client, name).await;
        let taken = !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable);
        last = Some(result);
        taken
    });
    assert!(taken.await, "{name}, asked {}: {last:?}{cluster}", client.node());
    last.expect("an answer").unwrap_or_else(|error| panic!("{name}, asked {}: {error:?}{cluster}", client.node()))
}

async fn is_current(client: &Cluster) -> bool {
    for (name, expected) in UNITS {
        if !seen(client, name).await.is_ok_and(|version| version.as_deref() == expected) {
            return false;
        }
    }
    true
}

async fn all_changes_are_seen(cluster: &TestCluster, client: &Cluster) {
    for round in 0..3 {
        for (name, expected) in UNITS {
            let seen = answered(cluster, client, name).await;
            assert_eq!(seen.as_deref(), expected, "{name}, asked {} in round {round}{cluster}", client.node());
        }
    }
}

async fn changes(versions: &Versions, client: &Cluster) {
    assert_eq!(client.undeploy("removed", false).await.expect("undeploy").len(), 1);
    versions.deploy(client, "replaced", "two").await;
    assert_eq!(client.undeploy("renewed", false).await.expect("undeploy").len(), 1);
    versions.deploy(client, "renewed", "two").await;
}

async fn before(versions: &Versions, cluster: &TestCluster, client: &Cluster) {
    for (name, _) in UNITS {
        versions.deploy(client, name, "one").await;
    }
    let own = cluster.client(3).await;
    for (name, _) in UNITS {
        for client in [client, &own] {
            let seen = answered(cluster, client, name).await;
            assert_eq!(seen.as_deref(), Some("one"), "{name}, asked {}{cluster}", client.node());
        }
    }
}

#[tokio::test]
async fn a_node_that_was_dead_returns_with_the_right_bytes() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 10 } else { 2 };
    let (versions, mut cluster) = (Versions::new(), TestCluster::start(3).await);
    for _ in 0..rounds {
        let client = cluster.client(1).await;
        before(&versions, &cluster, &client).await;
        cluster.kill9(3);
        changes(&versions, &client).await;
        cluster.restart(3);
        // At once, before the others may have heard of it.
        let own = cluster.client(3).await;
        // Unless the owner of the catalogue was so busy that it seemed to be away: then it is as for a node that hung.
        if ["starting from the copy", "reading from the copy"]
            .iter()
            .any(|said| cluster.node(3).output().contains(said))
        {
            let right = until(DEADLINE, async || is_current(&own).await).await;
            assert!(right, "n3 knows what was deployed{cluster}");
        }
        all_changes_are_seen(&cluster, &own).await;
        cluster.all_alive(&[1, 2, 3]).await;
        for number in 1..=3 {
            all_changes_are_seen(&cluster, &cluster.client(number).await).await;
        }
    }
}

#[tokio::test]
async fn a_node_that_hung_returns_with_the_right_bytes() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 10 } else { 1 };
    let (versions, cluster) = (Versions::new(), TestCluster::start(3).await);
    for _ in 0..rounds {
        let client = cluster.client(1).await;
        before(&versions, &cluster, &client).await;
        cluster.stop(3);
        cluster.sees(&client, "n3 lost", |nodes| alive(nodes) == ["n1", "n2"]).await;
        changes(&versions, &client).await;
        cluster.resume(3);
        // Who asks the others gets the right bytes from the first answer on: they say what n3 is to run.
        let begun = Instant::now();
        let right = until(DEADLINE, async || {
            for (name, expected) in UNITS {
                match seen(&client, name).await {
                    Ok(version) => assert_eq!(version.as_deref(), expected, "{name}{cluster}"),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                        return false;
                    }
                }
            }
            true
        });
        assert!(right.await, "n3 runs tasks again{cluster}");
        println!("n3 runs what others tell it {} ms after it went on", begun.elapsed().as_millis());
        // Who asks n3 itself may be told what n3 knew before, until it has heard the owner of the catalogue again.
        let own = cluster.client(3).await;
        let right = until(Duration::from_secs(5), async || is_current(&own).await);
        assert!(right.await, "n3 knows what was deployed{cluster}");
        println!("n3 itself knows the changes {} ms after it went on", begun.elapsed().as_millis());
        cluster.all_alive(&[1, 2, 3]).await;
        for number in 1..=3 {
            all_changes_are_seen(&cluster, &cluster.client(number).await).await;
        }
    }
}
