//! Bytes of a unit on their way: what a broken connection, a killed node or an undeploy leaves of them, and that what is
//! there already is not sent.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use haulier::{Cluster, Deploy, DeployProgress, DeployedUnit, Error, ErrorKind, UnitState};
use haulier_testkit::{Jar, NodeOptions, Proxy, TestNode, fixture, random_bytes, until, within};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

const DEADLINE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// A node that clients reach through a proxy alone, unless they know its own address.
struct Proxied {
    node: TestNode,
    proxy: Arc<Proxy>,
}

impl Proxied {
    fn start() -> Self {
        let proxy = Arc::new(Proxy::open().expect("a proxy"));
        let options = NodeOptions::default().arguments(["--advertise", &proxy.address()]);
        let node = TestNode::start(options).expect("a node");
        proxy.lead_to(node.address());
        Self { node, proxy }
    }

    async fn client(&self) -> Cluster {
        haulier::connect(self.proxy.address()).await.expect("a connection through the proxy")
    }

    /// A client that the proxy does not touch.
    async fn direct(&self) -> Cluster {
        haulier::connect(self.node.address()).await.expect("a connection")
    }

    /// What `work` makes clients send.
    async fn bytes_of<T>(&self, work: impl Future<Output = T>) -> (T, u64) {
        let before = self.proxy.bytes_sent();
        let done = within(60, "a deploy", work).await;
        (done, self.proxy.bytes_sent() - before)
    }
}

/// A Python package with files of random bytes, and a function that gives the SHA-256 of all of them.
struct Package {
    folder: tempfile::TempDir,
    sha256: String,
}

impl Package {
    /// `count` files that have `size` bytes together.
    fn new(seed: u64, size: u64, count: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let package = folder.path().join("acme_large");
        fs::create_dir(&package).expect("a package");
        let code = "import hashlib, pathlib\ndef digest():\n    whole = hashlib.sha256()\n    for file in sorted(pathlib.Path(__file__).parent.glob('*.blob')):\n        whole.update(file.read_bytes())\n    return whole.hexdigest()\n";
        fs::write(package.join("__init__.py"), code).expect("a module");
        let bytes = random_bytes(seed, size as usize);
        for (number, blob) in bytes.chunks((size / count) as usize).enumerate() {
            fs::write(package.join(format!("{number:03}.blob")), blob).expect("a file");
        }
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { folder, sha256 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("acme_large")
    }

    fn deploy(&self, cluster: &Cluster) -> Deploy {
        cluster.deploy("large", "1.0.0").source(self.path())
    }

    async fn is_right(&self, cluster: &Cluster) {
        let task = cluster.task("large:1.0.0", "acme_large:digest").timeout(DEADLINE);
        assert_eq!(task.call::<String>(()).await.expect("a digest"), self.sha256);
    }
}

/// Calls `act` once, on the thread that sends, when so many bytes have been handed to the connection.
fn at(bytes: u64, act: impl Fn() + Send + Sync + 'static) -> impl Fn(DeployProgress) + Send + Sync + 'static {
    let once = std::sync::Once::new();
    move |progress| {
        if matches!(progress, DeployProgress::Sending { sent, .. } if sent >= bytes) {
            once.call_once(&act);
        }
    }
}

/// The states of what is listed under a name.
async fn states(cluster: &Cluster, name: &str) -> Vec<UnitState> {
    cluster.list_units(name).await.expect("a list").into_iter().map(|unit| unit.state).collect()
}

/// A deploy that stands still in the middle of its data.
struct Stalled {
    running: tokio::task::JoinHandle<Result<DeployedUnit, Error>>,
}

impl Stalled {
    async fn begin(nodes: &Proxied, client: &Cluster, package: &Package, version: &str) -> Self {
        let (proxy, held) = (nodes.proxy.clone(), Arc::new(Notify::new()));
        let hold = {
            let held = held.clone();
            at(MIB, move || {
                proxy.hold(true);
                held.notify_one();
            })
        };
        let deploy = client.deploy("large", version).source(package.path()).progress(hold);
        let running = tokio::spawn(deploy.send());
        within(60, "a deploy that is held", held.notified()).await;
        Self { running }
    }

    /// Lets the data pass, and waits for the end.
    async fn end(self, nodes: &Proxied) -> Result<DeployedUnit, Error> {
        nodes.proxy.hold(false);
        within(60, "the end of a deploy", self.running).await.expect("no panic")
    }
}

#[tokio::test]
async fn an_undeploy_cancels_an_upload() {
    let nodes = Proxied::start();
    let (client, direct) = (nodes.client().await, nodes.direct().await);
    let package = Package::new(1, 32 * MIB, 32);
    for reference in ["large:1.0.0", "large:1.0", "large"] {
        let stalled = Stalled::begin(&nodes, &client, &package, "1.0.0").await;
        assert_eq!(states(&direct, "large").await, [UnitState::Uploading], "{reference}");
        let other = direct.undeploy("large:2.0.0", false).await.expect_err("nobody uploads that");
        assert_eq!(other.kind(), ErrorKind::NotFound, "{other:?}");
        let unusable = direct.task("large:1.0.0", "acme_large:digest").call::<String>(()).await.expect_err("not there");
        assert_eq!(unusable.kind(), ErrorKind::NotFound, "{unusable:?}");
        assert!(direct.undeploy(reference, false).await.expect(reference).is_empty(), "nothing was deployed");
        let gone = until(DEADLINE, async || states(&direct, "large").await.is_empty()).await;
        assert!(gone, "{reference}: {:?}", direct.list_units("large").await);
        let again = direct.undeploy(reference, false).await.expect_err("it is gone");
        assert_eq!(again.kind(), ErrorKind::NotFound, "{again:?}");
        let canceled = stalled.end(&nodes).await.expect_err("it was undeployed");
        assert_eq!(canceled.kind(), ErrorKind::Canceled, "{canceled:?}");
        assert!(states(&direct, "large").await.is_empty(), "{reference}");
    }
    within(60, "a deploy", package.deploy(&client).send()).await.expect("as if nothing had happened");
    package.is_right(&direct).await;
}

#[tokio::test]
async fn a_cancelled_upload_leaves_what_is_deployed() {
    let nodes = Proxied::start();
    let (client, direct) = (nodes.client().await, nodes.direct().await);
    let (old, new) = (Package::new(2, MIB, 1), Package::new(3, 32 * MIB, 32));
    old.deploy(&direct).send().await.expect("a unit");
    let stalled = Stalled::begin(&nodes, &client, &new, "2.0.0").await;
    let mut listed = states(&direct, "large").await;
    listed.sort_by_key(|state| state.name());
    assert_eq!(listed, [UnitState::Deployed, UnitState::Uploading]);
    direct.undeploy("large:2.0.0", false).await.expect("the upload");
    let canceled = stalled.end(&nodes).await.expect_err("it was undeployed");
    assert_eq!(canceled.kind(), ErrorKind::Canceled, "{canceled:?}");
    old.is_right(&direct).await;
    // Its own deployer cancels, too; what runs meanwhile is not the client's only deploy.
    let deployment = new.deploy(&client).version("3.0.0").start().expect("a start");
    deployment.cancel();
    let canceled = within(60, "an end", deployment.wait()).await.expect_err("it was cancelled");
    assert_eq!(canceled.kind(), ErrorKind::Canceled, "{canceled:?}");
    let gone = until(DEADLINE, async || states(&direct, "large").await == [UnitState::Deployed]).await;
    assert!(gone, "{:?}", direct.list_units("large").await);
}

#[tokio::test]
async fn a_broken_connection_costs_only_what_was_on_its_way() {
    const SIZE: u64 = 64 * MIB;
    let nodes = Proxied::start();
    let client = nodes.client().await;
    for (round, (count, most)) in [(64, SIZE + 16 * MIB), (1, 2 * SIZE)].into_iter().enumerate() {
        let package = Package::new(10 + round as u64, SIZE, count);
        let proxy = nodes.proxy.clone();
        let cut = at(SIZE / 2, move || {
            proxy.cut();
        });
        let deploy = package.deploy(&client).replace(true).progress(cut);
        let (unit, sent) = nodes.bytes_of(deploy.send()).await;
        unit.unwrap_or_else(|error| panic!("{count} files: {error:?}\n{}", nodes.node.output()));
        println!("{count} files of {SIZE} bytes together, cut in the middle: {sent} bytes");
        assert!(sent >= SIZE && sent <= most, "{count} files: {sent} bytes");
        package.is_right(&client).await;
    }
}

#[tokio::test]
async fn many_cuts_end_well_too() {
    let nodes = Proxied::start();
    let client = nodes.client().await;
    let package = Package::new(20, 32 * MIB, 64);
    let proxy = nodes.proxy.clone();
    let cuts = std::sync::atomic::AtomicU64::new(0);
    // The count begins anew with each connection.
    let cut = move |progress| {
        use std::sync::atomic::Ordering;
        if matches!(progress, DeployProgress::Sending { sent, .. } if sent >= 4 * MIB)
            && cuts.fetch_add(1, Ordering::SeqCst) < 4
        {
            proxy.cut();
        }
    };
    let (unit, sent) = nodes.bytes_of(package.deploy(&client).progress(cut).send()).await;
    unit.unwrap_or_else(|error| panic!("{error:?}\n{}", nodes.node.output()));
    println!("32 MiB, cut four times: {sent} bytes");
    assert!(sent < 64 * MIB, "{sent} bytes");
    package.is_right(&client).await;
}

#[tokio::test]
async fn a_node_killed_during_a_deploy_has_all_or_nothing() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 30 } else { 4 };
    let mut nodes = Proxied::start();
    for round in 0..rounds {
        let client = nodes.client().await;
        let package = Package::new(100 + round, 32 * MIB, 16);
        let killed = Arc::new(Notify::new());
        let tell = killed.clone();
        let when = at((1 + 37 * round % 32) * MIB, move || tell.notify_one());
        let running = tokio::spawn(package.deploy(&client).replace(true).progress(when).send());
        within(60, "a deploy", killed.notified()).await;
        nodes.node.restart().expect("the node again");
        let ended = within(60, "an end", running).await.expect("no panic");
        let direct = nodes.direct().await;
        match ended {
            Ok(unit) => assert_eq!(unit.name, "large"),
            Err(error) => {
                println!("round {round}: {error}");
                let kinds = [ErrorKind::Unavailable, ErrorKind::SessionLost];
                assert!(kinds.contains(&error.kind()), "round {round}: {error:?}\n{}", nodes.node.output());
                within(60, "a deploy", package.deploy(&direct).replace(true).send()).await.expect("a second try");
            }
        }
        package.is_right(&direct).await;
        assert_eq!(states(&direct, "large").await, [UnitState::Deployed], "round {round}");
    }
}

/// A jar of 20 MB in 4,000 classes that no compression helps with, and version 1 of a task.
fn large_jar() -> Jar {
    let bytes = random_bytes(50, 20_000_000);
    let classes = bytes.chunks(5_000).enumerate();
    classes.fold(Jar::read(&fixture("pricing-1.jar")), |jar, (number, bytes)| {
        jar.with(&format!("acme/generated/Class{number:04}.class"), bytes)
    })
}

fn write(folder: &Path, name: &str, jar: &Jar) -> PathBuf {
    let path = folder.join(name);
    jar.write(&path);
    path
}

#[tokio::test]
async fn only_what_is_new_is_sent() {
    const FEW: u64 = 300_000;
    let nodes = Proxied::start();
    let client = nodes.client().await;
    let folder = tempfile::tempdir().expect("a folder");
    let first = large_jar();
    let changed = first.clone().with_all(&Jar::read(&fixture("pricing-2.jar")));
    let (first, changed) = (write(folder.path(), "a.jar", &first), write(folder.path(), "b.jar", &changed));
    let deploy = |cluster: &Cluster, name: &str, jars: &[&Path]| {
        jars.iter().fold(cluster.deploy(name, "1.0.0").replace(true), |deploy, jar| deploy.jar(jar)).send()
    };
    let (unit, sent) = nodes.bytes_of(deploy(&client, "pricing", &[&first])).await;
    println!("a new jar of 20 MB: {sent} bytes, {unit:?}");
    assert!(unit.expect("a unit").entries >= 4_000 && sent > 20_000_000, "{sent} bytes");
    let (unit, sent) = nodes.bytes_of(deploy(&client, "pricing", &[&changed])).await;
    println!("with another task: {sent} bytes");
    assert_eq!(unit.expect("a replacement").generation, 2);
    assert!(sent < FEW, "{sent} bytes");
    let versions = client.task("pricing", "acme.Price#versions").timeout(DEADLINE);
    assert_eq!(versions.call::<String>(()).await.expect("a task"), "price 2, rate 2");
    let (_, sent) = nodes.bytes_of(deploy(&client, "other", &[&fixture("tasks.jar"), &changed])).await;
    println!("another unit with the same library: {sent} bytes");
    assert!(sent < FEW, "{sent} bytes");
    let second = nodes.client().await;
    let (unit, sent) = nodes.bytes_of(deploy(&second, "third", &[&changed])).await;
    println!("another client with the same bytes: {sent} bytes");
    unit.expect("a unit");
    assert!(sent < 5_000, "{sent} bytes");
}
