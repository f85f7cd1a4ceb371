//! Writes a pack: out of sight in `incoming`, then into place by one rename.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use haulier_catalogue::OperationId;
use haulier_model::Digest;

use super::{Extent, Pack, footer};

const BUFFER_SIZE: usize = 256 << 10;

/// A pack that is being written. Dropping it removes the file.
pub(crate) struct PackWriter {
    path: PathBuf,
    file: BufWriter<File>,
    salt: [u8; 16],
    /// Bytes written.
    position: u64,
    /// Bytes that belong to whole contents.
    whole: u64,
    extents: Vec<Extent>,
    digests: HashSet<Digest>,
    sealed: bool,
}

impl PackWriter {
    pub(crate) fn create(incoming: &Path) -> io::Result<Self> {
        let name = OperationId::random();
        let path = incoming.join(format!("{name}.part"));
        let file = File::options().write(true).create_new(true).open(&path)?;
        let file = BufWriter::with_capacity(BUFFER_SIZE, file);
        Ok(Self {
            path,
            file,
            salt: *name.as_bytes(),
            position: 0,
            whole: 0,
            extents: Vec::new(),
            digests: HashSet::new(),
            sealed: false,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// The size of the whole contents.
    pub(crate) fn size(&self) -> u64 {
        self.whole
    }

    /// Adds bytes to the content that is open.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Closes the open content: the caller has verified that the bytes appended since the last one are `digest`.
    pub(crate) fn end(&mut self, digest: Digest) {
        self.extents.push(Extent { digest, offset: self.whole, size: self.position - self.whole });
        self.digests.insert(digest);
        self.whole = self.position;
    }

    /// Puts the whole contents into place as a pack, without a content that is still open; `None` if there are none.
    /// The pack is not synced yet.
    pub(crate) fn seal(mut self, packs: &Path) -> io::Result<Option<(Pack, Vec<Extent>)>> {
        if self.extents.is_empty() {
            return Ok(None);
        }
        self.file.flush()?;
        let mut file = self.file.get_ref();
        if self.position > self.whole {
            file.set_len(self.whole)?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(self.whole))?;
        }
        let (bytes, name) = footer::encode(&self.extents, &self.salt);
        file.write_all(&bytes)?;
        let path = packs.join(name);
        fs::rename(&self.path, &path)?;
        self.sealed = true;
        let length = self.whole + bytes.len() as u64;
        Ok(Some((Pack::new(path.into(), length, false), std::mem::take(&mut self.extents))))
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        if self.sealed {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(file = %self.path.display(), %error, "an unfinished pack stays until the next start");
        }
    }
}
