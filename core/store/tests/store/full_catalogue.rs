//! The catalogue is on the full or read-only disk, too: every change fails with a clear error or is done, and after a
//! start with space again all is whole and what was acknowledged is there.
//!
//! As in [`crate::full_disk`], the test runs itself again on a small file system of its own, where a user may mount one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::Command,
    sync::Arc,
};

use haulier_catalogue::{MAX_VALUE_SIZE, RedbCatalogue};
use haulier_model::{ErrorKind, Result, Version};
use haulier_store::{Durability, PublishRequest, Store, UnitRecord, UnitState};

use crate::{assert_whole, collect, deploy, full_disk, request};

#[test]
fn every_change_on_a_full_disk() {
    full_disk::on_small_disk("full_catalogue::every_change_on_a_full_disk", "8m", |folder| changes(folder, &Full));
}

#[test]
fn every_change_on_a_disk_that_cannot_be_written() {
    full_disk::on_small_disk("full_catalogue::every_change_on_a_disk_that_cannot_be_written", "8m", |folder| {
        changes(folder, &ReadOnly);
    });
}

/// What is wrong with the disk, and how it is mended.
trait Fault {
    fn begin(&self, folder: &Path, left: u64);
    fn end(&self, folder: &Path);
    fn kinds(&self) -> &[ErrorKind];
}

struct Full;

impl Fault for Full {
    /// Fills the disk but for `left` bytes.
    fn begin(&self, folder: &Path, left: u64) {
        let mut ballast = File::create(folder.join("ballast")).unwrap();
        let mut size = 0;
        while let Ok(length) = ballast.write(&[1; 4096]) {
            size += length as u64;
        }
        ballast.set_len(size.saturating_sub(left)).unwrap();
    }

    fn end(&self, folder: &Path) {
        fs::remove_file(folder.join("ballast")).unwrap();
    }

    fn kinds(&self) -> &[ErrorKind] {
        // The second is the catalogue's, which must be opened anew after a failed write.
        &[ErrorKind::ResourceExhausted, ErrorKind::Unavailable]
    }
}

struct ReadOnly;

impl Fault for ReadOnly {
    /// Puts each folder of the store over itself, read-only. What is open stays open: the catalogue can be written.
    fn begin(&self, folder: &Path, _left: u64) {
        for below in Self::FOLDERS {
            let path = folder.join(below);
            mount("mount", &["--bind".as_ref(), path.as_ref(), path.as_ref()]);
            mount("mount", &["-o".as_ref(), "remount,bind,ro".as_ref(), path.as_ref()]);
        }
    }

    fn end(&self, folder: &Path) {
        for below in Self::FOLDERS {
            mount("umount", &[folder.join(below).as_ref()]);
        }
    }

    fn kinds(&self) -> &[ErrorKind] {
        &[ErrorKind::PermissionDenied]
    }
}

impl ReadOnly {
    const FOLDERS: [&str; 2] = ["store/incoming", "store/packs"];
}

fn mount(program: &str, arguments: &[&OsStr]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program} {arguments:?}");
}

async fn open(folder: &Path) -> Store {
    let catalogue = RedbCatalogue::open(&folder.join("catalogue.redb")).unwrap();
    Store::open(&folder.join("store"), Arc::new(catalogue), Durability::Machine).await.unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn changes(folder: &Path, fault: &dyn Fault) {
    let mut expected: Option<Vec<UnitRecord>> = None;
    for left in [0, 4 << 10, 64 << 10, 400 << 10] {
        for change in 0..7 {
            let store = open(folder).await;
            if let Some(expected) = &expected {
                assert_eq!(&listed(&store).await, expected, "after {change} with {left} bytes left");
            }
            prepare(&store).await;
            let before = listed(&store).await;
            fault.begin(folder, left);
            let done = make(&store, change).await;
            let after = listed(&store).await;
            match &done {
                Ok(()) => {}
                Err(error) => {
                    assert!(fault.kinds().contains(&error.kind()), "{change}: {error}");
                    assert!(!error.hint_text().is_empty(), "{error}");
                    assert_eq!(after, before, "{change} failed and did something: {error}");
                }
            }
            for record in &after {
                assert_whole(&store, record);
            }
            fault.end(folder);
            expected = Some(after.into_iter().filter(|record| record.state == UnitState::Deployed).collect());
            drop(store);
            // What was being written when the disk was full may be there until this start, and is gone after it.
            drop(open(folder).await);
            assert_eq!(fs::read_dir(folder.join("store/incoming")).unwrap().count(), 0);
            assert_eq!(fs::read_dir(folder.join("store/damaged")).unwrap().count(), 0);
        }
    }
}

/// The same units before each change.
async fn prepare(store: &Store) {
    for name in ["orders", "large"] {
        for record in store.undeploy(&name.parse().unwrap(), true).await.unwrap_or_default() {
            store.remove(&record.id, record.generation).await.unwrap();
        }
    }
    deploy(store, "orders", "1.0", &[b"one"]).await.unwrap();
    deploy(store, "orders", "2.0", &[b"two"]).await.unwrap();
    store.set_alias(&"orders".parse().unwrap(), &version("stable"), &version("1.0")).await.unwrap();
}

async fn make(store: &Store, change: usize) -> Result<()> {
    let name = "orders".parse().unwrap();
    match change {
        0 => store.set_alias(&name, &version("stable"), &version("2.0")).await.map(drop),
        1 => store.undeploy(&"orders:1.0".parse().unwrap(), true).await.map(drop),
        2 => send_much(store),
        3 => collect(store).await.map(drop),
        4 => store.remove_alias(&name, &version("stable")).await.map(drop),
        // A large record, for which the catalogue's file grows.
        5 => {
            let manifest = send_small(store)?;
            let deployed_by = "x".repeat(MAX_VALUE_SIZE / 2);
            store.publish(PublishRequest { deployed_by, ..request("large", "1.0", manifest) }).await.map(drop)
        }
        _ => {
            let manifest = send_small(store)?;
            store.publish(PublishRequest { replace: true, ..request("orders", "2.0", manifest) }).await.map(drop)
        }
    }
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// Sends more than there is place for.
fn send_much(store: &Store) -> Result<()> {
    for number in 0..500_u32 {
        let content: Vec<u8> = (0..20_000_u32).map(|index| (index.wrapping_mul(number + 7) >> 3) as u8).collect();
        let mut receiver = store.receive()?;
        receiver.write(&crate::pack(&[&content]))?;
        receiver.finish(false)?;
    }
    panic!("the disk has taken more than it has");
}

fn send_small(store: &Store) -> Result<haulier_model::Manifest> {
    let root = crate::root(&[b"three"]).encode();
    let mut receiver = store.receive()?;
    receiver.write(&crate::pack(&[&root, b"three"]))?;
    receiver.finish(false)?;
    Ok(haulier_model::Manifest { roots: vec![haulier_model::Digest::of(&root)] })
}

async fn listed(store: &Store) -> Vec<UnitRecord> {
    store.list(None).await.unwrap()
}
