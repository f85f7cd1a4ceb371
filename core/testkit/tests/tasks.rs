//! Tasks that do not end well: cancelled, late, deaf, killed. The caller always gets an answer, and the node goes on.
use std::{
    io::Read,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use haulier::{Cluster, ErrorKind, Value};
use haulier_testkit::{NodeOptions, TestNode, descendants, eventually, fixture, is_alive};

const DEADLINE: Duration = Duration::from_secs(30);

/// A node with the task fixtures of both languages.
async fn node() -> (TestNode, Cluster) {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    cluster.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).send().await.expect("a unit");
    cluster.deploy("python-tasks", "1.0.0").source(fixture("acme_tasks")).send().await.expect("a unit");
    (node, cluster)
}

/// A port for a task to connect to, and the wait for it.
struct Announcement(TcpListener);

impl Announcement {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    fn port(&self) -> i64 {
        self.0.local_addr().expect("an address").port().into()
    }

    /// Waits until the task runs.
    async fn arrived(self) {
        let wait = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = self.0.accept().expect("a connection");
            stream.read_exact(&mut [0]).expect("a byte");
            stream
        });
        tokio::time::timeout(DEADLINE, wait).await.expect("the task runs in time").expect("no panic");
    }
}

#[tokio::test]
async fn a_deaf_task_is_killed_with_its_worker() {
    let (_node, cluster) = node().await;
    for (unit, deaf, next) in [
        ("tasks", "acme.tasks.Faults#announceDeaf", "acme.tasks.AsCallable"),
        ("python-tasks", "acme_tasks.faults:announce_deaf", "acme_tasks.forms:prints"),
    ] {
        let announcement = Announcement::new();
        let handle = cluster.task(unit, deaf).submit::<Value>(announcement.port());
        announcement.arrived().await;
        handle.cancel();
        let ended = tokio::time::timeout(DEADLINE, handle).await.expect("an end in time");
        assert_eq!(ended.expect_err("cancelled").kind(), ErrorKind::Canceled, "{deaf}");
        let result = cluster.task(unit, next).timeout(DEADLINE).call::<Value>(()).await;
        result.unwrap_or_else(|error| panic!("after {deaf}: {error:?}"));
    }
}

#[tokio::test]
async fn the_folder_of_a_worker_goes_with_it() {
    let (node, cluster) = node().await;
    for (unit, deaf) in
        [("tasks", "acme.tasks.Faults#announceDeaf"), ("python-tasks", "acme_tasks.faults:announce_deaf")]
    {
        let announcement = Announcement::new();
        let handle = cluster.task(unit, deaf).submit::<Value>(announcement.port());
        announcement.arrived().await;
        let folders = worker_folders(&node.data_dir().join("temp"));
        handle.cancel();
        tokio::time::timeout(DEADLINE, handle).await.expect("an end in time").expect_err("cancelled");
        let one_has_gone = || folders.iter().any(|folder| !folder.exists());
        assert!(eventually(DEADLINE, one_has_gone), "{deaf} has left its folder: {folders:?}");
    }
}

/// The temporary folders of workers: they have numbers, those of Python workers in folders of their groups.
fn worker_folders(folder: &Path) -> Vec<PathBuf> {
    let below = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_number = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok());
    let (mut found, groups): (Vec<_>, Vec<_>) = below.filter(|path| path.is_dir()).partition(is_number);
    found.extend(groups.iter().flat_map(|group| worker_folders(group)));
    found
}

#[tokio::test]
async fn a_deaf_task_past_its_deadline_ends_too() {
    let (_node, cluster) = node().await;
    for (unit, deaf) in
        [("tasks", "acme.tasks.Faults#announceDeaf"), ("python-tasks", "acme_tasks.faults:announce_deaf")]
    {
        let announcement = Announcement::new();
        let call = cluster.task(unit, deaf).timeout(Duration::from_secs(2)).submit::<Value>(announcement.port());
        let ended = tokio::time::timeout(DEADLINE, call).await.expect("an end in time");
        assert_eq!(ended.expect_err("late").kind(), ErrorKind::DeadlineExceeded, "{deaf}");
    }
}

#[tokio::test]
async fn a_queued_task_is_cancelled_without_running() {
    let (node, cluster) = node().await;
    let mut running = Vec::new();
    for _ in 0..64 {
        running.push(cluster.task("python-tasks", "acme_tasks.faults:never").submit::<Value>(()));
    }
    let last = running.pop().expect("64 tasks");
    last.cancel();
    let ended = tokio::time::timeout(DEADLINE, last).await.expect("an end in time");
    assert_eq!(ended.expect_err("cancelled").kind(), ErrorKind::Canceled);
    running.iter().for_each(|task| {
        task.cancel();
    });
    for task in running {
        let ended = tokio::time::timeout(DEADLINE, task).await.expect("an end in time");
        assert_eq!(ended.expect_err("cancelled").kind(), ErrorKind::Canceled);
    }
    assert!(is_alive(node.process_id()));
}

#[tokio::test]
async fn a_killed_worker_is_named_and_replaced() {
    let (_node, cluster) = node().await;
    let identity = || cluster.task("tasks", "acme.tasks.Surroundings#processId").timeout(DEADLINE).submit::<i64>(());
    let before = identity().await.expect("a worker");
    let announcement = Announcement::new();
    let handle = cluster.task("tasks", "acme.tasks.Faults#announce").submit::<Value>(announcement.port());
    announcement.arrived().await;
    kill(before);
    let ended = tokio::time::timeout(DEADLINE, handle).await.expect("an end in time").expect_err("lost");
    assert_eq!(ended.kind(), ErrorKind::WorkerLost, "{ended:?}");
    assert!(ended.to_string().contains('9'), "the signal is named: {ended}");
    assert_ne!(identity().await.expect("another worker"), before);
}

#[tokio::test]
async fn other_clients_are_not_touched_by_a_lost_worker() {
    let (node, cluster) = node().await;
    let other = haulier::connect(node.address()).await.expect("a connection");
    let before: i64 = other.task("python-tasks", "acme_tasks.forms:add").timeout(DEADLINE).call(1).await.expect("2");
    let lost = cluster.task("python-tasks", "acme_tasks.faults:end").call::<Value>(3).await;
    let lost = lost.expect_err("the worker ended");
    assert_eq!(lost.kind(), ErrorKind::WorkerLost, "{lost:?}");
    assert!(lost.to_string().contains("last words of the worker"), "{lost}");
    let after: i64 = other.task("python-tasks", "acme_tasks.forms:add").timeout(DEADLINE).call(1).await.expect("2");
    assert_eq!((before, after), (2, 2));
}

#[tokio::test]
async fn workers_end_with_their_node() {
    let (mut node, cluster) = node().await;
    let _: i64 = cluster.task("tasks", "acme.tasks.Surroundings#processId").call(()).await.expect("a worker");
    let _: i64 = cluster.task("python-tasks", "acme_tasks.forms:process_id").call(()).await.expect("a worker");
    let workers = descendants(node.process_id());
    assert!(workers.len() >= 2, "{workers:?}");
    node.kill9();
    let ended = || workers.iter().all(|worker| !is_alive(*worker));
    assert!(eventually(Duration::from_secs(10), ended), "left running: {workers:?}");
}

#[tokio::test]
async fn a_node_ends_when_it_is_asked_to() {
    let (mut node, cluster) = node().await;
    let _: i64 = cluster.task("tasks", "acme.tasks.Surroundings#processId").call(()).await.expect("a worker");
    let workers = descendants(node.process_id());
    assert!(node.terminate(Duration::from_secs(15)), "{}", node.output());
    assert!(eventually(Duration::from_secs(10), || workers.iter().all(|worker| !is_alive(*worker))));
}

fn kill(process_id: i64) {
    let process = i32::try_from(process_id).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("a running process");
}

#[tokio::test]
async fn the_nodes_own_code_is_found_after_the_tasks() {
    let own = fixture("acme_tasks").display().to_string();
    let node = TestNode::start(NodeOptions::default().arguments(["--local-code", own.as_str()])).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let single = cluster.deploy("single", "1.0.0").source(fixture("acme_single.py"));
    let unit = single.send().await.expect("a unit that does not have the module");
    let echo = cluster.task(&unit, "acme_tasks.values:echo").timeout(DEADLINE);
    assert_eq!(echo.call::<i64>(7).await.expect("the module of the node"), 7);
    let nodes = cluster.nodes().await.expect("the node");
    assert!(nodes[0].local_code.is_some(), "{nodes:?}");
}
