//! Files of the node's store, mapped, and spans of bytes in them.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use haulier_model::{Error, Result};
use haulier_protocol::v1;
use memmap2::Mmap;
use parking_lot::Mutex;

/// Some bytes of a mapped file; the mapping lives as long as they do.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// `None`: no bytes at all.
    pack: Option<Arc<Mmap>>,
    offset: usize,
    size: usize,
}

impl Span {
    pub(super) const EMPTY: Self = Self { pack: None, offset: 0, size: 0 };

    pub(super) fn bytes(&self) -> &[u8] {
        self.pack.as_deref().map_or(&[], |pack| &pack[self.offset..self.offset + self.size])
    }
}

/// The mapped files of a class path.
#[derive(Default)]
pub(super) struct Packs {
    mapped: Mutex<Vec<(PathBuf, Arc<Mmap>)>>,
}

impl Packs {
    /// Maps the files that are not mapped yet; in the order given.
    pub(super) fn map(&self, files: &[v1::PackFile]) -> Result<Vec<Arc<Mmap>>> {
        files.iter().map(|file| self.map_one(Path::new(&file.path))).collect()
    }

    fn map_one(&self, path: &Path) -> Result<Arc<Mmap>> {
        if let Some((_, pack)) = self.mapped.lock().iter().find(|(known, _)| known == path) {
            return Ok(pack.clone());
        }
        let map = || {
            let file = File::open(path)?;
            // SAFETY: files of the store are never changed, only renamed into place and unlinked.
            unsafe { Mmap::map(&file) }
        };
        let pack = map().map_err(|error| {
            Error::internal("map code", error.to_string()).context("path", path.to_string_lossy()).with_source(error)
        })?;
        let pack = Arc::new(pack);
        self.mapped.lock().push((path.to_owned(), pack.clone()));
        Ok(pack)
    }
}

/// The bytes of an entry; `None` if they are not on the node yet.
pub(super) fn span(location: &v1::EntryLocation, packs: &[Arc<Mmap>]) -> Result<Option<Span>> {
    if location.size == 0 {
        return Ok(Some(Span::EMPTY));
    }
    let Some(number) = location.pack.checked_sub(1) else { return Ok(None) };
    let span = || {
        let pack = packs.get(number as usize)?;
        let offset = usize::try_from(location.offset).ok()?;
        let size = usize::try_from(location.size).ok()?;
        (offset.checked_add(size)? <= pack.len()).then(|| Span { pack: Some(pack.clone()), offset, size })
    };
    match span() {
        Some(span) => Ok(Some(span)),
        None => Err(Error::internal("map code", "an entry lies outside of its file").context("entry", &location.path)),
    }
}
