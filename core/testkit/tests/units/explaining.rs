//! Where names come from: `haulier explain`, and the same words in failures of tasks.
use std::{path::Path, process::Stdio};

use haulier::{Cluster, ErrorKind, LoadingPolicy, Question};
use haulier_testkit::{PeerClient, TestNode, fixture};

use crate::node;

fn question(name: &str, units: &[&str]) -> Question {
    Question { name: name.into(), units: units.iter().map(ToString::to_string).collect(), ..Question::default() }
}

async fn deploy(cluster: &Cluster, name: &str, source: &Path) {
    cluster.deploy(name, "1.0.0").source(source).send().await.expect("a unit");
}

#[tokio::test]
async fn units_shadow_each_other_in_their_order() {
    let (_node, cluster) = node().await;
    deploy(&cluster, "old", &fixture("pricing-1.jar")).await;
    deploy(&cluster, "new", &fixture("pricing-2.jar")).await;
    deploy(&cluster, "again", &fixture("pricing-1.jar")).await;
    let explained = cluster.explain(question("acme.Price", &["old", "new:1.0.0", "again"])).await.expect("a class");
    let labels: Vec<&str> = explained.places.iter().map(|place| place.label.as_str()).collect();
    assert_eq!(labels, ["old:1.0.0/pricing-1.jar", "new:1.0.0/pricing-2.jar", "again:1.0.0/pricing-1.jar"]);
    assert_eq!((explained.kind.as_str(), explained.verdict.as_str()), ("class", "from old:1.0.0/pricing-1.jar"));
    assert_eq!(explained.places[0].digest, explained.places[2].digest);
    assert_ne!(explained.places[0].digest, explained.places[1].digest);
    let text = explained.to_string();
    assert!(text.contains("shadowed: new:1.0.0/pricing-2.jar (acme/Price.class, other bytes"), "{text}");
    assert!(text.contains("shadowed: again:1.0.0/pricing-1.jar (acme/Price.class, the same bytes"), "{text}");

    let parent = Question { policy: LoadingPolicy::ParentFirst, ..question("acme.Price", &["new"]) };
    assert!(cluster.explain(parent).await.expect("a class").rule.contains("parent-first"));
    let java = cluster.explain(question("java.lang.String", &["new"])).await.expect("a class");
    assert!(java.places.is_empty() && java.verdict.contains("the platform"), "{java}");
    let absent = cluster.explain(question("acme.Prise", &["new"])).await.expect("an answer");
    assert_eq!(absent.searched, ["new:1.0.0/pricing-2.jar"]);
    assert!(absent.nearest.contains(&"acme.Price".to_owned()), "{absent}");
}

#[tokio::test]
async fn modules_are_explained_too() {
    let (_node, cluster) = node().await;
    deploy(&cluster, "single", &fixture("acme_single.py")).await;
    let explained = cluster.explain(question("acme_single", &["single"])).await.expect("a module");
    assert_eq!((explained.kind.as_str(), explained.places.len()), ("module", 1), "{explained}");
    assert_eq!(explained.places[0].path, "acme_single.py");
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let (_node, cluster) = node().await;
    let kind = async |question| cluster.explain(question).await.expect_err("no such thing").kind();
    assert_eq!(kind(question("acme.Price", &["nothing"])).await, ErrorKind::NotFound);
    assert_eq!(kind(question("acme.Price", &[])).await, ErrorKind::InvalidArgument);
    assert_eq!(kind(question("", &["nothing"])).await, ErrorKind::InvalidArgument);
    let session = Question { session: "nobody".into(), ..question("acme.Price", &[]) };
    assert_eq!(kind(session).await, ErrorKind::NotFound);
}

/// A failure to find a class carries what `explain` would say.
#[tokio::test]
async fn failures_say_it_in_the_same_words() {
    let (_node, cluster) = node().await;
    deploy(&cluster, "pricing", &fixture("pricing-1.jar")).await;
    let error = cluster.task("pricing", "acme.Prise").call::<()>(()).await.expect_err("there is no such class");
    let explained = cluster.explain(question("acme.Prise", &["pricing"])).await.expect("an answer").to_string();
    assert_eq!(error.kind(), ErrorKind::CodeNotFound);
    let said = error.contexts().iter().find(|(key, _)| key == "explained").map(|(_, text)| text.clone());
    assert_eq!(said, Some(explained), "{error:?}");
}

/// The name that a failure says is that of a task.
fn task_of(error: &haulier::Error) -> String {
    let task = error.contexts().iter().find(|(key, _)| key == "task").map(|(_, task)| task.clone());
    task.unwrap_or_else(|| panic!("no task: {error:?}"))
}

/// What a task saw, also when it, its session and its unit have gone.
#[tokio::test]
async fn the_class_path_of_a_task_is_explained() {
    let (node, cluster) = node().await;
    deploy(&cluster, "old", &fixture("pricing-1.jar")).await;
    deploy(&cluster, "new", &fixture("pricing-2.jar")).await;
    let session = haulier::connect(node.address()).await.expect("a connection");
    let failing = session.task(["old", "new"], "acme.Prise").policy(LoadingPolicy::ParentFirst);
    let task = task_of(&failing.call::<()>(()).await.expect_err("there is no such class"));
    let of_task = |name: &str| Question { name: name.into(), task: task.clone(), ..Question::default() };
    let explained = cluster.explain(of_task("acme.Price")).await.expect("a class");
    let labels: Vec<&str> = explained.places.iter().map(|place| place.label.as_str()).collect();
    assert_eq!(labels, ["old:1.0.0/pricing-1.jar", "new:1.0.0/pricing-2.jar"]);
    assert!(explained.rule.contains("parent-first"), "{explained}");
    session.close().await;
    let command = haulier_testkit::CommandLine::new(node.address());
    let said = command.run(&["explain", "acme.Price", "--job", &task]).await.succeeded();
    assert_eq!(said.trim(), explained.to_string().trim());
    for name in ["old", "new"] {
        cluster.undeploy(name, true).await.expect("undeployed");
    }
    let gone = haulier_testkit::until(std::time::Duration::from_secs(30), async || {
        cluster.collect_garbage(false).await.expect("a collection");
        let answer = cluster.explain(of_task("acme.Price")).await;
        answer.is_err_and(|error| error.kind() == ErrorKind::NotFound && error.to_string().contains("no longer"))
    });
    assert!(gone.await, "{}", node.output());
    let kind = async |task: &str| {
        let question = Question { name: "acme.Price".into(), task: task.into(), ..Question::default() };
        cluster.explain(question).await.expect_err("no such task").kind()
    };
    assert_eq!((kind("nobody/1").await, kind("1").await), (ErrorKind::NotFound, ErrorKind::InvalidArgument));
    let both = command.run(&["explain", "acme.Price", "--job", &task, "--unit", "old"]).await;
    assert_eq!(both.code, 2, "{both:?}");
}

/// Code of a client, while the task runs and after.
#[tokio::test]
async fn the_code_of_a_client_is_explained_by_its_task() {
    let (node, cluster) = node().await;
    let options = haulier::ConnectOptions::new(node.address());
    let client = PeerClient::connect(options, haulier::Language::Java, vec![fixture("pricing-1.jar")]).await;
    let failed = client.call(haulier::Target::Any, "acme/Price", "acme.Prise", &[]).await;
    let task = task_of(&failed.expect_err("there is no such class"));
    let question = Question { name: "acme.Price".into(), task, ..Question::default() };
    let explained = cluster.explain(question).await.expect("a class");
    assert!(explained.places[0].peer && explained.places[0].label.ends_with("/pricing-1.jar"), "{explained}");
}

/// A class that was compiled against another version of its library says which one it got, and what that hides.
#[tokio::test]
async fn failures_to_link_say_which_copy_was_taken() {
    let (_node, cluster) = node().await;
    let folder = tempfile::tempdir().expect("a folder");
    let compile = |name: &str, source: &str| {
        std::fs::write(folder.path().join("Lib.java"), source).expect("a source");
        std::fs::write(
            folder.path().join("Use.java"),
            "package acme; public class Use { public static int of() { \
            return new Lib().added(); } }",
        )
        .expect("a source");
        let sources: &[&str] = if name == "new" { &["Lib.java", "Use.java"] } else { &["Lib.java"] };
        let mut javac = std::process::Command::new("javac");
        let status = javac.args(["--release", "17", "-d", name]).args(sources).current_dir(folder.path()).status();
        assert!(status.expect("a JDK is on the PATH").success());
        folder.path().join(name)
    };
    let old = compile("old", "package acme; public class Lib {}");
    let new = compile("new", "package acme; public class Lib { public int added() { return 1; } }");
    deploy(&cluster, "old", &old).await;
    deploy(&cluster, "new", &new).await;
    assert_eq!(cluster.task("new", "acme.Use#of").call::<i64>(()).await.expect("it links"), 1);
    let error = cluster.task(["old", "new"], "acme.Use#of").call::<i64>(()).await.expect_err("no such method");
    assert!(error.to_string().contains("NoSuchMethodError"), "{error:?}");
    let said = error.contexts().iter().find(|(key, _)| key == "explained").map_or("", |(_, text)| text.as_str());
    assert!(said.contains("class acme.Lib: from old:1.0.0/old"), "{said}: {error:?}");
    assert!(said.contains("shadowed: new:1.0.0/new (acme/Lib.class, other bytes"), "{said}");
}

#[tokio::test]
async fn the_command_prints_it() {
    let (node, cluster) = node().await;
    deploy(&cluster, "pricing", &fixture("pricing-1.jar")).await;
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(TestNode::binary());
        command.args(["explain"]).args(arguments).env("HAULIER_ADDRESS", node.address());
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("the binary")
    };
    let output = run(&["acme.Price", "--unit", "pricing"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.starts_with("class acme.Price: from pricing:1.0.0/pricing-1.jar\n  rule: the policy child-first"),
        "{text}"
    );
    let output = run(&["acme.Price", "--unit", "pricing", "--output", "json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["places"][0]["path"], "acme/Price.class", "{json}");
    assert_eq!(run(&["acme.Price"]).await.status.code(), Some(2));
    assert_eq!(run(&["acme.Price", "--unit", "nothing"]).await.status.code(), Some(3));
}
