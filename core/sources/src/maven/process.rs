//! Runs the resolving program: one process, one request, events until the last. It must never know what they are about.

use std::{io, path::Path, process::Stdio, time::Duration};

use haulier_model::{Error, ErrorKind, Result};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Progress,
    event::{self, Answer, Event},
};

/// How long the program may say nothing.
const SILENCE: Duration = Duration::from_secs(600);
/// How long the process may take to end after its last word.
const FAREWELL: Duration = Duration::from_secs(10);
/// The longest line that is read, in bytes: some ten thousand artifacts.
const LONGEST_LINE: u64 = 4 << 20;
/// How much of standard error is kept, in bytes, and how many lines of it are shown.
const TAIL: usize = 8 << 10;
const TAIL_LINES: usize = 10;

/// Writes `request` to the program in `jar`, and hears its events until the last.
pub(super) async fn run(
    java: &Path,
    jar: &Path,
    operation: &str,
    request: &str,
    progress: &(impl Fn(Progress) + Send + Sync),
) -> Result<Answer> {
    let mut child = start(java, jar, operation).await?;
    let (Some(mut input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::internal(operation, "the process of the resolver has no pipes"));
    };
    let tail = tokio::spawn(tail(errors));
    // If it does not read, it has ended, and what it said is the better error.
    let written = timeout(SILENCE, async {
        input.write_all(request.as_bytes()).await?;
        input.shutdown().await
    });
    drop(written.await);
    drop(input);
    match listen(output, operation, progress).await {
        Ok(answer) => {
            end(&mut child).await;
            answer
        }
        Err(ended) => Err(lost(ended, child, tail, operation, java).await),
    }
}

/// Why there is no last event.
enum Ended {
    Silent,
    Closed,
    Unreadable,
}

async fn start(java: &Path, jar: &Path, operation: &str) -> Result<Child> {
    if !tokio::fs::metadata(jar).await.is_ok_and(|file| file.is_file()) {
        return Err(Error::new(ErrorKind::NotFound, operation, format!("there is no {}", jar.display()))
            .hint("install the whole distribution; in a source tree: make build"));
    }
    Command::new(java)
        // The program runs for about a second: the second compiler and parallel collectors only cost time.
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx512m", "-jar"])
        .arg(jar)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| no_java(java, operation, &error))
}

fn no_java(java: &Path, operation: &str, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::ResourceExhausted,
    };
    Error::new(kind, operation, format!("Maven coordinates need Java, and {} does not start: {error}", java.display()))
        .hint("install a JDK or JRE (17 or newer), or name its command with --java")
}

/// Hears events until the last one; each has its own deadline.
async fn listen(
    output: ChildStdout,
    operation: &str,
    progress: &(impl Fn(Progress) + Send + Sync),
) -> Result<Result<Answer>, Ended> {
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut lines).take(LONGEST_LINE);
        match timeout(SILENCE, bounded.read_until(b'\n', &mut line)).await {
            Err(_) => return Err(Ended::Silent),
            Ok(Err(_) | Ok(0)) => return Err(Ended::Closed),
            Ok(Ok(_)) => {}
        }
        match Event::parse(&line).ok_or(Ended::Unreadable)? {
            Event::Downloading { url, done, total } => progress(Progress::new(url, done, total)),
            Event::Warning { message } => tracing::warn!(operation, message, "Maven resolution"),
            Event::Resolved(answer) => return Ok(Ok(answer)),
            Event::Error { kind, message, hint } => return Ok(Err(event::failure(operation, &kind, message, hint))),
        }
    }
}

/// Waits for the end of a process that has nothing more to say; kills it if it stays.
async fn end(child: &mut Child) {
    if timeout(FAREWELL, child.wait()).await.is_err() {
        drop(child.start_kill());
    }
}

/// The error of a program that gave no answer: its exit status and its last words.
async fn lost(ended: Ended, mut child: Child, tail: JoinHandle<Vec<u8>>, operation: &str, java: &Path) -> Error {
    if !matches!(ended, Ended::Closed) {
        drop(child.start_kill());
    }
    let status = match timeout(FAREWELL, child.wait()).await {
        Ok(Ok(status)) => status.to_string(),
        _ => "unknown".to_owned(),
    };
    drop(child);
    let words = timeout(FAREWELL, tail).await.ok().and_then(Result::ok).map(|bytes| last_lines(&bytes));
    let error = match ended {
        Ended::Silent => {
            let message = format!("the Maven resolver has said nothing for {} s", SILENCE.as_secs());
            Error::new(ErrorKind::DeadlineExceeded, operation, message)
                .hint("check the network, and the proxy and mirrors in settings.xml")
        }
        Ended::Closed => Error::new(ErrorKind::Unavailable, operation, "the Maven resolver ended without an answer")
            .context("status", status)
            .hint(format!("{} -version", java.display())),
        Ended::Unreadable => Error::internal(operation, "the Maven resolver wrote something that is no event"),
    };
    match words.filter(|words| !words.is_empty()) {
        Some(words) => error.context("last output", words),
        None => error,
    }
}

/// Reads to the end, so that the program never waits for a reader, and keeps the last bytes.
async fn tail(mut errors: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::with_capacity(2 * TAIL);
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = errors.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * TAIL {
            kept.drain(..kept.len() - TAIL);
        }
    }
    kept
}

/// The last lines of what a JVM wrote, without what may hold a password: the options that the environment gives it, and
/// the user in a URL.
fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]);
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("Picked up ") && !line.trim().is_empty())
        .map(without_user)
        .collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join(" | ")
}

fn without_user(line: &str) -> String {
    let mut parts = line.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let authority = part.split(['/', ' ', '?', '#']).next().unwrap_or_default();
        let start = authority.rfind('@').map_or(0, |at| at + 1);
        shown.push_str("://");
        shown.push_str(&part[start..]);
    }
    shown.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_hold_no_password() {
        let text = "Picked up JAVA_TOOL_OPTIONS: -Dhttp.proxyPassword=secret\n\
                    cannot read https://me:secret@repo.acme/x from http://a@b:c@host y@z\n\n";
        assert_eq!(last_lines(text.as_bytes()), "cannot read https://repo.acme/x from http://host y@z");
        let many: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
        let shown = last_lines(many.as_bytes());
        assert!(shown.ends_with("line 9999") && shown.split(" | ").count() == TAIL_LINES, "{shown}");
    }

    /// A clock that does not wait: it jumps to the next deadline when nothing else happens.
    #[tokio::test(start_paused = true)]
    async fn a_program_that_stays_silent_is_ended() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mute = folder.path().join("mute");
        std::fs::write(&mute, "#!/bin/sh\nexec tail -f /dev/null\n").unwrap();
        std::fs::set_permissions(&mute, std::fs::Permissions::from_mode(0o700)).unwrap();
        let error = run(&mute, &mute, "resolve g:a:1", "{}", &|_| ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(!error.hint_text().is_empty());
    }

    #[tokio::test]
    async fn a_long_output_keeps_its_end_only() {
        let long = vec![b'x'; 100 * TAIL];
        let kept = tail(long.as_slice()).await;
        assert!(kept.len() <= 2 * TAIL + 1024 && !kept.is_empty());
    }
}
