//! Who shares a loader in which mode, and when it goes: the static of a class and the global of a module tell.
use std::time::Duration;

use haulier::{
    ConnectOptions,
    DeploymentMode::{Continuous, Isolated, Private, Shared},
    Language,
};
use haulier_testkit::{NodeOptions, PeerClient, TestNode, fixture, until};

use crate::client::{JAVA, PYTHON, count, count_by, java, module, python};

const DEADLINE: Duration = Duration::from_secs(30);

fn one_slot() -> NodeOptions {
    NodeOptions::default().arguments(["--slots", "1"])
}

/// What two clients see that call it in turns; then they leave.
async fn in_turns(clients: [PeerClient; 2], counter: (&str, &str)) -> [i64; 4] {
    let mut seen = [0; 4];
    for (index, seen) in seen.iter_mut().enumerate() {
        *seen = count(&clients[index % 2], counter).await;
    }
    for client in clients {
        client.cluster.close().await;
    }
    seen
}

#[tokio::test]
async fn java_statics_are_shared_as_the_mode_says() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    for (mode, expected) in [(Isolated, [1, 1, 1, 1]), (Private, [1, 1, 2, 2]), (Shared, [1, 2, 3, 4])] {
        let (one, two) = (java(node.address(), mode).await, java(node.address(), mode).await);
        assert_eq!(in_turns([one, two], JAVA).await, expected, "{mode:?}");
    }
}

#[tokio::test]
async fn python_modules_are_shared_as_the_mode_says() {
    let node = TestNode::start(one_slot()).expect("a node");
    let folder = tempfile::tempdir().unwrap();
    let folder = module(folder.path()).canonicalize().map(|path| (path, folder)).unwrap();
    for (mode, expected) in [(Isolated, [1, 1, 1, 1]), (Private, [1, 1, 2, 2]), (Shared, [1, 2, 3, 4])] {
        let one = python(node.address(), mode, &folder.0).await;
        let two = python(node.address(), mode, &folder.0).await;
        assert_eq!(in_turns([one, two], PYTHON).await, expected, "{mode:?}");
    }
}

#[tokio::test]
async fn a_shared_loader_goes_with_the_last_session_that_uses_it() {
    let node = TestNode::start(one_slot()).expect("a node");
    let folder = tempfile::tempdir().unwrap();
    let folder = module(folder.path());
    let connect = async || (java(node.address(), Shared).await, python(node.address(), Shared, &folder).await);
    let (java_one, python_one) = connect().await;
    let (java_two, python_two) = connect().await;
    assert_eq!((count(&java_one, JAVA).await, count(&python_one, PYTHON).await), (1, 1));
    assert_eq!((count(&java_two, JAVA).await, count(&python_two, PYTHON).await), (2, 2));
    java_one.cluster.close().await;
    python_one.cluster.close().await;
    assert_eq!((count(&java_two, JAVA).await, count(&python_two, PYTHON).await), (3, 3), "somebody still shares it");
    java_two.cluster.close().await;
    python_two.cluster.close().await;
    // Each try is a session of its own, which goes as the others did.
    let fresh = until(DEADLINE, async || {
        let (java, python) = connect().await;
        let seen = (count(&java, JAVA).await, count(&python, PYTHON).await);
        java.cluster.close().await;
        python.cluster.close().await;
        seen == (1, 1)
    });
    assert!(fresh.await, "nobody shared it any more");
}

#[tokio::test]
async fn a_submit_may_say_another_mode_than_its_session() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let private = java(node.address(), Private).await;
    let shared = java(node.address(), Shared).await;
    assert_eq!((count(&private, JAVA).await, count(&shared, JAVA).await), (1, 1));
    let private = private.in_mode(Shared);
    assert_eq!((count(&private, JAVA).await, count(&shared, JAVA).await), (2, 3));
    let private = private.in_mode(Isolated);
    assert_eq!((count(&private, JAVA).await, count(&private, JAVA).await), (1, 1));
    let private = private.in_mode(Private);
    assert_eq!(count(&private, JAVA).await, 2, "its own loader is still there");
    let private = private.in_mode(Continuous);
    assert_eq!(count(&private, JAVA).await, 4, "continuous is shared, and more");
}

#[tokio::test]
async fn other_bytes_are_never_shared() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("remark.txt"), "another snapshot").unwrap();
    for mode in [Shared, Continuous] {
        let one = java(node.address(), mode).await;
        let options = ConnectOptions::new(node.address()).mode(mode);
        let roots = vec![fixture("tasks.jar"), folder.path().to_owned()];
        let two = PeerClient::connect(options, Language::Java, roots).await;
        let (first, second) = (count(&one, JAVA).await, count(&two, JAVA).await);
        for round in 1..=3 {
            assert_eq!(count(&one, JAVA).await, first + round, "{mode:?}: the class is the same, the snapshot is not");
            assert_eq!(count(&two, JAVA).await, second + round, "{mode:?}");
        }
        one.cluster.close().await;
        assert_eq!(count(&two, JAVA).await, second + 4, "{mode:?}");
    }
}

#[tokio::test]
async fn a_deploy_resets_no_loader() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    cluster.deploy("tasks", "1.0.0").source(fixture("tasks.jar")).send().await.expect("a unit");
    assert_eq!(count_by(&cluster, "tasks", JAVA).await.expect("a result"), 1);
    cluster.deploy("other", "1.0.0").source(fixture("pricing-2.jar")).send().await.expect("a unit");
    cluster.undeploy("other", false).await.expect("it is there");
    assert_eq!(count_by(&cluster, "tasks", JAVA).await.expect("a result"), 2);
}
