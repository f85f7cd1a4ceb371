//! The client against a real node: payloads, windows, cancels, deadlines, code of the client, forks.
use std::{
    fs,
    path::Path,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use haulier::{
    Cluster, CodeScope, Codec, ConnectOptions, ErrorKind, Language, NodeOutcome, Output, Result, RootKind, Submission,
    Target, Value,
};
use haulier_testkit::{NodeOptions, Proxy, TestNode, fixture};

const DEADLINE: Duration = Duration::from_secs(60);

fn node() -> TestNode {
    TestNode::start(NodeOptions::default()).expect("a node")
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    haulier::runtime::block_on(future).expect("a thread that may wait")
}

/// A node with the Python fixture deployed.
fn with_tasks() -> (TestNode, Cluster) {
    let node = node();
    let cluster = wait(haulier::connect(node.address())).expect("a connection");
    wait(cluster.deploy("tasks", "1.0.0").source(fixture("acme_tasks")).send()).expect("a unit");
    (node, cluster)
}

type Ended = Result<Vec<NodeOutcome>>;

/// Submits as a binding does: the end comes by a channel.
fn submit(cluster: &Cluster, submission: Submission) -> (haulier::TaskId, mpsc::Receiver<Ended>) {
    let (sender, receiver) = mpsc::channel();
    let id = cluster.submit(submission, Box::new(move |ended| drop(sender.send(ended)))).expect("a submit");
    (id, receiver)
}

fn output(ended: &mpsc::Receiver<Ended>) -> Result<Output> {
    let outcomes = ended.recv_timeout(DEADLINE).expect("a completion in time")?;
    outcomes.into_iter().next().expect("an outcome").result
}

fn named(entry_point: &str, arguments: &[Value]) -> Submission {
    Submission {
        units: vec!["tasks:1.0.0".into()],
        payload: haulier::encode_arguments(arguments),
        deadline: Some(DEADLINE),
        ..Submission::new(Language::of_entry_point(entry_point), entry_point, Codec::Values)
    }
}

#[test]
fn large_payloads_travel_both_ways() {
    let (_node, cluster) = with_tasks();
    let echo = cluster.task("tasks:1.0.0", "acme_tasks.values:echo").timeout(DEADLINE);
    for size in [0, 1, 65_000, 65_536, 70_000, 16 << 20] {
        let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        let back: Vec<u8> = wait(echo.call(bytes.clone())).expect("the same bytes");
        assert!(back == bytes, "{size} bytes");
    }
}

#[test]
fn large_payloads_survive_broken_connections() {
    let (node, direct) = with_tasks();
    let proxy = Proxy::start(node.address()).unwrap();
    let cluster = wait(haulier::connect(proxy.address())).expect("a connection");
    let echo = cluster.task("tasks:1.0.0", "acme_tasks.values:echo").timeout(DEADLINE);
    let bytes: Vec<u8> = (0..8 << 20).map(|index| (index % 249) as u8).collect();
    for _ in 0..3 {
        let handles: Vec<_> = (0..4).map(|_| echo.submit::<Vec<u8>>(bytes.clone())).collect();
        proxy.cut();
        for handle in handles {
            assert!(wait(handle).expect("the same bytes") == bytes);
        }
    }
    drop(direct);
}

#[test]
fn many_tasks_keep_their_order_in_a_map() {
    let (_node, cluster) = with_tasks();
    let echo = cluster.task("tasks:1.0.0", "acme_tasks.values:echo").timeout(DEADLINE).window(64);
    let results: Vec<i64> = wait(echo.map::<i64>(0..5000).map(|result| result.expect("a result")).collect());
    assert_eq!(results, (0..5000).collect::<Vec<i64>>());
    // A stream that is dropped takes its calls with it: the slots are free for others at once.
    let mut endless = cluster.task("tasks:1.0.0", "acme_tasks.faults:never").window(100).map::<Value>([(); 1000]);
    let waited = wait(async { tokio::time::timeout(Duration::from_millis(300), endless.next()).await });
    assert!(waited.is_err(), "it never ends");
    drop(endless);
    assert_eq!(wait(echo.call::<i64>(7)).expect("a free slot"), 7);
}

#[test]
fn submits_beyond_the_window_wait_at_the_client() {
    let (_node, cluster) = with_tasks();
    let (sender, receiver) = mpsc::channel();
    let count = 40_000;
    for index in 0..count {
        let sender = sender.clone();
        let completion = Box::new(move |ended: Ended| drop(sender.send((index, ended.map(|_| ())))));
        cluster.submit(named("acme_tasks.values:echo", &[index.into()]), completion).expect("a submit");
    }
    let mut seen = vec![false; count as usize];
    for _ in 0..count {
        let (index, ended) = receiver.recv_timeout(DEADLINE).expect("all of them");
        ended.expect("a result");
        assert!(!std::mem::replace(&mut seen[index as usize], true), "each once");
    }
}

#[test]
fn cancels_do_not_wait_behind_payloads() {
    let (_node, cluster) = with_tasks();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = i64::from(listener.local_addr().unwrap().port());
    let (running, ended) = submit(&cluster, named("acme_tasks.faults:announce", &[port.into()]));
    listener.accept().expect("it runs");
    let heavy: Vec<_> =
        (0..8).map(|_| submit(&cluster, named("acme_tasks.values:echo", &[vec![7_u8; 16 << 20].into()])).1).collect();
    let began = Instant::now();
    assert!(cluster.cancel(running, false).unwrap());
    assert_eq!(output(&ended).unwrap_err().kind(), ErrorKind::Canceled);
    let took = began.elapsed();
    for ended in &heavy {
        output(ended).expect("the payload");
    }
    let all = began.elapsed();
    assert!(took < all / 2, "the cancel took {took:?}, the payloads {all:?}");
    assert!(!cluster.cancel(running, true).unwrap(), "it has ended");
}

#[test]
fn deadlines_hold_when_the_node_is_gone() {
    let (mut node, cluster) = with_tasks();
    let limit = Duration::from_millis(700);
    let never = cluster.task("tasks:1.0.0", "acme_tasks.faults:never").timeout(limit).submit::<Value>(());
    node.kill9();
    let late = cluster.task("tasks:1.0.0", "acme_tasks.faults:never").timeout(limit).submit::<Value>(());
    let began = Instant::now();
    for handle in [never, late] {
        let error = wait(handle).expect_err("no node");
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_client_goes_on_after_the_node_was_away() {
    let mut node = node();
    let options = ConnectOptions::new(node.address()).resume_window(Duration::from_millis(300));
    let cluster = wait(options.connect()).expect("a connection");
    node.kill9();
    let echo = cluster.task("tasks:1.0.0", "acme_tasks.values:echo").timeout(DEADLINE);
    let error = wait(echo.call::<Value>(1)).expect_err("no node");
    assert!(matches!(error.kind(), ErrorKind::SessionLost | ErrorKind::Unavailable), "{error:?}");
    assert!(error.to_string().contains("nothing listens on"), "{error}");
    node.restart().expect("the node again");
    wait(cluster.deploy("tasks", "1.0.0").source(fixture("acme_tasks")).send()).expect("a unit");
    let back = haulier_testkit::eventually(DEADLINE, || wait(echo.call::<i64>(7)).is_ok_and(|result| result == 7));
    assert!(back, "the same handle works with the restarted node");
}

#[test]
fn closing_ends_what_waits() {
    let (_node, cluster) = with_tasks();
    let (_, ended) = submit(&cluster, named("acme_tasks.faults:never", &[]));
    let other = cluster.clone();
    wait(cluster.close());
    assert_eq!(output(&ended).unwrap_err().kind(), ErrorKind::Canceled);
    assert!(other.is_closed());
    let refused = other.submit(named("acme_tasks.values:echo", &[]), Box::new(|_| panic!("it was refused")));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Closed);
    wait(other.close());
}

#[test]
fn nodes_and_targets_are_named() {
    let (_node, cluster) = with_tasks();
    let nodes = wait(cluster.nodes()).expect("nodes");
    assert_eq!((nodes.len(), nodes[0].name.clone()), (1, cluster.node()));
    let submission = Submission { target: Target::All, ..named("acme_tasks.values:echo", &[1.into()]) };
    let outcomes = submit(&cluster, submission).1.recv_timeout(DEADLINE).unwrap().expect("outcomes");
    assert_eq!((outcomes.len(), outcomes[0].node.clone()), (1, cluster.node()));
    let echo = cluster.task("tasks:1.0.0", "acme_tasks.values:echo").timeout(DEADLINE);
    assert_eq!(wait(echo.clone().node(cluster.node()).call::<i64>(3)).unwrap(), 3);
    let error = wait(echo.node("nowhere").call::<i64>(3)).expect_err("no such node");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[test]
fn a_child_of_a_fork_is_refused_with_advice() {
    let (_node, cluster) = with_tasks();
    // SAFETY: the child calls nothing that takes a lock of another thread, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = cluster.submit(named("acme_tasks.values:echo", &[]), Box::new(|_| ()));
        let good = refused.is_err_and(|error| {
            error.kind() == ErrorKind::Closed && error.hint_text().contains("connect again in the child process")
        });
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(if good { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child above; `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child saw another error");
}

/// Python code of this client, in a folder that tests change.
struct Project {
    folder: tempfile::TempDir,
    cluster: Cluster,
    scope: Arc<CodeScope>,
}

impl Project {
    fn new(address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = wait(haulier::connect(address)).expect("a connection");
        let scope = cluster.code_scope(RootKind::Python, vec![folder.path().to_owned()]);
        Self { folder, cluster, scope }
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    }

    fn call(&self, entry_point: &str) -> Result<Value> {
        let module = entry_point.split(':').next().unwrap_or_default().to_owned();
        let code = self.scope.prepare(&[module])?;
        let submission = Submission { units: Vec::new(), code: Some(code), ..named(entry_point, &[]) };
        haulier::decode_value(&output(&submit(&self.cluster, submission).1)?.payload)
    }
}

#[test]
fn changed_modules_are_seen_by_the_next_submit() {
    let node = node();
    let project = Project::new(node.address());
    project.write("shop/__init__.py", "");
    project.write("shop/price.py", "from shop import rate\ndef of():\n    return rate.RATE\n");
    for round in 1..=5 {
        project.write("shop/rate.py", format!("RATE = {round}\n"));
        assert_eq!(project.call("shop.price:of").unwrap(), round.into());
        assert_eq!(project.call("shop.price:of").unwrap(), round.into());
    }
    project.write("tool.py", "def name():\n    return 'tool'\n");
    assert_eq!(project.call("tool:name").unwrap(), "tool".into());
}

#[test]
fn late_imports_are_fetched_from_the_client() {
    let node = node();
    let project = Project::new(node.address());
    project.write("main_module.py", "import importlib\ndef late(name='late_' + 'module'):\n    return importlib.import_module(name).TEXT\ndef absent():\n    return late('absent_module')\ndef large():\n    return len(importlib.import_module('large_' + 'module').TEXT)\n");
    project.write("late_module.py", "TEXT = 'found'\n");
    project.write("large_module.py", format!("TEXT = '{}'\n", "x".repeat(300_000)));
    assert_eq!(project.call("main_module:late").unwrap(), "found".into());
    assert_eq!(project.call("main_module:large").unwrap(), 300_000.into(), "more than fits on the control stream");
    let error = project.call("main_module:absent").unwrap_err();
    assert!(error.to_string().contains("absent_module"), "{error}");
}

#[test]
fn code_is_sent_again_after_the_session_was_lost() {
    let mut node = node();
    let project = Project::new(node.address());
    project.write("module.py", "def name():\n    return 'module'\n");
    assert_eq!(project.call("module:name").unwrap(), "module".into());
    node.restart().expect("the node again");
    let back = haulier_testkit::eventually(DEADLINE, || project.call("module:name").is_ok());
    assert!(back, "a new session, and the code with it");
}

#[test]
fn peer_loading_can_be_off() {
    let node = TestNode::start(NodeOptions::default().arguments(["--no-peer-loading"])).expect("a node");
    let project = Project::new(node.address());
    assert!(!project.cluster.peer_loading());
    project.write("module.py", "def name():\n    return 'module'\n");
    let error = project.call("module:name").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("peer loading is off") && error.hint_text().contains("haulier deploy"));
}

#[test]
fn code_survives_broken_connections() {
    let node = node();
    let proxy = Proxy::start(node.address()).unwrap();
    let project = Project::new(&proxy.address());
    for round in 1..=10 {
        project.write("module.py", format!("TEXT = '{}'\ndef of():\n    return {round}\n", "x".repeat(200_000)));
        std::thread::scope(|scope| {
            scope.spawn(|| proxy.cut());
            assert_eq!(project.call("module:of").unwrap(), round.into());
        });
    }
}
