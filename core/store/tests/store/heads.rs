//! Records of units that are damaged, or of somebody else: an error that says so, never a panic, never a wrong unit.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_catalogue::{Catalogue, MemoryCatalogue, OperationId};
use haulier_model::ErrorKind;

use crate::{Fixture, deploy};

#[path = "../../../pack/tests/hostile/mutation.rs"]
mod mutation;

/// Heads as they are written, with everything that they may have.
async fn written() -> Vec<Vec<u8>> {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    deploy(&store, "orders", "1.0", &[b"one"]).await.unwrap();
    deploy(&store, "orders", "1.1-rc.1", &[b"two"]).await.unwrap();
    store.set_alias(&"orders".parse().unwrap(), &"stable".parse().unwrap(), &"1.0".parse().unwrap()).await.unwrap();
    for content in [b"a", b"b"] {
        deploy(&store, "counted", "", &[content]).await.unwrap();
    }
    store.undeploy(&"counted:0.0.1".parse().unwrap(), false).await.unwrap();
    let records = fixture.catalogue.list("units/").await.unwrap().records;
    records.into_iter().map(|record| record.value.to_vec()).collect()
}

#[tokio::test]
async fn damaged_heads_are_refused_or_read_as_they_are() {
    let corpus = written().await;
    assert_eq!(corpus.len(), 2);
    let time = Duration::from_secs(if std::env::var_os("HAULIER_SOAK").is_some() { 60 } else { 2 });
    let mut mutation = mutation::Mutation::new(0x6865_6164_7321);
    let (begun, mut inputs, mut read) = (Instant::now(), 0, 0);
    while begun.elapsed() < time {
        let (input, catalogue) = (mutation.of(&corpus), Arc::new(MemoryCatalogue::default()));
        inputs += 1;
        catalogue.compare_and_set("units/orders", None, input.clone(), OperationId::random()).await.unwrap();
        let fixture = Fixture::with_catalogue(catalogue);
        let Ok(store) = haulier_store::Store::open_member(
            fixture.path(),
            fixture.catalogue.clone(),
            haulier_store::Durability::Process,
        )
        .await
        else {
            continue;
        };
        let shown = input.escape_ascii();
        match store.list(None).await {
            Ok(records) => {
                read += 1;
                for record in records {
                    assert!(!record.id.to_string().is_empty() && !store.holds(&record.digest), "{shown}");
                    if let Ok(reference) = record.id.to_string().parse() {
                        let _ = store.resolve(&reference).await;
                    }
                }
                let _ = store.next_version(&"orders".parse().unwrap()).await;
                let _ = store.undeploy(&"orders".parse().unwrap(), false).await;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}: {shown}");
                assert!(!error.hint_text().is_empty() && error.to_string().contains("orders"), "{error}");
            }
        }
    }
    println!("{inputs} heads, {read} of them readable");
    assert!(inputs > 20 && read > 0 && read < inputs);
}
