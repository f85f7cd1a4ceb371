//! Code that stays, on several nodes: a new node takes it from the others, and tasks find it wherever they run.
use std::time::Duration;

use haulier::{ConnectOptions, DeploymentMode::Continuous, ErrorKind, Retry, Target};
use haulier_testkit::{NodeOptions, TestCluster, until};

use crate::{
    client::{JAVA, java_with, number},
    continuous::{alone, only},
};

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_new_node_takes_it_from_the_others() {
    let mut cluster = TestCluster::start(1).await;
    let client = java_with(ConnectOptions::new(cluster.address(1)).mode(Continuous)).await;
    assert_eq!(number(client.call(Target::Any, JAVA.0, JAVA.1, &[]).await), 1);
    let operator = cluster.client(1).await;
    let code = only(&operator).await;
    client.cluster.close().await;
    alone(&operator).await;
    let second = cluster.add(NodeOptions::default());
    cluster.all_alive(&[1, second]).await;
    let operator = cluster.client(second).await;
    let taken = until(DEADLINE, async || {
        let all = operator.continuous_code().await.unwrap_or_default();
        all.iter().any(|one| one.snapshot == code.snapshot && one.held_bytes == code.held_bytes)
    });
    assert!(taken.await, "{cluster}");
    // The first node finds it by the same name.
    let reference = code.reference();
    operator.task(&*reference, JAVA.1).node("n1").call::<i64>(()).await.expect("a result");
    cluster.kill9(1);
    // By name: for a moment the first node may still be taken for alive.
    let here = operator.task(&*reference, JAVA.1).node("n2").call::<i64>(()).await;
    assert_eq!(here.expect("it is here"), 1, "{cluster}");
}

#[tokio::test]
async fn undeploy_is_heard_by_all() {
    let cluster = TestCluster::start(2).await;
    let client = java_with(ConnectOptions::new(cluster.address(1)).mode(Continuous)).await;
    let everywhere = client.broadcast(JAVA.0, JAVA.1, &[]).await.expect("results");
    assert!(everywhere.len() == 2 && everywhere.iter().all(|(_, result)| result.is_ok()), "{everywhere:?}");
    let operator = cluster.client(2).await;
    let reference = only(&operator).await.reference();
    client.cluster.close().await;
    operator.undeploy(&reference, false).await.expect("it is there");
    for number in [1, 2] {
        let operator = cluster.client(number).await;
        let gone = until(DEADLINE, async || {
            let task = operator.task(&*reference, JAVA.1).node(haulier_testkit::cluster::name(number));
            matches!(task.call::<i64>(()).await, Err(error) if error.kind() == ErrorKind::NotFound)
        });
        assert!(gone.await, "{cluster}");
    }
}

/// A member cannot write the record while the owner of the catalogue does not run: the client hears it.
#[tokio::test]
async fn code_that_cannot_stay_is_not_run() {
    let cluster = TestCluster::start(2).await;
    let client = java_with(ConnectOptions::new(cluster.address(2)).mode(Continuous)).await;
    cluster.stop(1);
    let call = async || client.call(Target::Node("n2".into()), JAVA.0, JAVA.1, &[]).await;
    let refused = call().await.expect_err("there is no record of it");
    assert_eq!((refused.kind(), refused.retry()), (ErrorKind::Unavailable, Retry::Later), "{refused:?}");
    assert!(refused.to_string().contains("cannot stay") && refused.hint_text().contains("shared"), "{refused:?}");
    cluster.resume(1);
    let stays = until(DEADLINE, async || call().await.is_ok());
    assert!(stays.await, "{cluster}");
    let operator = cluster.client(2).await;
    only(&operator).await;
}
