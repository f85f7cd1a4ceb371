//! The embedded catalogue answers any sequence of requests, restarts among them, as the model in memory does; and
//! whoever watches either has in the end what is there.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    time::Duration,
};

use haulier_catalogue::{
    Catalogue, CatalogueOptions, Changes, Clock, Event, Listing, MemoryCatalogue, OperationId, Record, RedbCatalogue,
    Revision, Watch,
};
use haulier_model::{ErrorKind, Result};
use proptest::prelude::*;

const KEYS: [&str; 4] = ["units/a", "units/b", "units/bb", "nodes/a"];
const PREFIXES: [&str; 4] = ["", "units/", "units/b", "none"];
/// So few that watches fall behind.
const HISTORY: usize = 8;

#[derive(Clone, Debug)]
enum Step {
    /// Writes with the revision that is there, or with a stale one; with `seconds` as a registration.
    Set {
        key: usize,
        stale: Option<u8>,
        value: Vec<u8>,
        seconds: Option<u64>,
    },
    /// The write of so many writes ago once more, as if its answer had been lost.
    Repeat {
        ago: usize,
    },
    Renew {
        key: usize,
        stale: Option<u8>,
    },
    Delete {
        key: usize,
        stale: Option<u8>,
    },
    List {
        prefix: usize,
    },
    /// A whole new watch, from so many revisions ago: what it says first.
    Watch {
        prefix: usize,
        ago: u64,
    },
    Advance {
        seconds: u64,
    },
    /// The followers read what there is for them.
    Follow,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    let stale = || prop::option::weighted(0.3, any::<u8>());
    let value = prop::collection::vec(any::<u8>(), 0..40);
    let seconds = prop::option::weighted(0.4, 1..10_u64);
    prop_oneof![
        8 => (key.clone(), stale(), value, seconds)
            .prop_map(|(key, stale, value, seconds)| Step::Set { key, stale, value, seconds }),
        2 => (0..4_usize).prop_map(|ago| Step::Repeat { ago }),
        2 => (key.clone(), stale()).prop_map(|(key, stale)| Step::Renew { key, stale }),
        3 => (key, stale()).prop_map(|(key, stale)| Step::Delete { key, stale }),
        1 => (0..PREFIXES.len()).prop_map(|prefix| Step::List { prefix }),
        2 => (0..PREFIXES.len(), 0..12_u64).prop_map(|(prefix, ago)| Step::Watch { prefix, ago }),
        3 => (1..6_u64).prop_map(|seconds| Step::Advance { seconds }),
        2 => Just(Step::Follow),
        1 => Just(Step::Restart),
    ]
}

/// Two catalogues that are asked the same.
struct Pair {
    model: MemoryCatalogue,
    subject: Option<RedbCatalogue>,
    clock: Clock,
    path: PathBuf,
    writes: VecDeque<Write>,
    followers: Vec<Follower>,
    /// Revisions from before a restart: the embedded catalogue has forgotten their history, and the model has not.
    forgotten: Revision,
}

#[derive(Clone, Debug)]
struct Write {
    key: usize,
    expected: Option<Revision>,
    value: Vec<u8>,
    ttl: Option<Duration>,
    operation: OperationId,
}

impl Pair {
    async fn new(path: PathBuf) -> Self {
        let clock = Clock::manual();
        let options = || CatalogueOptions { history: HISTORY, clock: clock.clone() };
        let model = MemoryCatalogue::new(options());
        let subject = Some(RedbCatalogue::open_with(&path, options()).unwrap());
        let mut pair = Self {
            model,
            subject,
            clock: clock.clone(),
            path,
            writes: VecDeque::new(),
            followers: vec![],
            forgotten: 0,
        };
        for prefix in PREFIXES {
            pair.followers.push(Follower::new(pair.subject(), prefix).await);
        }
        pair
    }

    fn subject(&self) -> &dyn Catalogue {
        self.subject.as_ref().unwrap()
    }

    async fn take(&mut self, step: &Step) -> [Result<String, ErrorKind>; 2] {
        match step {
            Step::Set { key, stale, value, seconds } => {
                let expected = self.revision(*key, *stale).await;
                let (value, ttl) = (value.clone(), seconds.map(Duration::from_secs));
                let write = Write { key: *key, expected, value, ttl, operation: OperationId::random() };
                self.writes.push_front(write.clone());
                self.writes.truncate(4);
                return self.both(async |catalogue| answer(catalogue, &write).await).await;
            }
            Step::Repeat { ago } => {
                let Some(write) = self.writes.get(*ago).cloned() else { return same() };
                return self.both(async |catalogue| answer(catalogue, &write).await).await;
            }
            Step::Renew { key, stale } => {
                let revision = self.revision(*key, *stale).await.unwrap_or(1);
                return self.both(async |catalogue| show(catalogue.renew(KEYS[*key], revision).await)).await;
            }
            Step::Delete { key, stale } => {
                let expected = self.revision(*key, *stale).await.unwrap_or(1);
                let operation = OperationId::random();
                return self
                    .both(async |catalogue| show(catalogue.delete(KEYS[*key], expected, operation).await))
                    .await;
            }
            Step::List { prefix } => {
                return self.both(async |catalogue| list(catalogue, PREFIXES[*prefix]).await).await;
            }
            Step::Watch { prefix, ago } => {
                let after = self.model.list("").await.unwrap().revision.saturating_sub(*ago).max(self.forgotten);
                return self.both(async |catalogue| first(catalogue, PREFIXES[*prefix], after).await).await;
            }
            Step::Advance { seconds } => {
                self.clock.advance(Duration::from_secs(*seconds));
                return self.both(async |catalogue| show(catalogue.renew("none", 1).await)).await;
            }
            Step::Follow => self.follow().await,
            Step::Restart => self.restart().await,
        }
        same()
    }

    /// The clock stands still meanwhile, but registrations begin anew: those of the model are renewed.
    async fn restart(&mut self) {
        self.follow().await;
        self.subject = None;
        let options = CatalogueOptions { history: HISTORY, clock: self.clock.clone() };
        self.subject = Some(RedbCatalogue::open_with(&self.path, options).unwrap());
        let listing = self.model.list("").await.unwrap();
        for record in &listing.records {
            let _ = self.model.renew(&record.key, record.revision).await;
        }
        self.forgotten = listing.revision;
        self.writes.clear();
        for index in 0..self.followers.len() {
            let mut follower = self.followers.remove(index);
            follower.begin(self.subject()).await;
            self.followers.insert(index, follower);
        }
    }

    async fn follow(&mut self) {
        for index in 0..self.followers.len() {
            let mut follower = self.followers.remove(index);
            follower.read(self.subject()).await;
            self.followers.insert(index, follower);
        }
    }

    async fn both(
        &self,
        ask: impl AsyncFn(&dyn Catalogue) -> Result<String, ErrorKind>,
    ) -> [Result<String, ErrorKind>; 2] {
        [ask(&self.model).await, ask(self.subject()).await]
    }

    async fn revision(&self, key: usize, stale: Option<u8>) -> Option<Revision> {
        match stale {
            Some(0) => None,
            Some(stale) => Some(u64::from(stale) % 16),
            None => self.model.get(KEYS[key]).await.unwrap().map(|record| record.revision),
        }
    }
}

/// What somebody knows who lists once and watches from there on.
struct Follower {
    prefix: &'static str,
    watch: Watch,
    known: BTreeMap<String, Record>,
    revision: Revision,
}

impl Follower {
    async fn new(catalogue: &dyn Catalogue, prefix: &'static str) -> Self {
        let watch = catalogue.watch(prefix, 0).await.unwrap();
        Self { prefix, watch, known: BTreeMap::new(), revision: 0 }
    }

    async fn begin(&mut self, catalogue: &dyn Catalogue) {
        let Listing { records, revision, .. } = catalogue.list(self.prefix).await.unwrap();
        assert!(revision >= self.revision);
        self.revision = revision;
        self.known = records.into_iter().map(|record| (record.key.clone(), record)).collect();
        self.watch = catalogue.watch(self.prefix, revision).await.unwrap();
    }

    /// Reads all there is, and compares it with what is there.
    async fn read(&mut self, catalogue: &dyn Catalogue) {
        while let Ok(changes) = tokio::time::timeout(Duration::ZERO, self.watch.next()).await {
            match changes.unwrap() {
                Changes::Compacted => self.begin(catalogue).await,
                Changes::Events(events) => events.into_iter().for_each(|event| self.learn(event)),
            }
        }
        let there = catalogue.list(self.prefix).await.unwrap().records;
        assert_eq!(self.known.values().cloned().collect::<Vec<_>>(), there);
    }

    fn learn(&mut self, event: Event) {
        assert!(event.revision() > self.revision, "{event:?} after {}", self.revision);
        assert!(event.key().starts_with(self.prefix), "{event:?}");
        self.revision = event.revision();
        match event {
            Event::Put(record) => drop(self.known.insert(record.key.clone(), record)),
            Event::Deleted { key, .. } => assert!(self.known.remove(&key).is_some(), "'{key}' was never there"),
        }
    }
}

fn same() -> [Result<String, ErrorKind>; 2] {
    [Ok(String::new()), Ok(String::new())]
}

/// An outcome as text that can be compared.
fn show<T: std::fmt::Debug>(answer: Result<T>) -> Result<String, ErrorKind> {
    answer.map(|value| format!("{value:?}")).map_err(|error| error.kind())
}

async fn answer(catalogue: &dyn Catalogue, write: &Write) -> Result<String, ErrorKind> {
    let Write { key, expected, value, ttl, operation } = write.clone();
    show(match ttl {
        None => catalogue.compare_and_set(KEYS[key], expected, value, operation).await,
        Some(ttl) => catalogue.register(KEYS[key], expected, value, ttl, operation).await,
    })
}

async fn list(catalogue: &dyn Catalogue, prefix: &str) -> Result<String, ErrorKind> {
    show(catalogue.list(prefix).await.map(|listing| (listing.records, listing.revision)))
}

async fn first(catalogue: &dyn Catalogue, prefix: &str, after: Revision) -> Result<String, ErrorKind> {
    let mut watch = catalogue.watch(prefix, after).await.unwrap();
    match tokio::time::timeout(Duration::ZERO, watch.next()).await {
        Ok(changes) => show(changes),
        Err(_) => Ok("nothing".to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut pair = runtime.block_on(Pair::new(folder.path().join("catalogue.redb")));
        for step in steps {
            let [expected, found] = runtime.block_on(pair.take(&step));
            prop_assert_eq!(found, expected, "{:?}", step);
        }
        runtime.block_on(pair.follow());
        let [expected, found] = runtime.block_on(pair.take(&Step::List { prefix: 0 }));
        prop_assert_eq!(found, expected);
    }
}
