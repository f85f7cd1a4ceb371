//! Sources against real servers: folders, FTP, S3, HTTP; and against servers that misbehave, which the tests play.

mod environment;
mod fetching;
mod hostile;
mod played;
mod storages;

use std::{fs, path::Path, time::Duration};

use haulier_model::{Error, ErrorKind};
use haulier_sources::Deadlines;

/// Names that a careless program gets wrong, and one that is deep.
const NAMES: [&str; 9] = [
    "a b.jar",
    "b#1.jar",
    "c%2ed.jar",
    "d(1)+&=;'.jar",
    "empty",
    "größe/1.0/ü.py",
    "pricing/1.2.0/lib/pricing.jar",
    "question?.jar",
    "z100%.jar",
];

/// Names that no listing shows.
const HIDDEN: [&str; 5] = [".git/config", ".hidden", "half.jar.part", "x.tmp", "backup~"];

/// Deadlines that a test can wait for.
const SHORT: Deadlines = Deadlines { connect: Duration::from_secs(2), silence: Duration::from_millis(500) };

fn body_of(name: &str) -> Vec<u8> {
    if name == "empty" { Vec::new() } else { name.repeat(1000).into_bytes() }
}

/// Writes all names, hidden ones too.
fn fill(folder: &Path) {
    for name in NAMES.iter().chain(&HIDDEN) {
        write(folder, name, &body_of(name));
    }
}

fn write(folder: &Path, name: &str, body: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, body).unwrap();
}

/// Checks the kind, and that there is a hint and no secret; gives the whole text.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, kind: ErrorKind) -> String {
    let error = answer.unwrap_err();
    let text = format!("{error} {error:?}");
    assert_eq!(error.kind(), kind, "{text}");
    assert!(!error.hint_text().is_empty(), "no hint: {text}");
    assert!(!text.contains("secret"), "{text}");
    text
}
