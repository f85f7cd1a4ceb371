//! Where the bytes of a root are, and how they are read again.

use std::{
    borrow::Cow,
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use haulier_model::{Digest, Entry, Hasher, Result};
use memmap2::Mmap;

use crate::{archive::Archive, refusal};

/// Bytes that are read at once.
pub(crate) const BLOCK_SIZE: usize = 64 << 10;

/// Where the bytes of a root are; indices are those of its entries.
pub(crate) enum Content {
    /// In an archive, open since the root was read. Verified at each read.
    Archive(Archive),
    /// In files, by the path of each. Verified at each read.
    Files(Vec<PathBuf>),
    /// In a private copy. It was hashed while it was written, and nobody else can reach it.
    Copy(PrivateCopy),
}

impl Content {
    pub(crate) fn bytes(&self, index: usize, entry: &Entry) -> Result<Cow<'_, [u8]>> {
        if let Self::Copy(copy) = self {
            return Ok(Cow::Borrowed(copy.bytes(index, entry)));
        }
        // The size was seen when the root was read, so this is no allocation by hearsay.
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
        self.copy_to(index, entry, &mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    pub(crate) fn copy_to(&self, index: usize, entry: &Entry, out: &mut dyn Write) -> Result<()> {
        let path = entry.path.as_str();
        let mut hasher = Hasher::default();
        let mut unwritten = None;
        let mut sink = |bytes: &[u8]| {
            hasher.update(bytes);
            out.write_all(bytes).map_err(|error| {
                let error = refusal::io(Path::new("the output"), error);
                unwritten = Some(error.clone());
                error
            })
        };
        let read = match self {
            Self::Copy(copy) => return sink(copy.bytes(index, entry)),
            Self::Archive(archive) => archive.extract(index, &mut sink),
            Self::Files(files) => open(&files[index])
                .and_then(|(file, _)| read_file(file, &files[index], entry.size, &mut vec![0; BLOCK_SIZE], &mut sink))
                .map(|_| ()),
        };
        match (unwritten, read) {
            (Some(error), _) => return Err(error),
            (None, Err(error)) => return Err(refusal::gone(path, error.message())),
            (None, Ok(())) => {}
        }
        verify(path, entry.digest, hasher)
    }
}

fn verify(path: &str, expected: Digest, hasher: Hasher) -> Result<()> {
    let found = hasher.finish();
    if found == expected { Ok(()) } else { Err(refusal::gone(path, &format!("it was {expected}, now it is {found}"))) }
}

/// Opens a regular file, and says whether it may be executed. Never waits: a pipe or a device is refused.
pub(crate) fn open(path: &Path) -> Result<(File, bool)> {
    let fail = |error| refusal::io(path, error);
    let metadata = path.metadata().map_err(fail)?;
    if !metadata.is_file() {
        return Err(refusal::refused(format!("'{}' is no regular file", path.display())));
    }
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = false;
    Ok((File::open(path).map_err(fail)?, executable))
}

/// Reads a file to its end, or up to one `block` beyond `most` bytes: the caller sees that it is too long.
pub(crate) fn read_file(
    mut file: File,
    path: &Path,
    most: u64,
    block: &mut [u8],
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let mut size = 0;
    while size <= most {
        match file.read(block) {
            Ok(0) => break,
            Ok(length) => {
                size += length as u64;
                sink(&block[..length])?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(refusal::io(path, error)),
        }
    }
    Ok(size)
}

/// Files one after the other in a mapped temporary file that has no name.
pub(crate) struct PrivateCopy {
    map: Option<Mmap>,
    offsets: Vec<u64>,
}

impl PrivateCopy {
    /// Maps `file`, which holds the entries at `offsets`.
    pub(crate) fn map(file: File, offsets: Vec<u64>, size: u64) -> Result<Self> {
        if size == 0 {
            return Ok(Self { map: None, offsets });
        }
        // SAFETY: the file has no name and its only descriptor is dropped here, so no one can change or truncate it.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| refusal::io(&std::env::temp_dir(), error))?;
        Ok(Self { map: Some(map), offsets })
    }

    fn bytes(&self, index: usize, entry: &Entry) -> &[u8] {
        let start = self.offsets[index] as usize;
        self.map.as_deref().map_or(&[], |map| &map[start..start + entry.size as usize])
    }
}
