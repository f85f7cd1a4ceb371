//! One interpreter: what it says of itself, and what it loads.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Result};

use super::{
    ExtensionModule,
    tags::{Libc, Platform},
};
use crate::runtimes::on_path;

/// Prints one thing a line. Modules that start with the interpreter only: a first task waits for this.
const QUESTIONS: &str = "\
import _imp, os, sys
from _frozen_importlib_external import MAGIC_NUMBER
def libc():
    try:
        return os.confstr('CS_GNU_LIBC_VERSION') or ''
    except (AttributeError, OSError, ValueError):
        return ''
version = sys.version_info
suffixes = _imp.extension_suffixes()
print(sys.executable, sys.implementation.name, '%d.%d.%d' % version[:3], sys.abiflags, os.uname().machine, libc() or \
('musl 1.2' if 'musl' in suffixes[0] else ''), ' '.join(suffixes), \
'%s-%s-%d' % (sys.implementation.cache_tag, MAGIC_NUMBER.hex(), sys.flags.optimize), sep='\\n')
";

/// A Python interpreter of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interpreter {
    /// The interpreter itself: a shim would cost its own start each time, and could not be confined.
    pub(crate) program: PathBuf,
    /// "cpython".
    pub(crate) implementation: String,
    /// "3.11.7".
    pub(crate) version: String,
    /// What names of extension modules end with: ".cpython-311-x86_64-linux-gnu.so", ".abi3.so", ".so".
    pub(crate) suffixes: Vec<String>,
    /// Whether it has no global lock, and with that binaries of its own.
    pub(crate) is_free_threaded: bool,
    pub(crate) platform: Platform,
    /// What tells its bytecode from that of others: "cpython-311-a70d0d0a-0", the tag of its files, the magic number, and
    /// how much it optimizes.
    pub(crate) bytecode: String,
}

impl Interpreter {
    /// What code by value depends on: "cpython-3.11".
    pub(crate) fn capability(&self) -> String {
        format!("{}-{}", self.implementation, self.minor())
    }

    /// "3.11".
    pub(crate) fn minor(&self) -> &str {
        minor(&self.version)
    }

    /// The number after "3.".
    pub(super) fn minor_number(&self) -> Option<u32> {
        self.minor().strip_prefix("3.")?.parse().ok()
    }

    /// Whether a version has the same minor version.
    pub(super) fn is_like(&self, version: &str) -> bool {
        minor(version) == self.minor()
    }

    /// Whether one of the files of an extension module is for it.
    pub(super) fn loads(&self, module: &ExtensionModule) -> bool {
        module.suffixes.iter().any(|suffix| self.suffixes.contains(suffix))
    }
}

fn minor(version: &str) -> &str {
    let end = version.match_indices('.').nth(1).map_or(version.len(), |(at, _)| at);
    &version[..end]
}

/// Starts a program and lets it say what it is.
pub(super) async fn ask(program: &Path, patience: Duration) -> Result<Interpreter> {
    let shim = on_path(program, "--python")?;
    let failed = |problem: String| {
        Error::new(ErrorKind::Unavailable, "start a Python worker", format!("{} {problem}", shim.display()))
            .hint("install Python 3.11 or newer, or name it: haulier node --python PATH")
    };
    let mut command = tokio::process::Command::new(&shim);
    command.args(["-I", "-c", QUESTIONS]).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(patience, command.output())
        .await
        .map_err(|_| failed("does not answer".into()))?
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("does not work: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    read(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| failed("says nothing that is understood".into()))
}

fn read(said: &str) -> Option<Interpreter> {
    let mut lines = said.lines().map(str::trim);
    let mut next = || lines.next();
    let (program, implementation, version) = (PathBuf::from(next()?), next()?.to_owned(), next()?.to_owned());
    let (flags, machine, libc, suffixes, bytecode) = (next()?, next()?, next()?, next()?, next()?);
    program.is_absolute().then(|| Interpreter {
        program,
        implementation,
        version,
        suffixes: suffixes.split_whitespace().map(str::to_owned).collect(),
        is_free_threaded: flags.contains('t'),
        platform: Platform { machine: machine.to_owned(), libc: Libc::parse(libc) },
        bytecode: bytecode.to_owned(),
    })
}

#[cfg(test)]
pub(super) fn example(version: &str) -> Interpreter {
    let short = minor(version).replace('.', "");
    let said = format!(
        "/opt/{version}/bin/python3\ncpython\n{version}\n\nx86_64\nglibc 2.36\n.cpython-{short}-x86_64-linux-gnu.so .abi3.so .so\ncpython-{short}-00000000-0\n"
    );
    read(&said).expect("an interpreter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interpreter_says() {
        let interpreter = example("3.11.7");
        assert_eq!((interpreter.capability().as_str(), interpreter.minor_number()), ("cpython-3.11", Some(11)));
        assert_eq!(interpreter.platform.libc, Libc::Glibc(2, 36));
        assert!(interpreter.is_like("3.11") && !interpreter.is_like("3.12.1") && !interpreter.is_like(""));
        assert_eq!(read("python\ncpython\n3.11\n\nx\n\n.so"), None, "no absolute path");
        assert_eq!(read("command not found"), None);
    }
}
