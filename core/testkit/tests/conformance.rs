//! Runs the cases of tests/conformance through the Rust client, each as its own line of the result. It uses the public
//! client only, and knows no case by name.
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    net::TcpListener,
    time::Duration,
};

use haulier::{Cluster, Error, ErrorKind, Value};
use haulier_testkit::{
    NodeOptions, TestCluster, TestNode,
    cases::{arguments, cases, decode, flag, same, tables, text, texts},
    fixture,
};
use toml::{Table, Value as Toml};

const DEADLINE: Duration = Duration::from_secs(60);
const FEATURES: [&str; 3] = ["java", "python", "named-broadcast"];

type Outcome = Result<(), String>;
type Digests = BTreeMap<String, String>;

#[tokio::test]
async fn every_case_holds() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    all_cases(&cluster, || node.output()).await;
}

/// The client is connected to a node that does not own the catalogue.
#[tokio::test]
async fn every_case_holds_on_three_nodes() {
    let nodes = TestCluster::start(3).await;
    all_cases(&nodes.client(2).await, || nodes.to_string()).await;
}

async fn all_cases(cluster: &Cluster, log: impl FnOnce() -> String) {
    let without = std::env::var("HAULIER_WITHOUT").unwrap_or_default();
    let has = |feature: &&str| !without.split(' ').any(|other| other == *feature);
    let capabilities: BTreeSet<String> = FEATURES.into_iter().filter(has).map(str::to_owned).collect();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for case in cases() {
        let needs: BTreeSet<String> = texts(&case, "needs").into_iter().collect();
        let missing: Vec<_> = needs.difference(&capabilities).cloned().collect();
        if !missing.is_empty() {
            skipped += 1;
            println!("skipped, no {}: {}", missing.join(", "), text(&case, "name"));
            continue;
        }
        match run(cluster, &case).await {
            Ok(()) => passed += 1,
            Err(problem) => {
                failed += 1;
                println!("FAILED: {}\n  {problem}", text(&case, "name"));
            }
        }
    }
    println!("conformance: {passed} cases passed, {failed} failed, {skipped} skipped");
    assert_eq!(failed, 0, "node log:\n{}", log());
    assert!(passed >= 30, "only {passed} cases ran");
}

async fn run(cluster: &Cluster, case: &Table) -> Outcome {
    let mut digests = Digests::new();
    for step in tables(case, "steps") {
        step_outcome(cluster, &step, &mut digests).await.map_err(|problem| format!("{step}\n    {problem:.2000}"))?;
    }
    Ok(())
}

async fn step_outcome(cluster: &Cluster, step: &Table, digests: &mut Digests) -> Outcome {
    let done = if step.contains_key("deploy") {
        deploy(cluster, step, digests).await
    } else if step.contains_key("undeploy") {
        undeploy(cluster, step).await
    } else if step.contains_key("alias") {
        alias(cluster, step).await
    } else if step.contains_key("list") {
        list(cluster, step).await
    } else if step.contains_key("cancel") {
        cancel(cluster, step, digests).await
    } else {
        call(cluster, step, digests).await
    };
    match done {
        Ok(seen) => {
            require(!step.contains_key("error"), || format!("expected {}, but it succeeded", text(step, "error")))?;
            seen
        }
        Err(error) if step.contains_key("error") => check_error(step, digests, &error),
        Err(error) => Err(format!("{error:?}")),
    }
}

async fn deploy(cluster: &Cluster, step: &Table, digests: &mut Digests) -> Result<Outcome, Error> {
    let mut deploy = cluster.deploy(text(step, "deploy"), text(step, "version")).replace(flag(step, "replace"));
    for source in texts(step, "sources") {
        let built = fixture("built-from").with_file_name(source);
        deploy = deploy.source(built);
    }
    let unit = deploy.send().await?;
    let digest = unit.digest.to_string();
    let digest = digest.trim_start_matches("sha256:");
    let remembered = step.get("digest").map(|_| digests.entry(text(step, "digest")).or_insert(digest.into()).clone());
    Ok(require(!step.contains_key("gives") || unit.version == text(step, "gives"), || format!("as {}", unit.version))
        .and_then(|()| require(remembered.is_none_or(|known| known == digest), || format!("other digest: {digest}")))
        .and_then(|()| {
            let other = digests.get(&text(step, "differs"));
            require(other.is_none_or(|other| other != digest), || format!("the same digest: {digest}"))
        }))
}

async fn undeploy(cluster: &Cluster, step: &Table) -> Result<Outcome, Error> {
    let units = cluster.undeploy(&text(step, "undeploy"), flag(step, "force")).await?;
    Ok(same_versions(step, units.into_iter().map(|unit| unit.version.to_string())))
}

async fn alias(cluster: &Cluster, step: &Table) -> Result<Outcome, Error> {
    let reference = text(step, "alias");
    let (name, alias) = reference.split_once(':').expect("a name and an alias");
    let version = match text(step, "version").as_str() {
        "" => cluster.remove_alias(name, alias).await?,
        version => cluster.set_alias(name, alias, version).await?.0.version,
    };
    Ok(require(!step.contains_key("gives") || version == text(step, "gives"), || format!("is or was {version}")))
}

async fn list(cluster: &Cluster, step: &Table) -> Result<Outcome, Error> {
    let units = cluster.list_deployments().await?.into_iter();
    let named = units.filter(|unit| unit.name == text(step, "list"));
    Ok(same_versions(step, named.map(|unit| unit.version.to_string())))
}

async fn call(cluster: &Cluster, step: &Table, digests: &Digests) -> Result<Outcome, Error> {
    let all = step.contains_key("broadcast");
    let timeout = step.get("timeout").and_then(Toml::as_float).map_or(DEADLINE, Duration::from_secs_f64);
    let entry_point = text(step, if all { "broadcast" } else { "call" });
    let task = cluster.task(filled(&text(step, "unit"), digests), entry_point).timeout(timeout);
    let arguments = arguments(step, 0);
    let results = if all {
        task.broadcast(arguments).await?.into_iter().map(|(_, result)| result).collect::<Result<_, _>>()?
    } else {
        vec![task.call::<Value>(arguments).await?]
    };
    let expected = step.get("value").map_or(Value::Null, |value| decode(value, 0));
    let seen = results.iter().all(|result| same(result, &expected)) && !results.is_empty();
    Ok(require(seen, || format!("got {results:?}")))
}

async fn cancel(cluster: &Cluster, step: &Table, digests: &Digests) -> Result<Outcome, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let task = cluster.task(filled(&text(step, "unit"), digests), text(step, "cancel")).timeout(DEADLINE);
    let handle = task.submit::<Value>(arguments(step, port));
    let running = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().expect("a task that connects");
        stream.read_exact(&mut [0]).map(|()| stream)
    });
    let _connection = tokio::time::timeout(DEADLINE, running).await.expect("a task that runs").expect("a thread");
    handle.cancel();
    let ended = handle.await;
    let canceled = ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::Canceled);
    Ok(require(canceled, || format!("not cancelled: {ended:?}")))
}

fn check_error(step: &Table, digests: &Digests, error: &Error) -> Outcome {
    let expected = text(step, "error");
    require(error.kind().name() == expected, || format!("expected {expected}, got {error:?}"))?;
    let retry = format!("{:?}", error.retry()).to_lowercase();
    require(!step.contains_key("retry") || text(step, "retry") == retry, || format!("retry {retry}: {error:?}"))?;
    let remote = error.remote().map(|remote| remote.type_name.clone()).unwrap_or_default();
    require(remote.contains(&text(step, "remote")), || format!("an exception {remote}: {error:?}"))?;
    texts(step, "message").iter().map(|part| filled(part, digests)).try_for_each(|part| {
        require(error.to_string().contains(&part), || format!("no {part:?} in the message of {error:?}"))
    })
}

fn same_versions(step: &Table, versions: impl Iterator<Item = String>) -> Outcome {
    let mut versions: Vec<String> = versions.collect();
    versions.sort();
    require(!step.contains_key("gives") || versions == texts(step, "gives"), || format!("versions {versions:?}"))
}

fn require(condition: bool, problem: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(problem()) }
}

fn filled(text: &str, digests: &Digests) -> String {
    digests.iter().fold(text.to_owned(), |text, (word, digest)| text.replace(&format!("{{{word}}}"), digest))
}
