//! Archives in canonical form: entries stored, in the order of the root, nothing else in them. Equal roots give equal
//! bytes. Must never decide what is written: of a root that is opaque the exact bytes are there.

use std::io::{self, Seek, SeekFrom, Write};

use crc32fast::Hasher as Crc;
use haulier_model::EntryPath;

/// 1980-01-01 00:00, the first moment that an archive can name.
const TIME_AND_DATE: u32 = 0x0021_0000;
/// The names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// What a reader must know: nothing special, or archives above 4 GiB.
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;
/// The system whose file modes the directory has.
const UNIX: u16 = 3 << 8;
/// Where the checksum is in the header in front of an entry.
const CHECKSUM_AT: u64 = 14;

/// Writes an archive in canonical form, entry by entry, in bounded memory: what it keeps is the directory.
///
/// ```
/// use std::io::{Cursor, Write as _};
/// use haulier_model::EntryPath;
/// use haulier_pack::CanonicalArchive;
///
/// let mut archive = CanonicalArchive::new(Cursor::new(Vec::new()));
/// archive.begin(&EntryPath::new("com/acme/price.txt")?, 2, false)?;
/// archive.write_all(b"42")?;
/// let bytes = archive.finish()?.into_inner();
/// assert!(bytes.starts_with(b"PK"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CanonicalArchive<W> {
    out: W,
    /// Bytes that were written.
    position: u64,
    directory: Vec<u8>,
    count: u64,
    open: Option<Open>,
}

/// The entry that is being written.
struct Open {
    start: u64,
    path: EntryPath,
    size: u32,
    remaining: u32,
    executable: bool,
    crc: Crc,
}

impl<W: Write + Seek> CanonicalArchive<W> {
    /// An archive that begins where `out` does.
    pub fn new(out: W) -> Self {
        Self { out, position: 0, directory: Vec::new(), count: 0, open: None }
    }

    /// Begins an entry of exactly `size` bytes, which follow by [`Write`]. Errors: those of the output, `InvalidInput`
    /// for 4 GiB and more, and if the entry before is not whole.
    pub fn begin(&mut self, path: &EntryPath, size: u64, executable: bool) -> io::Result<()> {
        self.end()?;
        let refused = |_| io::Error::new(io::ErrorKind::InvalidInput, "an entry of 4 GiB or more");
        let size = u32::try_from(size).map_err(refused)?;
        self.open =
            Some(Open { start: self.position, path: path.clone(), size, remaining: size, executable, crc: Crc::new() });
        let mut header = Vec::with_capacity(30 + path.as_str().len());
        header.extend_from_slice(b"PK\x03\x04");
        short(&mut header, &[VERSION, FLAGS, 0]);
        long(&mut header, &[TIME_AND_DATE, 0, size, size]);
        short(&mut header, &[path.as_str().len() as u16, 0]);
        header.extend_from_slice(path.as_str().as_bytes());
        self.put(&header)
    }

    /// Writes the directory, and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.end()?;
        let (start, directory) = (self.position, std::mem::take(&mut self.directory));
        self.put(&directory)?;
        let size = directory.len() as u64;
        let is_large = start >= u64::from(u32::MAX) || size >= u64::from(u32::MAX) || self.count >= u64::from(u16::MAX);
        let mut end = Vec::new();
        if is_large {
            end.extend_from_slice(b"PK\x06\x06");
            huge(&mut end, &[44]);
            short(&mut end, &[UNIX | VERSION_64, VERSION_64]);
            long(&mut end, &[0, 0]);
            huge(&mut end, &[self.count, self.count, size, start]);
            end.extend_from_slice(b"PK\x06\x07");
            long(&mut end, &[0]);
            huge(&mut end, &[start + size]);
            long(&mut end, &[1]);
        }
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        end.extend_from_slice(b"PK\x05\x06");
        short(&mut end, &[0, 0, count, count]);
        long(&mut end, &[saturated(size), saturated(start)]);
        short(&mut end, &[0]);
        self.put(&end)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Ends the entry that is being written: only now its checksum is known.
    fn end(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if open.remaining > 0 {
            let message = format!("'{}' lacks {} bytes", open.path, open.remaining);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let crc = open.crc.finalize();
        self.out.seek(SeekFrom::Start(open.start + CHECKSUM_AT))?;
        self.out.write_all(&crc.to_le_bytes())?;
        self.out.seek(SeekFrom::Start(self.position))?;
        self.count += 1;
        let path = open.path.as_str().as_bytes();
        let is_far = open.start >= u64::from(u32::MAX);
        let out = &mut self.directory;
        out.extend_from_slice(b"PK\x01\x02");
        let version = if is_far { VERSION_64 } else { VERSION };
        short(out, &[UNIX | version, version, FLAGS, 0]);
        long(out, &[TIME_AND_DATE, crc, open.size, open.size]);
        short(out, &[path.len() as u16, if is_far { 12 } else { 0 }, 0, 0, 0]);
        let mode: u32 = if open.executable { 0o100_755 } else { 0o100_644 };
        long(out, &[mode << 16, saturated(open.start)]);
        out.extend_from_slice(path);
        if is_far {
            short(out, &[1, 8]);
            huge(out, &[open.start]);
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

/// The bytes of the entry that was begun; more than were announced are refused.
impl<W: Write + Seek> Write for CanonicalArchive<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let too_many = || io::Error::new(io::ErrorKind::InvalidInput, "more bytes than the entry has");
        let open = self.open.as_mut().ok_or_else(too_many)?;
        let length = u32::try_from(bytes.len()).map_err(|_| too_many())?;
        open.remaining = open.remaining.checked_sub(length).ok_or_else(too_many)?;
        open.crc.update(bytes);
        self.put(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn saturated(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn short(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn long(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn huge(out: &mut Vec<u8>, values: &[u64]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use crate::PackedRoot;

    use super::*;

    fn written(entries: &[(&str, &[u8], bool)]) -> Vec<u8> {
        let mut archive = CanonicalArchive::new(io::Cursor::new(Vec::new()));
        for (path, bytes, executable) in entries {
            archive.begin(&EntryPath::new(path).unwrap(), bytes.len() as u64, *executable).unwrap();
            for part in bytes.chunks(3) {
                archive.write_all(part).unwrap();
            }
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn what_is_read_is_what_was_written_and_nothing_more() {
        let entries: [(&str, &[u8], bool); 3] =
            [("z/Ä b#.txt", b"text", false), ("run.sh", b"#!/bin/sh\n", true), ("a/empty.class", b"", false)];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jar");
        std::fs::write(&path, written(&entries)).unwrap();
        let [root] = <[PackedRoot; 1]>::try_from(PackedRoot::read_source(&path, &crate::Limits::default()).unwrap())
            .expect("one root");
        assert_eq!(root.root.original, None, "the canonical form loses nothing of itself");
        for (index, (path, bytes, executable)) in entries.iter().enumerate() {
            let entry = &root.root.entries[index];
            assert_eq!((entry.path.as_str(), entry.executable), (*path, *executable));
            assert_eq!(root.bytes(index).unwrap(), *bytes);
        }
        let mut other = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(other.by_name("z/Ä b#.txt").unwrap().size(), 4);
        assert_eq!(written(&entries), written(&entries));
    }

    #[test]
    fn more_entries_than_the_small_form_can_count() {
        let names: Vec<String> = (0..70_000).map(|number| format!("{number}.txt")).collect();
        let entries: Vec<(&str, &[u8], bool)> = names.iter().map(|name| (name.as_str(), &b"x"[..], false)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("many.jar");
        std::fs::write(&path, written(&entries)).unwrap();
        let roots = PackedRoot::read_source(&path, &crate::Limits::default()).unwrap();
        assert_eq!((roots[0].root.entries.len(), roots[0].root.original), (70_000, None));
    }

    #[test]
    fn an_entry_has_the_bytes_that_were_announced() {
        let path = EntryPath::new("a").unwrap();
        let mut archive = CanonicalArchive::new(io::Cursor::new(Vec::new()));
        assert!(archive.write_all(b"x").is_err(), "no entry is open");
        archive.begin(&path, 2, false).unwrap();
        assert!(archive.write_all(b"xyz").is_err());
        archive.write_all(b"x").unwrap();
        assert!(archive.begin(&path, 0, false).is_err(), "one byte is missing");
        assert!(archive.begin(&path, 4 << 30, false).is_err());
    }
}
