//! Room on disk for one more environment: the least recently used ones go, but none that somebody uses. Must never know
//! workers: whoever keeps environments for nothing is asked to let go of them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use haulier_model::{Error, ErrorKind, Result};

use super::{Environments, Record, program_in, record};

const OPERATION: &str = "build a Python environment";
/// How long those who keep an environment for nothing may take to let go of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether they have, at least.
const LOOK: Duration = Duration::from_millis(100);

/// Called with the programs of environments that are to go: idle workers end, sessions forget them.
pub(crate) type LetGo = Arc<dyn Fn(&[PathBuf]) + Send + Sync>;

/// Why there is no room.
#[derive(Debug, PartialEq, Eq)]
struct Shortage {
    /// What is used, the least recently used first.
    used: Vec<PathBuf>,
    bytes: u64,
    too_many: bool,
}

impl Environments {
    /// Who is asked to let go of environments that are kept for nothing. Once, after the start.
    pub(crate) fn ask_to_let_go(&self, let_go: LetGo) {
        // It is said once.
        let _ = self.let_go.set(let_go);
    }

    /// Makes room for an environment of so many `bytes` at `folder`.
    ///
    /// # Errors
    /// `ResourceExhausted`, to be tried later, if what is used leaves none.
    pub(super) async fn make_room(self: &Arc<Self>, folder: &Path, bytes: u64) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let mut asked = 0;
        loop {
            let released = self.released.notified();
            let (environments, coming) = (self.clone(), folder.to_owned());
            let looked = tokio::task::spawn_blocking(move || environments.shed(&coming, bytes)).await;
            let looked = looked.map_err(|error| Error::internal(OPERATION, error.to_string()))?;
            let Some(shortage) = looked.map_err(|error| super::build::cannot_write(folder, error))? else {
                return Ok(());
            };
            if Instant::now() > until {
                return Err(self.refusal(bytes, &shortage));
            }
            // The least recently used one first, and one more with each look.
            asked += 1;
            let programs: Vec<_> = shortage.used.iter().take(asked).map(|folder| program_in(folder)).collect();
            if let Some(let_go) = self.let_go.get() {
                let_go(&programs);
            }
            // Without a release it is looked again all the same: a process may end without one.
            let _ = tokio::time::timeout(LOOK, released).await;
        }
    }

    /// Removes what is not used, the least recently used first, until there is room; `None`: there is. Blocks.
    fn shed(&self, coming: &Path, bytes: u64) -> std::io::Result<Option<Shortage>> {
        let mut kept: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        let whole = |folder: &PathBuf| folder != coming && !record::is_hidden(folder);
        for folder in record::list(&self.folder)?.into_iter().filter(whole) {
            let Some(record) = Record::read(&folder) else { continue };
            kept.push((record::last_use(&folder).unwrap_or(SystemTime::UNIX_EPOCH), folder, record.bytes));
        }
        kept.sort_unstable();
        let mut count = kept.len();
        let mut total = kept.iter().fold(bytes, |total, (_, _, bytes)| total.saturating_add(*bytes));
        let mut used = Vec::new();
        let too_many = |count: usize| count >= self.bounds.count.max(1);
        for (_, folder, bytes) in kept {
            if !too_many(count) && total <= self.bounds.all_bytes {
                return Ok(None);
            }
            if self.remove_unused(&folder)? {
                count -= 1;
                total -= bytes;
            } else {
                used.push(folder);
            }
        }
        let is_room = !too_many(count) && total <= self.bounds.all_bytes;
        Ok((!is_room).then(|| Shortage { used, bytes: total - bytes, too_many: too_many(count) }))
    }

    fn refusal(&self, bytes: u64, shortage: &Shortage) -> Error {
        let used = shortage.used.len();
        let (message, option) = if shortage.too_many {
            (format!("{used} environments are in use, and this node keeps {}", self.bounds.count), "environments")
        } else {
            let message = format!(
                "it has {bytes} bytes, {used} environments in use have {}, and this node keeps {} bytes of them",
                shortage.bytes, self.bounds.all_bytes
            );
            (message, "environments-bytes")
        };
        Error::new(ErrorKind::ResourceExhausted, OPERATION, message)
            .hint(format!("submit again later, or allow more: haulier node --python-{option} N"))
    }
}
