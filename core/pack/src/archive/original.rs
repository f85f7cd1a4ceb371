//! Which archives are kept as they are, besides their entries, and how their bytes are read.
//!
//! The rule, in one place. A root of entries (stored, in order) is all that a loader needs. Of an archive the exact bytes
//! are kept, too, if somebody asks for it, or if whoever gets the archive back would miss something in it:
//!
//! - it is **signed**: `META-INF/X.SF` with a block `META-INF/X.RSA`, `.DSA` or `.EC`;
//! - it has **other bytes** than those of its entries and its directory: in front of the first entry (a script that starts
//!   it), between or behind entries (what an editor left, a signature of another kind), comments.
//!
//! What every build writes in its own way does not count: times, owners, compression, extra fields, entries for folders,
//! and the descriptors that follow entries of unknown size. Entries that are there twice, that overlap or that disagree
//! with the directory refuse the archive before this question comes up.

use std::fs::File;

use haulier_model::{Entry, Hasher, Original, Result, signature_files};

use super::read_at;
use crate::{content::BLOCK_SIZE, limits::Budget, refusal};

/// Whether there is a signature file with its block.
pub(super) fn is_signed(entries: &[Entry]) -> bool {
    !signature_files(entries.iter().map(|entry| entry.path.as_str())).is_empty()
}

/// Reads all of the file. `ResourceExhausted` beyond the limits.
pub(super) fn read(file: &File, name: &str, budget: &mut Budget<'_>) -> Result<Original> {
    let size = file.metadata().map_err(|error| refusal::io("the archive".as_ref(), error))?.len();
    budget.add_size(name, size)?;
    let mut hasher = Hasher::default();
    copy(file, size, &mut |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(Original { digest: hasher.finish(), size })
}

/// Gives the first `size` bytes of the file in parts.
pub(super) fn copy(file: &File, size: u64, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (mut block, mut at) = (vec![0; BLOCK_SIZE], 0);
    while at < size {
        let length = usize::try_from(size - at).unwrap_or(usize::MAX).min(block.len());
        read_at(file, &mut block[..length], at)?;
        sink(&block[..length])?;
        at += length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
