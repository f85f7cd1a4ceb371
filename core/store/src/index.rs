//! Where each content is: all digests in memory, looked up by every task that starts.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
    fs::File,
    ops::Deref,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
};

use haulier_model::{Digest, Result};
use memmap2::Mmap;
use parking_lot::RwLock;

use crate::{
    disk,
    pack_file::{Extent, Pack},
};

/// Packs below this size are read, not mapped: there may be more of them than a process may have mappings.
const MAPPED_FROM: u64 = 64 << 10;

/// Where a worker finds a content: a range of a file that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, to be opened for reading.
    pub pack: Arc<Path>,
    /// The first byte.
    pub offset: u64,
    /// The number of bytes.
    pub size: u64,
}

/// The bytes of a content. They stay valid for as long as this value lives, also when the content is collected.
pub struct StoredBytes(Source);

enum Source {
    Mapped { mapping: Arc<Mmap>, extent: Extent },
    Read(Vec<u8>),
}

impl Deref for StoredBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Mapped { mapping, extent } => &mapping[extent.range()],
            Source::Read(bytes) => bytes,
        }
    }
}

impl fmt::Debug for StoredBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredBytes({} bytes)", self.len())
    }
}

#[derive(Clone)]
struct Slot {
    pack: Arc<Pack>,
    offset: u64,
    size: u64,
}

/// All contents, each in one pack.
#[derive(Default)]
pub(crate) struct Index(RwLock<State>);

#[derive(Default)]
struct State {
    slots: HashMap<Digest, Slot>,
    packs: HashMap<Arc<Path>, Arc<Pack>>,
    /// Units found whole since the last loss.
    whole: HashSet<Digest>,
    /// How often content was forgotten.
    losses: u64,
}

/// Contents of a pack that nobody names.
#[derive(Default)]
struct Dead {
    digests: Vec<Digest>,
    bytes: u64,
}

/// A pack, and those of its contents that are found in it.
pub(crate) type PackContents = (Arc<Pack>, Vec<Digest>);

impl Index {
    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.0.read().slots.contains_key(digest)
    }

    pub(crate) fn missing(&self, digests: impl Iterator<Item = Digest>) -> Vec<Digest> {
        let mut seen = HashSet::new();
        let state = self.0.read();
        digests.filter(|digest| !state.slots.contains_key(digest) && seen.insert(*digest)).collect()
    }

    pub(crate) fn locate(&self, digest: &Digest) -> Option<Location> {
        let state = self.0.read();
        let slot = state.slots.get(digest)?;
        Some(Location { pack: slot.pack.path.clone(), offset: slot.offset, size: slot.size })
    }

    pub(crate) fn size_of(&self, digest: &Digest) -> Option<u64> {
        self.0.read().slots.get(digest).map(|slot| slot.size)
    }

    pub(crate) fn pack_of(&self, digest: &Digest) -> Option<Arc<Pack>> {
        self.0.read().slots.get(digest).map(|slot| slot.pack.clone())
    }

    /// The bytes of a content; `None` if it is not there.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Option<StoredBytes>> {
        let slot = self.0.read().slots.get(digest).cloned();
        let Some(Slot { pack, offset, size }) = slot else { return Ok(None) };
        if pack.size() >= MAPPED_FROM {
            let extent = Extent { digest: *digest, offset, size };
            return Ok(Some(StoredBytes(Source::Mapped { mapping: pack.mapping()?, extent })));
        }
        let mut bytes = vec![0; size as usize];
        let read = File::open(&pack.path).and_then(|file| file.read_exact_at(&mut bytes, offset));
        read.map_err(|error| disk::explain("read content", &pack.path, error))?;
        Ok(Some(StoredBytes(Source::Read(bytes))))
    }

    /// Makes the contents of a pack known. One that is known already stays where it is.
    pub(crate) fn add(&self, pack: Pack, extents: &[Extent]) -> Arc<Pack> {
        let pack = Arc::new(pack);
        let mut state = self.0.write();
        state.slots.reserve(extents.len());
        for extent in extents {
            if let Entry::Vacant(entry) = state.slots.entry(extent.digest) {
                entry.insert(Slot { pack: pack.clone(), offset: extent.offset, size: extent.size });
            }
        }
        state.packs.insert(pack.path.clone(), pack.clone());
        pack
    }

    /// The packs none of whose contents are `live`, and the bytes of contents that are not, in the other packs.
    pub(crate) fn packs_without(&self, live: impl Fn(&Digest) -> bool) -> (Vec<PackContents>, u64) {
        let state = self.0.read();
        let mut used = HashSet::new();
        let mut dead: HashMap<&Arc<Path>, Dead> = HashMap::new();
        for (digest, slot) in &state.slots {
            if live(digest) {
                used.insert(&slot.pack.path);
            } else {
                let dead = dead.entry(&slot.pack.path).or_default();
                dead.bytes += slot.size;
                dead.digests.push(*digest);
            }
        }
        let held = dead.iter().filter(|(path, _)| used.contains(*path)).map(|(_, dead)| dead.bytes).sum();
        let unused = state.packs.iter().filter(|(path, _)| !used.contains(path));
        let contents = unused.map(|(path, pack)| (pack.clone(), dead.remove(path).unwrap_or_default().digests));
        (contents.collect(), held)
    }

    /// Forgets those of `packs` that `keep` has no digest of, and returns them. No content becomes known or is looked
    /// up meanwhile, so whoever takes a lease first is seen by `keep`, and whoever takes it later misses the content.
    pub(crate) fn forget(&self, packs: Vec<PackContents>, keep: impl Fn(&Digest) -> bool) -> Vec<Arc<Pack>> {
        let mut state = self.0.write();
        let mut forgotten = Vec::new();
        for (pack, digests) in packs {
            if digests.iter().any(&keep) || state.packs.remove(&pack.path).is_none() {
                continue;
            }
            for digest in digests {
                state.slots.remove(&digest);
            }
            forgotten.push(pack);
        }
        if !forgotten.is_empty() {
            state.whole.clear();
            state.losses += 1;
        }
        forgotten
    }

    /// Whether the unit was found whole, and nothing was forgotten since.
    pub(crate) fn is_whole(&self, unit: &Digest) -> bool {
        self.0.read().whole.contains(unit)
    }

    /// Counts what was forgotten. Who looks whether a unit is whole asks for it first.
    pub(crate) fn losses(&self) -> u64 {
        self.0.read().losses
    }

    /// Remembers that the unit is whole, unless something was forgotten since `losses` was asked for.
    pub(crate) fn mark_whole(&self, unit: Digest, losses: u64) {
        let mut state = self.0.write();
        if state.losses == losses {
            state.whole.insert(unit);
        }
    }

    /// The contents that are found in `pack`.
    pub(crate) fn contents_of(&self, pack: &Arc<Pack>) -> Vec<Digest> {
        let state = self.0.read();
        state.slots.iter().filter(|(_, slot)| Arc::ptr_eq(&slot.pack, pack)).map(|(digest, _)| *digest).collect()
    }
}
