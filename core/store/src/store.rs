//! The store itself: opening, and content by digest.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use haulier_catalogue::Catalogue;
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Retry, Root};
use haulier_pack::Limits;

use crate::{
    Assembly, Lease, Location, Receiver, StoredBytes,
    chunking::Chunking,
    disk::{self, Folders},
    index::Index,
    lease::Leases,
    pack_file::{self, Pack, PackWriter},
    units::HeadCache,
};

/// The most entries of all roots of a manifest. All are in memory at once, and a short manifest may name a large root
/// very often.
const MOST_ENTRIES: usize = 2_000_000;

/// What acknowledged content and units survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A crash of the machine: content is synced before a unit names it.
    #[default]
    Machine,
    /// A crash of the process only; nothing waits for the disk. For benchmarks and throw-away nodes.
    Process,
}

/// Content by digest, and units. Clones share one store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) folders: Folders,
    pub(crate) index: Index,
    pub(crate) leases: Arc<Leases>,
    pub(crate) catalogue: Arc<dyn Catalogue>,
    pub(crate) heads: HeadCache,
    pub(crate) chunking: Chunking,
    /// Held by the collection that runs.
    pub(crate) collecting: Arc<tokio::sync::Mutex<()>>,
    durability: Durability,
}

impl Store {
    /// Opens the store in `folder`, or creates it: `packs` has the content, `incoming` what is being received (emptied
    /// here), `damaged` what failed a check. Reads the index of every pack; packs that may not have reached the disk
    /// before a crash are verified in full. Records of units that were undeployed are removed from the catalogue.
    ///
    /// Errors: `Conflict` if another process uses the folder, those of the disk, and those of the catalogue.
    pub async fn open(folder: &Path, catalogue: Arc<dyn Catalogue>, durability: Durability) -> Result<Self> {
        let store = Self::open_member(folder, catalogue, durability).await?;
        store.remove_obsolete().await?;
        Ok(store)
    }

    /// Opens the store of a node that shares the catalogue with nodes that run already: as [`Store::open`], but the
    /// records of undeployed units are left to those who may still use them.
    pub async fn open_member(folder: &Path, catalogue: Arc<dyn Catalogue>, durability: Durability) -> Result<Self> {
        let folder = folder.to_owned();
        let opened = blocking("open the store", move || Self::load(&folder, catalogue, durability)).await?;
        let (store, damaged) = opened;
        if damaged {
            store.report_incomplete().await?;
        }
        Ok(store)
    }

    /// The store, and whether a pack was damaged.
    fn load(folder: &Path, catalogue: Arc<dyn Catalogue>, durability: Durability) -> Result<(Self, bool)> {
        let folders = Folders::open(folder)?;
        let inner = Inner {
            folders,
            index: Index::default(),
            leases: Arc::default(),
            catalogue,
            heads: HeadCache::default(),
            chunking: Chunking::default(),
            collecting: Arc::default(),
            durability,
        };
        let store = Self { inner: Arc::new(inner) };
        let (packs, damaged) = store.load_packs()?;
        store.sync(&packs)?;
        Ok((store, damaged))
    }

    fn load_packs(&self) -> Result<(Vec<Arc<Pack>>, bool)> {
        let Inner { folders, index, .. } = &*self.inner;
        let (mut packs, mut damaged) = (Vec::new(), false);
        for path in
            pack_paths(&folders.packs).map_err(|error| disk::explain("open the store", &folders.packs, error))?
        {
            match Pack::open(&path) {
                Ok((pack, extents)) => packs.push(index.add(pack, &extents)),
                Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                    folders.set_aside(&path, &error.to_string());
                    damaged = true;
                }
                Err(error) => return Err(disk::explain("open the store", &path, error)),
            }
        }
        Ok((packs, damaged))
    }

    /// Whether the content is there. A hash look-up.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.inner.index.contains(digest)
    }

    /// Those of `digests` that are not there, each once, in their order.
    pub fn missing(&self, digests: impl Iterator<Item = Digest>) -> Vec<Digest> {
        self.inner.index.missing(digests)
    }

    /// Where a worker maps the content from. A hash look-up. The file stays while a unit or a lease names the content.
    pub fn locate(&self, digest: &Digest) -> Option<Location> {
        self.inner.index.locate(digest)
    }

    /// The bytes of a content, mapped; `NotFound` if it is not there. Blocks for a page fault at most.
    pub fn read(&self, digest: &Digest) -> Result<StoredBytes> {
        self.inner.index.read(digest)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "read content", format!("{digest} is not in this node's store"))
                .hint("deploy it again, or submit again")
        })
    }

    /// Begins to receive a pack, within the default limits.
    pub fn receive(&self) -> Result<Receiver> {
        self.receive_within(&Limits::default())
    }

    /// Begins to receive a pack that may hold what `limits` allows.
    pub fn receive_within(&self, limits: &Limits) -> Result<Receiver> {
        Ok(Receiver::new(self.clone(), limits, None))
    }

    /// Begins to receive a pack, within the default limits, that may hold `wanted` only, each once and in any order.
    pub fn receive_wanted(&self, wanted: impl IntoIterator<Item = Digest>) -> Result<Receiver> {
        Ok(Receiver::new(self.clone(), &Limits::default(), Some(wanted.into_iter().collect())))
    }

    /// Begins to receive a pack, within the default limits, that ends with the chunks which `assembly` lacks.
    pub fn receive_assembly(&self, assembly: Assembly) -> Result<Receiver> {
        let limits = Limits::default();
        let limits = Limits { entries: limits.entries + assembly.missing().len(), ..limits };
        Ok(Receiver::new(self.clone(), &limits, None).with_assembly(assembly))
    }

    /// Stores one small content, such as a late entry, and returns its digest. Blocks for a short write to the page
    /// cache; each call makes a file, so many contents are better received as a pack.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        self.put_all(&[bytes]).map(|digests| digests[0])
    }

    /// Stores contents in one file; the digests have the same order.
    pub(crate) fn put_all(&self, contents: &[&[u8]]) -> Result<Vec<Digest>> {
        let digests: Vec<Digest> = contents.iter().map(|bytes| Digest::of(bytes)).collect();
        let mut writer = None;
        for (bytes, digest) in contents.iter().zip(&digests) {
            if self.contains(digest) || writer.as_ref().is_some_and(|writer: &PackWriter| writer.contains(digest)) {
                continue;
            }
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(self.begin_pack()?),
            };
            writer.append(bytes).map_err(|error| disk::explain("store content", writer.path(), error))?;
            writer.end(*digest);
        }
        if let Some(writer) = writer {
            self.seal(writer)?;
        }
        Ok(digests)
    }

    /// Keeps contents from being collected, whether they are there yet or not. To rely on what is there: lease first,
    /// then ask [`Store::missing`].
    pub fn lease(&self, digests: impl IntoIterator<Item = Digest>) -> Lease {
        self.inner.leases.lease(digests)
    }

    /// The manifest of that digest; `NotFound` if it is not there. Reads and verifies it.
    pub fn manifest(&self, digest: &Digest) -> Result<Manifest> {
        Manifest::decode(&self.read_verified(digest)?)
    }

    /// The roots of a manifest, in order; `NotFound` names one that is not there, `ResourceExhausted` says that they have
    /// more than two million entries together. Decodes them, about 1 ms for 10,000 entries.
    pub fn roots(&self, manifest: &Manifest) -> Result<Vec<Root>> {
        let (mut roots, mut entries) = (Vec::new(), 0);
        for digest in &manifest.roots {
            let root = self.root(digest)?;
            entries += root.entries.len();
            if entries > MOST_ENTRIES {
                let message = format!("its roots have more than {MOST_ENTRIES} entries");
                return Err(Error::new(ErrorKind::ResourceExhausted, "read a manifest", message)
                    .with_retry(Retry::Never)
                    .hint("leave out what the code does not need"));
            }
            roots.push(root);
        }
        Ok(roots)
    }

    pub(crate) fn root(&self, digest: &Digest) -> Result<Root> {
        Root::decode(&self.read_verified(digest)?)
    }

    /// Structure decides where bytes are looked for, so it is hashed again each time it is read.
    fn read_verified(&self, digest: &Digest) -> Result<StoredBytes> {
        let bytes = self.read(digest)?;
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(bytes);
        }
        tracing::error!(%digest, %found, "the disk gave other bytes than were written");
        Err(Error::new(ErrorKind::Unavailable, "read content", format!("the disk gave {found} instead of {digest}"))
            .with_retry(Retry::Never)
            .hint("check the node's disk; then restart the node and deploy again"))
    }

    pub(crate) fn begin_pack(&self) -> Result<PackWriter> {
        let incoming = &self.inner.folders.incoming;
        PackWriter::create(incoming).map_err(|error| disk::explain("store content", incoming, error))
    }

    /// Puts a pack into place and makes its contents known.
    pub(crate) fn seal(&self, writer: PackWriter) -> Result<Option<Arc<Pack>>> {
        let path = writer.path().to_owned();
        let sealed =
            writer.seal(&self.inner.folders.packs).map_err(|error| disk::explain("store content", &path, error))?;
        Ok(sealed.map(|(pack, extents)| self.inner.index.add(pack, &extents)))
    }

    /// Whether what is acknowledged must be on disk.
    pub(crate) fn syncs(&self) -> bool {
        self.inner.durability == Durability::Machine
    }

    /// Returns once the packs are on disk. A pack that could not be synced is given up: the system may have dropped
    /// its bytes, and a second attempt would succeed without them.
    pub(crate) fn sync(&self, packs: &[Arc<Pack>]) -> Result<()> {
        let Inner { folders, index, .. } = &*self.inner;
        if !self.syncs() {
            return Ok(());
        }
        pack_file::sync(packs, &folders.packs).map_err(|(pack, error)| {
            let path = pack.as_ref().map_or_else(|| folders.packs.clone(), |pack| pack.path.clone());
            if let Some(pack) = pack {
                let contents = index.contents_of(&pack);
                index.forget(vec![(pack, contents)], |_| false);
            }
            disk::explain("sync content", &path, error)
        })
    }
}

fn pack_paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            paths.push(path);
        }
    }
    // Which pack has a content that is in two of them must not depend on the file system.
    paths.sort();
    Ok(paths)
}

/// Runs `work` where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(Error::internal(operation, error.to_string())),
        Err(error) => Err(Error::new(ErrorKind::Closed, operation, "the node is stopping").with_source(error)),
    }
}
