//! A network with holes: a node that the client cannot reach but the other nodes can, and a node that nobody reaches
//! for a while. The network is made of namespaces by tests/cluster/network.sh, which runs this test again inside.
use std::{
    fs,
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use haulier::{Cluster, NodeInfo, NodeState, Task};
use haulier_testkit::{
    cluster::{alive, cluster_tasks, in_state},
    fixture, target_dir, until, within,
};

const DEADLINE: Duration = Duration::from_secs(30);
const NAME: &str = "network::a_network_with_holes";
const PAYLOAD: usize = 4 << 20;

#[tokio::test]
async fn a_network_with_holes() {
    match std::env::var("HAULIER_NETWORK") {
        Ok(network) => within(150, "the network", inside(&network)).await,
        Err(_) => outside(),
    }
}

fn outside() {
    let possible = Command::new("unshare").args(["--map-root-user", "--net", "--mount", "ip", "link"]).output();
    match possible {
        Ok(output) if output.status.success() => {}
        Ok(output) => return println!("skipped, no namespaces: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => return println!("skipped, no unshare: {error}"),
    }
    let script = cluster_tasks().with_file_name("network.sh");
    let this = std::env::current_exe().expect("this test");
    let output = Command::new("timeout")
        .args(["--kill-after=10", "180"])
        .args([script, this])
        .args(["--exact", NAME, "--nocapture"])
        .env("CARGO_TARGET_DIR", target_dir())
        .output()
        .expect("the script runs");
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", output.status);
}

/// The namespace with the bridge that joins all.
struct Network<'a>(&'a str);

impl Network<'_> {
    /// Bytes that have passed the port of a machine, both ways.
    fn passed(&self, port: &str) -> u64 {
        let table = fs::read_to_string(format!("/proc/{}/net/dev", self.0)).expect("the ports");
        let line = table.lines().find_map(|line| line.trim().strip_prefix(port)?.strip_prefix(':'));
        let fields: Vec<u64> =
            line.expect("the port").split_whitespace().map(|f| f.parse().expect("a number")).collect();
        fields[0] + fields[8]
    }

    fn set(&self, port: &str, state: &str) {
        let namespace = format!("--net=/proc/{}/ns/net", self.0);
        let status = Command::new("nsenter").args([&namespace, "ip", "link", "set", port, state]).status();
        assert!(status.expect("nsenter").success(), "{port} is {state}");
    }
}

fn task(client: &Cluster, entry_point: &str) -> Task {
    client.task("tasks", format!("acme_cluster:{entry_point}")).timeout(DEADLINE)
}

async fn sees(client: &Cluster, what: &str, condition: impl Fn(&[NodeInfo]) -> bool) -> Duration {
    let begun = Instant::now();
    let seen = until(DEADLINE, async || client.nodes().await.is_ok_and(|nodes| condition(&nodes))).await;
    assert!(seen, "the client never sees {what}: {:?}", client.nodes().await);
    begun.elapsed()
}

async fn inside(network: &str) {
    let network = Network(network);
    let address = std::env::var("HAULIER_ADDRESS").expect("the address of n1");
    let client = haulier::connect(address).await.expect("a connection");
    let three = |nodes: &[NodeInfo]| alive(nodes) == ["n1", "n2", "n3"];
    sees(&client, "three nodes", three).await;
    client.deploy("tasks", "1.0.0").source(cluster_tasks()).nodes("all").send().await.expect("a unit");
    client.deploy("echo", "1.0.0").source(fixture("acme_tasks")).nodes("all").send().await.expect("a unit");

    let second = "10.77.0.2:7440".parse().expect("an address");
    let reached = TcpStream::connect_timeout(&second, Duration::from_secs(1));
    assert!(reached.is_err(), "the client must not reach n2");
    for _ in 0..5 {
        let outcomes = task(&client, "where").broadcast::<String>(()).await.expect("outcomes");
        assert_eq!(outcomes.len(), 3);
        outcomes.into_iter().for_each(|(node, result)| assert_eq!(result.expect("a result"), node));
        for name in ["n1", "n2", "n3"] {
            assert_eq!(task(&client, "where").node(name).call::<String>(()).await.expect("a task"), name);
        }
    }
    ways(&network, &client).await;
    cut_off(&network, &client, Duration::ZERO).await;
    // Longer than a registration lives without a sign of its node.
    cut_off(&network, &client, Duration::from_secs(11)).await;
    client.close().await;
}

/// A task for n2 goes through n1; a task for n3 goes there directly.
async fn ways(network: &Network<'_>, client: &Cluster) {
    let direct = |nodes: &[NodeInfo]| nodes.iter().filter(|node| node.direct).map(|node| node.name.clone()).collect();
    sees(client, "n1 and n3 directly, n2 not", |nodes| {
        let direct: Vec<String> = direct(nodes);
        direct == ["n1", "n3"]
    })
    .await;
    for (node, through) in [("n2", true), ("n3", false)] {
        let before = network.passed("v1");
        let echo = client.task("echo", "acme_tasks.values:echo").node(node).timeout(DEADLINE);
        let payload: Vec<u8> = (0..PAYLOAD).map(|index| (index % 251) as u8).collect();
        let back: Vec<u8> = echo.call(payload.clone()).await.expect("the same bytes");
        assert!(back == payload, "{node} gives the same bytes");
        let passed = network.passed("v1") - before;
        println!("a task for {node} with {PAYLOAD} bytes: {passed} bytes pass n1");
        assert_eq!(passed > PAYLOAD as u64, through, "{node}: {passed} bytes");
    }
}

/// Nobody reaches n3 for a while, nor it anybody.
async fn cut_off(network: &Network<'_>, client: &Cluster, longer: Duration) {
    let lasting = task(client, "where").node("n3");
    network.set("v3", "down");
    let begun = Instant::now();
    sees(client, "n3 lost", |nodes| alive(nodes) == ["n1", "n2"]).await;
    let took = begun.elapsed();
    println!("n3 is called lost {} ms after it was cut off", took.as_millis());
    assert!(took <= Duration::from_secs(4), "{took:?}");
    let outcomes = within(10, "a broadcast", task(client, "where").broadcast::<String>(())).await.expect("outcomes");
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    for _ in 0..10 {
        assert_ne!(task(client, "where").call::<String>(()).await.expect("a task"), "n3");
    }
    within(15, "a task for n3", lasting.call::<String>(())).await.expect_err("n3 is cut off");
    if !longer.is_zero() {
        let gone = |nodes: &[NodeInfo]| nodes.len() == 2 && in_state(nodes, NodeState::Lost).is_empty();
        let after = sees(client, "n3 gone from the list", gone).await;
        println!("n3 is taken off the list {} ms later", after.as_millis());
        assert!(after < longer, "{after:?}");
    }
    network.set("v3", "up");
    let back = sees(client, "n3 back", |nodes| alive(nodes) == ["n1", "n2", "n3"]).await;
    println!("n3 is back {} ms after the network is", back.as_millis());
    let place = until(DEADLINE, async || task(client, "where").node("n3").call::<String>(()).await.is_ok());
    assert!(place.await, "n3 takes tasks again");
    let outcomes = task(client, "where").broadcast::<String>(()).await.expect("outcomes");
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
}
