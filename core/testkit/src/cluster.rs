//! Several nodes as one cluster: real processes, each with data of its own, that end with the test.
//!
//! Nodes have numbers from 1, and the names n1, n2, ...; n1 owns the catalogue, the others join it. Whatever a test
//! waits for is asked of the nodes; the logs of all nodes are printed when the test fails.
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use haulier::{Cluster, ConnectOptions, NodeInfo, NodeState};
use tempfile::TempDir;

use crate::{NodeOptions, TestNode, descendants, fixtures::repository, until};

/// The longest wait for nodes to see each other.
const DEADLINE: Duration = Duration::from_secs(20);
/// Lines of each log that are printed when a test fails.
const LOG_LINES: usize = 60;

/// Nodes that form a cluster.
pub struct TestCluster {
    nodes: Vec<TestNode>,
    folder: TempDir,
}

impl TestCluster {
    /// Starts `count` nodes and waits until all see all as alive.
    ///
    /// # Panics
    /// If they do not within the deadline.
    pub async fn start(count: usize) -> Self {
        Self::start_with(vec![NodeOptions::default(); count]).await
    }

    /// Starts a node for each of the options, which say neither name, nor data folder, nor whom to join.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_with(options: Vec<NodeOptions>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the nodes");
        let mut cluster = Self { nodes: Vec::new(), folder };
        let numbers: Vec<usize> = options.into_iter().map(|options| cluster.add(options)).collect();
        cluster.all_alive(&numbers).await;
        cluster
    }

    /// Starts one more node, which joins the first; returns its number.
    ///
    /// # Panics
    /// If it does not start.
    pub fn add(&mut self, options: NodeOptions) -> usize {
        let first = self.nodes.first().map(|first| first.address().to_owned());
        self.add_through(first.as_deref(), options)
    }

    /// Starts one more node, which joins the cluster through the member at this address; returns its number.
    ///
    /// # Panics
    /// If it does not start.
    pub fn add_through(&mut self, member: Option<&str>, options: NodeOptions) -> usize {
        let number = self.nodes.len() + 1;
        let name = name(number);
        let data_dir = Some(self.folder.path().join(&name));
        let mut options = NodeOptions { data_dir, ..options }.arguments(["--name", &name]);
        if let Some(member) = member {
            options = options.arguments(["--join", member]);
        }
        let started = TestNode::start(options);
        self.nodes.push(started.unwrap_or_else(|error| panic!("{name}: {error}{self}")));
        number
    }

    /// A node by its number, from 1.
    pub fn node(&self, number: usize) -> &TestNode {
        &self.nodes[number - 1]
    }

    /// As [`Self::node`], to end it or to start it again.
    pub fn node_mut(&mut self, number: usize) -> &mut TestNode {
        &mut self.nodes[number - 1]
    }

    /// Where clients connect to a node.
    pub fn address(&self, number: usize) -> &str {
        self.node(number).address()
    }

    /// Kills a node by SIGKILL.
    pub fn kill9(&mut self, number: usize) {
        self.node_mut(number).kill9();
    }

    /// Holds a node by SIGSTOP.
    pub fn stop(&self, number: usize) {
        self.node(number).stop();
    }

    /// Lets a node go on by SIGCONT.
    pub fn resume(&self, number: usize) {
        self.node(number).resume();
    }

    /// Starts a node again, with the same data and the same address.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self, number: usize) {
        let started = self.node_mut(number).restart();
        started.unwrap_or_else(|error| panic!("{} again: {error}{self}", name(number)));
    }

    /// A new connection to a node.
    ///
    /// # Panics
    /// If it fails.
    pub async fn client(&self, number: usize) -> Cluster {
        let connected = ConnectOptions::new(self.address(number)).connect().await;
        connected.unwrap_or_else(|error| panic!("connect to {}: {error:?}{self}", name(number)))
    }

    /// Deploys [`cluster_tasks`] as "tasks" on every node that lives; returns the connection to n1 that did it.
    ///
    /// # Panics
    /// If that fails.
    pub async fn deploy_tasks(&self) -> Cluster {
        let client = self.client(1).await;
        let deployed = client.deploy("tasks", "1.0.0").source(cluster_tasks()).nodes("all").send().await;
        deployed.unwrap_or_else(|error| panic!("deploy: {error:?}{self}"));
        client
    }

    /// Waits until each of these nodes sees exactly these as alive.
    ///
    /// # Panics
    /// If they do not within the deadline.
    pub async fn all_alive(&self, numbers: &[usize]) {
        let names: Vec<String> = numbers.iter().map(|number| name(*number)).collect();
        for number in numbers {
            let client = self.client(*number).await;
            self.sees(&client, "the others alive", |nodes| alive(nodes) == names).await;
            client.close().await;
        }
    }

    /// Waits until the node of a client gives a list of nodes that `condition` holds for; returns how long it took.
    ///
    /// # Panics
    /// If it does not within the deadline.
    pub async fn sees(&self, client: &Cluster, what: &str, condition: impl Fn(&[NodeInfo]) -> bool) -> Duration {
        let begun = Instant::now();
        let mut last = None;
        let seen = until(DEADLINE, async || {
            let nodes = client.nodes().await;
            let holds = nodes.as_ref().is_ok_and(|nodes| condition(nodes));
            last = Some(nodes);
            holds
        });
        assert!(seen.await, "{} does not see {what}: {last:?}{self}", client.node());
        begun.elapsed()
    }

    /// The node that a process belongs to, by its number: worker processes run below their node.
    pub fn node_of(&self, process_id: i64) -> Option<usize> {
        let process_id = u32::try_from(process_id).ok()?;
        let has = |node: &&TestNode| descendants(node.process_id()).contains(&process_id);
        self.nodes.iter().position(|node| has(&node)).map(|index| index + 1)
    }
}

/// The logs of all nodes, for messages.
impl std::fmt::Display for TestCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, node) in self.nodes.iter().enumerate() {
            let output = node.output();
            let lines: Vec<&str> = output.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
            write!(f, "\n-- log of {}:\n{}", name(index + 1), last.join("\n"))?;
        }
        Ok(())
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{self}");
        }
    }
}

/// The name of a node by its number.
pub fn name(number: usize) -> String {
    format!("n{number}")
}

/// The names of the nodes that take tasks, sorted.
pub fn alive(nodes: &[NodeInfo]) -> Vec<String> {
    in_state(nodes, NodeState::Alive)
}

/// The names of the nodes in a state, sorted.
pub fn in_state(nodes: &[NodeInfo], state: NodeState) -> Vec<String> {
    let mut names: Vec<String> =
        nodes.iter().filter(|node| node.state == state).map(|node| node.name.clone()).collect();
    names.sort();
    names
}

/// The Python module `acme_cluster`: tasks that say where they run, and that wait until they are let go.
pub fn cluster_tasks() -> PathBuf {
    repository().join("tests/cluster/acme_cluster.py")
}
