//! Where the bytes of a root are, and how they are read again.

use std::{
    borrow::Cow,
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use haulier_model::{Digest, Entry, Hasher, Original, Result};
use memmap2::Mmap;

use crate::{archive::Archive, refusal};

/// Bytes that are read at once.
pub(crate) const BLOCK_SIZE: usize = 64 << 10;

/// Where the bytes of a root are; indices are those of its entries.
#[derive(Clone)]
pub(crate) enum Content {
    /// In an archive, open since the root was read. Verified at each read.
    Archive(Arc<Archive>),
    /// In files, by the path of each. Verified at each read.
    Files(Arc<[PathBuf]>),
    /// In a private copy. It was hashed while it was written, and nobody else can reach it.
    Copy(Arc<PrivateCopy>),
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
        match self {
            Self::Copy(copy) => out.write_all(copy.bytes(index, entry)).map_err(unwritten),
            Self::Archive(archive) => verified(path, entry.digest, out, |sink| archive.extract(index, sink)),
            Self::Files(files) => verified(path, entry.digest, out, |sink| {
                let (file, _) = open(&files[index])?;
                read_file(file, &files[index], entry.size, &mut vec![0; BLOCK_SIZE], sink).map(|_| ())
            }),
        }
    }

    /// Gives the bytes of the archive as it was.
    pub(crate) fn copy_original(&self, name: &str, original: &Original, out: &mut dyn Write) -> Result<()> {
        let Self::Archive(archive) = self else {
            return Err(refusal::refused("only an archive has bytes of its own"));
        };
        verified(name, original.digest, out, |sink| archive.copy_original(original.size, sink))
    }
}

/// Writes what `read` gives, which must have the digest.
fn verified(
    path: &str,
    expected: Digest,
    out: &mut dyn Write,
    read: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let (mut hasher, mut failure) = (Hasher::default(), None);
    let read = read(&mut |bytes| {
        hasher.update(bytes);
        out.write_all(bytes).map_err(|error| failure.insert(unwritten(error)).clone())
    });
    match (failure, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(refusal::gone(path, error.message())),
        (None, Ok(())) => verify(path, expected, hasher),
    }
}

fn unwritten(error: std::io::Error) -> haulier_model::Error {
    refusal::io(Path::new("the output"), error)
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
