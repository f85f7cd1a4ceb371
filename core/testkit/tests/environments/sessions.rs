//! Requirements of sessions: compared, built, or not looked at.
use haulier::{Cluster, Codec, EnvironmentPolicy, ErrorKind, Language, Result, Submission};
use haulier_testkit::{TestNode, answer, within};

use super::index::{DEADLINE, Index, call, deploy, environments, text};

/// `(importlib.metadata.version, ("tiny",), {})`, as a client pickles a call.
const VERSION: &[u8] = b"(cimportlib.metadata\nversion\n(Vtiny\nt(dt.";

async fn submit(
    cluster: &Cluster,
    units: &[&str],
    requirements: &[&str],
    environment: EnvironmentPolicy,
) -> Result<String> {
    let submission = Submission {
        units: units.iter().map(|unit| (*unit).to_owned()).collect(),
        payload: VERSION.into(),
        requirements: requirements.iter().map(|requirement| (*requirement).to_owned()).collect(),
        environment,
        result_codecs: vec![Codec::Values],
        ..Submission::new(Language::Python, "", Codec::Pickle)
    };
    within(DEADLINE, "a task", answer(cluster, submission)).await.map(text)
}

#[tokio::test]
async fn distributions_are_compared_built_or_ignored() {
    let index = Index::start();
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let wanted = ["Tiny==1.0", "absent-thing==3.0"];
    let error = submit(&cluster, &[], &wanted, EnvironmentPolicy::Check).await.expect_err("not here");
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    let said = error.to_string();
    assert!(said.contains("tiny 1.0 of the client is missing here"), "{said}");
    assert!(said.contains("absent-thing 3.0 of the client is missing here"), "{said}");
    let hint = error.hint_text();
    assert!(
        hint.contains("pip install absent-thing==3.0 tiny==1.0") && hint.contains("environment=\"build\""),
        "{hint}"
    );

    let error = submit(&cluster, &[], &wanted, EnvironmentPolicy::Ignore).await.expect_err("it is not there");
    assert_eq!(error.kind(), ErrorKind::TaskFailed, "{error}");
    let error = submit(&cluster, &[], &["tiny>=1"], EnvironmentPolicy::Check).await.expect_err("no version");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let error = submit(&cluster, &[], &["absent-thing==3.0"], EnvironmentPolicy::Build).await.expect_err("not there");
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");

    let built = submit(&cluster, &[], &["Tiny==1.0"], EnvironmentPolicy::Build).await.expect("a version");
    assert_eq!(built, "1.0");
    let built = submit(&cluster, &[], &["tiny==2.0"], EnvironmentPolicy::Build).await.expect("a version");
    assert_eq!(built, "2.0");
    assert_eq!(environments(&node).len(), 2);
    index.refuse(true);
    let again = submit(&cluster, &[], &["tiny==1.0"], EnvironmentPolicy::Build).await.expect("it is there");
    assert_eq!(again, "1.0");
}

#[tokio::test]
async fn requirements_join_the_locks_of_units() {
    let index = Index::start();
    index.add("other", "5.0");
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "old", &index.pin("tiny", "1.0")).await;
    let check = EnvironmentPolicy::Check;
    assert_eq!(submit(&cluster, &["old"], &["tiny==1.0"], check).await.expect("the unit has it"), "1.0");
    let error = submit(&cluster, &["old"], &["tiny==2.0"], check).await.expect_err("another version");
    assert!(error.to_string().contains("tiny is 1.0 here and 2.0 at the client"), "{error}");
    let build = EnvironmentPolicy::Build;
    let both = ["tiny==1.0", "other==5.0"];
    assert_eq!(submit(&cluster, &["old"], &both, build).await.expect("both"), "1.0");
    let error = submit(&cluster, &["old"], &["tiny==2.0"], build).await.expect_err("the unit has another one");
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
}

/// The rule: an environment of what units and session require together, unless the units' locks have all of it.
#[tokio::test]
async fn locks_and_requirements_are_one_environment() {
    let index = Index::start();
    index.add("other", "5.0");
    let node = TestNode::start(index.node()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    deploy(&cluster, "old", &index.pin("tiny", "1.0")).await;
    let build = EnvironmentPolicy::Build;
    assert_eq!(submit(&cluster, &["old"], &["tiny==1.0", "other==5.0"], build).await.expect("both"), "1.0");
    assert_eq!(environments(&node).len(), 1, "{}", node.output());
    assert_eq!(submit(&cluster, &["old"], &["tiny==1.0"], build).await.expect("the lock has it"), "1.0");
    assert_eq!(environments(&node).len(), 2, "{}", node.output());
    assert_eq!(call(&cluster, "old", "version").await.expect("a version"), "1.0");
    assert_eq!(environments(&node).len(), 2, "{}", node.output());
}
