//! What a worker may read and write, by Landlock.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};
use serde::{Deserialize, Serialize};

/// The newest rules that are asked for; an older kernel has fewer of them.
const RULES: ABI = ABI::V6;

/// Where programs, libraries and settings are. `/dev` and `/proc` too: runtimes read them all the time.
const SYSTEM: [&str; 12] =
    ["/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc", "/opt", "/proc", "/sys", "/dev", "/run"];

/// What every program writes to.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/shm"];

/// Paths that a process may use; everything else is closed to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
}

impl Confinement {
    /// The system, what `program` belongs to, and `readable`; writing in `writable` alone.
    pub(crate) fn new(program: &Path, readable: Vec<PathBuf>, writable: Vec<PathBuf>) -> Self {
        let mut all: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        all.extend(installation(program));
        all.extend(readable);
        Self { readable: all, writable }
    }

    pub(crate) fn with_writable(mut self, writable: impl IntoIterator<Item = PathBuf>) -> Self {
        self.writable.extend(writable);
        self
    }

    /// Confines the calling thread and all it will start. Says on standard error what the kernel lacks: a worker
    /// without confinement is better than none.
    pub(crate) fn apply(&self) {
        match self.restrict() {
            Ok(RulesetStatus::FullyEnforced) => {}
            Ok(RulesetStatus::PartiallyEnforced) => {
                eprintln!("haulier: this kernel confines workers in part only (Landlock is older than ABI 6)");
            }
            Ok(RulesetStatus::NotEnforced) => eprintln!("haulier: this kernel does not confine workers (no Landlock)"),
            Err(error) => eprintln!("haulier: this worker is not confined: {error}"),
        }
    }

    fn restrict(&self) -> Result<RulesetStatus, RulesetError> {
        let devices = DEVICES.iter().map(PathBuf::from);
        let writable = self.writable.iter().cloned().chain(devices);
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(RULES))?
            .scope(Scope::Signal)?
            .create()?
            .add_rules(path_beneath_rules(&self.readable, AccessFs::from_read(RULES)))?
            .add_rules(path_beneath_rules(writable, AccessFs::from_all(RULES)))?
            .restrict_self()?;
        Ok(status.ruleset)
    }
}

/// The folders that a program and its libraries are in: for `PREFIX/bin/java` it is `PREFIX`, as the path says it and
/// where its links lead to. A shim of pyenv needs all of pyenv.
fn installation(program: &Path) -> Vec<PathBuf> {
    let resolved = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let mut folders: Vec<PathBuf> = [program, &resolved].into_iter().filter_map(prefix).collect();
    folders.dedup();
    folders
}

fn prefix(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let prefix = match folder.file_name()?.to_str()? {
        "bin" | "sbin" | "shims" => folder.parent()?,
        _ => folder,
    };
    // "/bin/java": its prefix is everything.
    let prefix = if prefix == Path::new("/") { folder } else { prefix };
    Some(prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let cases = [
            ("/usr/lib/jvm/temurin-25/bin/java", "/usr/lib/jvm/temurin-25"),
            ("/home/x/.pyenv/shims/python3", "/home/x/.pyenv"),
            ("/home/x/.pyenv/versions/3.11.7/bin/python3", "/home/x/.pyenv/versions/3.11.7"),
            ("/bin/java", "/bin"),
            ("/home/x/target/debug/deps/test", "/home/x/target/debug/deps"),
        ];
        for (program, expected) in cases {
            assert_eq!(prefix(Path::new(program)).unwrap(), Path::new(expected));
        }
    }

    #[test]
    fn a_virtual_environment_needs_its_own_folder_and_that_of_its_python() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for folder in ["base/bin", "venv/bin"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("base/bin/python3"), "").unwrap();
        std::os::unix::fs::symlink(root.join("base/bin/python3"), root.join("venv/bin/python3")).unwrap();
        assert_eq!(installation(&root.join("venv/bin/python3")), [root.join("venv"), root.join("base")]);
    }
}
