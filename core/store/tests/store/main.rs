//! The store from outside: content, units, damage, full disks.

mod assembly;
mod content;
mod damage;
mod full_catalogue;
mod full_disk;
mod heads;
mod members;
mod model;
mod originals;
mod travel;
mod units;

use std::{collections::HashSet, path::Path, sync::Arc};

use haulier_catalogue::{Catalogue, MemoryCatalogue};
use haulier_model::{Digest, Entry, EntryPath, Manifest, Result, Root, RootKind};
use haulier_store::{Collected, CollectionRules, Durability, PublishRequest, Store, UnitRecord};

/// A folder with a store whose catalogue outlives it.
struct Fixture {
    folder: tempfile::TempDir,
    catalogue: Arc<dyn Catalogue>,
}

impl Fixture {
    fn new() -> Self {
        Self::with_catalogue(Arc::new(MemoryCatalogue::default()))
    }

    fn with_catalogue(catalogue: Arc<dyn Catalogue>) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), catalogue }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn open(&self) -> Store {
        self.open_with(Durability::Machine).await
    }

    async fn open_with(&self, durability: Durability) -> Store {
        Store::open(self.path(), self.catalogue.clone(), durability).await.unwrap()
    }

    /// How many files are in a folder of the store.
    fn count(&self, folder: &str) -> usize {
        std::fs::read_dir(self.path().join(folder)).unwrap().count()
    }
}

/// A root with one entry for each content.
fn root(contents: &[&[u8]]) -> Root {
    let entry = |(index, bytes): (usize, &&[u8])| Entry {
        path: EntryPath::new(&format!("entry-{index}")).unwrap(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        executable: false,
    };
    Root { kind: RootKind::Jvm, original: None, entries: contents.iter().enumerate().map(entry).collect() }
}

/// Records as they travel.
fn pack(contents: &[&[u8]]) -> Vec<u8> {
    let record = |bytes: &&[u8]| [Digest::of(bytes).as_ref(), &(bytes.len() as u64).to_le_bytes(), bytes].concat();
    contents.iter().flat_map(record).collect()
}

/// Receives a unit's root and entries, and returns its manifest.
fn send(store: &Store, contents: &[&[u8]]) -> Manifest {
    let root = root(contents).encode();
    let mut receiver = store.receive().unwrap();
    receiver.write(&pack(&[&[root.as_slice()], contents].concat())).unwrap();
    receiver.finish(false).unwrap();
    Manifest { roots: vec![Digest::of(&root)] }
}

/// `""` as the version: the next revision.
fn request(name: &str, version: &str, manifest: Manifest) -> PublishRequest {
    PublishRequest {
        name: name.parse().unwrap(),
        version: (!version.is_empty()).then(|| version.parse().unwrap()),
        sources: manifest.roots.iter().map(|_| "a.jar".to_owned()).collect(),
        manifest,
        origins: Vec::new(),
        replace: false,
        replaces_only_its_own: false,
        deployed_by: "unverified:test".to_owned(),
    }
}

async fn deploy(store: &Store, name: &str, version: &str, contents: &[&[u8]]) -> Result<UnitRecord> {
    let manifest = send(store, contents);
    store.publish(request(name, version, manifest)).await
}

/// Collects what no unit and no lease names.
async fn collect(store: &Store) -> Result<Collected> {
    store.collect(CollectionRules::default(), |_| HashSet::new()).await
}

/// Reads all that a unit is made of, and checks it.
fn assert_whole(store: &Store, record: &UnitRecord) {
    let roots = store.roots(&store.manifest(&record.digest).unwrap()).unwrap();
    for entry in roots.iter().flat_map(|root| &root.entries) {
        let bytes = store.read(&entry.digest).unwrap();
        assert_eq!(Digest::of(&bytes), entry.digest);
        let location = store.locate(&entry.digest).unwrap();
        let file = std::fs::read(&location.pack).unwrap();
        assert_eq!(&file[location.offset as usize..][..location.size as usize], &*bytes);
    }
}
