//! How code gets to the nodes of a cluster: units fetched once and whole, also when somebody dies meanwhile; code of a
//! client on all nodes.
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::join_all;
use haulier::{Cluster, ConnectOptions, DeploymentMode, Digest, ErrorKind, Language, Result, Target, Value};
use haulier_testkit::{
    NodeOptions, PeerClient, Proxy, TestCluster, TestNode, cluster::name, fixture, random_bytes, until, within,
};
use sha2::{Digest as _, Sha256};

const DEADLINE: Duration = Duration::from_secs(60);
const LARGE: usize = 64 << 20;

/// A cluster in which others reach each node through a proxy.
struct Proxied {
    cluster: TestCluster,
    proxies: Vec<Proxy>,
}

impl Proxied {
    async fn start(count: usize) -> Self {
        let mut proxied = Self { cluster: TestCluster::start(0).await, proxies: Vec::new() };
        let numbers: Vec<usize> = (0..count).map(|_| proxied.add()).collect();
        proxied.cluster.all_alive(&numbers).await;
        proxied
    }

    fn add(&mut self) -> usize {
        let proxy = Proxy::open().expect("a proxy");
        let number = self.cluster.add(NodeOptions::default().arguments(["--advertise", &proxy.address()]));
        proxy.lead_to(self.cluster.address(number));
        self.proxies.push(proxy);
        number
    }

    /// What the nodes have given to others.
    fn given(&self) -> Vec<u64> {
        self.proxies.iter().map(Proxy::bytes_received).collect()
    }

    /// Waits until others have taken so many bytes more of a node than `before`; returns its number.
    async fn holder_of(&self, before: &[u64], bytes: u64) -> usize {
        let mut found = None;
        let begun = until(DEADLINE, async || {
            found = self.given().iter().zip(before).position(|(now, before)| now - before >= bytes);
            found.is_some()
        });
        assert!(begun.await, "nobody takes anything: {:?}{}", self.given(), self.cluster);
        found.expect("a node") + 1
    }
}

/// A Python package with files of random bytes, and the SHA-256 of all of them.
struct Large {
    folder: tempfile::TempDir,
    sha256: String,
}

impl Large {
    fn new(seed: u64, size: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let package = folder.path().join("acme_large");
        fs::create_dir(&package).expect("a package");
        let code = "import hashlib, pathlib\ndef digest():\n    whole = hashlib.sha256()\n    for file in sorted(pathlib.Path(__file__).parent.glob('*.blob')):\n        whole.update(file.read_bytes())\n    return whole.hexdigest()\n";
        fs::write(package.join("__init__.py"), code).expect("a module");
        let bytes = random_bytes(seed, size);
        for (number, blob) in bytes.chunks(1 << 20).enumerate() {
            fs::write(package.join(format!("{number:03}.blob")), blob).expect("a file");
        }
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { folder, sha256 }
    }

    fn package(&self) -> PathBuf {
        self.folder.path().join("acme_large")
    }

    async fn is_right_on(&self, client: &Cluster, node: &str) {
        let task = client.task("large", "acme_large:digest").node(node).timeout(DEADLINE);
        let seen: String = task.call(()).await.unwrap_or_else(|error| panic!("{node}: {error:?}"));
        assert_eq!(seen, self.sha256, "on {node}");
    }
}

async fn held_by(client: &Cluster, unit: &Digest) -> Vec<String> {
    let nodes = client.nodes().await.expect("nodes");
    nodes.into_iter().filter(|node| node.held_units.contains(unit)).map(|node| node.name).collect()
}

/// Waits until the node says that it has the whole unit.
async fn until_held(cluster: &TestCluster, client: &Cluster, unit: &Digest, node: &str) {
    let held = until(DEADLINE, async || held_by(client, unit).await.iter().any(|name| name == node));
    assert!(held.await, "{node} never held the unit{cluster}");
}

#[tokio::test]
async fn a_unit_is_fetched_once_by_each_node() {
    const SIZE: usize = 16 << 20;
    let nodes = Proxied::start(3).await;
    let large = Large::new(1, SIZE);
    let client = nodes.cluster.client(1).await;
    let before: u64 = nodes.given().iter().sum();
    let unit = client.deploy("large", "1.0.0").source(large.package()).nodes("one").send().await.expect("a unit");
    // Many tasks want it while it is under way.
    let tasks: Vec<_> = ["n2", "n3"].iter().cycle().take(20).map(|node| large.is_right_on(&client, node)).collect();
    within(60, "the tasks", join_all(tasks)).await;
    for node in ["n2", "n3"] {
        until_held(&nodes.cluster, &client, &unit.digest, node).await;
    }
    let given = nodes.given().iter().sum::<u64>() - before;
    println!("two nodes took a unit of {SIZE} bytes: {given} bytes");
    assert!(given >= 2 * SIZE as u64, "{given} bytes: the proxies see what nodes take");
    assert!(given < 2 * SIZE as u64 + (SIZE / 4) as u64, "{given} bytes for two copies of {SIZE}");
    let listed = client.list_units("large").await.expect("the unit");
    let mut holders = listed[0].holders.clone();
    holders.sort();
    assert_eq!(holders, ["n1", "n2", "n3"]);
    // From a client of another node too, and Java as well as Python.
    let other = nodes.cluster.client(3).await;
    other.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).nodes("all").send().await.expect("a unit");
    for node in ["n1", "n2", "n3"] {
        large.is_right_on(&other, node).await;
        let task = other.task("tasks", "acme.tasks.Surroundings#processId").node(node).timeout(DEADLINE);
        let process: i64 = task.call(()).await.expect("a process");
        assert_eq!(nodes.cluster.node_of(process).map(name).as_deref(), Some(node));
    }
}

/// Whether a node has compiled the modules of a unit ahead.
fn has_prepared(node: &TestNode) -> bool {
    let folder = fs::read_dir(node.data_dir().join("python/class-paths/prepared"));
    let roots = folder.into_iter().flatten().flatten().filter(|root| root.file_name().len() == 64);
    let mut files = roots.flat_map(|root| fs::read_dir(root.path())).flatten().flatten();
    files.any(|file| file.path().extension().is_some_and(|extension| extension == "compiled"))
}

#[tokio::test]
async fn a_unit_is_prepared_where_it_was_fetched() {
    let nodes = TestCluster::start(3).await;
    let client = nodes.client(2).await;
    client.deploy("tasks", "1.0.0").source(fixture("acme_tasks")).nodes("all").send().await.expect("a unit");
    for number in 1..=3 {
        let prepared = until(DEADLINE, async || has_prepared(nodes.node(number))).await;
        assert!(prepared, "n{number}, without a task{nodes}");
        let echo = client.task("tasks", "acme_tasks.values:echo").node(name(number)).timeout(DEADLINE);
        assert_eq!(echo.call::<i64>(7).await.expect("a task"), 7);
    }
}

#[tokio::test]
async fn a_node_killed_while_it_fetches_ends_with_the_unit() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 20 } else { 2 };
    let mut nodes = Proxied::start(1).await;
    let joined = nodes.add();
    nodes.cluster.all_alive(&[1, 2]).await;
    let client = nodes.cluster.client(1).await;
    for round in 0..rounds {
        let large = Large::new(round + 100, LARGE);
        let before = nodes.given();
        let unit = client.deploy("large", "1.0.0").source(large.package()).replace(true).nodes("one").send().await;
        let unit = unit.expect("a unit");
        nodes.holder_of(&before, (2 + 9 * round % 48) << 20).await;
        nodes.cluster.kill9(joined);
        nodes.cluster.restart(joined);
        nodes.cluster.all_alive(&[1, 2]).await;
        until_held(&nodes.cluster, &client, &unit.digest, "n2").await;
        large.is_right_on(&client, "n2").await;
    }
}

#[tokio::test]
async fn a_holder_killed_while_others_fetch_is_replaced() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 10 } else { 1 };
    for round in 0..rounds {
        let mut nodes = Proxied::start(2).await;
        let large = Large::new(round + 200, LARGE);
        let client = nodes.cluster.client(1).await;
        let unit = client.deploy("large", "1.0.0").source(large.package()).nodes("all").send().await.expect("a unit");
        for node in ["n1", "n2"] {
            until_held(&nodes.cluster, &client, &unit.digest, node).await;
        }
        let before = nodes.given();
        let third = nodes.add();
        let holder = nodes.holder_of(&before, 4 << 20).await;
        nodes.cluster.kill9(holder);
        let taken = nodes.given();
        let client = nodes.cluster.client(third).await;
        until_held(&nodes.cluster, &client, &unit.digest, "n3").await;
        large.is_right_on(&client, "n3").await;
        let other = 3 - holder;
        let resumed = nodes.given()[other - 1] - before[other - 1];
        let first = taken[holder - 1] - before[holder - 1];
        println!("n3 took {first} bytes from n{holder}, which was killed, and {resumed} from n{other}");
        assert!(resumed > 1 << 20, "the rest came from n{other}: {resumed} bytes");
        let total = (LARGE + LARGE / 8) as u64;
        assert!(first + resumed < total, "{first} bytes and then {resumed}: what had come was not used");
    }
}

fn project(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        fs::write(path, text).expect("a module");
    }
    folder
}

/// The outcomes of three nodes, each of which must be good.
fn all_three(outcomes: Result<Vec<(String, Result<Value>)>>) -> Vec<Value> {
    let mut outcomes = outcomes.expect("outcomes");
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<&str> = outcomes.iter().map(|(node, _)| node.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    outcomes.into_iter().map(|(node, result)| result.unwrap_or_else(|error| panic!("{node}: {error:?}"))).collect()
}

#[tokio::test]
async fn code_of_a_client_runs_on_all_nodes() {
    let cluster = TestCluster::start(3).await;
    for (number, mode) in [(1, DeploymentMode::Private), (2, DeploymentMode::Shared), (3, DeploymentMode::Isolated)] {
        let options = || ConnectOptions::new(cluster.address(number)).mode(mode);
        let java = PeerClient::connect(options(), Language::Java, vec![fixture("tasks.jar")]).await;
        let start = "acme/tasks/Surroundings";
        let processes = all_three(java.broadcast(start, "acme.tasks.Surroundings#processId", &[]).await);
        for (index, process) in processes.into_iter().enumerate() {
            let process = i64::try_from(process).expect("a process");
            assert_eq!(cluster.node_of(process), Some(index + 1));
        }
        // A class that the task asks for by its name is in no closure: it comes from the client when it is needed.
        let arguments = ["acme.tasks.Numbers".into(), 7.into()];
        let late = all_three(java.broadcast("acme/tasks/Late", "acme.tasks.Late#call", &arguments).await);
        assert_eq!(late, vec![Value::from(7); 3], "{mode:?}");

        let folder = project(&[
            ("shop/__init__.py", String::new()),
            ("shop/price.py", "from shop import rate\ndef of():\n    return rate.RATE\n".into()),
            ("shop/rate.py", format!("RATE = {number}\n")),
            ("shop/later.py", format!("TEXT = '{}'\n", "x".repeat(300_000))),
            (
                "shop/late.py",
                "import importlib\ndef late():\n    return len(importlib.import_module('shop.la' + 'ter').TEXT)\n"
                    .into(),
            ),
        ]);
        let python = PeerClient::connect(options(), Language::Python, vec![folder.path().to_owned()]).await;
        let prices = all_three(python.broadcast("shop.price", "shop.price:of", &[]).await);
        assert_eq!(prices, vec![Value::from(number as i64); 3], "{mode:?}");
        let late = all_three(python.broadcast("shop.late", "shop.late:late", &[]).await);
        assert_eq!(late, vec![Value::from(300_000); 3], "{mode:?}");

        // What has changed at the client is seen by the next call, on every node.
        fs::write(folder.path().join("shop/rate.py"), "RATE = 100\n").expect("a module");
        let prices = all_three(python.broadcast("shop.price", "shop.price:of", &[]).await);
        assert_eq!(prices, vec![Value::from(100); 3], "{mode:?}");
    }
}

/// A class loader of a client that lives on goes: so does its code, at the node of the client and where its tasks ran.
#[tokio::test]
async fn code_that_a_client_has_ended_goes_from_all_nodes() {
    let cluster = TestCluster::start(2).await;
    let operators = [cluster.client(1).await, cluster.client(2).await];
    let options = ConnectOptions::new(cluster.address(1)).mode(DeploymentMode::Private);
    let mut client = PeerClient::connect(options, Language::Java, vec![fixture("pricing-1.jar")]).await;
    let session = client.cluster.session_id();
    let snapshots = async || {
        let sessions = operators[0].sessions().await.expect("sessions");
        sessions.iter().find(|one| one.id == session).map(|one| one.snapshots.len())
    };
    let released = async |number: usize| {
        operators[number - 1].loaders().await.expect("loaders").iter().map(|worker| worker.released).sum::<u64>()
    };
    for (round, jar) in ["pricing-1.jar", "pricing-2.jar", "pricing-1.jar", "pricing-1.jar"].into_iter().enumerate() {
        client.begin_again(vec![fixture(jar)]);
        for node in ["n1", "n2"] {
            let called = client.call(Target::Node(node.into()), "acme/Price", "acme.Price#versions", &[]).await;
            called.unwrap_or_else(|error| panic!("{jar} on {node}: {error:?}{cluster}"));
        }
        let gone = until(DEADLINE, async || {
            snapshots().await == Some(1) && released(1).await >= round as u64 && released(2).await >= round as u64
        });
        assert!(gone.await, "round {round}: {:?}, {}, {}", snapshots().await, released(1).await, released(2).await);
    }
    client.begin_again(vec![fixture("pricing-1.jar")]);
    assert!(until(DEADLINE, async || snapshots().await == Some(0) && released(2).await == 4).await, "{cluster}");
}

#[tokio::test]
async fn a_deploy_for_a_node_that_is_not_there_is_refused() {
    let cluster = TestCluster::start(2).await;
    let client = cluster.client(2).await;
    let deploy = |nodes: &str| client.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).nodes(nodes).send();
    let error = deploy("n1,n9").await.expect_err("there is no n9");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.to_string().contains("'n9'") && error.hint_text().contains("haulier nodes"), "{error:?}");
    assert!(client.list_units("tasks").await.expect("a list").is_empty(), "nothing was deployed");
    let unit = deploy("n1,n2").await.expect("a unit");
    let mut holders = held_by(&client, &unit.digest).await;
    holders.sort();
    assert_eq!(holders, ["n1", "n2"]);
}
