//! uv as a process: where it is, one run, what its end means. It must never know what a lock is for.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Result, Retry};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};

use crate::{pip, without_secrets};

/// How long a question takes at most that asks no index.
const QUICK: Duration = Duration::from_secs(30);
/// How much of standard error is kept, in bytes, and how many lines of it are shown.
const TAIL: usize = 8 << 10;
const TAIL_LINES: usize = 12;

/// The program uv, as this machine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uv {
    program: PathBuf,
    /// What comes before uv's own arguments.
    first: Vec<OsString>,
}

/// One run of uv.
pub(crate) struct Run<'a> {
    pub(crate) operation: &'a str,
    pub(crate) arguments: Vec<OsString>,
    /// What it reads from standard input.
    pub(crate) input: String,
    /// What it may take until it ends.
    pub(crate) deadline: Duration,
    /// The most bytes that it may print.
    pub(crate) limit: usize,
}

impl Uv {
    /// The program at this path.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), first: Vec::new() }
    }

    /// Finds uv: the variable `HAULIER_UV`, else `uv` on the `PATH`, else the module of `python3`. `NotFound` says how to
    /// install it.
    pub async fn find() -> Result<Self> {
        if let Some(program) = env::var_os("HAULIER_UV").filter(|program| !program.is_empty()) {
            return Ok(Self::at(program));
        }
        let path = env::var_os("PATH").unwrap_or_default();
        if let Some(program) = env::split_paths(&path).map(|folder| folder.join("uv")).find(|file| is_program(file)) {
            return Ok(Self::at(program));
        }
        let module = Self { program: "python3".into(), first: ["-m", "uv"].map(OsString::from).into() };
        let asked = module.command(&[OsString::from("--version")]).output();
        match timeout(QUICK, asked).await {
            Ok(Ok(output)) if output.status.success() => Ok(module),
            _ => {
                Err(Error::new(ErrorKind::NotFound, "find uv", "Python requirements need uv, and it is not installed")
                    .hint("pip install uv, or name the program in HAULIER_UV"))
            }
        }
    }

    /// Runs it to its end and returns what it printed. Dropping the future ends the process.
    pub(crate) async fn run(&self, run: Run<'_>) -> Result<String> {
        let operation = run.operation;
        let mut child = self
            .command(&run.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.does_not_start(operation, &error))?;
        let (Some(mut input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::internal(operation, "the process of uv has no pipes"));
        };
        let write = async move {
            // If it does not read, it has ended, and what it said is the better error.
            drop(input.write_all(run.input.as_bytes()).await);
            drop(input.shutdown().await);
        };
        let limit = run.limit;
        let work = async {
            let ((), printed, words) = tokio::join!(write, whole(output, limit), tail(errors));
            (printed, words, child.wait().await)
        };
        let (printed, words, status) = timeout(run.deadline, work).await.map_err(|_| {
            let message = format!("uv has not ended within {} s", run.deadline.as_secs());
            Error::new(ErrorKind::DeadlineExceeded, operation, message)
                .hint("check the network and the index: uv pip list")
        })?;
        let status = status.map_err(|error| Error::internal(operation, error.to_string()))?;
        if !status.success() {
            return Err(failure(operation, status, &words));
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

/// What uv says of a failure, as the one error.
fn failure(operation: &str, status: ExitStatus, words: &[u8]) -> Error {
    let text = String::from_utf8_lossy(&words[words.len().saturating_sub(TAIL)..]).into_owned();
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let (kind, hint) = if has(&["401 Unauthorized", "403 Forbidden", "valid authentication"]) {
        (
            ErrorKind::PermissionDenied,
            "give uv credentials: UV_DEFAULT_INDEX=https://USER:PASSWORD@HOST/simple, or netrc",
        )
    } else if has(&["Request failed", "Failed to fetch", "error sending request", "timed out", "Network connectivity"])
    {
        (ErrorKind::Unavailable, "check the network and the index (UV_DEFAULT_INDEX), then try again")
    } else if has(&["was not found in the package registry", "was not found in the provided package locations"]) {
        (ErrorKind::NotFound, "check the spelling, and the index: UV_DEFAULT_INDEX")
    } else if has(&["no usable wheels", "building from source is disabled"]) {
        (
            ErrorKind::InvalidArgument,
            "choose a version that has wheels, or build one and put it into an index: pip wheel",
        )
    } else if has(&["No such file or directory", "File not found", "does not exist"]) {
        (ErrorKind::NotFound, "check the path: ls -l")
    } else {
        (ErrorKind::InvalidArgument, "change the requirements; uv pip compile shows the same")
    };
    let retry = if kind == ErrorKind::Unavailable { Retry::Later } else { Retry::Never };
    let lines = last_lines(&text);
    let message = if lines.is_empty() { format!("uv ended with {status} and said nothing") } else { lines };
    Error::new(kind, operation, message).hint(hint).with_retry(retry)
}

fn last_lines(text: &str) -> String {
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with("warning:") && !line.starts_with("Resolved ");
    let lines: Vec<String> = text.lines().map(str::trim).filter(is_said).map(without_secrets).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_hold_no_password_and_say_what_kind_it_is() {
        use std::os::unix::process::ExitStatusExt as _;
        let status = ExitStatus::from_raw(256);
        for (words, kind, part) in [
            (
                "error: Request failed after 3 retries\n  cause: Failed to fetch: http://me:secret@h/six/",
                ErrorKind::Unavailable,
                "http://h/six/",
            ),
            ("hint: An index URL (http://h) ... (401 Unauthorized)", ErrorKind::PermissionDenied, "401"),
            ("cause: Because x was not found in the package registry and you", ErrorKind::NotFound, "not found"),
            ("cause: Because x==1 has no usable wheels", ErrorKind::InvalidArgument, "wheels"),
            ("", ErrorKind::InvalidArgument, "said nothing"),
        ] {
            let error = failure("lock", status, words.as_bytes());
            assert_eq!(error.kind(), kind, "{words}");
            assert!(error.to_string().contains(part) && !error.to_string().contains("secret"), "{error}");
            assert!(!error.hint_text().is_empty());
        }
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
        use std::os::unix::fs::PermissionsExt as _;
        let run = || Run {
            operation: "lock",
            arguments: Vec::new(),
            input: String::new(),
            deadline: Duration::from_millis(100),
            limit: 10,
        };
        let error = Uv::at("/no/uv").run(run()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::NotFound && error.hint_text().contains("pip install uv"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let mute = folder.path().join("uv");
        std::fs::write(&mute, "#!/bin/sh\nexec tail -f /dev/null\n").unwrap();
        std::fs::set_permissions(&mute, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(Uv::at(mute).run(run()).await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    }
}
