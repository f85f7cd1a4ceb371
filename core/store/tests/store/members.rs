//! Stores that share one catalogue: each has what it has, and none takes old bytes for new ones.

use haulier_model::{ErrorKind, UnitReference};
use haulier_store::{Durability, PublishRequest, Store, UnitRecord, UnitState};

use crate::{Fixture, assert_whole, collect, deploy, request, send};

/// Two members of one cluster: the folders, and the store of the one that owns the catalogue.
async fn two() -> (Fixture, Store, Fixture) {
    let one = Fixture::new();
    let two = Fixture::with_catalogue(one.catalogue.clone());
    let store = one.open().await;
    (one, store, two)
}

async fn join(fixture: &Fixture) -> Store {
    Store::open_member(fixture.path(), fixture.catalogue.clone(), Durability::Machine).await.unwrap()
}

/// Brings all of a unit from one store to another.
fn copy(from: &Store, to: &Store, unit: &UnitRecord) {
    loop {
        let missing = to.missing_of_unit(&unit.digest).unwrap();
        if missing.is_empty() {
            return to.settle(&unit.digest).unwrap();
        }
        let mut receiver = to.receive_wanted(missing.iter().copied()).unwrap();
        from.pack(missing).for_each(|chunk| receiver.write(&chunk.unwrap()).unwrap());
        receiver.finish(false).unwrap();
    }
}

fn orders() -> UnitReference {
    "orders:1.0".parse().unwrap()
}

#[tokio::test]
async fn a_unit_that_is_elsewhere_resolves_and_is_not_held() {
    let (_one, owner, two) = two().await;
    let unit = deploy(&owner, "orders", "1.0", &[b"one", b"two"]).await.unwrap();
    let other = deploy(&owner, "billing", "1.0", &[b"three"]).await.unwrap();
    let member = join(&two).await;
    assert_eq!(member.resolve(&orders()).await.unwrap(), unit);
    assert_eq!(member.list(None).await.unwrap().len(), 2);
    assert!(owner.holds(&unit.digest) && !member.holds(&unit.digest));
    assert_eq!(member.missing_of_unit(&unit.digest).unwrap(), [unit.digest]);
    assert_eq!(member.lease_unit(&unit.digest).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(member.held_units().await.unwrap(), []);
    copy(&owner, &member, &unit);
    assert!(member.holds(&unit.digest));
    assert_eq!(member.held_units().await.unwrap(), [unit.digest]);
    assert_eq!(owner.held_units().await.unwrap(), [other.digest, unit.digest]);
    assert_whole(&member, &unit);
}

#[tokio::test]
async fn a_unit_replaced_while_a_member_is_away_never_resolves_to_its_old_bytes() {
    let (_one, owner, two) = two().await;
    let old = deploy(&owner, "orders", "1.0", &[b"old"]).await.unwrap();
    let member = join(&two).await;
    copy(&owner, &member, &old);
    assert_eq!(member.resolve(&orders()).await.unwrap(), old);
    drop(member);

    let manifest = send(&owner, &[b"new"]);
    let new = owner.publish(PublishRequest { replace: true, ..request("orders", "1.0", manifest) }).await.unwrap();
    let member = join(&two).await;
    assert_eq!(member.resolve(&orders()).await.unwrap(), new);
    assert!(member.holds(&old.digest) && !member.holds(&new.digest));
    assert_eq!(member.held_units().await.unwrap(), [], "what it has is not deployed any more");
    let by_digest = format!("orders@{}", old.digest).parse().unwrap();
    assert_eq!(member.resolve(&by_digest).await.unwrap_err().kind(), ErrorKind::Conflict, "OBSOLETE");
    copy(&owner, &member, &new);
    assert_eq!(member.held_units().await.unwrap(), [new.digest]);

    // Also while it runs, with the old record in its cache of heads.
    let manifest = send(&owner, &[b"newest"]);
    let newest = owner.publish(PublishRequest { replace: true, ..request("orders", "1.0", manifest) }).await.unwrap();
    assert_eq!(member.resolve(&orders()).await.unwrap(), newest);
    owner.undeploy(&orders(), false).await.unwrap();
    assert_eq!(member.resolve(&orders()).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn records_of_undeployed_units_are_left_by_who_joins() {
    let (one, owner, two) = two().await;
    let unit = deploy(&owner, "orders", "1.0", &[b"x"]).await.unwrap();
    let member = join(&two).await;
    copy(&owner, &member, &unit);
    let lease = member.lease_unit(&unit.digest).unwrap();
    owner.undeploy(&orders(), false).await.unwrap();

    let third = Fixture::with_catalogue(one.catalogue.clone());
    let listed = join(&third).await.list(None).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.state).collect::<Vec<_>>(), [UnitState::Obsolete]);

    // The node that owns the catalogue starts again and forgets the record; who uses the unit keeps it.
    drop(owner);
    assert_eq!(one.open().await.list(None).await.unwrap(), []);
    assert_eq!(collect(&member).await.unwrap().packs, 0);
    assert!(member.holds(&unit.digest));
    assert_whole(&member, &unit);
    drop(lease);
    assert_eq!(collect(&member).await.unwrap().packs, 3);
    assert!(!member.holds(&unit.digest));
}

#[tokio::test]
async fn what_is_held_follows_collections_and_late_content() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let unit = deploy(&store, "orders", "1.0", &[b"one"]).await.unwrap();
    let other = deploy(&store, "billing", "1.0", &[b"two"]).await.unwrap();
    assert!(store.holds(&unit.digest) && store.holds(&other.digest));
    let undeployed = store.undeploy(&orders(), false).await.unwrap();
    store.remove(&undeployed[0].id, undeployed[0].generation).await.unwrap();
    assert!(store.holds(&unit.digest), "until it is collected");
    collect(&store).await.unwrap();
    assert!(!store.holds(&unit.digest) && store.holds(&other.digest));
    assert_eq!(store.held_units().await.unwrap(), [other.digest]);
    send(&store, &[b"one"]);
    assert!(!store.holds(&unit.digest), "its manifest is not here");
    store
        .put(
            &haulier_model::Manifest { roots: vec![haulier_model::Digest::of(&crate::root(&[b"one"]).encode())] }
                .encode(),
        )
        .unwrap();
    assert!(store.holds(&unit.digest));
}
