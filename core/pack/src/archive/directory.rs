//! The central directory of an archive, and its agreement with the headers in front of the bytes.

use std::fs::File;

use haulier_model::Result;

use super::{extract::Member, read_at};
use crate::{limits::Budget, refusal};

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

const END_SIZE: usize = 22;
const END_64_SIZE: usize = 56;
const LOCATOR_64_SIZE: usize = 20;
const CENTRAL_SIZE: usize = 46;
const LOCAL_SIZE: usize = 30;

/// The most bytes of directory for each entry that is announced; paths alone may have 4 KiB.
const MOST_PER_ENTRY: u64 = 16 << 10;

/// The most bytes of directory: all of it is in memory at once.
const MOST_IN_ALL: u64 = 256 << 20;

/// The directory at the end of an archive.
pub(super) struct Directory {
    pub(super) headers: Vec<Header>,
    /// Where it begins; the bytes of entries end before.
    start: u64,
    /// Whether there is more than its headers and its end: comments, or bytes between its two ends.
    has_remarks: bool,
}

/// What the directory says of an entry.
pub(super) struct Header {
    /// The name for messages; as it is written unless it is no UTF-8.
    pub(super) name: String,
    written: Vec<u8>,
    pub(super) method: u16,
    pub(super) size: u64,
    compressed: u64,
    crc: u32,
    flags: u16,
    mode: u32,
    offset: u64,
    has_comment: bool,
}

impl Header {
    pub(super) fn is_text(&self) -> bool {
        self.name.as_bytes() == self.written
    }

    pub(super) fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    pub(super) fn is_special(&self) -> bool {
        !matches!(self.mode & 0o170_000, 0 | 0o100_000)
    }

    pub(super) fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & (1 | 1 << 6 | 1 << 13) != 0
    }

    pub(super) fn is_readable(&self) -> bool {
        self.method == 8 || self.method == 0 && self.compressed == self.size
    }
}

impl Directory {
    pub(super) fn read(file: &File, budget: &mut Budget<'_>) -> Result<Self> {
        let length = file.metadata().map_err(|error| refusal::io("the archive".as_ref(), error))?.len();
        let end = End::find(file, length)?;
        let count = usize::try_from(end.count).unwrap_or(usize::MAX);
        budget.add_entries(count)?;
        if end.size > end.count.saturating_mul(MOST_PER_ENTRY).min(MOST_IN_ALL) {
            return Err(refusal::refused(format!("its directory has {} bytes for {count} entries", end.size)));
        }
        let wrong_place = || refusal::refused("its directory is not where it should be");
        let start = end.position.checked_sub(end.size).ok_or_else(wrong_place)?;
        // Bytes in front of the archive, as of a script that starts it, move all offsets.
        let moved = start.checked_sub(end.offset).ok_or_else(wrong_place)?;
        if end.announced.is_some_and(|announced| announced.checked_add(moved) != Some(end.position)) {
            return Err(wrong_place());
        }
        let mut bytes = vec![0; usize::try_from(end.size).map_err(|_| wrong_place())?];
        read_at(file, &mut bytes, start)?;
        let mut fields = Fields(&bytes);
        let mut headers: Vec<Header> = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push(Header::read(&mut fields, moved)?);
        }
        if !fields.0.is_empty() {
            return Err(refusal::refused(format!("its directory has more than the {count} entries it announces")));
        }
        let has_remarks = end.has_remarks || headers.iter().any(|header| header.has_comment);
        Ok(Self { headers, start, has_remarks })
    }

    /// Whether the archive has bytes that are no part of an entry, nor of the directory as everybody writes it: in front
    /// of the first entry, between entries, behind the last one, in comments.
    pub(super) fn has_other_bytes(&self, members: &[Member]) -> bool {
        let mut spans: Vec<(u64, u64, bool)> = (self.headers.iter().zip(members))
            .map(|(header, member)| (header.offset, member.offset + member.compressed, header.flags & 1 << 3 != 0))
            .collect();
        spans.sort_unstable();
        spans.push((self.start, self.start, false));
        let (mut end, mut described) = (0, false);
        self.has_remarks
            || spans.into_iter().any(|(start, next, describes)| {
                let gap = start - end;
                // What follows an entry whose writer did not know its size: with a mark or without, small or large.
                let is_filled = gap == 0 || described && matches!(gap, 12 | 16 | 20 | 24);
                (end, described) = (next, describes);
                !is_filled
            })
    }

    /// Where the bytes of each entry are. Refuses headers that disagree, and entries that share bytes.
    pub(super) fn members(&self, file: &File) -> Result<Vec<Member>> {
        let members = self.headers.iter().map(|header| header.member(file)).collect::<Result<Vec<_>>>()?;
        let mut spans: Vec<(u64, u64, &str)> = self
            .headers
            .iter()
            .zip(&members)
            .map(|(header, member)| (header.offset, member.offset.saturating_add(member.compressed), &*header.name))
            .collect();
        spans.sort_unstable();
        for pair in spans.windows(2) {
            if pair[0].1 > pair[1].0 {
                let (one, other) = (pair[0].2.escape_debug(), pair[1].2.escape_debug());
                return Err(refusal::refused(format!("'{one}' and '{other}' overlap")));
            }
        }
        match spans.last() {
            Some((_, end, name)) if *end > self.start => {
                Err(refusal::refused(format!("'{}' overlaps the directory", name.escape_debug())))
            }
            _ => Ok(members),
        }
    }
}

/// What the end of an archive says of its directory.
struct End {
    /// Where the directory ends.
    position: u64,
    /// Where it is said to end, but for bytes in front of the archive.
    announced: Option<u64>,
    count: u64,
    size: u64,
    offset: u64,
    has_remarks: bool,
}

impl End {
    fn find(file: &File, length: u64) -> Result<Self> {
        let tail = length.min((END_SIZE + usize::from(u16::MAX)) as u64) as usize;
        let mut bytes = vec![0; tail];
        read_at(file, &mut bytes, length - tail as u64)?;
        let mut ends = (0..=tail.saturating_sub(END_SIZE)).rev().filter(|at| {
            let comment = bytes.get(at + END_SIZE - 2..at + END_SIZE).map(|two| u16::from_le_bytes([two[0], two[1]]));
            bytes[*at..].starts_with(END) && comment.is_some_and(|comment| at + END_SIZE + usize::from(comment) == tail)
        });
        let at =
            ends.next().ok_or_else(|| refusal::refused("it is no archive: it does not end with a zip directory"))?;
        if ends.next().is_some() {
            return Err(refusal::refused("it has two ends, one in the comment of the other"));
        }
        let position = length - tail as u64 + at as u64;
        let mut fields = Fields(&bytes[at + END.len()..]);
        let (disk, directory_disk, here, count) = (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
        let (size, offset) = (fields.u32()?, fields.u32()?);
        if let Some(large) = Self::find_64(file, position)? {
            let agrees = |small: u32, large: u64| small == u32::MAX || u64::from(small) == large;
            let same = (count == u16::MAX || u64::from(count) == large.count)
                && agrees(size, large.size)
                && agrees(offset, large.offset);
            let has_remarks = large.has_remarks || at + END_SIZE != tail;
            return if same {
                Ok(Self { has_remarks, ..large })
            } else {
                Err(refusal::refused("its small and its large end disagree"))
            };
        }
        if disk != 0 || directory_disk != 0 || here != count {
            return Err(refusal::refused("it is one part of several"));
        }
        let has_remarks = at + END_SIZE != tail;
        Ok(Self {
            position,
            announced: None,
            count: count.into(),
            size: size.into(),
            offset: offset.into(),
            has_remarks,
        })
    }

    /// Reads the larger form, which is in front of the end at `position`.
    fn find_64(file: &File, position: u64) -> Result<Option<Self>> {
        let Some(locator_at) = position.checked_sub(LOCATOR_64_SIZE as u64) else { return Ok(None) };
        let mut locator = [0; LOCATOR_64_SIZE];
        read_at(file, &mut locator, locator_at)?;
        if !locator.starts_with(LOCATOR_64) {
            return Ok(None);
        }
        let said = Fields(&locator[8..]).u64()?;
        let usual = locator_at.saturating_sub(END_64_SIZE as u64);
        for position in [usual, said] {
            let mut bytes = [0; END_64_SIZE];
            let within = position.checked_add(END_64_SIZE as u64).is_some_and(|end| end <= locator_at);
            if !within || read_at(file, &mut bytes, position).is_err() || !bytes.starts_with(END_64) {
                continue;
            }
            let mut fields = Fields(&bytes[16..]);
            let (disk, directory_disk) = (fields.u32()?, fields.u32()?);
            let (here, count, size, offset) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
            if disk != 0 || directory_disk != 0 || here != count {
                return Err(refusal::refused("it is one part of several"));
            }
            let has_remarks = position != usual;
            return Ok(Some(Self { position, announced: Some(said), count, size, offset, has_remarks }));
        }
        Err(refusal::refused("its directory is not where it should be"))
    }
}

impl Header {
    fn read(fields: &mut Fields<'_>, moved: u64) -> Result<Self> {
        if !fields.0.starts_with(CENTRAL) || fields.0.len() < CENTRAL_SIZE {
            return Err(refusal::refused("its directory is damaged, or has fewer entries than it announces"));
        }
        fields.take(CENTRAL.len() + 4)?;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.take(4)?;
        let (crc, compressed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
        fields.take(4)?;
        let (attributes, offset) = (fields.u32()?, fields.u32()?);
        let written = fields.take(name.into())?.to_owned();
        let name = String::from_utf8_lossy(&written).into_owned();
        let mut large = large_values(fields.take(extra.into())?)?;
        fields.take(comment.into())?;
        let mut value = |small: u32| if small == u32::MAX { large.u64() } else { Ok(small.into()) };
        let (size, compressed) = (value(size)?, value(compressed)?);
        let offset = value(offset)?.checked_add(moved);
        let offset = offset.ok_or_else(|| refusal::refused("an entry is outside the archive"))?;
        let (mode, has_comment) = (attributes >> 16, comment > 0);
        Ok(Self { name, written, method, size, compressed, crc, flags, mode, offset, has_comment })
    }

    /// Finds the bytes behind the local header, which must say the same.
    fn member(&self, file: &File) -> Result<Member> {
        let disagrees = |what: &str| {
            refusal::refused(format!("'{}': the header of the entry disagrees on the {what}", self.name.escape_debug()))
        };
        let mut bytes = vec![0; LOCAL_SIZE + self.written.len()];
        read_at(file, &mut bytes, self.offset)?;
        let mut fields = Fields(&bytes);
        if fields.take(LOCAL.len())? != LOCAL {
            return Err(disagrees("place"));
        }
        fields.take(2)?;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.take(4)?;
        let (crc, compressed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (name, extra) = (fields.u16()?, fields.u16()?);
        if usize::from(name) != self.written.len() || fields.0 != self.written {
            return Err(disagrees("name"));
        }
        if method != self.method || (flags ^ self.flags) & 1 != 0 {
            return Err(disagrees("method"));
        }
        let extra_at = self.offset + bytes.len() as u64;
        let (mut size, mut compressed) = (u64::from(size), u64::from(compressed));
        if size == u64::from(u32::MAX) || compressed == u64::from(u32::MAX) {
            let mut extra = vec![0; extra.into()];
            read_at(file, &mut extra, extra_at)?;
            let mut large = large_values(&extra)?;
            for value in [&mut size, &mut compressed] {
                if *value == u64::from(u32::MAX) {
                    *value = large.u64()?;
                }
            }
        }
        // With flag 3 the writer did not know yet and left zeros; what follows the bytes then has the values.
        let later = flags & 1 << 3 != 0;
        let agrees = |here: u64, there: u64| here == there || later && here == 0;
        if !agrees(size, self.size) || !agrees(compressed, self.compressed) {
            return Err(disagrees("size"));
        }
        if !agrees(crc.into(), self.crc.into()) {
            return Err(disagrees("checksum"));
        }
        let offset = extra_at + u64::from(extra);
        Ok(Member { offset, compressed: self.compressed, size: self.size, crc: self.crc, deflated: self.method == 8 })
    }
}

/// The values of the extra field for archives above 4 GiB; empty if there is none.
fn large_values(extra: &[u8]) -> Result<Fields<'_>> {
    let mut fields = Fields(extra);
    // Some writers pad with less than a field.
    while fields.0.len() >= 4 {
        let (id, length) = (fields.u16()?, fields.u16()?);
        if usize::from(length) > fields.0.len() {
            break;
        }
        let value = fields.take(length.into())?;
        if id == 1 {
            return Ok(Fields(value));
        }
    }
    Ok(Fields(&[]))
}

/// Reads little-endian numbers.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let cut = || refusal::refused("its directory is cut off");
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("take gives N bytes"))
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
