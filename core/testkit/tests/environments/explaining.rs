//! Where a module comes from when environments have some: the command's answer, and the same in a task that fails.
use haulier::{Cluster, ErrorKind, Explanation, Language, LoadingPolicy, Question};
use haulier_testkit::{TestNode, within};

use super::index::{DEADLINE, Index, call, deploy};

async fn explain(cluster: &Cluster, name: &str, unit: &str, policy: LoadingPolicy) -> Explanation {
    let (language, units) = (Some(Language::Python), vec![unit.to_owned()]);
    let question = Question { name: name.into(), units, language, policy, ..Question::default() };
    cluster.explain(question).await.expect("an answer")
}

#[tokio::test]
async fn a_module_of_an_environment() {
    let index = Index::start();
    index.add_files("odd", "3.1", &[("peculiar/__init__.py", b""), ("peculiar/deep.py", b"")]);
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "old", &(index.pin("tiny", "1.0") + &index.pin("odd", "3.1"))).await;
    let child_first = LoadingPolicy::ChildFirst;
    let before = explain(&cluster, "tiny", "old", child_first).await;
    assert_eq!(before.verdict, "from tiny 1.0, which old:1.0.0 requires", "{before}");
    assert!(before.to_string().contains("its environment is not built here yet"), "{before}");
    call(&cluster, "old", "version").await.expect("a version");

    let built = explain(&cluster, "tiny", "old", child_first).await;
    assert!(built.verdict.starts_with("from tiny 1.0 of environment "), "{built}");
    assert!(built.places[0].path.ends_with("/site-packages/tiny/__init__.py"), "{built}");
    let deep = explain(&cluster, "peculiar.deep", "old", child_first).await;
    assert!(deep.verdict.starts_with("from odd 3.1 of environment "), "{deep}");
    assert!(deep.places[0].path.ends_with("peculiar/deep.py"), "{deep}");
    let lacking = explain(&cluster, "peculiar.none", "old", child_first).await;
    assert!(lacking.verdict.contains("nor odd 3.1 of environment") && lacking.places.is_empty(), "{lacking}");
    let standard = explain(&cluster, "json.decoder", "old", child_first).await;
    assert!(standard.verdict.starts_with("from the standard library of environment"), "{standard}");
    let absent = explain(&cluster, "nothing_like_it", "old", child_first).await;
    assert!(absent.verdict.starts_with("absent: neither the class path nor environment"), "{absent}");
}

#[tokio::test]
async fn who_shadows_whom() {
    let index = Index::start();
    index.add_files("both", "1.0", &[("which_shadow.py", b"def python(): return 'of the distribution'\n")]);
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "shadow", &index.pin("both", "1.0")).await;
    assert_ne!(call(&cluster, "shadow", "python").await.expect("a version"), "of the distribution");
    let own = explain(&cluster, "which_shadow", "shadow", LoadingPolicy::ChildFirst).await;
    assert!(own.verdict.starts_with("from shadow:1.0.0/"), "{own}");
    assert!(own.to_string().contains("shadowed: both 1.0 of environment"), "{own}");
    let parent = explain(&cluster, "which_shadow", "shadow", LoadingPolicy::ParentFirst).await;
    assert!(parent.verdict.starts_with("from both 1.0 of environment"), "{parent}");
    assert!(parent.to_string().contains("shadowed: shadow:1.0.0/"), "{parent}");
    assert_eq!(parent.places.len(), 2);
}

#[tokio::test]
async fn a_task_that_misses_a_module_says_what_its_environment_has() {
    let index = Index::start();
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "old", &index.pin("tiny", "1.0")).await;
    let task = cluster.task("old", "tiny.missing:run");
    let error = within(DEADLINE, "a task", task.call::<String>(())).await.expect_err("no such module");
    assert_eq!(error.kind(), ErrorKind::CodeNotFound, "{error}");
    let said = error.to_string();
    assert!(said.contains("distribution tiny 1.0 of environment ") && said.contains("no tiny.missing"), "{said}");
    assert!(error.hint_text().contains("--requirements"), "{error}");
    // The task's own words name it; its class path and its environment are known for some minutes.
    let task = error.contexts().iter().find(|(name, _)| name == "task").map(|(_, value)| value.clone());
    let question = Question { name: "tiny".into(), task: task.expect("a task"), ..Question::default() };
    let explained = cluster.explain(question).await.expect("an answer");
    assert!(explained.verdict.starts_with("from tiny 1.0 of environment "), "{explained}");
    let absent = cluster.task("old", "nowhere_at_all:run");
    let error = within(DEADLINE, "a task", absent.call::<String>(())).await.expect_err("no such module");
    assert!(error.to_string().contains(" does not have it either"), "{error}");
}
