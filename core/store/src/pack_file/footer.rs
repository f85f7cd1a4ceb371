//! The footer of a pack: encoding, reading, checking.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _, path::Path};

use haulier_model::Digest;

const MAGIC: &[u8; 16] = b"haulier pack 1\n\0";
const EXTENT_SIZE: u64 = 32 + 8 + 8;
const TRAILER_SIZE: u64 = 16 + 8 + 16;

/// The ending of a pack's name.
pub(super) const EXTENSION: &str = "pack";

/// Where a content is in its pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) digest: Digest,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    /// Whether another content of the pack is made of this one and its neighbours.
    pub(crate) is_part: bool,
}

impl Extent {
    /// A content that stands for itself.
    pub(crate) fn new(digest: Digest, offset: u64, size: u64) -> Self {
        Self { digest, offset, size, is_part: false }
    }

    /// The bytes of the file that are the content; of a footer that was checked, or written here.
    pub(crate) fn range(&self) -> Range<usize> {
        self.offset as usize..(self.offset + self.size) as usize
    }
}

/// The footer's bytes, and the name of the pack that they make.
pub(super) fn encode(extents: &[Extent], salt: &[u8; 16]) -> (Vec<u8>, String) {
    let mut out = Vec::with_capacity(extents.len() * EXTENT_SIZE as usize + TRAILER_SIZE as usize);
    for extent in extents {
        out.extend_from_slice(extent.digest.as_bytes());
        out.extend_from_slice(&extent.offset.to_le_bytes());
        out.extend_from_slice(&extent.size.to_le_bytes());
    }
    out.extend_from_slice(salt);
    out.extend_from_slice(&(extents.len() as u64).to_le_bytes());
    out.extend_from_slice(MAGIC);
    let name = format!("{}.{EXTENSION}", Digest::of(&out).hex());
    (out, name)
}

/// Reads and checks the footer of a file of `length` bytes at `path`.
pub(super) fn read(file: &File, length: u64, path: &Path) -> io::Result<Vec<Extent>> {
    let trailer_start = length.checked_sub(TRAILER_SIZE).ok_or_else(|| damaged("it is too short".to_owned()))?;
    let mut trailer = [0; TRAILER_SIZE as usize];
    file.read_exact_at(&mut trailer, trailer_start)?;
    if !trailer.ends_with(MAGIC) {
        return Err(damaged("it does not end with a footer".to_owned()));
    }
    let count = u64::from_le_bytes(trailer[16..24].try_into().expect("a slice of 8 bytes"));
    let footer_start = count
        .checked_mul(EXTENT_SIZE)
        .and_then(|size| trailer_start.checked_sub(size))
        .ok_or_else(|| damaged(format!("its footer has {count} contents, more than fit")))?;
    let mut bytes = vec![0; (length - footer_start) as usize];
    file.read_exact_at(&mut bytes, footer_start)?;
    let expected = format!("{}.{EXTENSION}", Digest::of(&bytes).hex());
    if path.file_name().is_none_or(|name| name != expected.as_str()) {
        return Err(damaged("its footer does not belong to its name".to_owned()));
    }
    decode(&bytes[..(trailer_start - footer_start) as usize], footer_start)
}

/// Notes that a content which begins at `offset` is made of the last of `extents`; false unless it is made of whole
/// ones that are no parts already.
pub(super) fn join(extents: &mut [Extent], offset: u64) -> bool {
    let mut end = extents.last().map_or(0, |last| last.offset + last.size);
    for extent in extents.iter_mut().rev() {
        if extent.is_part || extent.offset + extent.size != end || extent.offset < offset {
            return false;
        }
        extent.is_part = true;
        end = extent.offset;
        if end == offset {
            return true;
        }
    }
    false
}

/// Contents follow each other without a gap, up to the footer. One that is made of others comes right after them.
fn decode(bytes: &[u8], end: u64) -> io::Result<Vec<Extent>> {
    let mut position = 0_u64;
    let mut extents = Vec::with_capacity(bytes.len() / EXTENT_SIZE as usize);
    for row in bytes.as_chunks::<{ EXTENT_SIZE as usize }>().0 {
        let (digest, numbers) = row.split_first_chunk::<32>().expect("a row has 48 bytes");
        let (offset, size) = numbers.split_first_chunk::<8>().expect("a row has 48 bytes");
        let offset = u64::from_le_bytes(*offset);
        let size = u64::from_le_bytes(size.try_into().expect("a row has 48 bytes"));
        let next = offset.checked_add(size).filter(|next| *next <= end);
        let next = next.filter(|next| {
            offset == position || (offset < position && *next == position && join(&mut extents, offset))
        });
        position = next.ok_or_else(|| damaged("its contents overlap or leave the file".to_owned()))?;
        extents.push(Extent::new(Digest::from_bytes(*digest), offset, size));
    }
    if position != end {
        return Err(damaged("there are bytes between its contents and its footer".to_owned()));
    }
    Ok(extents)
}

pub(super) fn damaged(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
