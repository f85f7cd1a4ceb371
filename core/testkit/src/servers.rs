//! Servers of others that code is taken from: FTP (pyftpdlib), S3 (moto), HTTP, Maven and package indexes (Python's
//! http.server), as processes that end with the test. What they serve belongs to the test.
use std::{
    env,
    ffi::OsStr,
    io::{self, BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::fixtures::repository;

/// How long a server may take until it listens, or has done what it was told.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server on a free port of loopback. It ends when this is dropped, and when the test ends in any way.
pub struct TestServer {
    /// Its standard input stays open until the end: that is how it knows that the test is there.
    child: Child,
    lines: Receiver<String>,
    url: String,
}

impl TestServer {
    /// An FTP server on `folder`. Anonymous may read, and so may "me" with the password "secret word".
    ///
    /// # Errors
    /// If it does not listen in time; its standard error goes to the test's.
    pub fn ftp(folder: &Path) -> io::Result<Self> {
        Self::start("ftp.py", &[folder.as_os_str()])
    }

    /// As [`TestServer::ftp`], but an old one, which knows neither MLSD nor SIZE.
    ///
    /// # Errors
    /// As [`TestServer::ftp`].
    pub fn plain_ftp(folder: &Path) -> io::Result<Self> {
        Self::start("ftp.py", &[folder.as_os_str(), OsStr::new("plain")])
    }

    /// An HTTP server that lists `folder`.
    ///
    /// # Errors
    /// As [`TestServer::ftp`].
    pub fn http(folder: &Path) -> io::Result<Self> {
        Self::start("web.py", &[folder.as_os_str()])
    }

    /// A Maven repository: `folder`, over HTTP, with a checksum for each file.
    ///
    /// # Errors
    /// As [`TestServer::ftp`].
    pub fn maven(folder: &Path) -> io::Result<Self> {
        Self::start("maven.py", &[folder.as_os_str()])
    }

    /// A Python package index: a wheel for each folder NAME-VERSION in `folder`. With `credentials`, "user:password", it
    /// refuses everybody else.
    ///
    /// # Errors
    /// As [`TestServer::ftp`].
    pub fn pypi(folder: &Path, credentials: Option<&str>) -> io::Result<Self> {
        let arguments: Vec<&OsStr> = std::iter::once(folder.as_os_str()).chain(credentials.map(OsStr::new)).collect();
        Self::start("pypi.py", &arguments)
    }

    /// An S3 service with the empty bucket "units"; [`TestServer::put`] fills it. Everybody may read it, but what is
    /// below "private/" only who has keys; any keys will do.
    ///
    /// # Errors
    /// As [`TestServer::ftp`].
    pub fn s3() -> io::Result<Self> {
        Self::start("s3.py", &[])
    }

    /// Where it listens: of the folder that it serves, with '/' at the end, or of the bucket, with its endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Writes an object of the bucket, and returns when it is there. Only for S3.
    ///
    /// # Errors
    /// If the server does not say in time that it is done, as while it is paused.
    pub fn put(&mut self, key: &str, body: &[u8]) -> io::Result<()> {
        self.tell(&format!("put {} {}", hex(key.as_bytes()), hex(body)))
    }

    /// Deletes an object of the bucket, and returns when it is gone. Only for S3.
    ///
    /// # Errors
    /// As [`TestServer::put`].
    pub fn delete(&mut self, key: &str) -> io::Result<()> {
        self.tell(&format!("delete {}", hex(key.as_bytes())))
    }

    /// Stops the process, so that it is silent: connections stand, nothing is answered.
    ///
    /// # Errors
    /// If it is gone.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If it is gone.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends it: further connections are refused. Doing it twice is no error.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn stop(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    fn start(script: &str, arguments: &[&OsStr]) -> io::Result<Self> {
        let mut child = Command::new(python())
            .arg(repository().join("tests/servers").join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut server = Self { child, lines, url: String::new() };
        server.url = server.line()?;
        Ok(server)
    }

    fn tell(&mut self, command: &str) -> io::Result<()> {
        let input = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{command}")?;
        input.flush()?;
        self.line().map(drop)
    }

    fn line(&self) -> io::Result<String> {
        self.lines.recv_timeout(DEADLINE).map_err(|error| {
            io::Error::new(io::ErrorKind::TimedOut, format!("the server of tests/servers: {error}; run: make build"))
        })
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), signal).map_err(io::Error::from)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Nothing else can be done about a process that cannot be killed.
        let _ = self.stop();
    }
}

/// The interpreter with the packages of tests/requirements.txt: of `HAULIER_VENV`, else of ~/.cache/haulier/venv.
fn python() -> PathBuf {
    let default = || env::home_dir().unwrap_or_default().join(".cache/haulier/venv");
    env::var_os("HAULIER_VENV").map_or_else(default, PathBuf::from).join("bin/python")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
