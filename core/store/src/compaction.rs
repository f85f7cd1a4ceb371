//! Compaction: what units still name in a pack of which most is dead moves into a new one, so that the old one can go.
//!
//! In three steps, each of which a crash may follow. The new pack is written and synced; from then on its contents are
//! twice on the disk. The index takes them from the new pack. The next collection removes the old one, which nobody
//! names any more, unless somebody still reads what was found in it before. Must never know why content is named.

use std::{collections::HashSet, sync::Arc};

use fail::fail_point;
use haulier_model::{Digest, Result};

use crate::{
    Store, disk,
    index::{Index, Sparse},
    pack_file::Pack,
};

/// A pack moves when at most this part of it lives: it costs a quarter of what it frees, and half a pack that is dead is
/// no reason to write the other half again.
const LIVING_PART: u64 = 4;
/// Nor do packs below this size, in bytes: there is nothing to win.
const LEAST_SIZE: u64 = 256 << 10;
/// The most bytes that one collection moves; the next one goes on.
const MOST_MOVED: u64 = 512 << 20;

impl Store {
    /// Moves what is `named` out of packs that are mostly dead, and returns how many packs nothing is taken from any
    /// more. Left alone is a pack with content that is leased, or `in_use` where it is.
    pub(crate) fn compact(&self, named: &HashSet<Digest>, in_use: &HashSet<Digest>) -> Result<usize> {
        let Self { inner } = self;
        let busy = |digest: &Digest| in_use.contains(digest) || inner.leases.holds(digest);
        let mut moved = (0, 0);
        for sparse in inner.index.sparse_packs(|digest| named.contains(digest), LIVING_PART, LEAST_SIZE) {
            if sparse.living.iter().any(|(digest, _)| busy(digest)) {
                continue;
            }
            if moved.1 + sparse.bytes() > MOST_MOVED {
                break;
            }
            let Some(copy) = self.copy(&sparse)? else { continue };
            fail_point!("compact::after-copy");
            moved.0 += usize::from(inner.index.leave(&sparse, &copy));
            moved.1 += sparse.bytes();
            fail_point!("compact::after-leave");
        }
        Ok(moved.0)
    }

    /// Writes the living contents of a pack into another one, and gets it onto the disk. `None`: one of them is damaged.
    fn copy(&self, sparse: &Sparse) -> Result<Option<Arc<Pack>>> {
        let mapping = sparse.pack.mapping()?;
        let mut writer = self.begin_pack()?;
        for (digest, extent) in &sparse.living {
            let bytes = &mapping[extent.clone()];
            if Digest::of(bytes) != *digest {
                tracing::error!(%digest, pack = %sparse.pack.path.display(), "a content is damaged, and sent again when it is needed");
                self.inner.index.forget_damaged(digest);
                return Ok(None);
            }
            writer.append(bytes).map_err(|error| disk::explain("compact a pack", writer.path(), error))?;
            writer.end(*digest);
        }
        let copy = self.seal(writer)?;
        self.sync(copy.as_slice())?;
        Ok(copy)
    }
}

impl Index {
    /// Whether the old pack of a content may not go yet: somebody found it there before it moved, and still uses it.
    pub(crate) fn is_left_in_use(&self, pack: &Pack, in_use: impl Fn(&Digest) -> bool) -> bool {
        self.left_in(pack).iter().any(in_use)
    }
}
