//! A node that is killed while it deploys, replaces, points aliases, undeploys and collects: after each restart every
//! change is wholly there or not at all, what was acknowledged is there, and what is deployed runs.
//!
//! One client makes one change at a time, so what may hold after a kill is one of two states.
use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use haulier::{Cluster, UnitState};
use haulier_catalogue::RedbCatalogue;
use haulier_model::Digest;
use haulier_store::{Durability, Store};
use haulier_testkit::{NodeOptions, Random, TestNode, fixture, within};

/// "unit/VERSION" to the number of its content, "alias/NAME" to a version.
type State = BTreeMap<String, String>;

/// What holds: what was acknowledged, and what would hold after the change that was under way.
#[derive(Clone, Debug, Default)]
struct Told {
    acknowledged: State,
    attempted: Option<State>,
    changes: u64,
}

/// The digest of each content, as its first deployment said.
type Digests = BTreeMap<String, Digest>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_whole_after_a_kill_at_any_instant() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 120 } else { 10 };
    let mut node = TestNode::start(NodeOptions::default()).expect("a node");
    let digests = digests(&node).await;
    let told = Arc::new(Mutex::new(Told::default()));
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds {
        let cluster = haulier::connect(node.address()).await.expect("a connection");
        let working = tokio::spawn(change_until_it_fails(cluster, told.clone(), round));
        // There is no event to await: the kill is to fall anywhere.
        let instant = Duration::from_micros(random.below(150_000));
        let _ = tokio::time::timeout(instant, std::future::pending::<()>()).await;
        node.kill9();
        working.abort();
        if let Err(error) = within(30, "the end of the changes", working).await {
            assert!(error.is_cancelled(), "a change was refused, and not because of the kill: {error}");
        }
        if round % 5 == 4 {
            every_byte(&node).await;
        }
        node.restart().unwrap_or_else(|error| panic!("round {round}, killed after {instant:?}: {error}"));
        let found = within(60, "a look at all units", look(&node, &digests, round % 5 == 0)).await;
        let mut told = told.lock().expect("no thread panicked");
        let attempted = told.attempted.take();
        assert!(
            found == told.acknowledged || attempted.as_ref() == Some(&found),
            "round {round}, killed after {instant:?}: {found:#?}, acknowledged {:#?}, attempted {attempted:#?}",
            told.acknowledged
        );
        told.acknowledged = found;
    }
    let changes = told.lock().expect("no thread panicked").changes;
    println!("{rounds} kills, {changes} acknowledged changes");
    assert!(changes >= rounds);
}

/// Which task says which content is there: "1" or "2", for the unit of the Java jar.
const CONTENTS: [(&str, &str, &str); 2] =
    [("1", "pricing-1.jar", "price 1, rate 1"), ("2", "pricing-2.jar", "price 2, rate 2")];

fn jar(content: &str) -> PathBuf {
    let found = CONTENTS.iter().find(|(number, ..)| *number == content);
    fixture(found.expect("a content").1)
}

async fn digests(node: &TestNode) -> Digests {
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let mut digests = Digests::new();
    for (content, ..) in CONTENTS {
        let unit = cluster.deploy("first", format!("{content}.0")).jar(jar(content)).send().await.expect("a unit");
        digests.insert(content.to_owned(), unit.digest);
    }
    cluster.undeploy("first", true).await.expect("the end of the unit");
    cluster.close().await;
    digests
}

/// One change after the other, until the node is gone.
async fn change_until_it_fails(cluster: Cluster, told: Arc<Mutex<Told>>, round: u64) {
    for step in round * 3.. {
        let state = told.lock().expect("no thread panicked").acknowledged.clone();
        let mut after = state.clone();
        let version = ["1.0", "1.1", "2.0"][step as usize / 6 % 3];
        let unit = format!("unit/{version}");
        let there = state.contains_key(&unit);
        let content = if state.get(&unit).is_some_and(|content| content == "1") { "2" } else { "1" };
        let attempt = |after: &State| told.lock().expect("no thread panicked").attempted = Some(after.clone());
        let done = match step % 6 {
            0 | 4 => {
                after.insert(unit, content.to_owned());
                attempt(&after);
                cluster.deploy("orders", version).jar(jar(content)).replace(true).send().await.map(drop)
            }
            1 | 2 if there => {
                after.insert(format!("alias/{}", ["stable", "canary"][step as usize % 2]), version.to_owned());
                attempt(&after);
                cluster.set_alias("orders", ["stable", "canary"][step as usize % 2], version).await.map(drop)
            }
            3 if state.contains_key("alias/canary") => {
                after.remove("alias/canary");
                attempt(&after);
                cluster.remove_alias("orders", "canary").await.map(drop)
            }
            5 if there => {
                after.remove(&unit);
                after.retain(|key, target| !key.starts_with("alias/") || target != version);
                attempt(&after);
                cluster.undeploy(&format!("orders:{version}"), true).await.map(drop)
            }
            _ => {
                attempt(&after);
                cluster.collect_garbage(false).await.map(drop)
            }
        };
        match done {
            Ok(()) => {
                let mut told = told.lock().expect("no thread panicked");
                (told.acknowledged, told.attempted, told.changes) = (after, None, told.changes + 1);
            }
            // What the kill cut off: nobody knows whether it was done. Anything else is a change that was refused.
            Err(error) => {
                let cut =
                    [haulier::ErrorKind::Unavailable, haulier::ErrorKind::SessionLost, haulier::ErrorKind::Closed];
                assert!(cut.contains(&error.kind()), "step {step} of {state:?}: {error:?}");
                return;
            }
        }
    }
}

/// What the node has, after a look at the files and, with `run`, a task of each unit.
async fn look(node: &TestNode, digests: &Digests, run: bool) -> State {
    let cluster = haulier::connect(node.address()).await.expect("a connection after the restart");
    let mut state = State::new();
    for unit in cluster.list_units("orders").await.expect("the units") {
        assert_eq!(unit.state, UnitState::Deployed, "{unit}");
        let content = digests.iter().find(|(_, digest)| **digest == unit.digest);
        let (content, _) = content.unwrap_or_else(|| panic!("{unit} has the digest {} of nothing", unit.digest));
        let details = cluster.inspect(&unit.reference()).await.expect("the files of a unit");
        assert_eq!(details.entries.len(), unit.entries as usize, "{unit}");
        assert_eq!(details.entries.iter().map(|entry| entry.size).sum::<u64>(), unit.size, "{unit}");
        if run {
            let task = cluster.task(&unit, "acme.Price#versions").timeout(Duration::from_secs(30));
            let said: String = task.call(()).await.unwrap_or_else(|error| panic!("{unit}: {error:?}"));
            let expected = CONTENTS.iter().find(|(number, ..)| number == content).expect("a content").2;
            assert_eq!(said, expected, "{unit}");
        }
        for alias in &unit.aliases {
            state.insert(format!("alias/{alias}"), unit.version.clone());
        }
        assert!(state.insert(format!("unit/{}", unit.version), content.clone()).is_none(), "{unit} is there twice");
    }
    cluster.close().await;
    state
}

/// Reads all that is deployed, while no node uses the folder.
async fn every_byte(node: &TestNode) {
    let catalogue = RedbCatalogue::open(&node.data_dir().join("catalogue.redb")).expect("the catalogue");
    let folder = node.data_dir().join("store");
    let store = Store::open_member(&folder, Arc::new(catalogue), Durability::Machine).await.expect("the store");
    for name in ["incoming", "damaged"] {
        assert_eq!(std::fs::read_dir(folder.join(name)).expect("a folder").count(), 0, "files in {name}");
    }
    let mut seen = HashSet::new();
    for unit in store.list(None).await.expect("the units") {
        let roots = store.roots(&store.manifest(&unit.digest).expect("a manifest")).expect("the roots of a unit");
        for entry in roots.iter().flat_map(|root| &root.entries).filter(|entry| seen.insert(entry.digest)) {
            assert_eq!(Digest::of(&store.read(&entry.digest).expect("an entry")), entry.digest, "{}", entry.path);
        }
    }
}
