//! What builds leave behind on disk besides environments: downloads, and locks of sessions. Both are bounded.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Downloads that are kept, in bytes; beyond that all of them go, and are loaded again when they are needed.
const MOST_BYTES: u64 = 8 << 30;
/// Locks of sessions that are kept, the newest.
const MOST_LOCKS: usize = 512;

/// Removes the downloads in `cache` if they are more than [`MOST_BYTES`]. Blocks.
pub(super) fn trim_cache(cache: &Path) -> io::Result<()> {
    if !cache.exists() || size(cache)? <= MOST_BYTES {
        return Ok(());
    }
    tracing::info!(cache = %cache.display(), "the downloads of Python environments are removed");
    let going = cache.with_extension("removing");
    fs::rename(cache, &going)?;
    fs::remove_dir_all(going)
}

/// Removes the oldest of the locks beyond [`MOST_LOCKS`]. Blocks.
pub(super) fn trim_locks(locks: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(locks)? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort_unstable();
    let surplus = files.len().saturating_sub(MOST_LOCKS);
    files.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

/// The bytes of all files below a folder.
fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_locks_stay() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MOST_LOCKS + 2 {
            let path = folder.path().join(format!("{number}.txt"));
            fs::write(&path, "").unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        trim_locks(folder.path()).unwrap();
        assert!(!folder.path().join("1.txt").exists() && folder.path().join("2.txt").exists());
        assert_eq!(size(folder.path()).unwrap(), 0);
    }
}
