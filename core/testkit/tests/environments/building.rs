//! Environments of units: built once, shared, kept, mended and removed.
use std::{fs, os::unix::fs::MetadataExt as _, time::Duration};

use haulier::{ErrorKind, Retry, Value};
use haulier_testkit::{NodeOptions, TestNode, until, within};

use super::index::{DEADLINE, Index, call, deploy, environments, uv};

#[tokio::test]
async fn units_have_their_own_versions_and_share_what_they_agree_on() {
    let index = Index::start();
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    for (name, version) in [("old", "1.0"), ("new", "2.0"), ("also_old", "1.0")] {
        deploy(&cluster, name, &index.pin("tiny", version)).await;
    }
    let (old, new, also_old) = tokio::join!(
        call(&cluster, "old", "version"),
        call(&cluster, "new", "version"),
        call(&cluster, "also_old", "version")
    );
    assert_eq!([old.expect("old"), new.expect("new"), also_old.expect("also old")], ["1.0", "2.0", "1.0"]);
    let prefix = async |unit| call(&cluster, unit, "prefix").await.expect("a prefix");
    assert_eq!(prefix("old").await, prefix("also_old").await);
    assert_ne!(prefix("old").await, prefix("new").await);
    assert_eq!(environments(&node).len(), 2);
    assert_eq!(node.output().matches("a Python environment is built").count(), 2, "{}", node.output());
    let file = fs::metadata(call(&cluster, "old", "file").await.expect("a file")).expect("metadata");
    assert_eq!((file.mode() & 0o222, file.nlink()), (0, 1), "nobody writes to it, here or elsewhere");
}

#[tokio::test]
async fn later_processes_of_an_environment_have_what_its_tasks_import() {
    let index = Index::start();
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    for (name, version) in [("old", "1.0"), ("also_old", "1.0"), ("new", "2.0")] {
        deploy(&cluster, name, &index.pin("tiny", version)).await;
    }
    assert_eq!(call(&cluster, "old", "had").await.expect("nothing"), "False");
    assert_eq!(call(&cluster, "old", "version").await.expect("a version"), "1.0");
    let learned = async || node.output().contains("a template has imported") && node.output().contains("\"tiny\"");
    assert!(until(Duration::from_secs(DEADLINE), learned).await, "{}", node.output());
    assert_eq!(call(&cluster, "also_old", "had").await.expect("a module"), "True");
    assert_eq!(call(&cluster, "also_old", "version").await.expect("a version"), "1.0");
    assert_eq!(call(&cluster, "new", "had").await.expect("nothing"), "False", "another environment");
    assert_eq!(call(&cluster, "new", "version").await.expect("a version"), "2.0");
}

#[tokio::test]
async fn locks_that_disagree_are_refused_with_both_versions() {
    let index = Index::start();
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "old", &index.pin("tiny", "1.0")).await;
    deploy(&cluster, "new", &index.pin("tiny", "2.0")).await;
    let task = cluster.task(["old", "new"], "which_old:version");
    let error = within(DEADLINE, "a refusal", task.call::<Value>(())).await.expect_err("two versions");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let said = error.to_string();
    assert!(said.contains("old:1.0.0 needs tiny 1.0, and new:1.0.0 needs tiny 2.0"), "{said}");
    // Where markers part them, the installer knows which ones meet.
    let parted = index.pin("tiny", "2.0").replace(" \\", " ; sys_platform == 'win32' \\");
    deploy(&cluster, "elsewhere", &parted).await;
    let task = cluster.task(["old", "elsewhere"], "which_old:version");
    assert_eq!(within(DEADLINE, "a task", task.call::<String>(())).await.expect("one version here"), "1.0");
    let meeting = index.pin("tiny", "2.0").replace(" \\", " ; sys_platform == 'linux' \\");
    deploy(&cluster, "here", &meeting).await;
    let task = cluster.task(["old", "here"], "which_old:version");
    let error = within(DEADLINE, "a refusal", task.call::<Value>(())).await.expect_err("two versions");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains("old:1.0.0 needs tiny 1.0, and here:1.0.0 needs tiny 2.0"), "{error}");
}

#[tokio::test]
async fn a_lock_with_another_hash_is_refused() {
    let index = Index::start();
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let wrong = format!("tiny==1.0 --hash=sha256:{}\n", "0".repeat(64));
    deploy(&cluster, "wrong", &wrong).await;
    let error = call(&cluster, "wrong", "version").await.expect_err("another hash");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Conflict, Retry::Never), "{error}");
    assert!(error.to_string().contains("tiny"), "{error}");
    deploy(&cluster, "unpinned", "tiny==1.0\n").await;
    let error = call(&cluster, "unpinned", "version").await.expect_err("no hash");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(environments(&node).is_empty());
    let left = fs::read_dir(node.data_dir().join("python/environments")).expect("the environments").count();
    assert_eq!(left, 0, "nothing half built stays");
}

#[tokio::test]
async fn an_index_that_is_down_fails_the_task_and_the_next_one_works() {
    let index = Index::start();
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "old", &index.pin("tiny", "1.0")).await;
    index.refuse(true);
    // All of them wait for the one attempt.
    let task = cluster.task("old", "which_old:version");
    let handles: Vec<_> = (0..20).map(|_| task.submit::<String>(())).collect();
    for handle in handles {
        let error = within(DEADLINE, "a refusal", handle).await.expect_err("no index");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error}");
        assert!(error.to_string().contains("an index does not answer"), "{error}");
    }
    assert!(node.output().matches("a Python environment is not built").count() < 3, "{}", node.output());
    index.refuse(false);
    assert_eq!(call(&cluster, "old", "version").await.expect("a version"), "1.0");
}

#[tokio::test]
async fn an_environment_stays_over_a_restart_and_is_mended() {
    let index = Index::start();
    let mut node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "old", &index.pin("tiny", "1.0")).await;
    assert_eq!(call(&cluster, "old", "version").await.expect("a version"), "1.0");
    let unfinished = node.data_dir().join("python/environments/.building-x");
    fs::create_dir_all(&unfinished).expect("a folder");
    node.restart().expect("a node again");
    assert!(!unfinished.exists(), "what was half built goes");
    index.refuse(true);
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    assert_eq!(call(&cluster, "old", "version").await.expect("a version"), "1.0");
    assert!(!node.output().contains("building a Python environment"), "{}", node.output());
    // Without its marker it is not whole.
    node.restart().expect("a node again");
    index.refuse(false);
    let [folder] = environments(&node).try_into().expect("one environment");
    fs::remove_file(folder.join("haulier-environment.json")).expect("a marker");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    assert_eq!(call(&cluster, "old", "version").await.expect("a version"), "1.0");
    assert!(node.output().contains("a Python environment is built"), "{}", node.output());
}

#[tokio::test]
async fn what_no_unit_needs_is_removed() {
    let index = Index::start();
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    for name in ["old", "also_old"] {
        deploy(&cluster, name, &index.pin("tiny", "1.0")).await;
    }
    deploy(&cluster, "new", &index.pin("tiny", "2.0")).await;
    for name in ["old", "also_old", "new"] {
        call(&cluster, name, "version").await.expect("a version");
    }
    cluster.undeploy("old:1.0.0", false).await.expect("no unit");
    cluster.undeploy("new:1.0.0", false).await.expect("no unit");
    drop(cluster);
    let gone = until(Duration::from_secs(50), async || environments(&node).len() == 1).await;
    assert!(gone, "{}", node.output());
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    assert_eq!(call(&cluster, "also_old", "version").await.expect("a version"), "1.0");
}

/// Path files may run code: only a confined worker follows them, never the node or what its workers are forked from.
#[tokio::test]
async fn code_of_distributions_runs_in_workers_alone() {
    let index = Index::start();
    let code = b"import os\n\nBEGUN = []\n\ndef begin():\n    BEGUN.append(os.getpid())\n\ndef here():\n    return BEGUN == [os.getpid()]\n";
    let start = b"import pathed; pathed.begin()\n";
    index.add_files("pathed", "1.0", &[("pathed.py", code), ("pathed.pth", start)]);
    let other: &[u8] = b"home = /elsewhere/bin\n";
    index.add_files("exchanged", "1.0", &[("exchanged-1.0.data/data/pyvenv.cfg", other)]);
    index.add_files("beside", "1.0", &[("beside-1.0.data/data/bin/pyvenv.cfg", other)]);
    index.add_files("custom", "1.0", &[("sitecustomize.py", b"pass\n")]);
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "paths", &index.pin("pathed", "1.0")).await;
    let here = cluster.task("paths", "pathed:here");
    assert!(within(DEADLINE, "a task", here.call::<bool>(())).await.expect("an answer"), "the worker alone follows it");
    for name in ["exchanged", "beside", "custom"] {
        deploy(&cluster, name, &index.pin(name, "1.0")).await;
        let error = call(&cluster, name, "python").await.expect_err("it would run in the node");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
}

#[tokio::test]
async fn a_large_distribution_of_the_public_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("requirements.in");
    fs::write(&input, "numpy==2.4.6\n").expect("a file");
    let mut resolve = std::process::Command::new(uv());
    resolve.args(["pip", "compile", "--universal", "--generate-hashes", "--only-binary", ":all:"]);
    let resolved = resolve.args(["--python-version", "3.11"]).arg(&input).output().expect("uv");
    if !resolved.status.success() {
        println!("skipped: PyPI cannot be reached: {}", String::from_utf8_lossy(&resolved.stderr));
        return;
    }
    let arguments = ["--uv".to_owned(), uv().display().to_string()];
    let node = TestNode::start(NodeOptions::default().arguments(arguments)).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "sums", &String::from_utf8_lossy(&resolved.stdout)).await;
    let task = cluster.task("sums", "numpy:__version__.__str__");
    assert_eq!(within(2 * DEADLINE, "a build", task.call::<String>(())).await.expect("a version"), "2.4.6");
}
