//! Writes a pack: out of sight in `incoming`, then into place by one rename.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use fail::fail_point;
use haulier_catalogue::OperationId;
use haulier_model::Digest;
use haulier_pack::chunks::Chunker;
use parking_lot::Mutex;

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
    /// Indices of the extents.
    digests: HashMap<Digest, usize>,
    /// Whether a sync is under way.
    syncing: Arc<AtomicBool>,
    /// As of the pack that this becomes.
    lost: Arc<Mutex<bool>>,
    sealed: bool,
}

impl PackWriter {
    pub(crate) fn create(incoming: &Path) -> io::Result<Self> {
        let name = OperationId::random();
        let path = incoming.join(format!("{name}.part"));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        let file = BufWriter::with_capacity(BUFFER_SIZE, file);
        Ok(Self {
            path,
            file,
            salt: *name.as_bytes(),
            position: 0,
            whole: 0,
            extents: Vec::new(),
            digests: HashMap::new(),
            syncing: Arc::default(),
            lost: Arc::default(),
            sealed: false,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains_key(digest)
    }

    /// Where a whole content is, to be read from [`PackWriter::reader`].
    pub(crate) fn find(&self, digest: &Digest) -> Option<&Extent> {
        self.digests.get(digest).map(|index| &self.extents[*index])
    }

    /// The file, to read whole contents from by their positions while others are appended.
    pub(crate) fn reader(&mut self) -> io::Result<File> {
        self.file.flush()?;
        self.file.get_ref().try_clone()
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
        self.note(Extent::new(digest, self.whole, self.position - self.whole));
        self.whole = self.position;
    }

    /// Makes one more content of the whole ones from `offset` to the end, which stay: the caller has verified that their
    /// bytes are `digest`.
    pub(crate) fn join(&mut self, digest: Digest, offset: u64) {
        let joined = footer::join(&mut self.extents, offset);
        debug_assert!(joined, "contents are joined once, and as a whole");
        self.note(Extent::new(digest, offset, self.whole - offset));
    }

    /// Takes those contents out again that begin at `offset` or later, are no part of another, and are `elsewhere` or
    /// there twice. The others move down; what was appended and not ended goes.
    pub(crate) fn keep_new(&mut self, offset: u64, elsewhere: impl Fn(&Digest) -> bool) -> io::Result<()> {
        self.file.flush()?;
        let first = self.extents.iter().position(|extent| extent.offset >= offset).unwrap_or(self.extents.len());
        self.digests.retain(|_, index| *index < first);
        self.whole = offset;
        for extent in self.extents.split_off(first) {
            if elsewhere(&extent.digest) || self.contains(&extent.digest) {
                continue;
            }
            if extent.offset != self.whole {
                move_down(self.file.get_ref(), &extent, self.whole)?;
            }
            self.note(Extent::new(extent.digest, self.whole, extent.size));
            self.whole += extent.size;
        }
        Ok(())
    }

    /// Ends the content that is open where it is: of its bytes those stay that are whole chunks, each as a content.
    /// Returns how many.
    pub(crate) fn cut_open(&mut self) -> io::Result<usize> {
        self.file.flush()?;
        let (mut chunker, mut block, mut at) = (Chunker::default(), vec![0; BUFFER_SIZE], self.whole);
        while at < self.position {
            let length = (self.position - at).min(BUFFER_SIZE as u64) as usize;
            self.file.get_ref().read_exact_at(&mut block[..length], at)?;
            chunker.push(&block[..length]);
            at += length as u64;
        }
        let mut chunks = chunker.finish();
        // It ends where the bytes end, not where a cut is.
        chunks.pop();
        for chunk in &chunks {
            self.note(Extent::new(chunk.digest, self.whole, chunk.size.into()));
            self.whole += u64::from(chunk.size);
        }
        Ok(chunks.len())
    }

    /// Gets what is written onto the disk while more arrives, where there is a thread for it. The pack must still be
    /// synced; that fails if this did.
    pub(crate) fn sync_behind(&mut self) -> io::Result<()> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Ok(()) };
        if self.syncing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.file.flush()?;
        let (file, syncing, lost) = (self.file.get_ref().try_clone()?, self.syncing.clone(), self.lost.clone());
        runtime.spawn_blocking(move || {
            let mut lost = lost.lock();
            if let Err(error) = file.sync_data() {
                tracing::error!(%error, "a part of an upload cannot be synced");
                *lost = true;
            }
            syncing.store(false, Ordering::Release);
        });
        Ok(())
    }

    fn note(&mut self, extent: Extent) {
        self.digests.insert(extent.digest, self.extents.len());
        self.extents.push(extent);
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
        fail_point!("seal::before-footer");
        file.write_all(&bytes)?;
        let path = packs.join(name);
        fail_point!("seal::before-rename");
        fs::rename(&self.path, &path)?;
        fail_point!("seal::after-rename");
        self.sealed = true;
        let length = self.whole + bytes.len() as u64;
        let pack = Pack { lost: self.lost.clone(), ..Pack::new(path.into(), length, false) };
        Ok(Some((pack, std::mem::take(&mut self.extents))))
    }
}

/// Copies a content to a lower place in its file.
fn move_down(file: &File, extent: &Extent, target: u64) -> io::Result<()> {
    let mut block = vec![0; BUFFER_SIZE.min(extent.size as usize)];
    let mut done = 0;
    while done < extent.size {
        let length = (extent.size - done).min(block.len() as u64) as usize;
        file.read_exact_at(&mut block[..length], extent.offset + done)?;
        file.write_all_at(&block[..length], target + done)?;
        done += length as u64;
    }
    Ok(())
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
