//! The embedded catalogue answers any sequence of requests, restarts among them, as the model in memory does.

use haulier_catalogue::{Catalogue, MemoryCatalogue, OperationId, RedbCatalogue, Revision};
use haulier_model::{ErrorKind, Result};
use proptest::prelude::*;

const KEYS: [&str; 4] = ["units/a", "units/b", "units/bb", "nodes/a"];

#[derive(Clone, Debug)]
enum Step {
    /// Writes with the revision that is there, or with a stale one, under one of a few operation ids.
    Set {
        key: usize,
        stale: Option<u8>,
        value: Vec<u8>,
        operation: u8,
    },
    Delete {
        key: usize,
        stale: Option<u8>,
    },
    List {
        prefix: usize,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    let stale = || prop::option::weighted(0.3, any::<u8>());
    let value = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (key.clone(), stale(), value, 0..8_u8)
            .prop_map(|(key, stale, value, operation)| Step::Set { key, stale, value, operation }),
        3 => (key, stale()).prop_map(|(key, stale)| Step::Delete { key, stale }),
        1 => (0..4_usize).prop_map(|prefix| Step::List { prefix }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue.redb");
        let model = MemoryCatalogue::default();
        let mut subject = RedbCatalogue::open(&path).unwrap();
        for step in steps {
            if matches!(step, Step::Restart) {
                drop(subject);
                subject = RedbCatalogue::open(&path).unwrap();
                continue;
            }
            let expected = runtime.block_on(run(&model, &step));
            let found = runtime.block_on(run(&subject, &step));
            prop_assert_eq!(found, expected, "{:?}", step);
        }
        let everything = |catalogue: &dyn Catalogue| runtime.block_on(catalogue.list("")).unwrap();
        prop_assert_eq!(everything(&subject), everything(&model));
    }
}

/// The outcome of a step, as text that can be compared.
async fn run(catalogue: &dyn Catalogue, step: &Step) -> Result<String, ErrorKind> {
    let kind = |error: haulier_model::Error| error.kind();
    match step {
        Step::Set { key, stale, value, operation } => {
            let expected = revision(catalogue, *key, *stale).await;
            let operation = OperationId::from_bytes([*operation; 16]);
            let answer = catalogue.compare_and_set(KEYS[*key], expected, value.clone(), operation).await;
            answer.map(|revision| revision.to_string()).map_err(kind)
        }
        Step::Delete { key, stale } => {
            let expected = revision(catalogue, *key, *stale).await.unwrap_or(1);
            catalogue.delete(KEYS[*key], expected, OperationId::random()).await.map(|()| String::new()).map_err(kind)
        }
        Step::List { prefix } => {
            let prefix = ["", "units/", "units/b", "none"][*prefix];
            catalogue.list(prefix).await.map(|records| format!("{records:?}")).map_err(kind)
        }
        Step::Restart => unreachable!("done by the caller"),
    }
}

async fn revision(catalogue: &dyn Catalogue, key: usize, stale: Option<u8>) -> Option<Revision> {
    match stale {
        Some(0) => None,
        Some(stale) => Some(u64::from(stale) % 16),
        None => catalogue.get(KEYS[key]).await.unwrap().map(|record| record.revision),
    }
}
