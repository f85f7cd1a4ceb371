//! Builds archives byte by byte, so that each field can lie.

use std::{fs, path::Path};

use haulier_model::Result;
use haulier_pack::{Limits, PackedRoot};

/// An entry: what is in front of its bytes, its bytes, and what the directory says of it.
#[derive(Clone, Default)]
pub(crate) struct Part {
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) crc: u32,
    pub(crate) size: u32,
    pub(crate) compressed: u32,
    /// Of the directory only.
    pub(crate) extra: Vec<u8>,
    /// Where the directory says that it is, if not where it is.
    pub(crate) offset: Option<u32>,
    /// After the bytes.
    pub(crate) descriptor: Vec<u8>,
    /// Zeros in front of the bytes instead of sizes and checksum.
    pub(crate) sizes_later: bool,
}

/// A part that tells the truth, stored.
pub(crate) fn part(name: &str, bytes: &[u8]) -> Part {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    let size = bytes.len() as u32;
    Part { name: name.into(), bytes: bytes.into(), crc: crc.sum(), size, compressed: size, ..Part::default() }
}

/// A part that tells the truth, compressed.
pub(crate) fn deflated(name: &str, bytes: &[u8]) -> Part {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    let compressed = encoder.finish().unwrap();
    Part { method: 8, compressed: compressed.len() as u32, bytes: compressed, ..part(name, bytes) }
}

/// The end of an archive, to be changed before it is written.
#[derive(Clone, Default)]
pub(crate) struct End {
    pub(crate) count: u16,
    pub(crate) size: u32,
    pub(crate) offset: u32,
    pub(crate) comment: Vec<u8>,
}

impl End {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = b"PK\x05\x06\0\0\0\0".to_vec();
        put(&mut out, &[self.count, self.count], &[self.size, self.offset]);
        put(&mut out, &[self.comment.len() as u16], &[]);
        out.extend_from_slice(&self.comment);
        out
    }
}

/// The entries and the directory, and the end that belongs to them.
pub(crate) fn body(parts: &[Part]) -> (Vec<u8>, End) {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for part in parts {
        let offset = part.offset.unwrap_or(out.len() as u32);
        let here = if part.sizes_later { [0; 3] } else { [part.crc, part.compressed, part.size] };
        out.extend_from_slice(b"PK\x03\x04");
        put(&mut out, &[20, part.flags, part.method, 0, 0], &here);
        put(&mut out, &[part.name.len() as u16, 0], &[]);
        out.extend([&part.name[..], &part.bytes, &part.descriptor].concat());
        directory.extend_from_slice(b"PK\x01\x02");
        put(&mut directory, &[20, 20, part.flags, part.method, 0, 0], &[part.crc, part.compressed, part.size]);
        put(&mut directory, &[part.name.len() as u16, part.extra.len() as u16, 0, 0, 0], &[0, offset]);
        directory.extend([&part.name[..], &part.extra].concat());
    }
    let end =
        End { count: parts.len() as u16, size: directory.len() as u32, offset: out.len() as u32, comment: vec![] };
    out.extend_from_slice(&directory);
    (out, end)
}

/// A whole archive.
pub(crate) fn archive(parts: &[Part]) -> Vec<u8> {
    let (mut out, end) = body(parts);
    out.extend(end.encode());
    out
}

/// The larger end and its locator.
pub(crate) fn large_end(count: u64, size: u64, offset: u64, announced: u64) -> Vec<u8> {
    let mut out = b"PK\x06\x06".to_vec();
    let wide = |out: &mut Vec<u8>, values: &[u64]| out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    wide(&mut out, &[44]);
    put(&mut out, &[45, 45], &[0, 0]);
    wide(&mut out, &[count, count, size, offset]);
    out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    wide(&mut out, &[announced]);
    out.extend_from_slice(&1_u32.to_le_bytes());
    out
}

pub(crate) fn put(out: &mut Vec<u8>, two: &[u16], four: &[u32]) {
    out.extend(two.iter().flat_map(|value| value.to_le_bytes()));
    out.extend(four.iter().flat_map(|value| value.to_le_bytes()));
}

/// Reads it as a user's file of that name.
pub(crate) fn read_as(name: &str, bytes: &[u8]) -> Result<Vec<PackedRoot>> {
    read_within(name, bytes, &Limits::default())
}

pub(crate) fn read_within(name: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<PackedRoot>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let read = PackedRoot::read_source(&path, limits);
    assert_eq!(siblings(folder.path()), [name], "nothing is written beside what is read");
    read
}

fn siblings(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Why an archive is refused.
pub(crate) fn refusal(bytes: &[u8]) -> haulier_model::Error {
    read_as("a.jar", bytes).expect_err("the archive is refused")
}

/// The paths of a root, in order.
pub(crate) fn paths(root: &PackedRoot) -> Vec<&str> {
    root.root.entries.iter().map(|entry| entry.path.as_str()).collect()
}
