//! What builds leave behind on disk besides environments: downloads, and locks of sessions. Both are bounded.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::growth::size;

/// What uv calls what it has begun to unpack.
const UNFINISHED: &str = ".tmp";
/// Files, links and folders in the cache.
const MOST_ENTRIES: u64 = 2_000_000;
/// Locks of sessions that are kept, the newest.
const MOST_LOCKS: usize = 512;

/// Removes all downloads in `cache` if they have more than `most_bytes`; they are loaded again when they are needed. Nobody
/// may use them meanwhile. Blocks.
pub(super) fn trim_cache(cache: &Path, most_bytes: u64) -> io::Result<()> {
    remove_unfinished(cache)?;
    let found = size(cache)?;
    if found.bytes <= most_bytes && found.entries <= MOST_ENTRIES {
        return Ok(());
    }
    tracing::info!(cache = %cache.display(), "the downloads of Python environments are removed");
    let going = cache.with_extension("removing");
    fs::rename(cache, &going)?;
    fs::remove_dir_all(going)
}

/// Removes what was half unpacked when its uv ended. None may run. Blocks.
pub(super) fn remove_unfinished(cache: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(cache) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let path = entry.path();
            if entry.file_type()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }?;
        }
    }
    Ok(())
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
    }

    #[test]
    fn downloads_go_when_they_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        trim_cache(&cache, 0).unwrap();
        fs::create_dir_all(cache.join(".tmpx/half")).unwrap();
        fs::write(cache.join("wheel"), [0; 1000]).unwrap();
        trim_cache(&cache, 1000).unwrap();
        assert!(cache.join("wheel").exists() && !cache.join(".tmpx").exists());
        trim_cache(&cache, 999).unwrap();
        assert!(!cache.exists());
    }
}
