//! Takes one pack as it arrives: verifies each record, keeps what is new.

use std::{collections::HashSet, sync::Arc};

use fail::fail_point;
use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_pack::{
    Limits,
    chunks::LARGE_ENTRY,
    stream::{Event, RecordReader},
};

use crate::{
    Assembly, Store,
    assembly::{self, Step},
    disk,
    pack_file::{Pack, PackWriter},
};

/// A pack on disk is closed, and another begun, at this size: what arrived before a crash stays, and what is no longer
/// used goes in pieces, and the disk works while the rest arrives.
const PACK_SIZE: u64 = 32 << 20;

/// What a [`Receiver`] took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Whole, verified records, duplicates included.
    pub records: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Records whose content was there before; verified, but not written again.
    pub duplicates: u64,
}

/// Receives one pack. Dropping it before [`Receiver::finish`] keeps the records that are whole and verified, so that a
/// sender resumes with what [`Store::missing`] still names.
///
/// Calls block for short writes to the page cache (about 0.3 ms for 256 KiB), longer when the disk is busy.
pub struct Receiver {
    store: Store,
    reader: Option<RecordReader>,
    /// The records that may come, each once; `None`: any.
    wanted: Option<HashSet<Digest>>,
    writer: Option<PackWriter>,
    /// The record that has begun, and its size.
    open: Option<(Digest, u64)>,
    /// Whether the bytes of the open record are written.
    keeping: bool,
    /// Bytes of it that no sync was begun for.
    unsynced: u64,
    /// Whether the chunks of a large record that breaks off are kept.
    keeps_chunks: bool,
    /// Entries that come in chunks.
    assembly: Option<Assembly>,
    /// Whether the open record is a chunk of them.
    is_chunk: bool,
    received: Received,
    packs: Vec<Arc<Pack>>,
    failure: Option<Error>,
}

impl Receiver {
    pub(crate) fn new(store: Store, limits: &Limits, wanted: Option<HashSet<Digest>>) -> Self {
        Self {
            store,
            reader: Some(RecordReader::new(limits)),
            wanted,
            writer: None,
            open: None,
            keeping: false,
            unsynced: 0,
            keeps_chunks: false,
            assembly: None,
            is_chunk: false,
            received: Received::default(),
            packs: Vec::new(),
            failure: None,
        }
    }

    /// With entries that are put together from chunks. Those that are missing come after all other records.
    pub(crate) fn with_assembly(mut self, assembly: Assembly) -> Self {
        self.assembly = Some(assembly);
        self
    }

    /// Keeps of a large record that breaks off the chunks that have arrived; [`Store::has_chunks_of`] tells of it. Then
    /// dropping this blocks for about a second a gigabyte.
    #[must_use]
    pub fn keeping_chunks(mut self) -> Self {
        self.keeps_chunks = true;
        self
    }

    /// Takes the next bytes of the pack, cut anywhere. Errors: `InvalidArgument` for a record that does not hash to
    /// its digest, or that nobody wants, `ResourceExhausted` for a full disk or a limit. After an error every call fails with it.
    pub fn write(&mut self, chunk: &[u8]) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let taken = self.take(chunk);
        if let Err(error) = &taken {
            self.failure = Some(error.clone());
        }
        taken
    }

    /// Ends the pack; its contents can be read from now on. With `sync` they are on disk when this returns, unless the
    /// store's durability is `Process`; publishing a unit syncs what it is made of, so nothing else needs it.
    /// `InvalidArgument` if the pack ends inside a record; the records before it are kept.
    pub fn finish(mut self, sync: bool) -> Result<Received> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if let Some(reader) = self.reader.take() {
            reader.finish()?;
        }
        self.assemble(None)?;
        self.seal()?;
        if sync {
            self.store.sync(&self.packs)?;
        }
        Ok(self.received)
    }

    fn take(&mut self, mut chunk: &[u8]) -> Result<()> {
        let Some(mut reader) = self.reader.take() else {
            return Err(Error::internal("receive a pack", "it was finished before"));
        };
        let taken = loop {
            match reader.read(&mut chunk) {
                Ok(None) => break Ok(()),
                Ok(Some(event)) => {
                    if let Err(error) = self.handle(event) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        self.reader = Some(reader);
        taken
    }

    fn handle(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Start { digest, size }
                if self.assembly.as_ref().is_some_and(|assembly| assembly.awaits(&digest)) =>
            {
                self.is_chunk = true;
                self.keeping = true;
                self.assemble(Some((digest, size)))
            }
            Event::Start { digest, size } => {
                if self.assembly.as_ref().is_some_and(Assembly::is_open) {
                    return Err(assembly::refused(format!("{digest} came between the chunks of an entry")));
                }
                if self.wanted.as_mut().is_some_and(|wanted| !wanted.remove(&digest)) {
                    let message = format!("{digest} came, which was not asked for, or came twice");
                    return Err(Error::new(ErrorKind::InvalidArgument, "receive a pack", message));
                }
                let known =
                    self.writer.as_ref().is_some_and(|writer| writer.contains(&digest)) || self.store.contains(&digest);
                self.keeping = !known;
                self.open = Some((digest, size));
                self.unsynced = 0;
                if self.keeping && self.writer.is_none() {
                    self.writer = Some(self.store.begin_pack()?);
                }
                Ok(())
            }
            Event::Data(bytes) => self.take_data(bytes),
            Event::End { digest } => {
                self.received.records += 1;
                self.open = None;
                match &mut self.writer {
                    Some(writer) if self.keeping => writer.end(digest),
                    _ => self.received.duplicates += 1,
                }
                self.keeping = false;
                fail_point!("receive::record");
                if let Some(assembly) = self.assembly.as_mut().filter(|_| self.is_chunk) {
                    assembly.arrived(&digest);
                    self.is_chunk = false;
                    return Ok(());
                }
                self.seal_from(PACK_SIZE)
            }
        }
    }

    fn take_data(&mut self, bytes: &[u8]) -> Result<()> {
        self.received.bytes += bytes.len() as u64;
        if let Some(writer) = self.writer.as_mut().filter(|_| self.keeping) {
            writer.append(bytes).map_err(|error| disk::explain("receive a pack", writer.path(), error))?;
            self.unsynced += bytes.len() as u64;
            if self.unsynced >= PACK_SIZE && self.store.syncs() {
                self.unsynced = 0;
                writer.sync_behind().map_err(|error| disk::explain("receive a pack", writer.path(), error))?;
            }
        }
        if let Some(assembly) = self.assembly.as_mut().filter(|_| self.is_chunk) {
            assembly.wrote(bytes);
        }
        Ok(())
    }

    /// Puts entries together as far as that needs no chunk but the one that is about to arrive, or to their end.
    fn assemble(&mut self, arriving: Option<(Digest, u64)>) -> Result<()> {
        loop {
            let Some(assembly) = &mut self.assembly else { return Ok(()) };
            let writer = match &mut self.writer {
                Some(writer) => writer,
                none => none.insert(self.store.begin_pack()?),
            };
            match (assembly.step(writer)?, arriving) {
                (Step::Begin(size), _) if writer.size() > 0 && writer.size() + size > PACK_SIZE => self.seal_from(1)?,
                (Step::Begin(_), _) => assembly.begin(writer),
                (Step::Copied, _) => {}
                (Step::Whole, _) => self.seal_from(PACK_SIZE)?,
                (Step::Awaits(chunk), Some((digest, size))) => {
                    if chunk.digest == digest && u64::from(chunk.size) == size {
                        return Ok(());
                    }
                    let message = format!("{digest} of {size} bytes came, not {} of {}", chunk.digest, chunk.size);
                    return Err(assembly::refused(message));
                }
                (Step::Awaits(chunk), None) => {
                    return Err(assembly::refused(format!("the pack ends before chunk {}", chunk.digest)));
                }
                (Step::Done, _) => return Ok(()),
            }
        }
    }

    /// Ends the pack that is being written if it has that many bytes.
    fn seal_from(&mut self, size: u64) -> Result<()> {
        if self.writer.as_ref().is_some_and(|writer| writer.size() >= size) {
            self.seal()?;
            self.sync_behind();
        }
        Ok(())
    }

    /// Gets the last pack onto the disk while the next one arrives, where there is a thread for it. If that fails, the
    /// pack is given up, so that whoever needs it finds it missing.
    fn sync_behind(&self) {
        if let (Ok(runtime), Some(pack)) = (tokio::runtime::Handle::try_current(), self.packs.last()) {
            let (store, pack) = (self.store.clone(), pack.clone());
            runtime.spawn_blocking(move || {
                if let Err(error) = store.sync(&[pack]) {
                    tracing::error!(%error, "a part of an upload cannot be synced, and is given up");
                }
            });
        }
    }

    fn seal(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.packs.extend(self.store.seal(writer)?);
        }
        Ok(())
    }

    /// What stays of the record or the entry that is not whole.
    fn give_up(&mut self) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if let Some(assembly) = &mut self.assembly {
            assembly.give_up(writer)?;
        }
        let large = self.open.filter(|(_, size)| *size >= LARGE_ENTRY && self.keeping && !self.is_chunk);
        if let Some((digest, _)) = large.filter(|_| self.keeps_chunks && self.failure.is_none()) {
            let cut = writer.cut_open().map_err(|error| disk::explain("receive a pack", writer.path(), error))?;
            if cut > 0 {
                self.store.inner.chunking.note_broken(digest);
            }
        }
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let given_up = self.give_up();
        if let Err(error) = given_up.and_then(|()| self.seal()) {
            tracing::warn!(%error, "a part of a broken upload could not be kept; it will be sent again");
        }
    }
}
