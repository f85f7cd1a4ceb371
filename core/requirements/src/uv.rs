//! uv as a process: where it is, one run, how long it may take and what it may print. It must never know what a lock is
//! for.

mod failure;

use std::{
    env,
    ffi::OsString,
    future::{Future, pending},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use haulier_model::{Error, ErrorKind, Result, Retry};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::{timeout, timeout_at},
};

use crate::pip;

/// How long a question takes at most that asks no index.
const QUICK: Duration = Duration::from_secs(30);
/// How much of standard error is kept, in bytes.
const TAIL: usize = 8 << 10;
/// What would lead uv to another environment than the one that it is told.
const MISLEADING: [&str; 5] = ["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"];

/// The program uv, as this machine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uv {
    program: PathBuf,
    /// What comes before uv's own arguments.
    first: Vec<OsString>,
    /// Where downloads are kept by one that runs apart.
    cache: Option<PathBuf>,
}

/// What uv is asked for: it decides what a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To lock what a user requires: what cannot be met must be changed (`InvalidArgument`, `NotFound`).
    Lock,
    /// To install for an interpreter of this machine: what cannot be met does not fit it (`Incompatible`).
    Install,
}

/// One run of uv.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// What it is for, as errors name it: "build a Python environment".
    pub operation: &'a str,
    /// What a failure means.
    pub purpose: Purpose,
    /// uv's own arguments.
    pub arguments: Vec<OsString>,
    /// What it reads from standard input.
    pub input: String,
    /// When it is ended, if it has not ended by itself.
    pub deadline: Instant,
    /// The most bytes that it may print.
    pub limit: usize,
}

impl Uv {
    /// The program at this path.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), first: Vec::new(), cache: None }
    }

    /// Finds uv: the variable `HAULIER_UV`, else `uv` on the `PATH`, else the module of `python3`. `NotFound` says how to
    /// install it.
    pub async fn find() -> Result<Self> {
        Self::find_or(Path::new("python3"), &["-m", "uv"]).await
    }

    /// The same, with the module of this interpreter.
    pub async fn find_with(python: &Path) -> Result<Self> {
        Self::find_or(python, &["-I", "-m", "uv"]).await
    }

    async fn find_or(python: &Path, words: &[&str]) -> Result<Self> {
        if let Some(program) = env::var_os("HAULIER_UV").filter(|program| !program.is_empty()) {
            return Ok(Self::at(program));
        }
        let path = env::var_os("PATH").unwrap_or_default();
        if let Some(program) = env::split_paths(&path).map(|folder| folder.join("uv")).find(|file| is_program(file)) {
            return Ok(Self::at(program));
        }
        let module = Self { first: words.iter().map(OsString::from).collect(), ..Self::at(python) };
        let asked = module.command(&[OsString::from("--version")]).output();
        match timeout(QUICK, asked).await {
            Ok(Ok(output)) if output.status.success() => Ok(module),
            _ => {
                Err(Error::new(ErrorKind::NotFound, "find uv", "Python requirements need uv, and it is not installed")
                    .hint("pip install uv, or name the program in HAULIER_UV"))
            }
        }
    }

    /// The same program, apart from what it is started in: with this folder for downloads, and without the settings of a
    /// project or a virtual environment. Indexes and credentials stay those of this machine.
    #[must_use]
    pub fn apart(mut self, cache: impl Into<PathBuf>) -> Self {
        self.cache = Some(cache.into());
        self
    }

    /// Runs it to its end and returns what it printed. Dropping the future ends the process. uv reads its own settings
    /// of indexes, and those of pip where it has none; no user, password or query of a URL gets into an error.
    ///
    /// # Errors
    /// - `NotFound`, `PermissionDenied`: the program cannot be started
    /// - `DeadlineExceeded` at the deadline; `ResourceExhausted` if it prints more than the limit, or the disk is full
    /// - `Unavailable` if an index does not answer, `PermissionDenied` if it wants other credentials
    /// - `Conflict` if a file has another hash than the lock; what cannot be met: see [`Purpose`]
    pub async fn run(&self, run: Run<'_>) -> Result<String> {
        self.run_unless(run, |_| pending()).await
    }

    /// The same; it is ended, and the error of `stop` returned, if that comes first. `stop` gets the id of the process,
    /// which has ended when this returns.
    ///
    /// # Errors
    /// Those of [`Uv::run`], and that of `stop`.
    pub async fn run_unless<F>(&self, run: Run<'_>, stop: impl FnOnce(u32) -> F) -> Result<String>
    where
        F: Future<Output = Error>,
    {
        let Run { operation, purpose, arguments, input, deadline, limit } = run;
        let mut command = self.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| self.does_not_start(operation, &error))?;
        let (Some(mut pipe), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::internal(operation, "the process of uv has no pipes"));
        };
        let write = async move {
            // If it does not read, it has ended, and what it said is the better error.
            drop(pipe.write_all(input.as_bytes()).await);
            drop(pipe.shutdown().await);
        };
        let stopped = stop(child.id().unwrap_or_default());
        let ended = {
            let work = async {
                let ((), printed, words) = tokio::join!(write, whole(output, limit), tail(errors));
                (printed, words, child.wait().await)
            };
            tokio::select! {
                ended = timeout_at(deadline.into(), work) => ended.map_err(|_| too_late(operation, purpose)),
                error = stopped => Err(error),
            }
        };
        if ended.is_err() {
            // It writes nothing any more when this has returned. If it cannot be ended, it has ended.
            drop(child.kill().await);
        }
        let (printed, words, status) = ended?;
        let status = status.map_err(|error| Error::internal(operation, error.to_string()))?;
        if !status.success() {
            return Err(failure::of(operation, purpose, status, &words));
        }
        let printed = printed.ok_or_else(|| {
            Error::new(ErrorKind::ResourceExhausted, operation, format!("uv printed more than {limit} bytes"))
                .hint("deploy the requirements as several units")
        })?;
        String::from_utf8(printed).map_err(|_| Error::internal(operation, "uv printed something that is no UTF-8"))
    }

    fn command(&self, arguments: &[OsString]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.first).args(arguments).kill_on_drop(true).envs(pip::variables());
        for (name, value) in [("UV_NO_PROGRESS", "1"), ("NO_COLOR", "1"), ("UV_PYTHON_DOWNLOADS", "never")] {
            command.env(name, value);
        }
        if let Some(cache) = &self.cache {
            for name in MISLEADING {
                command.env_remove(name);
            }
            command.env("UV_CACHE_DIR", cache).current_dir("/");
        }
        command.stdin(Stdio::null());
        command
    }

    fn does_not_start(&self, operation: &str, error: &io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::ResourceExhausted,
        };
        let message = format!("Python requirements need uv, and {} does not start: {error}", self.program.display());
        Error::new(kind, operation, message).hint("pip install uv, or name the program in HAULIER_UV")
    }
}

fn too_late(operation: &str, purpose: Purpose) -> Error {
    let error = Error::new(ErrorKind::DeadlineExceeded, operation, "uv has not ended in time, and was ended")
        .with_retry(Retry::Later);
    match purpose {
        Purpose::Lock => error.hint("check the network and the index: uv pip list"),
        Purpose::Install => {
            error.hint("submit again: what was downloaded is kept; or look at the network and the index of the node")
        }
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// All that a stream has; `None` if that is more than `limit`. It is read to the end in any case.
async fn whole(mut stream: impl AsyncRead + Unpin, limit: usize) -> Option<Vec<u8>> {
    let (mut kept, mut buffer, mut fits) = (Vec::new(), vec![0; 64 << 10], true);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        fits &= kept.len() + count <= limit;
        if fits {
            kept.extend_from_slice(&buffer[..count]);
        }
    }
    fits.then_some(kept)
}

/// The last bytes of a stream, which is read to the end.
async fn tail(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::with_capacity(2 * TAIL), [0; 1024]);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * TAIL {
            kept.drain(..kept.len() - TAIL);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn run(milliseconds: u64) -> Run<'static> {
        Run {
            operation: "lock",
            purpose: Purpose::Lock,
            arguments: Vec::new(),
            input: String::new(),
            deadline: Instant::now() + Duration::from_millis(milliseconds),
            limit: 4 << 10,
        }
    }

    fn program(folder: &tempfile::TempDir, script: &str) -> Uv {
        let path = folder.path().join("uv");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        Uv::at(path)
    }

    #[tokio::test]
    async fn a_long_output_is_read_and_refused() {
        let long = vec![b'x'; 200 << 10];
        assert_eq!(whole(long.as_slice(), 100 << 10).await, None);
        assert_eq!(whole(long.as_slice(), 200 << 10).await.map(|all| all.len()), Some(200 << 10));
        assert!(tail(long.as_slice()).await.len() <= 2 * TAIL + 1024);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_or_stays_silent_is_an_error() {
        let error = Uv::at("/no/uv").run(run(100)).await.unwrap_err();
        assert!(error.kind() == ErrorKind::NotFound && error.hint_text().contains("pip install uv"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let mute = program(&folder, "exec tail -f /dev/null");
        let error = mute.run(run(100)).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::DeadlineExceeded, Retry::Later));
    }

    #[tokio::test]
    async fn one_that_runs_apart_has_its_own_cache_and_folder() {
        let folder = tempfile::tempdir().unwrap();
        let uv = program(&folder, "pwd; echo \"$UV_CACHE_DIR\"; echo \"[$VIRTUAL_ENV]\"; cat");
        let asked = Run { input: "said".into(), ..run(10_000) };
        assert_eq!(uv.apart("/a/cache").run(asked).await.unwrap(), "/\n/a/cache\n[]\nsaid");
    }
}
