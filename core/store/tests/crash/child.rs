//! The process that is killed. It says before each change what will hold after it, and when it is done; it knows the
//! rules of units by itself and never asks the store what it made of a change.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use haulier_catalogue::{Catalogue, RedbCatalogue};
use haulier_model::{Digest, Entry, EntryPath, Manifest, Root, RootKind};
use haulier_store::{CollectionRules, Durability, PublishRequest, Store};
use rustix::process::{Signal, getpid, kill_process};

use crate::plan::{Instant, Plan};

/// A child that hangs ends itself; the parent then sees an end that it did not plan.
const DEADLINE: Duration = Duration::from_secs(60);

/// What is deployed and what points to it: "unit/NAME:VERSION" to digests, "alias/NAME:ALIAS" to versions.
pub(crate) type State = BTreeMap<String, String>;

/// The catalogue and the two stores of a folder; the second one fetches from the first.
pub(crate) async fn open(folder: &Path) -> haulier_model::Result<(Arc<dyn Catalogue>, Store, Store)> {
    let catalogue: Arc<dyn Catalogue> = Arc::new(RedbCatalogue::open(&folder.join("catalogue.redb"))?);
    let store = Store::open(&folder.join("store"), catalogue.clone(), Durability::Machine).await?;
    let member = Store::open_member(&folder.join("member"), catalogue.clone(), Durability::Machine).await?;
    Ok((catalogue, store, member))
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(plan: &Plan) {
    thread::spawn(|| {
        thread::sleep(DEADLINE);
        std::process::abort();
    });
    if let Some(instant) = &plan.kill {
        when(instant, || kill_process(getpid(), Signal::KILL).unwrap());
    }
    if let Some(sabotage) = &plan.sabotage {
        fail::cfg(sabotage.as_str(), "return").unwrap();
    }
    if plan.traced {
        for point in ["seal::after-rename", "sync::after", "head::before-set"] {
            fail::cfg_callback(point, move || println!("pass {point}")).unwrap();
        }
    }
    let (_, store, member) = open(&plan.folder).await.unwrap();
    if let Some(instant) = &plan.collect {
        collect_at(instant, store.clone());
    }
    let number = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let state = crate::check::state_of(&store).await.unwrap();
    let publish_first = plan.sabotage.as_deref() == Some("sabotage::unchecked");
    let mut child = Child { store, member, number, state, publish_first };
    for cycle in 0..plan.cycles {
        child.cycle(cycle).await;
    }
    println!("end");
}

/// Calls `work` when a point is passed for the n-th time.
fn when((point, pass): &Instant, work: impl Fn() + Send + Sync + 'static) {
    let (passed, pass) = (AtomicU32::new(0), *pass);
    let count = move || {
        if passed.fetch_add(1, Ordering::Relaxed) + 1 == pass {
            work();
        }
    };
    fail::cfg_callback(point.as_str(), count).unwrap();
}

/// Who passes the point waits until the collection is over, so it falls between exactly two steps.
fn collect_at(instant: &Instant, store: Store) {
    let (ask, asked) = mpsc::channel::<mpsc::Sender<()>>();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for answer in asked {
            runtime.block_on(store.collect(CollectionRules::default(), |_| HashSet::new())).unwrap();
            println!("collected");
            answer.send(()).unwrap();
        }
    });
    when(instant, move || {
        let (answer, answered) = mpsc::channel();
        ask.send(answer).unwrap();
        answered.recv_timeout(DEADLINE).unwrap();
    });
}

struct Child {
    store: Store,
    member: Store,
    number: u64,
    state: State,
    publish_first: bool,
}

impl Child {
    async fn cycle(&mut self, cycle: u32) {
        self.publish("explicit", Some("1.0")).await;
        self.publish("explicit", Some("2.0")).await;
        self.alias("explicit", "stable", "1.0").await;
        self.alias("explicit", "stable", "2.0").await;
        self.alias("explicit", "canary", "1.0").await;
        self.change(&[("alias/explicit:canary".to_owned(), None)]);
        let removed = self.store.remove_alias(&"explicit".parse().unwrap(), &"canary".parse().unwrap()).await;
        assert_eq!(removed.unwrap(), "1.0");
        self.done();
        self.publish("explicit", Some("2.0")).await;
        self.fetch("explicit:2.0").await;
        for revision in 0..3 {
            self.publish("revisions", None).await;
            if revision == 0 && !self.state.contains_key("alias/revisions:kept") {
                let newest = self.revisions().pop().unwrap().1;
                self.alias("revisions", "kept", &newest).await;
            }
        }
        self.undeploy("explicit:2.0", true).await;
        self.collect().await;
        // What stays of the one is in a pack of the other, which is mostly dead then.
        self.publish("roomy", Some("1.0")).await;
        self.publish("lean", Some("1.0")).await;
        self.undeploy("roomy", false).await;
        self.collect().await;
        if cycle % 3 == 2 {
            self.undeploy("revisions", false).await;
        }
    }

    /// Says what will hold; `None`: nothing of that name.
    fn change(&mut self, changes: &[(String, Option<String>)]) {
        let text: Vec<String> =
            changes.iter().map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("none"))).collect();
        println!("try {}", text.join(" "));
        for (key, value) in changes {
            match value {
                Some(value) => drop(self.state.insert(key.clone(), value.clone())),
                None => drop(self.state.remove(key)),
            }
        }
    }

    fn done(&self) {
        println!("done");
    }

    async fn publish(&mut self, name: &str, version: Option<&str>) {
        self.number += 1;
        let contents = contents(name, self.number);
        let root = root(&contents);
        let manifest = Manifest { roots: vec![root.digest()] };
        // A sender that leases what it relies on, and one that does not and must be told.
        let leased = contents.iter().map(|bytes| Digest::of(bytes)).chain([root.digest()]);
        let lease = self.number.is_multiple_of(2).then(|| self.store.lease(leased));
        let (store, number) = (self.store.clone(), self.number);
        let send = || send(&store, &contents, &root, number);
        if !self.publish_first {
            send();
        }
        let given = match version {
            Some(version) => version.to_owned(),
            None => self.store.next_version(&name.parse().unwrap()).await.unwrap().to_string(),
        };
        let mut changes = vec![(format!("unit/{name}:{given}"), Some(manifest.digest().to_string()))];
        if version.is_none() {
            changes.extend(self.retired(&given).into_iter().map(|version| (format!("unit/{name}:{version}"), None)));
        }
        self.change(&changes);
        let published = self.store.publish(request(name, version, manifest.clone())).await;
        if published.is_err_and(|error| error.message().contains("missing")) {
            println!("told");
            send();
            self.store.publish(request(name, version, manifest)).await.unwrap();
        }
        drop(lease);
        self.done();
        if self.publish_first {
            send();
        }
    }

    /// Counted revisions, oldest first: number and version.
    fn revisions(&self) -> Vec<(u64, String)> {
        let versions = self.state.keys().filter_map(|key| key.strip_prefix("unit/revisions:"));
        let mut revisions: Vec<(u64, String)> = versions
            .map(|version| (version.rsplit('.').next().unwrap().parse().unwrap(), version.to_owned()))
            .collect();
        revisions.sort();
        revisions
    }

    /// Those that go when `next` comes: all but the last five, and but what an alias points to.
    fn retired(&self, next: &str) -> Vec<String> {
        let mut revisions: Vec<String> = self.revisions().into_iter().map(|(_, version)| version).collect();
        revisions.push(next.to_owned());
        let past = revisions.len().saturating_sub(5);
        let aliased = |version: &String| {
            self.state.iter().any(|(key, target)| key.starts_with("alias/revisions:") && target == version)
        };
        revisions.into_iter().take(past).filter(|version| !aliased(version)).collect()
    }

    async fn alias(&mut self, name: &str, alias: &str, version: &str) {
        self.change(&[(format!("alias/{name}:{alias}"), Some(version.to_owned()))]);
        let (name, alias, version) = (name.parse().unwrap(), alias.parse().unwrap(), version.parse().unwrap());
        self.store.set_alias(&name, &alias, &version).await.unwrap();
        self.done();
    }

    /// With its version: one version and, by force, its aliases. Without: everything of the name.
    async fn undeploy(&mut self, reference: &str, force: bool) {
        let (name, version) = reference.split_once(':').unwrap_or((reference, ""));
        let gone = |(key, value): &(&String, &String)| {
            key.strip_prefix("unit/").is_some_and(|id| id == reference || version.is_empty() && of(id, name))
                || key
                    .strip_prefix("alias/")
                    .is_some_and(|id| of(id, name) && (version.is_empty() || *value == version))
        };
        let changes: Vec<_> = self.state.iter().filter(gone).map(|(key, _)| (key.clone(), None)).collect();
        self.change(&changes);
        let undeployed = self.store.undeploy(&reference.parse().unwrap(), force).await.unwrap();
        self.done();
        for record in undeployed {
            self.store.remove(&record.id, record.generation).await.unwrap();
        }
    }

    /// Brings a unit to the member, as a node does with what it hears of.
    async fn fetch(&self, reference: &str) {
        let unit = self.store.resolve(&reference.parse().unwrap()).await.unwrap().digest;
        loop {
            let missing = self.member.missing_of_unit(&unit).unwrap();
            if missing.is_empty() {
                break;
            }
            let mut receiver = self.member.receive_wanted(missing.iter().copied()).unwrap();
            self.store.pack(missing).for_each(|chunk| receiver.write(&chunk.unwrap()).unwrap());
            receiver.finish(false).unwrap();
        }
        self.member.settle(&unit).unwrap();
        println!("held {unit}");
    }

    async fn collect(&self) {
        for store in [&self.store, &self.member] {
            store.collect(CollectionRules::default(), |_| HashSet::new()).await.unwrap();
        }
    }
}

fn of(id: &str, name: &str) -> bool {
    id.split_once(':').is_some_and(|(found, _)| found == name)
}

/// What a unit is made of: "lean" has what the unit before it has, which is "roomy", but for the large content.
fn contents(name: &str, number: u64) -> Vec<Vec<u8>> {
    let number = if name == "lean" { number - 1 } else { number };
    let content = |index, times| format!("{number}/{index} ").repeat(times).into_bytes();
    let large = (name == "roomy").then(|| content(3, 80_000));
    large.into_iter().chain((0..3).map(|index| content(index, 400))).collect()
}

fn root(contents: &[Vec<u8>]) -> Root {
    let entry = |(index, bytes): (usize, &Vec<u8>)| Entry {
        path: EntryPath::new(&format!("entry-{index}")).unwrap(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        executable: false,
    };
    Root { kind: RootKind::Jvm, original: None, entries: contents.iter().enumerate().map(entry).collect() }
}

/// Sends a unit in small pieces; every third one breaks off inside a record and is resumed.
fn send(store: &Store, contents: &[Vec<u8>], root: &Root, number: u64) {
    let root = root.encode();
    let record = |bytes: &[u8]| [Digest::of(bytes).as_ref(), &(bytes.len() as u64).to_le_bytes(), bytes].concat();
    let mut all: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    all.push(&root);
    if number.is_multiple_of(3) {
        let mut receiver = store.receive().unwrap();
        let bytes: Vec<u8> = all.iter().flat_map(|bytes| record(bytes)).collect();
        receiver.write(&bytes[..bytes.len() / 2]).unwrap();
    }
    let missing = store.missing(all.iter().map(|bytes| Digest::of(bytes)));
    let mut receiver = store.receive_wanted(missing.iter().copied()).unwrap();
    for bytes in all.into_iter().filter(|bytes| missing.contains(&Digest::of(bytes))) {
        record(bytes).chunks(4096).for_each(|chunk| receiver.write(chunk).unwrap());
    }
    receiver.finish(false).unwrap();
}

fn request(name: &str, version: Option<&str>, manifest: Manifest) -> PublishRequest {
    PublishRequest {
        name: name.parse().unwrap(),
        version: version.map(|version| version.parse().unwrap()),
        manifest,
        sources: vec!["a.jar".into()],
        origins: b"where it came from".to_vec(),
        replace: true,
        replaces_only_its_own: false,
        deployed_by: "test".into(),
    }
}
