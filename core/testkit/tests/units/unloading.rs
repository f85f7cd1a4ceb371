//! What Java tasks leave behind when their loader goes: it is collected, or what holds it is named; a worker that keeps
//! too much is replaced, and nobody notices.

use std::{path::Path, process::Command, time::Duration};

use futures_util::future::try_join_all;
use haulier::{Cluster, LeakedLoader, TaskHandle, WorkerLoaders};
use haulier_testkit::{CommandLine, Jar, NodeOptions, TestNode, eventually, is_alive, until, within};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(180);

/// What becomes of a loader.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Collected,
    /// It stays, and a suspect says this.
    Named(&'static str),
    /// It depends on the release of the JDK.
    CollectedOrNamed(&'static str),
}
use Fate::{Collected, CollectedOrNamed, Named};

/// The ways to keep a loader in memory, and some that do not; each is a method of Rows.java.
const MATRIX: [(&str, Fate); 38] = [
    ("threadLocal", Collected),
    ("inheritableThreadLocal", Collected),
    ("threadLocalList", Collected),
    ("runningThread", Collected),
    ("deafThread", Named("thread 'row-deaf' runs")),
    ("deafPool", Named("thread 'pool-")),
    ("timer", Collected),
    ("pool", Collected),
    ("scheduledPool", Collected),
    ("forkJoinPool", Collected),
    ("commonPool", Collected),
    ("driver", Collected),
    ("shutdownHook", Collected),
    ("bean", Collected),
    ("provider", Collected),
    ("defaultHandler", Collected),
    ("handlerOfTheThread", Collected),
    ("property", Collected),
    ("beanInfo", Collected),
    ("delayed", CollectedOrNamed("delayed tasks of the common pool")),
    ("endedProcess", Collected),
    ("runningProcess", Named("which a task has started, runs")),
    ("classValue", Collected),
    ("rareClassValue", Named("")),
    ("rootHandler", Collected),
    ("lambdas", Collected),
    ("proxy", Collected),
    ("serialization", Collected),
    ("bundle", Collected),
    ("annotation", Collected),
    ("xml", Collected),
    ("enumSwitch", Collected),
    ("httpClient", Collected),
    ("cleaner", Collected),
    ("level", Collected),
    ("handler", Collected),
    ("resource", Collected),
    ("finishedAsync", Collected),
];

/// Compiles sources into a jar.
fn compile(folder: &Path, sources: &[(String, String)]) -> Jar {
    let classes = folder.join("classes");
    let mut javac = Command::new("javac");
    javac.args(["--release", "17", "-d"]).arg(&classes);
    for (name, text) in sources {
        std::fs::write(folder.join(name), text).expect("a source");
        javac.arg(folder.join(name));
    }
    assert!(javac.status().expect("javac of a JDK 17 is on the PATH").success());
    let compiled = std::fs::read_dir(classes.join("acme")).expect("classes");
    compiled.map(|entry| entry.expect("a class").path()).fold(Jar::default(), |jar, path| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        jar.with(&format!("acme/{name}"), std::fs::read(&path).expect("a class"))
    })
}

/// A node, a client, and the classes of Rows.java and Contexts.java.
struct Site {
    node: TestNode,
    cluster: Cluster,
    folder: TempDir,
    rows: Jar,
}

impl Site {
    async fn start(arguments: &[&str], sources: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = [
            ("Rows.java", include_str!("unloading/Rows.java")),
            ("Contexts.java", include_str!("unloading/Contexts.java")),
        ];
        let ours = ours.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let sources: Vec<_> = sources.iter().cloned().chain(ours).collect();
        let rows = compile(folder.path(), &sources);
        let options = NodeOptions::default().arguments(arguments.iter().copied());
        let options = options.arguments(["--writable", &folder.path().display().to_string()]);
        let node = TestNode::start(options).expect("a node");
        let cluster = haulier::connect(node.address()).await.expect("a connection");
        Self { node, cluster, folder, rows }
    }

    /// Deploys the classes as a unit of their own: other bytes than those of any other one.
    async fn deploy(&self, name: &str, version: &str) -> String {
        let path = self.folder.path().join(format!("{name}.jar"));
        self.rows.clone().with("unit.txt", format!("{name} {version}")).write(&path);
        within(60, "a deploy", self.cluster.deploy(name, version).jar(path).send()).await.expect("a unit");
        format!("{name}:{version}")
    }

    /// Runs a task in a session of its own: the loader goes with it.
    async fn run_once(&self, unit: &str, method: &str) {
        let session = haulier::connect(self.node.address()).await.expect("a connection");
        let task: TaskHandle<Option<haulier::Value>> = session.task(unit, format!("acme.Rows#{method}")).submit(());
        within(60, method, task).await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        session.close().await;
    }

    async fn ask(&self, unit: &str, method: &str) -> i64 {
        let task: TaskHandle<i64> = self.cluster.task(unit, format!("acme.Rows#{method}")).submit(());
        within(60, method, task).await.unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }

    async fn loaders(&self) -> Vec<WorkerLoaders> {
        self.cluster.loaders().await.expect("the loaders")
    }

    /// Waits until so many loaders were let go, and all of them were collected or stay.
    async fn settle(&self, released: u64) -> WorkerLoaders {
        let is_settled = |worker: &WorkerLoaders| {
            worker.released >= released && worker.collected + worker.leaked.len() as u64 == worker.released
        };
        let settled = until(DEADLINE, async || self.loaders().await.first().is_some_and(is_settled)).await;
        assert!(settled, "{:?}\n{}", self.loaders().await, self.node.output());
        self.loaders().await.remove(0)
    }
}

#[tokio::test]
async fn what_tasks_leave_behind_goes_or_is_named() {
    let site = Site::start(&["--max-leaked-loaders", "0"], &[]).await;
    for (row, _) in MATRIX {
        let unit = site.deploy(row, "1.0.0").await;
        site.run_once(&unit, row).await;
    }
    site.settle(MATRIX.len() as u64).await;
    // On a machine that is slow enough a loader is late, is taken for one that stays, and is struck off again.
    let right = until(DEADLINE, async || wrong(&site.loaders().await[0]).is_empty()).await;
    assert!(right, "{:#?}", wrong(&site.loaders().await[0]));
    shown(&site, "deafThread:1.0.0", "thread 'row-deaf' runs").await;
}

/// The rows whose loaders did not become what they should.
fn wrong(worker: &WorkerLoaders) -> Vec<(&'static str, Fate, Option<LeakedLoader>)> {
    let mut wrong = Vec::new();
    for (row, fate) in MATRIX {
        let label = format!("{row}:1.0.0/");
        let leaked = worker.leaked.iter().find(|loader| loader.labels.iter().any(|of| of.starts_with(&label)));
        let names = |what: &str| leaked.is_some_and(|loader| loader.suspects.iter().any(|found| found.contains(what)));
        let right = match fate {
            Collected => leaked.is_none(),
            Named(what) => names(what),
            CollectedOrNamed(what) => leaked.is_none() || names(what),
        };
        if !right {
            wrong.push((row, fate, leaked.cloned()));
        }
    }
    wrong
}

/// What stays is in the log once, and in the commands.
async fn shown(site: &Site, unit: &str, suspect: &str) {
    let logged = |output: &str| output.lines().filter(|line| line.contains(unit) && line.contains(suspect)).count();
    assert_eq!(logged(&site.node.output()), 1, "{}", site.node.output());
    let command = CommandLine::new(site.node.address());
    for arguments in [&["sessions", "--loaders"][..], &["inspect", unit]] {
        let table = command.run(arguments).await;
        assert!(table.output.contains(suspect), "{table:?}");
        let json = command.run(&[arguments, &["--output", "json"]].concat()).await;
        let json: serde_json::Value = serde_json::from_str(&json.output).expect("JSON");
        let leaked = match json.get("leaked_loaders") {
            Some(of_unit) => of_unit,
            None => &json[0]["leaked"],
        };
        let found = leaked.as_array().expect("a list").iter().any(|loader| loader.to_string().contains(suspect));
        assert!(found, "{json}");
    }
}

#[tokio::test]
async fn a_worker_that_keeps_too_much_is_replaced() {
    let site = Site::start(&["--max-leaked-loaders", "2", "--slots", "2"], &[]).await;
    let unit = site.deploy("rows", "1.0.0").await;
    let old = u32::try_from(site.ask(&unit, "process").await).expect("a process");
    let end = site.folder.path().join("end");
    let held: TaskHandle<i64> = site.cluster.task(unit.as_str(), "acme.Rows#hold").submit((end.display().to_string(),));
    for name in ["one", "two"] {
        let leaking = site.deploy(name, "1.0.0").await;
        site.run_once(&leaking, "deafThread").await;
    }
    let is_full = |worker: &WorkerLoaders| worker.process_id == old && worker.leaked.len() == 2;
    assert!(until(DEADLINE, async || site.loaders().await.iter().any(is_full)).await, "{:?}", site.loaders().await);
    // While the new worker starts, and after: all of them are answered.
    let tasks = (0..500).map(|_| site.cluster.task(unit.as_str(), "acme.Rows#process").timeout(DEADLINE).submit(()));
    let seen: Vec<i64> = try_join_all(tasks).await.expect("no task is lost");
    assert_eq!(seen.len(), 500);
    let is_new = |worker: &WorkerLoaders| worker.process_id != old && !worker.draining;
    assert!(until(DEADLINE, async || site.loaders().await.iter().any(is_new)).await, "{:?}", site.loaders().await);
    for _ in 0..20 {
        assert_ne!(site.ask(&unit, "process").await, i64::from(old));
    }
    assert!(is_alive(old), "it has a task");
    std::fs::write(&end, "").expect("a file");
    assert_eq!(within(60, "the task in the old worker", held).await.expect("its result"), i64::from(old));
    assert!(eventually(DEADLINE, || !is_alive(old)), "{}", site.node.output());
    assert_ne!(site.ask(&unit, "process").await, i64::from(old));
}

#[tokio::test]
async fn code_finds_its_own_loader_wherever_it_runs() {
    let site = Site::start(&["--slots", "2"], &[]).await;
    let unit = site.deploy("rows", "1.0.0").await;
    let open: TaskHandle<bool> = site.cluster.task(unit.as_str(), "acme.Rows#isJdkOpen").submit(());
    assert!(!within(60, "a look", open).await.expect("an answer"), "the JDK is opened to the worker alone");
    let contexts: TaskHandle<Vec<String>> = site.cluster.task(unit.as_str(), "acme.Contexts").submit(());
    let mut seen = within(60, "the contexts", contexts).await.expect("a list");
    seen.sort();
    let places = ["call", "common pool", "constructor", "parallel stream", "result", "thread", "timer"];
    assert_eq!(seen, places.map(|place| format!("{place} true")));
    let told = site.folder.path().join("told");
    let session = haulier::connect(site.node.address()).await.expect("a connection");
    let hook: TaskHandle<Option<haulier::Value>> =
        session.task(unit.as_str(), "acme.Contexts#hook").submit((told.display().to_string(),));
    within(60, "the hook", hook).await.expect("registered");
    session.close().await;
    site.cluster.close().await;
    assert!(eventually(DEADLINE, || told.exists()), "{}", site.node.output());
    assert_eq!(std::fs::read_to_string(&told).expect("what it was told"), "true");
}

/// The resident memory of a process in KiB.
fn resident(process_id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
async fn units_that_come_and_go_leave_nothing() {
    const BATCH: u64 = 25;
    // In 200 cycles; in many more the JVM's heap takes a step or two, which it does not give back.
    let is_soak = std::env::var_os("HAULIER_SOAK").is_some();
    let (batches, growth_kib) = if is_soak { (40, 96 * 1024) } else { (4, 20 * 1024) };
    let parts =
        (0..20).map(|n| (format!("Part{n}.java"), format!("package acme; class Part{n} {{ static int n = {n}; }}")));
    let sum: Vec<String> = (0..20).map(|n| format!("Part{n}.n")).collect();
    let whole =
        format!("package acme; public class Whole {{ public static int sum() {{ return {}; }} }}", sum.join(" + "));
    let sources: Vec<_> = parts.chain([("Whole.java".to_owned(), whole)]).collect();
    let site = Site::start(&["--max-leaked-loaders", "0"], &sources).await;
    let watcher = site.deploy("watcher", "1.0.0").await;
    let (mut cycles, mut first) = (0, None);
    // The first batches load what the JDK and the node need, and find how much memory they work with.
    for batch in 0..batches + 2 {
        for _ in 0..BATCH {
            let version = format!("1.0.{cycles}");
            let unit = site.deploy("cycle", &version).await;
            let session = haulier::connect(site.node.address()).await.expect("a connection");
            let task: TaskHandle<i64> = session.task(unit.as_str(), "acme.Whole#sum").submit(());
            assert_eq!(within(60, "a task", task).await.expect("a sum"), 190);
            session.close().await;
            site.cluster.undeploy(&unit, false).await.expect("undeployed");
            cycles += 1;
        }
        let worker = {
            site.ask(&watcher, "process").await;
            site.settle(cycles).await
        };
        // As above: a loader may be late.
        let none_stays = until(DEADLINE, async || site.loaders().await[0].leaked.is_empty()).await;
        assert!(none_stays, "{:?}", site.loaders().await);
        let classes = site.ask(&watcher, "loadedClasses").await;
        let now = (classes, resident(worker.process_id), resident(site.node.process_id()));
        println!("{cycles} cycles: {} classes, worker {} KiB, node {} KiB", now.0, now.1, now.2);
        if batch == 1 {
            first = Some(now);
        } else if let Some((classes, worker, node)) = first {
            // Less than the classes of two cycles: the JDK loads some of its own now and then.
            assert!(now.0 < classes + 40, "{classes} classes have become {}", now.0);
            assert!(now.1 < worker + growth_kib, "the worker has grown from {worker} KiB to {}", now.1);
            assert!(now.2 < node + growth_kib, "the node has grown from {node} KiB to {}", now.2);
        }
    }
}
