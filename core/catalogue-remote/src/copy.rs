//! The copy of the records on this node's disk: written whole, verified when it is read.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use haulier_catalogue::{CatalogueId, Listing, OperationId, Record};
use haulier_model::Digest;
use parking_lot::Mutex;

/// What a file begins with; the number is that of its format. After it: a SHA-256 of the rest, and the rest.
const MAGIC: &[u8] = b"haulier catalogue copy 1\n";

/// The one place of a copy.
pub(crate) struct CopyFile {
    path: PathBuf,
    /// One writer at a time: they share the temporary file.
    writing: Mutex<()>,
}

impl CopyFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), writing: Mutex::new(()) }
    }

    /// The copy; `None` if there is none, or none that can be trusted, which is said in the log.
    pub(crate) fn read(&self) -> Option<Listing> {
        let path = self.path.display();
        match fs::read(&self.path) {
            Ok(bytes) => {
                let listing = decode(&bytes);
                if listing.is_none() {
                    tracing::warn!(%path, "the copy of the catalogue is damaged; it is ignored");
                }
                listing
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%path, %error, "the copy of the catalogue cannot be read; it is ignored");
                None
            }
        }
    }

    /// Replaces the copy; a crash leaves the old or the new one.
    pub(crate) fn write(&self, listing: &Listing) -> io::Result<()> {
        let bytes = encode(listing);
        let _writing = self.writing.lock();
        let mut partial = self.path.clone().into_os_string();
        partial.push(".partial");
        let mut file = File::create(&partial)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&partial, &self.path)
    }
}

/// Numbers are little endian; texts and bytes have their length before them.
fn encode(listing: &Listing) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(listing.catalogue.as_bytes());
    body.extend_from_slice(&listing.revision.to_le_bytes());
    for record in &listing.records {
        body.extend_from_slice(&record.revision.to_le_bytes());
        body.extend_from_slice(record.operation.as_bytes());
        for part in [record.key.as_bytes(), &record.value] {
            body.extend_from_slice(&(part.len() as u64).to_le_bytes());
            body.extend_from_slice(part);
        }
    }
    [MAGIC, Digest::of(&body).as_bytes(), &body].concat()
}

fn decode(bytes: &[u8]) -> Option<Listing> {
    let (digest, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
    if Digest::of(body).as_bytes() != digest {
        return None;
    }
    let (id, rest) = body.split_first_chunk()?;
    let (revision, mut rest) = rest.split_first_chunk()?;
    let mut records = BTreeMap::new();
    while !rest.is_empty() {
        let (record, after) = decode_record(rest)?;
        records.insert(record.key.clone(), record);
        rest = after;
    }
    Some(Listing {
        records: records.into_values().collect(),
        revision: u64::from_le_bytes(*revision),
        catalogue: CatalogueId::from_bytes(*id),
    })
}

fn decode_record(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (revision, rest) = bytes.split_first_chunk()?;
    let (operation, rest) = rest.split_first_chunk()?;
    let (key, rest) = decode_part(rest)?;
    let (value, rest) = decode_part(rest)?;
    let record = Record {
        key: String::from_utf8(key.to_vec()).ok()?,
        value: value.to_vec(),
        revision: u64::from_le_bytes(*revision),
        operation: OperationId::from_bytes(*operation),
    };
    Some((record, rest))
}

fn decode_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_copies_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let copy = CopyFile::new(&path);
        assert_eq!(copy.read(), None);
        let record = |key: &str, value: &[u8]| Record {
            key: key.to_owned(),
            value: value.to_vec(),
            revision: 7,
            operation: OperationId::random(),
        };
        let records = vec![record("a", b""), record("b/ü", &[0; 300])];
        let listing = Listing { records, revision: 9, catalogue: CatalogueId::random() };
        copy.write(&listing).unwrap();
        assert_eq!(copy.read(), Some(listing));
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            assert_eq!(decode(&whole[..end]), None, "cut at {end}");
        }
        for index in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[index] ^= 1;
            assert_eq!(decode(&damaged), None, "a bit at {index}");
        }
        fs::write(&path, &whole[1..]).unwrap();
        assert_eq!(copy.read(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }
}
