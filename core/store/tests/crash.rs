//! A process is killed while it deploys, replaces and undeploys; whoever opens the store next finds every unit wholly
//! there or wholly absent, and nothing that was acknowledged is lost.

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use haulier_catalogue::RedbCatalogue;
use haulier_model::{Digest, Entry, Manifest, Root, RootKind};
use haulier_store::{CollectionRules, Durability, PublishRequest, Store, UnitState};

const FOLDER: &str = "HAULIER_CRASH_FOLDER";

async fn open(folder: &Path) -> Store {
    let catalogue = RedbCatalogue::open(&folder.join("catalogue.redb")).unwrap();
    Store::open(&folder.join("store"), Arc::new(catalogue), Durability::Machine).await.unwrap()
}

fn content(number: u64, index: u64) -> Vec<u8> {
    format!("{number}/{index} ").repeat(2000).into_bytes()
}

/// Sends a unit in small pieces, so that a kill also falls between the halves of a record.
fn send_unit(store: &Store, number: u64) -> Manifest {
    let contents: Vec<Vec<u8>> = (0..5).map(|index| content(number, index)).collect();
    let entries = contents.iter().enumerate().map(|(index, bytes)| {
        let path = haulier_model::EntryPath::new(&format!("entry-{index}")).unwrap();
        Entry { path, digest: Digest::of(bytes), size: bytes.len() as u64, executable: false }
    });
    let root = Root { kind: RootKind::Jvm, entries: entries.collect() }.encode();
    let mut receiver = store.receive().unwrap();
    for bytes in contents.iter().chain([&root]) {
        let record = [Digest::of(bytes).as_ref(), &(bytes.len() as u64).to_le_bytes(), bytes].concat();
        record.chunks(4096).for_each(|chunk| receiver.write(chunk).unwrap());
    }
    receiver.finish(false).unwrap();
    Manifest { roots: vec![Digest::of(&root)] }
}

/// The child: says what it is about to do, and what is done.
#[tokio::main(flavor = "current_thread")]
async fn work(folder: &Path) {
    let store = open(folder).await;
    let first = std::process::id() as u64 * 1000;
    for number in first..first + 1000 {
        let name = format!("unit-{}", number % 3);
        let manifest = send_unit(&store, number);
        let digest = manifest.digest();
        println!("try {name} {digest}");
        let request = PublishRequest {
            name: name.parse().unwrap(),
            version: Some("1.0".parse().unwrap()),
            manifest,
            sources: vec!["a.jar".into()],
            origins: Vec::new(),
            replace: true,
            replaces_only_its_own: false,
            deployed_by: "test".into(),
        };
        store.publish(request).await.unwrap();
        println!("done {name} {digest}");
        if number % 5 == 4 {
            println!("try {name} none");
            let undeployed = store.undeploy(&name.parse().unwrap(), false).await.unwrap();
            println!("done {name} none");
            for record in undeployed {
                store.remove(&record.id, record.generation).await.unwrap();
            }
            store.collect(CollectionRules::default(), |_| HashSet::new()).await.unwrap();
        }
    }
}

#[test]
fn killed_at_any_instant() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(Path::new(&folder));
    }
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 120 } else { 20 };
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<String, String> = HashMap::new();
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed_at_any_instant", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut tried: HashMap<String, String> = HashMap::new();
        let mut note = |line: String| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["try", name, digest] => drop(tried.insert(name.into(), digest.into())),
                ["done", name, digest] => {
                    tried.remove(name);
                    acknowledged.insert(name.into(), digest.into());
                }
                _ => {}
            }
        };
        // The instant differs from round to round: after some lines, and a little later; there is no event to await.
        // After no line, the kill falls into the start.
        lines.by_ref().take(round * 7 % 23).for_each(&mut note);
        std::thread::sleep(Duration::from_micros((round as u64 * 977) % 9000));
        child.kill().unwrap();
        lines.for_each(&mut note);
        child.wait().unwrap();
        check(folder.path(), &mut acknowledged, &tried);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn check(folder: &Path, acknowledged: &mut HashMap<String, String>, tried: &HashMap<String, String>) {
    let store = open(folder).await;
    assert_eq!(std::fs::read_dir(folder.join("store/incoming")).unwrap().count(), 0, "half-written files stay");
    assert_eq!(std::fs::read_dir(folder.join("store/damaged")).unwrap().count(), 0, "a pack in place was not whole");
    let mut present: HashMap<String, String> = HashMap::new();
    for record in store.list(None).await.unwrap() {
        assert_eq!(record.state, UnitState::Deployed);
        let roots = store.roots(&store.manifest(&record.digest).unwrap()).unwrap();
        for entry in roots.iter().flat_map(|root| &root.entries) {
            assert_eq!(Digest::of(&store.read(&entry.digest).unwrap()), entry.digest);
        }
        assert!(present.insert(record.id.name.to_string(), record.digest.to_string()).is_none(), "two of one version");
    }
    for name in ["unit-0", "unit-1", "unit-2"] {
        let found = present.get(name).map_or("none", String::as_str);
        let expected = acknowledged.get(name).map_or("none", String::as_str);
        let attempted = tried.get(name).map(String::as_str);
        assert!(
            found == expected || Some(found) == attempted,
            "{name}: {found}, acknowledged {expected}, tried {attempted:?}"
        );
        acknowledged.insert(name.to_owned(), found.to_owned());
    }
}
