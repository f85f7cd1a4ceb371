//! What a collection frees, and what it must leave: content of units, sessions, running tasks and deploys on their way.
use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::try_join_all;
use haulier::{Cluster, ConnectOptions, DeployProgress, Language, Promotion, Target, UnitState, Value};
use haulier_testkit::{Gate, PeerClient, Proxy, fixture, random_bytes, until, within};
use tokio::sync::Notify;

use crate::node;

const DEADLINE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// A Python project whose task reports to a gate, waits there, and only then imports the module with most of the bytes.
struct Project {
    folder: tempfile::TempDir,
    length: i64,
}

impl Project {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text: String = random_bytes(seed, MIB as usize).iter().map(|byte| format!("{byte:02x}")).collect();
        let task = "import importlib, socket\n\
                    def at_once():\n    return 'here'\n\
                    def late():\n    return len(importlib.import_module('acme_shop.la' + 'ter').TEXT)\n\
                    def hold(port):\n    with socket.create_connection(('127.0.0.1', port)) as connection:\n\
                    \x20       connection.sendall(b'held\\n')\n        connection.recv(1)\n    return late()\n";
        let package = folder.path().join("acme_shop");
        fs::create_dir(&package).expect("a package");
        for (name, text) in
            [("__init__.py", String::new()), ("task.py", task.to_owned()), ("later.py", format!("TEXT = '{text}'\n"))]
        {
            fs::write(package.join(name), text).expect("a module");
        }
        Self { folder, length: text.len() as i64 }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn package(&self) -> PathBuf {
        self.folder.path().join("acme_shop")
    }

    async fn peer(&self, address: &str) -> PeerClient {
        PeerClient::connect(ConnectOptions::new(address), Language::Python, vec![self.root()]).await
    }
}

async fn call(peer: &PeerClient, entry_point: &str) -> Value {
    let task = format!("acme_shop.task:{entry_point}");
    peer.call(Target::Any, "acme_shop.task", &task, &[]).await.unwrap_or_else(|error| panic!("{task}: {error:?}"))
}

/// Collects; returns the bytes that were freed.
async fn collect(cluster: &Cluster) -> u64 {
    within(60, "a collection", cluster.collect_garbage(false)).await.expect("a collection").bytes
}

/// Waits until a collection has freed so many bytes: what a session or a task has used goes when the node has seen its end.
async fn freed(cluster: &Cluster, at_least: u64) -> u64 {
    let mut bytes = 0;
    let enough = until(DEADLINE, async || {
        bytes += collect(cluster).await;
        bytes >= at_least
    });
    assert!(enough.await, "{bytes} bytes of {at_least} were freed");
    bytes
}

#[tokio::test]
async fn what_was_undeployed_is_freed() {
    let (_node, cluster) = node().await;
    let project = Project::new(1);
    let deploy = cluster.deploy("shop", "1.0.0").source(project.package());
    deploy.send().await.expect("a unit");
    assert_eq!(collect(&cluster).await, 0, "a unit stays");
    let late = cluster.task("shop", "acme_shop.task:late").timeout(DEADLINE);
    assert_eq!(late.call::<i64>(()).await.expect("a task"), project.length);
    cluster.undeploy("shop", false).await.expect("an undeploy");
    let would =
        until(DEADLINE, async || cluster.collect_garbage(true).await.is_ok_and(|collected| collected.bytes > 2 * MIB));
    assert!(would.await, "{:?}", cluster.collect_garbage(true).await);
    let again = cluster.collect_garbage(true).await.expect("a dry run");
    assert!(again.bytes > 2 * MIB && again.packs > 0 && !again.node.is_empty(), "a dry run frees nothing: {again:?}");
    assert_eq!(collect(&cluster).await, again.bytes);
    assert_eq!(collect(&cluster).await, 0, "only once");
    let deploy = cluster.deploy("shop", "1.0.0").source(project.package());
    deploy.send().await.expect("the same unit again, sent again");
    assert_eq!(late.call::<i64>(()).await.expect("a task"), project.length);
}

#[tokio::test]
async fn what_a_session_uses_stays_until_it_ends() {
    let (node, cluster) = node().await;
    let project = Project::new(2);
    let peer = project.peer(node.address()).await;
    assert_eq!(call(&peer, "late").await, project.length.into());
    for _ in 0..3 {
        assert_eq!(collect(&cluster).await, 0, "the session is there");
        assert_eq!(call(&peer, "late").await, project.length.into());
    }
    // A worker that begins anew takes it from the node: the client is asked for nothing.
    let proxy = Proxy::start(node.address()).expect("a proxy");
    let second = project.peer(&proxy.address()).await;
    assert_eq!(call(&second, "late").await, project.length.into());
    assert!(proxy.bytes_sent() < MIB, "{} bytes: the node has them", proxy.bytes_sent());
    peer.cluster.close().await;
    second.cluster.close().await;
    freed(&cluster, 2 * MIB).await;
}

#[tokio::test]
async fn what_a_running_task_uses_stays() {
    let (_node, cluster) = node().await;
    let gate = Gate::open().await;
    let (old, new) = (Project::new(3), Project::new(4));
    let deploy = |project: &Project| cluster.deploy("shop", "1.0.0").source(project.package()).replace(true).send();
    deploy(&old).await.expect("a unit");
    let hold = || cluster.task("shop", "acme_shop.task:hold").timeout(DEADLINE).submit::<i64>(gate.port());
    let replaced = hold();
    let first = gate.next().await;
    deploy(&new).await.expect("a replacement");
    let undeployed = hold();
    let second = gate.next().await;
    cluster.undeploy("shop", false).await.expect("an undeploy");
    let listed = cluster.list_units("shop").await.expect("a list");
    assert!(listed.iter().all(|unit| unit.state == UnitState::Obsolete) && !listed.is_empty(), "{listed:?}");
    assert_eq!(collect(&cluster).await, 0, "both tasks run");
    first.release().await;
    second.release().await;
    assert_eq!(replaced.await.expect("the module that it had not imported"), old.length);
    assert_eq!(undeployed.await.expect("the module that it had not imported"), new.length);
    freed(&cluster, 4 * MIB).await;
    assert!(cluster.list_units("shop").await.expect("a list").is_empty());
}

#[tokio::test]
async fn what_a_deploy_was_told_is_there_stays() {
    let (node, cluster) = node().await;
    let proxy = Arc::new(Proxy::start(node.address()).expect("a proxy"));
    let client = haulier::connect(proxy.address()).await.expect("a connection");
    let project = Project::new(5);
    cluster.deploy("shop", "1.0.0").source(project.package()).send().await.expect("a unit");
    cluster.undeploy("shop", false).await.expect("an undeploy");
    // The second unit has the same files and more: it is told that it need not send those, and stands still.
    let more = project.package().join("more");
    fs::create_dir(&more).expect("a folder");
    for number in 0..16 {
        fs::write(more.join(format!("{number}.bin")), random_bytes(100 + number, MIB as usize)).expect("a file");
    }
    let held = Arc::new(Notify::new());
    let (tell, stalling) = (held.clone(), proxy.clone());
    let once = std::sync::Once::new();
    let hold = move |progress| {
        if matches!(progress, DeployProgress::Sending { sent, .. } if sent >= 4 * MIB) {
            once.call_once(|| {
                stalling.hold(true);
                tell.notify_one();
            });
        }
    };
    let before = proxy.bytes_sent();
    let running = tokio::spawn(client.deploy("shop", "2.0.0").source(project.package()).progress(hold).send());
    within(60, "a deploy", held.notified()).await;
    for _ in 0..5 {
        collect(&cluster).await;
    }
    proxy.hold(false);
    within(60, "the deploy", running).await.expect("no panic").expect("a whole unit");
    let sent = proxy.bytes_sent() - before;
    assert!(sent < 17 * MIB + MIB / 2, "{sent} bytes: what was there was not sent");
    let late = cluster.task("shop", "acme_shop.task:late").timeout(DEADLINE);
    assert_eq!(late.call::<i64>(()).await.expect("a task"), project.length);
}

#[tokio::test]
async fn collections_take_nothing_from_running_tasks() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 1_000 } else { 100 };
    let (node, cluster) = node().await;
    let collector = haulier::connect(node.address()).await.expect("a connection");
    let collections = Arc::new(AtomicU64::new(0));
    let counted = collections.clone();
    let collecting = tokio::spawn(async move {
        loop {
            collector.collect_garbage(false).await.expect("a collection");
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let work = async {
        for round in 0..rounds {
            let (jar, expected) = if round % 2 == 0 {
                ("pricing-1.jar", "price 1, rate 1")
            } else {
                ("pricing-2.jar", "price 2, rate 2")
            };
            cluster
                .deploy("pricing", "1.0.0")
                .jar(fixture(jar))
                .send()
                .await
                .unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            let task = cluster.task("pricing:1.0.0", "acme.Price#versions").timeout(DEADLINE);
            let tasks: Vec<_> = (0..10).map(|_| task.submit::<String>(())).collect();
            // Some run when it goes, some have not begun: those are refused at most, and for that reason.
            let seen = try_join_all(tasks).await.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            assert!(seen.iter().all(|seen| seen == expected), "round {round}: {seen:?}");
            let running: Vec<_> = (0..4).map(|_| task.submit::<String>(())).collect();
            cluster.undeploy("pricing:1.0.0", false).await.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            for task in running {
                let seen = task.await;
                let fine = match &seen {
                    Ok(seen) => seen == expected,
                    Err(error) => matches!(error.kind(), haulier::ErrorKind::NotFound | haulier::ErrorKind::Conflict),
                };
                assert!(fine, "round {round}: {seen:?}");
            }
        }
    };
    within(300, "the rounds", work).await;
    assert!(!collecting.is_finished(), "no collection failed");
    collecting.abort();
    println!("{} collections in {rounds} rounds", collections.load(Ordering::Relaxed));
}

/// A session's code becomes a unit, and a task runs from it when the session has ended.
async fn is_promoted(cluster: &Cluster, peer: PeerClient, name: &str, task: &str, expected: Value, entry: &str) {
    let sessions = cluster.sessions().await.expect("the sessions");
    let session = sessions.iter().find(|session| !session.snapshots.is_empty()).expect("a session with code");
    assert!(!session.identity.is_empty() && !session.node.is_empty(), "{session:?}");
    let promotion = Promotion { name: name.to_owned(), version: "1.0.0".into(), ..Promotion::default() };
    let unit = cluster.promote(&session.id, promotion).await.expect("a unit");
    assert_eq!(Some(&unit.digest), session.snapshots.last(), "the unit is the snapshot");
    let details = cluster.inspect(name).await.expect("its files");
    assert!(details.entries.iter().any(|found| found.path == entry), "{:?}", details.entries);
    let id = session.id.clone();
    peer.cluster.close().await;
    let ended = until(DEADLINE, async || {
        cluster.sessions().await.is_ok_and(|sessions| sessions.iter().all(|session| session.id != id))
    });
    assert!(ended.await, "{:?}", cluster.sessions().await);
    collect(cluster).await;
    let seen = cluster.task(name, task).timeout(DEADLINE).call::<Value>(()).await;
    assert_eq!(seen.unwrap_or_else(|error| panic!("{error:?}")), expected);
    let gone = cluster
        .promote(&id, Promotion { name: name.to_owned(), ..Promotion::default() })
        .await
        .expect_err("the session has ended");
    assert_eq!(gone.kind(), haulier::ErrorKind::NotFound, "{gone:?}");
}

#[tokio::test]
async fn the_code_of_a_session_becomes_a_unit() {
    let (node, cluster) = node().await;
    let none = cluster.sessions().await.expect("the sessions");
    let own = &none.first().expect("the own session").id;
    let empty = cluster.promote(own, Promotion { name: "nothing".into(), ..Promotion::default() }).await;
    assert_eq!(empty.expect_err("it has sent no code").kind(), haulier::ErrorKind::NotFound);
    let project = Project::new(6);
    let peer = project.peer(node.address()).await;
    // The module with most of the bytes is in no closure, and nobody has asked for it yet.
    assert_eq!(call(&peer, "at_once").await, "here".into());
    let late = "acme_shop.task:late";
    is_promoted(&cluster, peer, "promoted-python", late, project.length.into(), "acme_shop/later.py").await;

    let java =
        PeerClient::connect(ConnectOptions::new(node.address()), Language::Java, vec![fixture("tasks.jar")]).await;
    let seen = java.call(Target::Any, "acme/tasks/AsCallable", "acme.tasks.AsCallable", &[]).await;
    assert_eq!(seen.expect("a task"), "callable".into());
    is_promoted(&cluster, java, "promoted-java", "acme.tasks.AsCallable", "callable".into(), "acme/tasks/Late.class")
        .await;
}
