//! Any sequence of requests, restarts and collections among them, leaves what a few maps say it should.

use std::collections::BTreeMap;

use haulier_model::{Digest, ErrorKind, Manifest, Version};
use haulier_store::{Durability, PublishRequest, Store, UnitState};
use proptest::prelude::*;

use crate::{Fixture, assert_whole, collect, request, root, send};

const NAMES: [&str; 2] = ["orders", "billing"];
const VERSIONS: [&str; 4] = ["1.0.0", "1.1.0", "2.0.0-rc.1", "3.0-SNAPSHOT"];
const CONTENTS: [&[u8]; 3] = [b"alpha", b"beta", &[1; 70_000]];

#[derive(Clone, Debug)]
enum Step {
    Publish { name: usize, version: usize, content: usize, replace: bool },
    UndeployOne { name: usize, version: usize },
    UndeployAll { name: usize },
    Remove,
    Collect,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (name, version) = (0..NAMES.len(), 0..VERSIONS.len());
    prop_oneof![
        8 => (name.clone(), version.clone(), 0..CONTENTS.len(), any::<bool>())
            .prop_map(|(name, version, content, replace)| Step::Publish { name, version, content, replace }),
        3 => (name.clone(), version).prop_map(|(name, version)| Step::UndeployOne { name, version }),
        1 => name.prop_map(|name| Step::UndeployAll { name }),
        2 => Just(Step::Remove),
        2 => Just(Step::Collect),
        2 => Just(Step::Restart),
    ]
}

/// What is deployed, and what is OBSOLETE and how often: by name and version.
#[derive(Default)]
struct Model {
    deployed: BTreeMap<(usize, usize), usize>,
    obsolete: BTreeMap<(usize, usize), usize>,
}

impl Model {
    fn publish(&mut self, key: (usize, usize), content: usize, replace: bool) -> Result<(), ErrorKind> {
        match self.deployed.get(&key) {
            Some(present) if *present == content => return Ok(()),
            Some(_) if !replace && !VERSIONS[key.1].ends_with("SNAPSHOT") => return Err(ErrorKind::Conflict),
            Some(_) => *self.obsolete.entry(key).or_default() += 1,
            None => {}
        }
        self.deployed.insert(key, content);
        Ok(())
    }

    fn undeploy(&mut self, meant: impl Fn(&(usize, usize)) -> bool) -> Result<(), ErrorKind> {
        let undeployed: Vec<_> = self.deployed.keys().copied().filter(&meant).collect();
        if undeployed.is_empty() && !self.obsolete.keys().any(meant) {
            return Err(ErrorKind::NotFound);
        }
        for key in undeployed {
            self.deployed.remove(&key);
            *self.obsolete.entry(key).or_default() += 1;
        }
        Ok(())
    }

    fn latest(&self, name: usize) -> Option<&'static str> {
        let deployed = |version: &usize| self.deployed.contains_key(&(name, *version));
        // Releases first, then pre-releases, each from the highest down.
        [1, 0, 3, 2].into_iter().find(deployed).map(|version| VERSIONS[version])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}

async fn run(steps: Vec<Step>) {
    let fixture = Fixture::new();
    let mut model = Model::default();
    let mut store = fixture.open_with(Durability::Process).await;
    for step in steps {
        let (found, expected) = match step {
            Step::Publish { name, version, content, replace } => {
                let manifest = send(&store, &[CONTENTS[content], b"shared"]);
                let request = PublishRequest { replace, ..request(NAMES[name], VERSIONS[version], manifest) };
                (store.publish(request).await.map(drop), model.publish((name, version), content, replace))
            }
            Step::UndeployOne { name, version } => {
                let reference = format!("{}:{}", NAMES[name], VERSIONS[version]).parse().unwrap();
                (store.undeploy(&reference, false).await.map(drop), model.undeploy(|key| *key == (name, version)))
            }
            Step::UndeployAll { name } => {
                let found = store.undeploy(&NAMES[name].parse().unwrap(), false).await.map(drop);
                (found, model.undeploy(|key| key.0 == name))
            }
            Step::Remove => {
                model.obsolete.clear();
                (remove_obsolete(&store).await, Ok(()))
            }
            Step::Collect => (collect(&store).await.map(drop), Ok(())),
            Step::Restart => {
                drop(store);
                model.obsolete.clear();
                store = fixture.open_with(Durability::Process).await;
                (Ok(()), Ok(()))
            }
        };
        assert_eq!(found.map_err(|error| error.kind()), expected, "{step:?}");
        compare(&store, &model).await;
    }
}

async fn remove_obsolete(store: &Store) -> haulier_model::Result<()> {
    for record in store.list(None).await? {
        if record.state == UnitState::Obsolete {
            store.remove(&record.id, record.generation).await?;
        }
    }
    Ok(())
}

async fn compare(store: &Store, model: &Model) {
    let key = |name: &str, version: &Version| {
        let position = |list: &[&str], text: &str| list.iter().position(|item| *item == text).unwrap();
        (position(&NAMES, name), position(&VERSIONS, version.as_str()))
    };
    let (mut deployed, mut obsolete) = (BTreeMap::new(), BTreeMap::new());
    for record in store.list(None).await.unwrap() {
        assert_whole(store, &record);
        let key = key(record.id.name.as_str(), &record.id.version);
        if record.state == UnitState::Obsolete {
            *obsolete.entry(key).or_default() += 1;
        } else {
            assert_eq!(deployed.insert(key, record.digest), None, "one generation is deployed");
        }
    }
    let digest = |content: &usize| {
        let root = root(&[CONTENTS[*content], b"shared"]).encode();
        Manifest { roots: vec![Digest::of(&root)] }.digest()
    };
    let expected: BTreeMap<_, _> = model.deployed.iter().map(|(key, content)| (*key, digest(content))).collect();
    assert_eq!(deployed, expected);
    assert_eq!(obsolete, model.obsolete);
    for (index, name) in NAMES.iter().enumerate() {
        let latest = store.resolve(&name.parse().unwrap()).await.ok();
        assert_eq!(latest.as_ref().map(|record| record.id.version.as_str()), model.latest(index));
    }
}
