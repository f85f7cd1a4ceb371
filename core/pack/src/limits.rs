//! How much one source may hold, and the tally kept while it is read.

use haulier_model::Result;

use crate::refusal;

/// How much one source may hold. A source beyond a limit is refused with `ResourceExhausted`, which has the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most entries, over all roots of the source; 100,000 by default.
    pub entries: usize,
    /// The most bytes, uncompressed, over all roots of the source; 4 GiB by default.
    pub size: u64,
    /// The most bytes of one entry, uncompressed; 2 GiB by default.
    pub entry_size: u64,
    /// How many times larger than its compressed form an entry above 1 MiB may be; 200 by default.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 100_000, size: 4 << 30, entry_size: 2 << 30, ratio: 200 }
    }
}

impl Limits {
    /// What an import root of a program may hold, which is read again whenever a file of it changes: 50,000 entries, 1
    /// GiB.
    pub fn of_import_roots() -> Self {
        Self { entries: 50_000, size: 1 << 30, ..Self::default() }
    }
}

/// Entries are never refused for their ratio below this size: a file of zeros is no attack.
const RATIO_FROM: u64 = 1 << 20;

/// What was read so far of a source, against its limits.
pub(crate) struct Budget<'a> {
    limits: &'a Limits,
    entries: usize,
    size: u64,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, entries: 0, size: 0 }
    }

    /// Counts `count` entries.
    pub(crate) fn add_entries(&mut self, count: usize) -> Result<()> {
        self.entries = self.entries.saturating_add(count);
        if self.entries > self.limits.entries {
            return Err(refusal::limit("more entries than allowed", self.limits.entries as u64));
        }
        Ok(())
    }

    /// Counts the bytes of an entry.
    pub(crate) fn add_size(&mut self, path: &str, size: u64) -> Result<()> {
        self.check_entry(path, size)?;
        self.size = self.size.saturating_add(size);
        if self.size > self.limits.size {
            return Err(refusal::limit("more bytes than allowed, uncompressed", self.limits.size));
        }
        Ok(())
    }

    /// The most bytes of one entry.
    pub(crate) fn entry_size(&self) -> u64 {
        self.limits.entry_size
    }

    /// Refuses an entry that is too large by itself.
    pub(crate) fn check_entry(&self, path: &str, size: u64) -> Result<()> {
        if size > self.limits.entry_size {
            return Err(refusal::limit(
                format!("'{}' has {size} bytes, more than allowed for one entry", path.escape_debug()),
                self.limits.entry_size,
            ));
        }
        Ok(())
    }

    /// Refuses an entry that grows too much when it is uncompressed.
    pub(crate) fn check_ratio(&self, path: &str, size: u64, compressed: u64) -> Result<()> {
        if size > RATIO_FROM && size / compressed.max(1) > self.limits.ratio {
            return Err(refusal::limit(
                format!(
                    "'{}' is a zip bomb: {compressed} bytes become {size}, a larger ratio than allowed",
                    path.escape_debug()
                ),
                self.limits.ratio,
            ));
        }
        Ok(())
    }
}
