//! Archives: jars, zips, wheels. Reads the directory once, checks it against what is really there, and gives bytes.
//!
//! Two readers of a hostile archive may see two contents: entries twice, entries that overlap, headers that disagree.
//! Such an archive is refused, so whoever looked at it with another tool saw what runs.

mod directory;
mod extract;
mod hash;
mod original;

use std::{
    fs::File,
    sync::{Mutex, PoisonError},
};

use haulier_model::{Digest, Entry, EntryPath, Original, Result};

use crate::{
    DenyList, KnownDigests,
    limits::Budget,
    paths::{BadEntry, PathSet},
    refusal,
};
use directory::{Directory, Header};
use extract::{Extractor, Member};

/// How to read an archive.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) deny: &'a DenyList,
    pub(crate) bad: BadEntry,
    /// Where an entry goes in the root, by its path in the archive.
    pub(crate) place: fn(&str) -> &str,
    /// What was uncompressed before.
    pub(crate) known: Option<&'a KnownDigests>,
}

/// An archive that was read.
pub(crate) struct Opened {
    pub(crate) entries: Vec<Entry>,
    pub(crate) archive: Archive,
    pub(crate) skipped: Vec<String>,
    /// Whether its entries alone would not be the same archive to whoever looks at all of it; see [`original`].
    pub(crate) is_more_than_entries: bool,
}

/// An open archive. It is read by position, never mapped: a build that truncates it gives errors, not signals.
pub(crate) struct Archive {
    file: File,
    members: Vec<Member>,
    /// Buffers of readers that have ended.
    spare: Mutex<Vec<Extractor>>,
}

impl Archive {
    /// Reads an archive and verifies all of it, by uncompressing each entry once.
    pub(crate) fn open(file: File, opening: &Opening<'_>, budget: &mut Budget<'_>) -> Result<Opened> {
        let directory = Directory::read(&file, budget)?;
        let members = directory.members(&file)?;
        let mut opened = Opened {
            entries: Vec::new(),
            archive: Self { file, members: Vec::new(), spare: Mutex::default() },
            skipped: Vec::new(),
            is_more_than_entries: directory.has_other_bytes(&members),
        };
        let mut paths = PathSet::default();
        for (header, member) in directory.headers.iter().zip(members) {
            let path = match acceptable(header, opening, &mut paths) {
                Ok(Some(path)) => path,
                Ok(None) => continue,
                Err(reason) if opening.bad == BadEntry::Refuse => return Err(refusal::refused(reason)),
                Err(reason) => {
                    opened.skipped.push(reason);
                    continue;
                }
            };
            budget.check_ratio(&header.name, member.size, member.compressed)?;
            budget.add_size(&header.name, member.size)?;
            opened.archive.members.push(member);
            opened.entries.push(Entry {
                path,
                digest: Digest::from_bytes([0; Digest::SIZE]),
                size: member.size,
                executable: header.is_executable(),
            });
        }
        let digests = hash::all(&opened.archive, opening.known)
            .map_err(|(index, error)| in_entry(opened.entries[index].path.as_str(), &error))?;
        for (entry, digest) in opened.entries.iter_mut().zip(digests) {
            entry.digest = digest;
        }
        opened.is_more_than_entries |= original::is_signed(&opened.entries);
        Ok(opened)
    }

    /// Reads the file as it is, and says what it is from now on.
    pub(crate) fn original(&self, name: &str, budget: &mut Budget<'_>) -> Result<Original> {
        original::read(&self.file, name, budget)
    }

    /// Gives the bytes of the file as they are; an error if they are fewer than `size`.
    pub(crate) fn copy_original(&self, size: u64, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        original::copy(&self.file, size, sink)
    }

    /// Gives the bytes of an entry in parts; an error if they are not what the directory said when it was read.
    pub(crate) fn extract(&self, index: usize, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut extractor = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let extracted = extractor.run(&self.file, &self.members[index], sink);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(extractor);
        extracted
    }
}

impl Opened {
    /// Leaves out the entries that `keep` does not want, and gives them with their indices in what `self` was.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let wanted: Vec<bool> = self.entries.iter().map(keep).collect();
        let (mut entry, mut member) = (wanted.iter(), wanted.iter());
        self.entries.retain(|_| entry.next().copied().unwrap_or(false));
        self.archive.members.retain(|_| member.next().copied().unwrap_or(false));
    }

    /// Moves the entries that `wanted` says to an archive of their own.
    pub(crate) fn split_off(&mut self, wanted: impl Fn(&Entry) -> bool) -> Result<Self> {
        let file = self.archive.file.try_clone().map_err(|error| refusal::io("the archive".as_ref(), error))?;
        let mut other = Self {
            entries: Vec::new(),
            archive: Archive { file, members: Vec::new(), spare: Mutex::default() },
            skipped: Vec::new(),
            is_more_than_entries: false,
        };
        let entries = std::mem::take(&mut self.entries).into_iter().zip(std::mem::take(&mut self.archive.members));
        for (entry, member) in entries {
            let to = if wanted(&entry) { &mut other } else { &mut *self };
            to.entries.push(entry);
            to.archive.members.push(member);
        }
        Ok(other)
    }
}

/// The path of an entry in the root; `None` for what is left out silently; or the reason why it cannot be part of it.
fn acceptable(header: &Header, opening: &Opening<'_>, paths: &mut PathSet) -> Result<Option<EntryPath>, String> {
    let name = header.name.as_str();
    let of_entry = |reason: &str| format!("'{}' {reason}", name.escape_debug());
    if !header.is_text() {
        return Err(of_entry("is no UTF-8"));
    }
    if let Some(folder) = name.strip_suffix('/') {
        EntryPath::new(folder).map_err(|error| error.message().to_owned())?;
        return if header.size == 0 { Ok(None) } else { Err(of_entry("is a folder with content")) };
    }
    EntryPath::new(name).map_err(|error| error.message().to_owned())?;
    let path = EntryPath::new((opening.place)(name)).map_err(|error| error.message().to_owned())?;
    if opening.deny.matches(path.as_str()) {
        return Ok(None);
    }
    if header.is_link() {
        return Err(of_entry("is a symbolic link"));
    }
    if header.is_special() {
        return Err(of_entry("is no regular file"));
    }
    if header.is_encrypted() {
        return Err(of_entry("is encrypted"));
    }
    if !header.is_readable() {
        return Err(format!("'{}' is compressed by method {}; deflate is known", name.escape_debug(), header.method));
    }
    paths.add(&path).map_err(|twin| twin.to_string())?;
    Ok(Some(path))
}

fn in_entry(name: &str, error: &haulier_model::Error) -> haulier_model::Error {
    haulier_model::Error::new(error.kind(), "", format!("'{}': {}", name.escape_debug(), error.message()))
        .with_retry(error.retry())
}

/// Where the entry of a wheel goes when it is installed.
pub(crate) fn place_in_wheel(path: &str) -> &str {
    let library = path.split_once('/').and_then(|(first, rest)| {
        let rest = rest.strip_prefix("purelib/").or_else(|| rest.strip_prefix("platlib/"))?;
        first.ends_with(".data").then_some(rest)
    });
    library.unwrap_or(path)
}

/// Where the entry of any other archive goes.
pub(crate) fn place_as_is(path: &str) -> &str {
    path
}

/// Reads exactly `buffer.len()` bytes at `offset`.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<()> {
    #[cfg(unix)]
    let result = std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset);
    #[cfg(not(unix))]
    let result = {
        use std::io::{Read, Seek, SeekFrom};
        // A duplicated handle shares its position, so this is for one reader at a time.
        let mut file = file;
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(buffer))
    };
    result.map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => refusal::refused("the archive is cut off"),
        // An offset that no file can have.
        std::io::ErrorKind::InvalidInput => refusal::refused("an entry is outside the archive"),
        _ => refusal::io("the archive".as_ref(), error),
    })
}

#[cfg(test)]
mod tests;
