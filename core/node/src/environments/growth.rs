//! How large environments and downloads are, and the watch over an environment while it is filled. It must never know how
//! it is filled.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use haulier_model::{Error, ErrorKind, Retry};

use super::Bounds;

/// How often a growing environment is looked at, at most: a look may take a quarter of the time.
const LOOK: Duration = Duration::from_millis(100);
/// What an installer writes besides the environment: what it knows of indexes, in bytes.
const SLACK: u64 = 32 << 20;

/// How large a folder is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    /// Files, links and folders.
    pub(super) entries: u64,
}

impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.entries = self.entries.saturating_add(other.entries);
    }
}

/// The size of all that is below a folder; what goes meanwhile does not count. Blocks.
pub(super) fn size(folder: &Path) -> io::Result<Size> {
    let (mut size, mut open) = (Size::default(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            // A link counts as itself.
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            size += Size { bytes: metadata.len(), entries: 1 };
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(size)
}

/// What an environment has that is larger than its bounds allow, as an error. `what`: its distributions.
pub(super) fn check(size: Size, bounds: &Bounds, operation: &str, what: &str) -> Result<(), Error> {
    let refused = |has: u64, unit: &str, option: &str| {
        let message = format!("the environment of {what} has more than {has} {unit}, which is what this node takes");
        Err(Error::new(ErrorKind::ResourceExhausted, operation, message)
            .with_retry(Retry::Never)
            .hint(format!("leave out what is large, or allow more: haulier node --python-environment-{option} N")))
    };
    if size.bytes > bounds.bytes {
        refused(bounds.bytes, "bytes", "bytes")
    } else if size.entries > bounds.entries {
        refused(bounds.entries, "files", "files")
    } else {
        Ok(())
    }
}

/// Waits until the environment that a process fills is too large, and returns the error. What it unpacks for the copies
/// is not in the folder yet; that is why what it writes counts, too.
pub(super) async fn outgrown(process: u32, folder: PathBuf, bounds: Bounds, operation: &str, what: &str) -> Error {
    let most_written = bounds.bytes.saturating_mul(2).saturating_add(SLACK);
    let mut pause = LOOK;
    loop {
        tokio::time::sleep(pause).await;
        let (begun, place) = (Instant::now(), folder.clone());
        let looked = tokio::task::spawn_blocking(move || (written(process), size(&place).unwrap_or_default())).await;
        let Ok((written, mut size)) = looked else { continue };
        if written > most_written {
            size.bytes = size.bytes.max(written);
        }
        if let Err(error) = check(size, &bounds, operation, what) {
            return error;
        }
        pause = LOOK.max(begun.elapsed() * 3);
    }
}

/// The bytes that a process has written; 0 where the system does not say.
fn written(process: u32) -> u64 {
    let said = fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
    said.lines().find_map(|line| line.strip_prefix("wchar: ")?.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(bytes: u64, entries: u64) -> Bounds {
        Bounds { bytes, entries, ..Bounds::default() }
    }

    #[test]
    fn links_count_as_themselves() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), [0; 1000]).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        let found = size(folder.path()).unwrap();
        assert!(found.entries == 3 && found.bytes >= 1000, "{found:?}");
        assert_eq!(size(&folder.path().join("absent")).unwrap(), Size::default());
    }

    #[tokio::test]
    async fn what_a_process_writes_counts_and_so_does_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("head -c {} /dev/zero > {}/big; exec sleep 60", 200 << 20, folder.path().display());
        let mut child = tokio::process::Command::new("sh").args(["-c", &script]).kill_on_drop(true).spawn().unwrap();
        let watch = outgrown(child.id().unwrap(), folder.path().to_owned(), bounds(10 << 20, 10), "build", "big==1");
        let error = tokio::time::timeout(Duration::from_secs(30), watch).await.expect("a refusal");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::ResourceExhausted, Retry::Never));
        assert!(error.to_string().contains("big==1 has more than 10485760 bytes"), "{error}");
        assert!(error.hint_text().contains("--python-environment-bytes"), "{error}");
        child.kill().await.unwrap();
        let many = check(size(folder.path()).unwrap(), &bounds(u64::MAX, 0), "build", "a==1").unwrap_err();
        assert!(many.hint_text().contains("--python-environment-files"), "{many}");
        assert!(written(std::process::id()) > 0);
    }
}
