//! What environments may cost: one, all of them, and what is used.
use std::fs;

use haulier::{Cluster, ErrorKind, Retry, Value};
use haulier_testkit::{Gate, TestNode, within};

use super::index::{DEADLINE, Index, call, deploy, environments};

/// A module of a distribution in which tasks wait at a gate.
const WAIT: &[u8] = b"
import socket

def hold(port):
    with socket.create_connection(('127.0.0.1', port)) as gate:
        gate.sendall(b'here\\n')
        gate.recv(1)
    return 'gone on'
";

async fn start(index: &Index, arguments: &[&str]) -> (TestNode, Cluster) {
    let node = TestNode::start(index.node().arguments(arguments.iter().copied())).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    (node, cluster)
}

/// What is left on disk of environments that were not built, and of what was unpacked for them.
fn left_behind(node: &TestNode) -> Vec<String> {
    let python = node.data_dir().join("python");
    let names = |folder: &str| {
        let entries = fs::read_dir(python.join(folder)).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let unpacked = names("cache").into_iter().filter(|name| name.starts_with(".tmp"));
    names("environments").into_iter().filter(|name| name.starts_with('.')).chain(unpacked).collect()
}

#[tokio::test]
async fn an_environment_that_is_too_large_is_refused_and_leaves_nothing() {
    let index = Index::start();
    let large = vec![0; 80 << 20];
    index.add_files("bomb", "1.0", &[("bomb/__init__.py", b""), ("bomb/data.bin", &large)]);
    let many: Vec<String> = (0..400).map(|number| format!("swarm/m{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = many.iter().map(|path| (path.as_str(), &b"x"[..])).collect();
    index.add_files("swarm", "1.0", &files);
    let bounds = ["--python-environment-bytes", "3000000", "--python-environment-files", "300"];
    let (node, cluster) = start(&index, &bounds).await;
    for (name, bound, option) in
        [("bomb", "3000000 bytes", "--python-environment-bytes"), ("swarm", "300 files", "--python-environment-files")]
    {
        deploy(&cluster, name, &(index.pin(name, "1.0") + &index.pin("tiny", "1.0"))).await;
        let error = call(&cluster, name, "python").await.expect_err("it is too large");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::ResourceExhausted, Retry::Never), "{error}");
        let said = error.to_string();
        assert!(said.contains(&format!("{name}==1.0")) && said.contains(bound) && said.contains(option), "{said}");
        assert!(environments(&node).is_empty());
        assert_eq!(left_behind(&node), Vec::<String>::new(), "{}", node.output());
    }
    deploy(&cluster, "small", &index.pin("tiny", "1.0")).await;
    assert_eq!(call(&cluster, "small", "version").await.expect("a version"), "1.0");
}

#[tokio::test]
async fn the_least_recently_used_goes_when_there_are_too_many() {
    let index = Index::start();
    index.add("tiny", "3.0");
    let (node, cluster) = start(&index, &["--python-environments", "2"]).await;
    // One session keeps all of them in case it calls again; that is no use.
    for (name, version) in [("one", "1.0"), ("two", "2.0"), ("three", "3.0"), ("one", "1.0"), ("two", "2.0")] {
        if !cluster.list_units(name).await.expect("units").iter().any(|unit| unit.name == name) {
            deploy(&cluster, name, &index.pin("tiny", version)).await;
        }
        assert_eq!(call(&cluster, name, "version").await.expect("a version"), version, "{}", node.output());
        assert!(environments(&node).len() <= 2, "{}", node.output());
    }
    assert_eq!(environments(&node).len(), 2);
}

#[tokio::test]
async fn what_runs_keeps_its_environment() {
    let index = Index::start();
    index.add_files("wait", "1.0", &[("wait.py", WAIT)]);
    let (node, cluster) = start(&index, &["--python-environments", "1"]).await;
    deploy(&cluster, "busy", &index.pin("wait", "1.0")).await;
    deploy(&cluster, "other", &index.pin("tiny", "1.0")).await;
    let gate = Gate::open().await;
    let holding = cluster.task("busy", "wait:hold").submit::<String>(gate.port());
    let held = gate.next().await;
    let [folder] = environments(&node).try_into().expect("one environment");
    let error = call(&cluster, "other", "version").await.expect_err("there is no room");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ResourceExhausted, Retry::Later), "{error}");
    let said = error.to_string();
    assert!(said.contains("1 environments are in use") && said.contains("--python-environments"), "{said}");
    assert!(folder.join("haulier-environment.json").exists());
    held.release().await;
    assert_eq!(within(DEADLINE, "the task", holding).await.expect("its result"), "gone on");
    assert_eq!(call(&cluster, "other", "version").await.expect("a version"), "1.0", "{}", node.output());
    assert!(!folder.exists() && environments(&node).len() == 1);
}

#[tokio::test]
async fn all_environments_together_have_a_bound() {
    let index = Index::start();
    let data = vec![7; 4 << 20];
    for name in ["left", "right"] {
        let path = format!("{name}/data.bin");
        let code = format!("{name}/__init__.py");
        index.add_files(name, "1.0", &[(&code, b"SIZE = 4\n"), (&path, &data)]);
    }
    let (node, cluster) = start(&index, &["--python-environments-bytes", "6000000"]).await;
    for name in ["left", "right", "left"] {
        if cluster.list_units(name).await.expect("units").is_empty() {
            deploy(&cluster, name, &index.pin(name, "1.0")).await;
        }
        let task = cluster.task(name, format!("{name}:SIZE.__int__"));
        let size = within(DEADLINE, "a task", task.call::<Value>(())).await;
        assert_eq!(size.expect("a size"), Value::from(4), "{}", node.output());
        assert_eq!(environments(&node).len(), 1, "{}", node.output());
    }
    // Downloads are bounded, too, when nobody uses them.
    let cache = node.data_dir().join("python/cache");
    cluster.collect_garbage(false).await.expect("a collection");
    assert!(cache.exists());
    let (node, cluster) = start(&index, &["--python-cache-bytes", "1000000"]).await;
    deploy(&cluster, "left", &index.pin("left", "1.0")).await;
    call(&cluster, "left", "python").await.expect("a version");
    let cache = node.data_dir().join("python/cache");
    assert!(cache.exists());
    cluster.collect_garbage(false).await.expect("a collection");
    assert!(!cache.exists(), "{}", node.output());
    assert_eq!(call(&cluster, "left", "python").await.expect("a version").split('.').count(), 2);
}
