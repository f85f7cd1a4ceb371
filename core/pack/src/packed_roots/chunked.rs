//! Large entries of roots in chunks: the list of an entry's chunks, and a pack of those that are wanted.

use std::{
    collections::HashSet,
    io::{self, Write},
    slice,
};

use bytes::Bytes;
use haulier_model::{Digest, Result};

use super::{HEADER, PackedRoots, Packing, Place};
use crate::{
    chunks::{Chunk, ChunkedEntry, Chunker, LARGE_ENTRY},
    stream::RecordWriter,
};

impl PackedRoots {
    /// The chunks of an entry, or of an original; `None` if it travels as a whole, because it is small or has one chunk only. Reads all of
    /// it, and holds at most 8 MiB.
    ///
    /// Errors: `PermissionDenied` for what is not part of these roots, `SessionLost` for a file that has changed since it
    /// was read.
    pub fn chunks_of(&self, digest: &Digest) -> Result<Option<ChunkedEntry>> {
        let place = self.place(digest)?;
        let size = self.size_at(place);
        if matches!(place, Place::Root(_)) || size < LARGE_ENTRY {
            return Ok(None);
        }
        let mut cutting = Cutting::default();
        self.copy_at(place, &mut cutting)?;
        let chunks = cutting.0.finish();
        if chunks.len() == 1 { Ok(None) } else { ChunkedEntry::new(*digest, size, chunks).map(Some) }
    }

    /// Gives a pack of those chunks of `entries` that are `wanted` to `sink`: each once, in the order in which they
    /// are first there. Entries without such a chunk are not read. May follow another pack as a part of it.
    ///
    /// Errors: those of [`PackedRoots::pack`].
    pub fn pack_chunks(
        &self,
        entries: &[ChunkedEntry],
        wanted: &HashSet<Digest>,
        sink: &mut dyn FnMut(Bytes) -> Result<()>,
    ) -> Result<()> {
        let mut wanted = wanted.clone();
        let mut packing = Packing { writer: RecordWriter::default(), chunks: Vec::new(), sink, failure: None };
        for entry in entries {
            let place = self.place(&entry.digest())?;
            if !entry.chunks().iter().any(|chunk| wanted.contains(&chunk.digest)) {
                continue;
            }
            let chunks = entry.chunks().iter();
            let mut choosing = Choosing { packing, chunks, wanted: &mut wanted, remaining: 0, sending: false };
            let copied = self.copy_at(place, &mut choosing);
            packing = choosing.packing;
            match packing.failure.take() {
                Some(error) => return Err(error),
                None => copied?,
            }
        }
        packing.finish()
    }
}

/// The bytes that a pack of the `wanted` chunks of `entries` takes.
pub fn size_of_chunks(entries: &[ChunkedEntry], wanted: &HashSet<Digest>) -> u64 {
    let mut counted = HashSet::new();
    let chunks = entries.iter().flat_map(ChunkedEntry::chunks);
    let wanted = chunks.filter(|chunk| wanted.contains(&chunk.digest) && counted.insert(chunk.digest));
    wanted.map(|chunk| HEADER + u64::from(chunk.size)).sum()
}

#[derive(Default)]
struct Cutting(Chunker);

impl Write for Cutting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the bytes of an entry, and packs the chunks that are wanted.
struct Choosing<'a, 'b> {
    packing: Packing<'b>,
    /// Those that have not begun.
    chunks: slice::Iter<'a, Chunk>,
    wanted: &'a mut HashSet<Digest>,
    /// Bytes of the chunk that has begun.
    remaining: usize,
    sending: bool,
}

impl Write for Choosing<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.remaining == 0 {
            // Bytes beyond the last chunk are a change of the file, which whoever reads it will notice.
            let Some(chunk) = self.chunks.next() else { return Ok(bytes.len()) };
            self.remaining = chunk.size as usize;
            self.sending = self.wanted.remove(&chunk.digest);
            if self.sending {
                self.packing.writer.start(chunk.digest, chunk.size.into(), &mut self.packing.chunks);
            }
        }
        let now = bytes.len().min(self.remaining);
        if self.sending {
            self.packing.write_all(&bytes[..now])?;
        }
        self.remaining -= now;
        Ok(now)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{Limits, stream::Event, stream::RecordReader};

    use super::*;

    fn records(roots: &PackedRoots, entries: &[ChunkedEntry], wanted: &HashSet<Digest>) -> (Vec<Digest>, u64) {
        let (mut reader, mut found, mut size) = (RecordReader::new(&Limits::default()), Vec::new(), 0);
        let mut take = |chunk: Bytes| {
            size += chunk.len() as u64;
            let mut rest = &chunk[..];
            while let Some(event) = reader.read(&mut rest)? {
                if let Event::End { digest } = event {
                    found.push(digest);
                }
            }
            Ok(())
        };
        roots.pack_chunks(entries, wanted, &mut take).unwrap();
        reader.finish().unwrap();
        (found, size)
    }

    #[test]
    fn the_wanted_chunks_of_large_entries_are_packed_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let zeros = vec![0; 13 << 20];
        for (name, bytes) in [("a.py", &b"small"[..]), ("large.bin", &zeros), ("one.bin", &zeros[..4 << 20])] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let roots = PackedRoots::read_sources([folder.path()], &Limits::default()).unwrap();
        let large = roots.chunks_of(&Digest::of(&zeros)).unwrap().unwrap();
        assert_eq!(
            large.chunks().iter().map(|chunk| chunk.size).collect::<Vec<_>>(),
            [4 << 20, 4 << 20, 4 << 20, 1 << 20]
        );
        assert_eq!(roots.chunks_of(&Digest::of(b"small")).unwrap(), None);
        assert_eq!(roots.chunks_of(&Digest::of(&zeros[..4 << 20])).unwrap(), None, "one chunk");
        let [first, last] = [Digest::of(&zeros[..4 << 20]), Digest::of(&zeros[..1 << 20])];
        let entries = [large];
        for wanted in [vec![], vec![first], vec![last], vec![first, last]] {
            let set = wanted.iter().copied().collect();
            assert_eq!(records(&roots, &entries, &set), (wanted, size_of_chunks(&entries, &set)));
        }

        fs::write(folder.path().join("large.bin"), &zeros[1..]).unwrap();
        let error = roots.pack_chunks(&entries, &[last].into(), &mut |_| Ok(())).unwrap_err();
        assert!(error.message().contains("SnapshotGone"), "{error}");
        assert!(roots.chunks_of(&Digest::of(&zeros)).is_err() && roots.chunks_of(&last).is_err());
    }
}
