//! Storages that a real node watches: what is in them runs, what changes is replaced, what goes is undeployed, and a
//! storage that is away takes nothing with it.
use std::{fs, path::Path, time::Duration};

use haulier::{Cluster, DeployedUnit, StorageWatch, UnitState};
use haulier_testkit::{Proxy, TestNode, TestServer, fixture, until};

use crate::node;

const DEADLINE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(200);
const SETTLE: Duration = Duration::from_millis(200);
const ONE: &str = "price 1, rate 1";
const TWO: &str = "price 2, rate 2";

/// A storage that can go away: of servers everything passes a proxy.
enum Place {
    Folder(tempfile::TempDir),
    Served { folder: tempfile::TempDir, server: TestServer, proxy: Proxy },
    Bucket { server: TestServer, proxy: Proxy },
}

impl Place {
    fn folder() -> Self {
        let above = tempfile::tempdir().expect("a folder");
        fs::create_dir(above.path().join("units")).expect("a folder");
        Self::Folder(above)
    }

    fn served(start: impl Fn(&Path) -> std::io::Result<TestServer>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = start(folder.path()).expect("a server");
        let proxy = Proxy::start(&authority(server.url())).expect("a proxy");
        Self::Served { folder, server, proxy }
    }

    fn bucket() -> Self {
        let server = TestServer::s3().expect("a server");
        let proxy = Proxy::start(&authority(server.url())).expect("a proxy");
        Self::Bucket { server, proxy }
    }

    fn url(&self) -> String {
        match self {
            Self::Folder(above) => format!("file://{}", above.path().join("units").display()),
            Self::Served { server, proxy, .. } => server.url().replace(&authority(server.url()), &proxy.address()),
            Self::Bucket { server, proxy } => server.url().replace(&authority(server.url()), &proxy.address()),
        }
    }

    /// Writes a file so that nobody sees a part of it.
    fn put(&mut self, path: &str, file: &Path) {
        let bytes = fs::read(file).expect("a file");
        let root = match self {
            Self::Folder(above) => above.path().join("units"),
            Self::Served { folder, .. } => folder.path().to_owned(),
            Self::Bucket { server, .. } => return server.put(path, &bytes).expect("an object"),
        };
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let partial = tempfile::NamedTempFile::new_in(root.parent().expect("a folder")).expect("a file");
        fs::write(partial.path(), bytes).expect("a file");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(partial.path(), open).expect("a file for all");
        partial.persist(path).expect("a file in its place");
    }

    fn delete(&mut self, path: &str) {
        match self {
            Self::Folder(above) => fs::remove_file(above.path().join("units").join(path)).expect("a file"),
            Self::Served { folder, .. } => fs::remove_file(folder.path().join(path)).expect("a file"),
            Self::Bucket { server, .. } => server.delete(path).expect("an object"),
        }
    }

    /// Takes the storage away, or brings it back as it was.
    fn away(&self, away: bool) {
        match self {
            Self::Folder(above) => {
                let (here, there) = (above.path().join("units"), above.path().join("away"));
                let (from, to) = if away { (here, there) } else { (there, here) };
                fs::rename(from, to).expect("a folder that moves");
            }
            Self::Served { proxy, .. } | Self::Bucket { proxy, .. } => {
                proxy.refuse(away);
                proxy.cut();
            }
        }
    }
}

/// Host and port of a server: of a URL, or of its endpoint.
fn authority(url: &str) -> String {
    let (_, rest) = url.rsplit_once("://").expect("a URL");
    rest.split(['/', '&']).next().unwrap_or(rest).to_owned()
}

async fn deployed(cluster: &Cluster) -> Vec<DeployedUnit> {
    let units = cluster.list_deployments().await.expect("a list");
    units.into_iter().filter(|unit| unit.state == UnitState::Deployed).collect()
}

async fn names(cluster: &Cluster) -> Vec<String> {
    deployed(cluster).await.iter().map(DeployedUnit::reference).collect()
}

async fn only_watch(cluster: &Cluster) -> StorageWatch {
    let mut watches = cluster.watched_storages().await.expect("the watches");
    assert_eq!(watches.len(), 1, "{watches:?}");
    watches.remove(0)
}

/// Waits until what is deployed is this.
async fn has(node: &TestNode, cluster: &Cluster, expected: &[&str]) {
    let seen = until(DEADLINE, async || names(cluster).await == expected).await;
    let watches = cluster.watched_storages().await;
    assert!(seen, "{:?}, not {expected:?}; {watches:?}\n{}", names(cluster).await, node.output());
}

async fn is(node: &TestNode, cluster: &Cluster, what: &str, condition: impl Fn(&StorageWatch) -> bool) -> StorageWatch {
    let mut last = None;
    let seen = until(DEADLINE, async || {
        let watch = only_watch(cluster).await;
        let holds = condition(&watch);
        last = Some(watch);
        holds
    });
    assert!(seen.await, "never {what}: {last:?}\n{}", node.output());
    last.expect("a watch")
}

async fn versions(cluster: &Cluster, unit: &str) -> String {
    let task = cluster.task(unit, "acme.Price#versions").timeout(DEADLINE);
    task.call(()).await.unwrap_or_else(|error| panic!("{unit}: {error:?}"))
}

/// Adds, replaces, deletes; a file that is no jar; the storage away.
async fn lives(mut place: Place) {
    let (node, cluster) = node().await;
    place.put("pricing-1.0.0.jar", &fixture("pricing-1.jar"));
    place.put("tasks/2.0/tasks.jar", &fixture("tasks.jar"));
    place.put("other-1.0.0.jar", &fixture("order-a.jar"));
    let url = place.url();
    let added = cluster.watch_storage(&url, INTERVAL, SETTLE).await.expect("a watch");
    assert_eq!((added.interval, added.settle), (INTERVAL, SETTLE));
    has(&node, &cluster, &["other:1.0.0", "pricing:1.0.0", "tasks:2.0"]).await;
    assert_eq!(versions(&cluster, "pricing").await, ONE);
    let callable = cluster.task("tasks:2.0", "acme.tasks.AsCallable").timeout(DEADLINE);
    assert_eq!(callable.call::<String>(()).await.expect("a task"), "callable");

    place.put("bad-1.0.0.jar", &fixture("hostile-truncated.jar"));
    let bad = |watch: &StorageWatch| watch.problems.iter().any(|problem| problem.state == "quarantined");
    let watch = is(&node, &cluster, "quarantined", bad).await;
    let problem = &watch.problems[0];
    assert_eq!((problem.path.as_str(), problem.unit.as_str()), ("bad-1.0.0.jar", "bad:1.0.0"), "{watch:?}");
    assert!(!problem.error.is_empty() && problem.since_ms > 0, "{problem:?}");
    place.put("pricing-1.0.0.jar", &fixture("pricing-2.jar"));
    let replaced = until(DEADLINE, async || versions(&cluster, "pricing").await == TWO).await;
    assert!(replaced, "{:?}\n{}", only_watch(&cluster).await, node.output());
    place.put("bad-1.0.0.jar", &fixture("order-b.jar"));
    has(&node, &cluster, &["bad:1.0.0", "other:1.0.0", "pricing:1.0.0", "tasks:2.0"]).await;
    is(&node, &cluster, "without problems", |watch| watch.problems.is_empty() && watch.units == 4).await;

    let before = deployed(&cluster).await;
    place.away(true);
    let watch = is(&node, &cluster, "an outage", |watch| watch.state == "outage").await;
    assert!(!watch.last_error.is_empty(), "{watch:?}");
    assert_eq!(deployed(&cluster).await, before, "nothing is undeployed");
    assert_eq!(versions(&cluster, "pricing").await, TWO);
    let last = watch.last_success_ms;
    place.away(false);
    is(&node, &cluster, "watching again", |watch| watch.state == "watching" && watch.last_success_ms > last).await;
    assert_eq!(deployed(&cluster).await, before, "nothing is deployed anew");

    place.delete("other-1.0.0.jar");
    has(&node, &cluster, &["bad:1.0.0", "pricing:1.0.0", "tasks:2.0"]).await;
    cluster.unwatch_storage(&url, true).await.expect("the watch");
    assert!(deployed(&cluster).await.is_empty(), "{:?}", names(&cluster).await);
    assert!(cluster.watched_storages().await.expect("the watches").is_empty());
    let gone = cluster.unwatch_storage(&url, true).await.expect_err("it is gone");
    assert_eq!(gone.kind(), haulier::ErrorKind::NotFound, "{gone:?}");
}

#[tokio::test]
async fn a_folder() {
    lives(Place::folder()).await;
}

#[tokio::test]
async fn an_ftp_server() {
    lives(Place::served(TestServer::ftp)).await;
}

#[tokio::test]
async fn an_http_listing() {
    lives(Place::served(TestServer::http)).await;
}

#[tokio::test]
async fn an_s3_bucket() {
    lives(Place::bucket()).await;
}

#[tokio::test]
async fn a_unit_by_hand_wins() {
    let (node, cluster) = node().await;
    let mut place = Place::folder();
    cluster.deploy("pricing", "1.0.0").jar(fixture("pricing-1.jar")).send().await.expect("a unit");
    place.put("pricing-1.0.0.jar", &fixture("pricing-2.jar"));
    place.put("tasks-1.0.0.jar", &fixture("tasks.jar"));
    cluster.watch_storage(&place.url(), INTERVAL, SETTLE).await.expect("a watch");
    has(&node, &cluster, &["pricing:1.0.0", "tasks:1.0.0"]).await;
    let conflict = |watch: &StorageWatch| watch.problems.iter().any(|problem| problem.state == "conflict");
    let watch = is(&node, &cluster, "a conflict", conflict).await;
    assert_eq!(watch.problems[0].unit, "pricing:1.0.0", "{watch:?}");
    assert_eq!(versions(&cluster, "pricing").await, ONE);
    cluster.undeploy("pricing", false).await.expect("an undeploy");
    is(&node, &cluster, "without a conflict", |watch| watch.problems.is_empty() && watch.units == 2).await;
    assert_eq!(versions(&cluster, "pricing").await, TWO);
    // By hand again: the watch has it no more, and does not take it along when it goes.
    let deploy = cluster.deploy("pricing", "1.0.0").jar(fixture("pricing-1.jar")).replace(true);
    deploy.send().await.expect("a replacement");
    is(&node, &cluster, "a conflict", conflict).await;
    cluster.unwatch_storage(&place.url(), true).await.expect("the watch");
    assert_eq!(names(&cluster).await, ["pricing:1.0.0"]);
    assert_eq!(versions(&cluster, "pricing").await, ONE);
}

/// A server that is silent is noticed after half a minute: too long for every run.
#[tokio::test]
async fn a_silent_server_is_an_outage() {
    if std::env::var_os("HAULIER_SOAK").is_none() {
        return;
    }
    let (node, cluster) = node().await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::http(folder.path()).expect("a server");
    fs::copy(fixture("pricing-1.jar"), folder.path().join("pricing-1.0.0.jar")).expect("a copy");
    cluster.watch_storage(server.url(), INTERVAL, SETTLE).await.expect("a watch");
    has(&node, &cluster, &["pricing:1.0.0"]).await;
    server.pause().expect("a server that stops");
    is(&node, &cluster, "an outage", |watch| watch.state == "outage").await;
    assert_eq!(versions(&cluster, "pricing").await, ONE);
    server.resume().expect("a server that goes on");
    is(&node, &cluster, "watching again", |watch| watch.state == "watching").await;
    assert_eq!(names(&cluster).await, ["pricing:1.0.0"]);
}
