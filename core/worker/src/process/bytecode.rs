//! Bytecode by the digest of its source, many pieces in one file: nothing is created for each module, and a process maps
//! what others have compiled in one go.
//!
//! There are two such files for an interpreter: that of a trust group, beside its directories, to which its processes add
//! what they have compiled, and which never leaves the group; and that of a unit's root, which only the node writes. Knows
//! files, and nothing of what is in the bytecode.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use haulier_model::Digest;
use memmap2::Mmap;

/// The folder for that of a trust group, beside its directories.
pub const BYTECODE_FOLDER: &str = "bytecode";

/// The digest of the source, and the length of what follows.
const HEADER: usize = Digest::SIZE + 4;
/// A file does not grow beyond: it begins anew.
const MOST: u64 = 128 << 20;

/// The bytecode in one file, as it was when it was opened.
#[derive(Default)]
pub(super) struct Bytecode {
    file: Option<Mmap>,
    /// Where that of a source is.
    places: HashMap<Digest, (usize, usize)>,
}

impl Bytecode {
    /// Reads the file of an interpreter in a folder; empty if there is none.
    pub(super) fn open(folder: &Path, tag: &str) -> Self {
        let Some(path) = path(folder, tag) else { return Self::default() };
        // SAFETY: what is in the file is only added to; what is cut off was never whole, and is not looked at here.
        let mapped = File::open(path).and_then(|file| unsafe { Mmap::map(&file) });
        let Ok(file) = mapped else { return Self::default() };
        let (places, _) = places(&file);
        Self { file: Some(file), places }
    }

    /// That of a source.
    pub(super) fn get(&self, source: &Digest) -> Option<&[u8]> {
        let (from, to) = *self.places.get(source)?;
        self.file.as_deref()?.get(from..to)
    }
}

/// Adds bytecode of an interpreter, as it calls itself, to what a folder has.
///
/// # Errors
/// When the file cannot be written. Nothing that was in it is lost then.
pub fn keep_bytecode<'a>(
    folder: &Path,
    tag: &str,
    compiled: impl IntoIterator<Item = (Digest, &'a [u8])>,
) -> io::Result<()> {
    let Some(path) = path(folder, tag) else { return Err(io::Error::other("this is no name of an interpreter")) };
    let mut file = lock(&path)?;
    // SAFETY: others add to it under the lock only, and this mapping is gone before.
    let known = if file.metadata()?.len() == 0 { None } else { Some(unsafe { Mmap::map(&file) }?) };
    let (places, end) = known.as_deref().map(places).unwrap_or_default();
    let mut records = Vec::new();
    for (source, code) in compiled.into_iter().filter(|(source, _)| !places.contains_key(source)) {
        records.extend_from_slice(source.as_bytes());
        records.extend_from_slice(&u32::try_from(code.len()).map_err(io::Error::other)?.to_le_bytes());
        records.extend_from_slice(code);
    }
    drop(known);
    if end as u64 + records.len() as u64 > MOST {
        // Processes that have it mapped keep it.
        return fs::remove_file(&path);
    }
    // What a process that was killed has left of its own.
    file.set_len(end as u64)?;
    file.seek(SeekFrom::Start(end as u64))?;
    file.write_all(&records)
}

/// What is whole in such a file: sources and their bytecode.
pub fn bytecode_in(file: &[u8]) -> impl Iterator<Item = (Digest, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (source, from, to) = record(file, at)?;
        at = to;
        Some((source, &file[from..to]))
    })
}

/// Opens a file that nobody else writes to meanwhile.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        // It may have been removed before it was locked.
        if fs::metadata(path).is_ok_and(|there| file.metadata().is_ok_and(|own| own.ino() == there.ino())) {
            return Ok(file);
        }
    }
}

/// What is whole in a file, and where that ends.
fn places(file: &[u8]) -> (HashMap<Digest, (usize, usize)>, usize) {
    let mut places = HashMap::new();
    let mut at = 0;
    while let Some(next) = record(file, at) {
        let (source, from, to) = next;
        places.insert(source, (from, to));
        at = to;
    }
    (places, at)
}

fn record(file: &[u8], at: usize) -> Option<(Digest, usize, usize)> {
    let mut header = file.get(at..at.checked_add(HEADER)?)?;
    let (mut source, mut length) = ([0; Digest::SIZE], [0; 4]);
    header.read_exact(&mut source).and_then(|()| header.read_exact(&mut length)).ok()?;
    let from = at + HEADER;
    let to = from.checked_add(u32::from_le_bytes(length) as usize)?;
    (to <= file.len()).then(|| (Digest::from_bytes(source), from, to))
}

/// `None`: this is no name for a file.
fn path(folder: &Path, tag: &str) -> Option<PathBuf> {
    let is_name = tag.chars().next()?.is_ascii_alphanumeric()
        && tag.chars().all(|part| part.is_ascii_alphanumeric() || "-_.".contains(part));
    is_name.then(|| folder.join(format!("{tag}.compiled")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "cpython-311";

    #[test]
    fn what_is_kept_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        assert_eq!(Bytecode::open(folder.path(), TAG).get(&one), None);
        assert!(keep_bytecode(folder.path(), "../x", []).is_err());
        keep_bytecode(folder.path(), TAG, [(one, b"first".as_slice())]).unwrap();
        let before = Bytecode::open(folder.path(), TAG);
        keep_bytecode(folder.path(), TAG, [(one, b"again".as_slice()), (two, b"second")]).unwrap();
        let after = Bytecode::open(folder.path(), TAG);
        assert_eq!((before.get(&one), before.get(&two)), (Some(b"first".as_slice()), None));
        assert_eq!((after.get(&one), after.get(&two)), (Some(b"first".as_slice()), Some(b"second".as_slice())));
        assert_eq!(Bytecode::open(folder.path(), "cpython-312").get(&one), None);
    }

    #[test]
    fn what_a_killed_process_has_left_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        keep_bytecode(folder.path(), TAG, [(one, b"first".as_slice())]).unwrap();
        let path = path(folder.path(), TAG).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 1..40 {
            let torn = [&whole, &whole[..length]].concat();
            fs::write(&path, &torn).unwrap();
            assert_eq!(Bytecode::open(folder.path(), TAG).get(&one), Some(b"first".as_slice()));
            keep_bytecode(folder.path(), TAG, [(two, b"second".as_slice())]).unwrap();
            assert_eq!(Bytecode::open(folder.path(), TAG).get(&two), Some(b"second".as_slice()));
        }
    }

    #[test]
    fn many_add_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let folder = folder.path();
                scope.spawn(move || {
                    for number in 0..50_u32 {
                        let text = format!("{thread}/{number}");
                        keep_bytecode(folder, TAG, [(Digest::of(text.as_bytes()), text.as_bytes())]).unwrap();
                    }
                });
            }
        });
        let all = Bytecode::open(folder.path(), TAG);
        for (thread, number) in (0..4).flat_map(|thread| (0..50).map(move |number| (thread, number))) {
            let text = format!("{thread}/{number}");
            assert_eq!(all.get(&Digest::of(text.as_bytes())), Some(text.as_bytes()));
        }
    }
}
