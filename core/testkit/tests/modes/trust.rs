//! Identities: what is private runs in no process of somebody else, and what is shared in no process of anybody's own.
use std::fs;

use haulier::{
    ConnectOptions,
    DeploymentMode::{self, Continuous, Private, Shared},
    ErrorKind,
};
use haulier_testkit::{CommandLine, NodeOptions, PeerClient, TestNode};

use crate::client::{JAVA, PROCESS, count, count_by, java_with, module};

const ALICE: &str = "alice-0123456789abcdef";
const BOB: &str = "bob-0123456789abcdef0";

fn node() -> (TestNode, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, format!("alice {ALICE}\nbob {BOB}\n")).unwrap();
    let options = NodeOptions::default().arguments(["--token-file", &tokens.display().to_string()]);
    (TestNode::start(options).expect("a node"), folder)
}

fn options(node: &TestNode, token: &str, mode: DeploymentMode) -> ConnectOptions {
    ConnectOptions::new(node.address()).token(token).mode(mode)
}

#[tokio::test]
async fn identities_share_a_process_only_when_both_say_so() {
    let (node, _folder) = node();
    let connect = async |token: &str, mode| java_with(options(&node, token, mode)).await;
    let (alice, bob) = (connect(ALICE, Private).await, connect(BOB, Private).await);
    let (of_alice, of_bob) = (count(&alice, PROCESS).await, count(&bob, PROCESS).await);
    assert_ne!(of_alice, of_bob);
    assert_eq!(count(&alice, PROCESS).await, of_alice, "one process for all of one identity");
    assert_eq!((count(&alice, JAVA).await, count(&bob, JAVA).await), (1, 1));
    let (alice, bob) = (alice.in_mode(Shared), bob.in_mode(Shared));
    let shared = count(&alice, PROCESS).await;
    assert_eq!(count(&bob, PROCESS).await, shared);
    assert!(shared != of_alice && shared != of_bob, "a group of its own");
    assert_eq!((count(&alice, JAVA).await, count(&bob, JAVA).await), (1, 2));
}

/// What is shared is listed for those who share it, beside what is their own.
#[tokio::test]
async fn loaders_of_shared_code_are_listed_for_those_who_share() {
    let (node, _folder) = node();
    let connect = async |token: &str, mode| java_with(options(&node, token, mode)).await;
    let (alice, bob) = (connect(ALICE, Shared).await, connect(BOB, Private).await);
    let (shared, own) = (count(&alice, PROCESS).await, count(&bob, PROCESS).await);
    let of_alice = alice.cluster.loaders().await.expect("a list");
    let of_bob = bob.cluster.loaders().await.expect("a list");
    let processes =
        |list: &[haulier::WorkerLoaders]| list.iter().map(|one| i64::from(one.process_id)).collect::<Vec<_>>();
    assert!(processes(&of_alice).contains(&shared), "{of_alice:?}");
    assert!(of_alice.iter().any(|worker| worker.identity.starts_with("code ")), "{of_alice:?}");
    assert_eq!(processes(&of_bob), [own], "he shares nothing: {of_bob:?}");
    assert_eq!(count(&bob.in_mode(Shared), PROCESS).await, shared);
    let command = CommandLine::new(node.address()).variable("HAULIER_TOKEN", BOB);
    let listed = command.run(&["sessions", "--loaders"]).await.succeeded();
    assert!(listed.contains(&shared.to_string()) && listed.contains("code "), "{listed}");
}

#[tokio::test]
async fn python_processes_are_those_of_one_identity_or_of_shared_code() {
    let (node, _folder) = node();
    let code = tempfile::tempdir().unwrap();
    let code = module(code.path()).canonicalize().map(|path| (path, code)).unwrap();
    let process = ("acme_count", "acme_count:process");
    let connect = async |token: &str, mode| {
        PeerClient::connect(options(&node, token, mode), haulier::Language::Python, vec![code.0.clone()]).await
    };
    let mut seen = Vec::new();
    for mode in [Private, Shared] {
        let (alice, bob) = (connect(ALICE, mode).await, connect(BOB, mode).await);
        seen.push((count(&alice, process).await, count(&bob, process).await));
        alice.cluster.close().await;
        bob.cluster.close().await;
    }
    let [(private_alice, private_bob), (shared, shared_with)] = seen[..] else { unreachable!() };
    assert_ne!(private_alice, private_bob);
    // Idle processes of an environment take the next task of it, whoever submits it.
    assert_eq!(shared, shared_with);
    assert!(shared != private_alice && shared != private_bob);
}

#[tokio::test]
async fn code_that_stays_is_named_by_those_who_brought_it() {
    let (node, _folder) = node();
    let alice = java_with(options(&node, ALICE, Continuous)).await;
    assert_eq!(count(&alice, JAVA).await, 1);
    let bob = options(&node, BOB, Private).connect().await.expect("a connection");
    let code = alice.cluster.continuous_code().await.expect("a list").remove(0);
    assert_eq!(code.identities, ["alice"]);
    assert!(bob.continuous_code().await.expect("a list").is_empty());
    let refused = count_by(&bob, &code.reference(), JAVA).await.expect_err("it is not his");
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused:?}");
    let refused = bob.undeploy(&code.reference(), false).await.expect_err("it is not his");
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused:?}");
    // Who has the same bytes shares, and may name it from then on.
    let equal = java_with(options(&node, BOB, Continuous)).await;
    assert_eq!(count(&equal, JAVA).await, 2);
    assert_eq!(count_by(&bob, &code.reference(), JAVA).await.expect("a result"), 3);
}
