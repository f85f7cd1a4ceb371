//! Large entries that come in chunks: which chunks are here, and how an entry is put together from those and from the
//! ones that arrive. Knows neither how chunks are cut nor how they travel.
//!
//! An entry is written once, into one pack: chunks that the store has are copied, the others are appended as they
//! arrive, and each is a content of that pack. Then the whole is hashed, and becomes a content as well. Of an entry that
//! does not get so far the chunks stay, for the next attempt, until a collection takes them.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
};

use haulier_model::{Digest, Error, ErrorKind, Hasher, Result, Retry};
use haulier_pack::{
    Limits,
    chunks::{Chunk, ChunkedEntry, MOST_CHUNKS},
};

use crate::{Lease, Store, disk, pack_file::PackWriter};

const OPERATION: &str = "put an entry together";
const BLOCK_SIZE: usize = 256 << 10;

/// Entries that are to be put together from chunks. What was found to be here stays until it is dropped.
pub struct Assembly {
    store: Store,
    missing: Vec<Digest>,
    /// Those that have not arrived.
    awaited: HashSet<Digest>,
    /// Entries that have not begun.
    entries: std::vec::IntoIter<ChunkedEntry>,
    open: Option<OpenEntry>,
    block: Vec<u8>,
    _lease: Lease,
}

struct OpenEntry {
    entry: ChunkedEntry,
    /// Chunks that are written.
    written: usize,
    /// Where the entry begins in its pack.
    offset: u64,
    hasher: Hasher,
}

/// What [`Assembly::step`] has done, or what it waits for.
pub(crate) enum Step {
    /// It wants to begin an entry of this size.
    Begin(u64),
    /// It has copied a chunk.
    Copied,
    /// An entry is whole.
    Whole,
    /// This chunk must arrive.
    Awaits(Chunk),
    /// All entries are whole.
    Done,
}

impl Store {
    /// Prepares to put `entries` together: leases their chunks, then looks which are here. `arriving` are contents that
    /// the sender will send first; they are not missing.
    ///
    /// Errors: `InvalidArgument` if a chunk has another size than the one of that digest, `ResourceExhausted` beyond
    /// the default limits of a source, or [`MOST_CHUNKS`] in all.
    pub fn assemble(&self, entries: Vec<ChunkedEntry>, arriving: &HashSet<Digest>) -> Result<Assembly> {
        check_limits(&entries)?;
        let chunks = || entries.iter().flat_map(ChunkedEntry::chunks);
        let lease = self.lease(chunks().map(|chunk| chunk.digest));
        let (mut sizes, mut missing) = (HashMap::new(), Vec::new());
        for Chunk { digest, size } in chunks() {
            let known = *sizes.entry(*digest).or_insert_with(|| {
                let here = self.inner.index.size_of(digest);
                if here.is_none() && !arriving.contains(digest) {
                    missing.push(*digest);
                }
                here.unwrap_or(u64::from(*size))
            });
            if known != u64::from(*size) {
                return Err(refused(format!("chunk {digest} has {known} bytes, not {size}")));
            }
        }
        Ok(Assembly {
            store: self.clone(),
            awaited: missing.iter().copied().collect(),
            missing,
            entries: entries.into_iter(),
            open: None,
            block: Vec::new(),
            _lease: lease,
        })
    }
}

impl Assembly {
    /// The chunks that are not here, each once, in the order in which they must arrive.
    pub fn missing(&self) -> &[Digest] {
        &self.missing
    }

    /// Whether this is a chunk that must still arrive.
    pub(crate) fn awaits(&self, digest: &Digest) -> bool {
        self.awaited.contains(digest)
    }

    /// Whether an entry has begun, so that nothing but its chunks may be written.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Does one thing that needs no arrival: begins an entry (after it has said so), copies a chunk, ends an entry.
    ///
    /// Errors: `InvalidArgument` for an entry that is not what its chunks make; `Unavailable`, to be tried again, if a
    /// chunk that was here is gone or damaged; those of the disk.
    pub(crate) fn step(&mut self, writer: &mut PackWriter) -> Result<Step> {
        let Some(open) = &self.open else {
            return Ok(self.entries.as_slice().first().map_or(Step::Done, |entry| Step::Begin(entry.size())));
        };
        match open.entry.chunks().get(open.written) {
            None => self.end(writer).map(|()| Step::Whole),
            Some(chunk) if self.awaited.contains(&chunk.digest) => Ok(Step::Awaits(*chunk)),
            Some(chunk) => self.copy(*chunk, writer).map(|()| Step::Copied),
        }
    }

    /// Begins the next entry, at the end of what is written.
    pub(crate) fn begin(&mut self, writer: &PackWriter) {
        self.open = self.entries.next().map(|entry| OpenEntry {
            entry,
            written: 0,
            offset: writer.size(),
            hasher: Hasher::default(),
        });
    }

    /// Bytes of the awaited chunk were written.
    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.hasher.update(bytes);
        }
    }

    /// The awaited chunk is whole and verified.
    pub(crate) fn arrived(&mut self, digest: &Digest) {
        self.awaited.remove(digest);
        if let Some(open) = &mut self.open {
            open.written += 1;
        }
    }

    /// Copies a chunk that is here to the end of the pack, and verifies it: a damaged one must not damage another pack.
    fn copy(&mut self, chunk: Chunk, writer: &mut PackWriter) -> Result<()> {
        let Some((file, offset)) = self.find(&chunk, writer)? else {
            return Err(gone(format!("chunk {} is gone", chunk.digest)));
        };
        self.block.resize(BLOCK_SIZE, 0);
        let (mut hasher, mut done) = (Hasher::default(), 0);
        while done < u64::from(chunk.size) {
            let length = (u64::from(chunk.size) - done).min(BLOCK_SIZE as u64) as usize;
            let block = &mut self.block[..length];
            if let Err(error) = file.read_exact_at(block, offset + done) {
                return Err(self.damaged(&chunk, &error.to_string()));
            }
            hasher.update(block);
            if let Some(open) = &mut self.open {
                open.hasher.update(block);
            }
            writer.append(block).map_err(|error| disk::explain(OPERATION, writer.path(), error))?;
            done += length as u64;
        }
        let found = hasher.finish();
        if found != chunk.digest {
            return Err(self.damaged(&chunk, &format!("it is {found}")));
        }
        writer.end(chunk.digest);
        if let Some(open) = &mut self.open {
            open.written += 1;
        }
        Ok(())
    }

    /// Where a chunk is: in the pack that is being written, or in one of the store.
    fn find(&self, chunk: &Chunk, writer: &mut PackWriter) -> Result<Option<(File, u64)>> {
        let failed = |path: &std::path::Path, error: io::Error| disk::explain(OPERATION, path, error);
        let (file, offset, size) = if let Some(extent) = writer.find(&chunk.digest) {
            let (offset, size) = (extent.offset, extent.size);
            (writer.reader().map_err(|error| failed(writer.path(), error))?, offset, size)
        } else if let Some(found) = self.store.locate(&chunk.digest) {
            (File::open(&found.pack).map_err(|error| failed(&found.pack, error))?, found.offset, found.size)
        } else {
            return Ok(None);
        };
        if size != u64::from(chunk.size) {
            return Err(refused(format!("chunk {} has {size} bytes, not {}", chunk.digest, chunk.size)));
        }
        Ok(Some((file, offset)))
    }

    fn end(&mut self, writer: &mut PackWriter) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let (expected, found) = (open.entry.digest(), std::mem::take(&mut open.hasher).finish());
        if found != expected {
            return Err(refused(format!("the chunks of {expected} make {found}")));
        }
        writer.join(found, open.offset);
        self.open = None;
        Ok(())
    }

    /// Gives up the entry that has begun: of its chunks those stay that arrived.
    pub(crate) fn give_up(&mut self, writer: &mut PackWriter) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let kept = writer.keep_new(open.offset, |digest| self.store.contains(digest));
        kept.map_err(|error| disk::explain(OPERATION, writer.path(), error))
    }

    fn damaged(&self, chunk: &Chunk, problem: &str) -> Error {
        tracing::error!(digest = %chunk.digest, problem, "the disk gave other bytes than were written");
        self.store.inner.index.forget_damaged(&chunk.digest);
        gone(format!("chunk {} is damaged", chunk.digest))
    }
}

fn check_limits(entries: &[ChunkedEntry]) -> Result<()> {
    let limits = Limits::default();
    let exceeded = |what: String, allowed: u64| {
        Err(Error::new(ErrorKind::ResourceExhausted, OPERATION, what)
            .with_retry(Retry::Never)
            .context("allowed", allowed.to_string())
            .hint("leave data out of the code"))
    };
    if let Some(entry) = entries.iter().find(|entry| entry.size() > limits.entry_size) {
        return exceeded(format!("{} has {} bytes", entry.digest(), entry.size()), limits.entry_size);
    }
    let size: u64 = entries.iter().map(ChunkedEntry::size).sum();
    if size > limits.size {
        return exceeded(format!("{size} bytes in all"), limits.size);
    }
    let chunks: usize = entries.iter().map(|entry| entry.chunks().len()).sum();
    if chunks > MOST_CHUNKS {
        return exceeded(format!("{chunks} chunks in all"), MOST_CHUNKS as u64);
    }
    Ok(())
}

pub(crate) fn refused(problem: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, OPERATION, problem).hint("deploy again, with a client of the node's version")
}

fn gone(problem: String) -> Error {
    Error::new(ErrorKind::Unavailable, OPERATION, problem)
        .with_retry(Retry::Now)
        .hint("deploy again: only what is missing is sent")
}
