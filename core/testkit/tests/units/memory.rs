//! Workers that have more memory than they may: another one takes the place of each, and no task is lost.
use std::{fs, path::Path, process::Command, time::Duration};

use futures_util::future::try_join_all;
use haulier::{Cluster, TaskHandle};
use haulier_testkit::{NodeOptions, TestNode, eventually, is_alive, until, within};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);
/// An empty JVM has less, in bytes.
const LIMIT: u64 = 300 << 20;
/// Mebibytes that tasks keep.
const MUCH: i64 = 400;

const PYTHON: &str = "import os

kept = []


def process():
    return os.getpid()


def grow(mebibytes, signal):
    kept.append(b'x' * (mebibytes << 20))
    with open(signal) as told:
        told.read()
    return os.getpid()
";

const JAVA: &str = "package acme;
import java.nio.file.*;
import java.util.*;
public class Grow {
    private static final List<byte[]> KEPT = new ArrayList<>();
    public static long process() { return ProcessHandle.current().pid(); }
    public static long grow(long mebibytes, String signal) throws Exception {
        for (long number = 0; number < mebibytes; number++) {
            byte[] bytes = new byte[1 << 20];
            Arrays.fill(bytes, (byte) 1);
            KEPT.add(bytes);
        }
        Files.readString(Path.of(signal));
        return process();
    }
}";

struct Site {
    node: TestNode,
    cluster: Cluster,
    folder: TempDir,
}

impl Site {
    async fn start(slots: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (limit, writable) = (LIMIT.to_string(), folder.path().display().to_string());
        let arguments = ["--max-worker-memory", &limit, "--slots", slots, "--writable", &writable];
        let node = TestNode::start(NodeOptions::default().arguments(arguments)).expect("a node");
        let cluster = haulier::connect(node.address()).await.expect("a connection");
        Self { node, cluster, folder }
    }

    async fn process(&self, entry_point: &str) -> i64 {
        let task: TaskHandle<i64> = self.cluster.task("grow", entry_point).submit(());
        within(60, entry_point, task).await.expect("a process")
    }

    /// A task makes its worker too large and goes on: the next tasks run in another one, which is there before the task
    /// has ended, and the old one goes after it.
    async fn outgrow(&self, process: &str, grow: &str) {
        let old = self.process(process).await;
        let signal = self.folder.path().join("signal");
        assert!(Command::new("mkfifo").arg(&signal).status().expect("mkfifo").success());
        let argument = signal.display().to_string();
        let held: TaskHandle<i64> = self.cluster.task("grow", grow).submit((MUCH, argument));
        let replaced = || self.node.output().contains("more memory than it may");
        assert!(eventually(DEADLINE, replaced), "{}", self.node.output());
        // While the new worker starts, and after: all of them are answered.
        let tasks = (0..200).map(|_| self.cluster.task("grow", process).timeout(DEADLINE).submit(()));
        let seen: Vec<i64> = within(60, "the tasks", try_join_all(tasks)).await.expect("no task is lost");
        assert_eq!(seen.len(), 200);
        let moved = until(DEADLINE, async || self.process(process).await != old).await;
        assert!(moved, "{}", self.node.output());
        fs::write(&signal, "go on").expect("the task reads it");
        assert_eq!(within(60, "the task in the old worker", held).await.expect("its result"), old);
        let old = u32::try_from(old).expect("a process");
        assert!(eventually(DEADLINE, || !is_alive(old)), "{}", self.node.output());
        assert_eq!(self.node.output().matches("more memory than it may").count(), 1, "{}", self.node.output());
    }
}

fn compile(folder: &Path) -> std::path::PathBuf {
    let source = folder.join("Grow.java");
    fs::write(&source, JAVA).expect("a source");
    let classes = folder.join("classes");
    let status = Command::new("javac").args(["--release", "17", "-d"]).arg(&classes).arg(&source).status();
    assert!(status.expect("a JDK is on the PATH").success());
    classes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jvm_that_has_grown_too_large_is_replaced() {
    let site = Site::start("2").await;
    let classes = compile(site.folder.path());
    site.cluster.deploy("grow", "1.0.0").folder(classes).send().await.expect("a unit");
    site.outgrow("acme.Grow#process", "acme.Grow#grow").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_slot_that_has_grown_too_large_is_replaced() {
    let site = Site::start("1").await;
    let module = site.folder.path().join("acme_grow.py");
    fs::write(&module, PYTHON).expect("a module");
    site.cluster.deploy("grow", "1.0.0").source(module).send().await.expect("a unit");
    site.outgrow("acme_grow:process", "acme_grow:grow").await;
}

#[test]
fn a_limit_that_no_worker_could_keep_is_refused() {
    let mut command = Command::new(TestNode::binary());
    let output = command.args(["node", "--max-worker-memory", "1000"]).output().expect("the binary");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
