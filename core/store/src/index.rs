//! Where each content is: all digests in memory, looked up by every task that starts.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
    fs::File,
    ops::{Deref, Range},
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
    /// Whether it is a part of another content of the pack.
    is_part: bool,
}

/// All contents, each in one pack.
#[derive(Default)]
pub(crate) struct Index(RwLock<State>);

#[derive(Default)]
struct State {
    slots: HashMap<Digest, Slot>,
    packs: HashMap<Arc<Path>, Arc<Pack>>,
    /// Contents that are in other packs, too: those take over when the pack of the slot goes.
    spares: HashMap<Digest, Vec<Slot>>,
    /// What packs have taken over.
    taken_over: HashMap<Arc<Path>, Vec<Digest>>,
    /// What packs had when it moved to others. Who had found it there before may still read it.
    left: HashMap<Arc<Path>, Vec<Digest>>,
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

/// A pack of which little lives.
pub(crate) struct Sparse {
    pub(crate) pack: Arc<Pack>,
    /// What lives, and where it is.
    pub(crate) living: Vec<(Digest, Range<usize>)>,
}

impl Sparse {
    pub(crate) fn bytes(&self) -> u64 {
        self.living.iter().map(|(_, range)| range.len() as u64).sum()
    }
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
        let Some(Slot { pack, offset, size, .. }) = slot else { return Ok(None) };
        if pack.size() >= MAPPED_FROM {
            let extent = Extent::new(*digest, offset, size);
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
            state.put(extent, &pack);
        }
        state.packs.insert(pack.path.clone(), pack.clone());
        pack
    }

    /// Makes the parts of a content known that is here: their digests and sizes, in their order.
    pub(crate) fn add_parts(&self, whole: &Digest, parts: impl IntoIterator<Item = (Digest, u64)>) {
        let mut state = self.0.write();
        let Some(Slot { pack, offset, .. }) = state.slots.get(whole).cloned() else { return };
        let mut offset = offset;
        for (digest, size) in parts {
            state.put(&Extent { is_part: true, ..Extent::new(digest, offset, size) }, &pack);
            offset += size;
        }
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
                dead.bytes += if slot.is_part { 0 } else { slot.size };
                dead.digests.push(*digest);
            }
        }
        let held = dead.iter().filter(|(path, _)| used.contains(*path)).map(|(_, dead)| dead.bytes).sum();
        let unused = state.packs.iter().filter(|(path, _)| !used.contains(path));
        let contents = unused.map(|(path, pack)| (pack.clone(), dead.remove(path).unwrap_or_default().digests));
        (contents.collect(), held)
    }

    /// The packs of at least `least_size` bytes of which something is `live`, but not more than one part of
    /// `living_part`, the emptiest first.
    pub(crate) fn sparse_packs(
        &self,
        live: impl Fn(&Digest) -> bool,
        living_part: u64,
        least_size: u64,
    ) -> Vec<Sparse> {
        let state = self.0.read();
        let mut found: HashMap<&Arc<Path>, Sparse> = HashMap::new();
        for (digest, slot) in state.slots.iter().filter(|(digest, slot)| slot.pack.size() >= least_size && live(digest))
        {
            let sparse =
                found.entry(&slot.pack.path).or_insert_with(|| Sparse { pack: slot.pack.clone(), living: Vec::new() });
            let begin = slot.offset as usize;
            sparse.living.push((*digest, begin..begin + slot.size as usize));
        }
        let mut sparse: Vec<Sparse> =
            found.into_values().filter(|sparse| sparse.bytes() * living_part <= sparse.pack.size()).collect();
        for Sparse { living, .. } in &mut sparse {
            living.sort_by_key(|(_, range)| range.start);
        }
        sparse.sort_by_key(Sparse::bytes);
        sparse
    }

    /// Takes what lives in a pack from its copy, and from no other pack: that one is on the disk. `false`: something is
    /// not in the copy, so the pack must stay.
    pub(crate) fn leave(&self, sparse: &Sparse, copy: &Arc<Pack>) -> bool {
        let mut state = self.0.write();
        let State { slots, spares, left, .. } = &mut *state;
        let left = left.entry(sparse.pack.path.clone()).or_default();
        let mut all = true;
        for (digest, _) in &sparse.living {
            let slot = slots.get_mut(digest).filter(|slot| Arc::ptr_eq(&slot.pack, &sparse.pack));
            let mut others = spares.get_mut(digest).into_iter().flatten();
            match (slot, others.find(|spare| Arc::ptr_eq(&spare.pack, copy))) {
                (Some(slot), Some(spare)) => {
                    std::mem::swap(slot, spare);
                    left.push(*digest);
                }
                (Some(_), None) => all = false,
                (None, _) => {}
            }
        }
        all
    }

    /// What was found in a pack before it moved.
    pub(crate) fn left_in(&self, pack: &Pack) -> Vec<Digest> {
        self.0.read().left.get(&pack.path).cloned().unwrap_or_default()
    }

    /// Forgets those of `packs` that `keep` has no digest of, and returns them. No content becomes known or is looked
    /// up meanwhile, so whoever takes a lease first is seen by `keep`, and whoever takes it later misses the content.
    pub(crate) fn forget(&self, packs: Vec<PackContents>, keep: impl Fn(&Digest) -> bool) -> Vec<Arc<Pack>> {
        let mut state = self.0.write();
        let (mut forgotten, mut lost) = (Vec::new(), Vec::new());
        for (pack, mut digests) in packs {
            digests.extend(state.taken_over.get(&pack.path).into_iter().flatten());
            if digests.iter().any(&keep) || state.packs.remove(&pack.path).is_none() {
                continue;
            }
            state.taken_over.remove(&pack.path);
            state.left.remove(&pack.path);
            for digest in digests {
                if state.slots.get(&digest).is_some_and(|slot| Arc::ptr_eq(&slot.pack, &pack)) {
                    state.slots.remove(&digest);
                    lost.push(digest);
                }
            }
            forgotten.push(pack);
        }
        if !forgotten.is_empty() {
            state.replace(lost);
        }
        forgotten
    }

    /// Forgets a content whose bytes are found to be damaged, so that it is taken from another pack or sent again.
    pub(crate) fn forget_damaged(&self, digest: &Digest) {
        let mut state = self.0.write();
        if state.slots.remove(digest).is_some() {
            state.replace(vec![*digest]);
        }
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

impl State {
    /// Makes a content of a pack known. One that is known already stays where it is.
    fn put(&mut self, extent: &Extent, pack: &Arc<Pack>) {
        let Extent { digest, offset, size, is_part } = *extent;
        let slot = Slot { pack: pack.clone(), offset, size, is_part };
        match self.slots.entry(digest) {
            Entry::Vacant(entry) => {
                entry.insert(slot);
            }
            Entry::Occupied(entry) => {
                let spares = self.spares.get(&digest).and_then(|spares| spares.last());
                // A chunk may be in its pack many times.
                if ![Some(entry.get()), spares].iter().flatten().any(|known| Arc::ptr_eq(&known.pack, pack)) {
                    self.spares.entry(digest).or_default().push(slot);
                }
            }
        }
    }

    /// After contents or packs were forgotten: other packs take over what they have, too.
    fn replace(&mut self, lost: Vec<Digest>) {
        let Self { slots, packs, spares, taken_over, .. } = self;
        spares.retain(|_, spares| {
            spares.retain(|spare| packs.contains_key(&spare.pack.path));
            !spares.is_empty()
        });
        for digest in lost {
            let Entry::Occupied(mut others) = spares.entry(digest) else { continue };
            let spare = others.get_mut().remove(0);
            if others.get().is_empty() {
                others.remove();
            }
            taken_over.entry(spare.pack.path.clone()).or_default().push(digest);
            slots.insert(digest, spare);
        }
        self.whole.clear();
        self.losses += 1;
    }
}
