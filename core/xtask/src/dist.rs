//! Assembles the distribution folder: the binary, the worker jars, the native libraries and the Python worker.
//!
//! Every file is written beside its place and renamed over it, and only when its bytes differ, so that a node that runs
//! from the folder keeps the files that it has open. It never builds anything.
use std::{
    collections::BTreeSet,
    error::Error,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use walkdir::WalkDir;

/// The one Python package that workers bring: it reads and writes functions by value.
const CLOUDPICKLE: &str = "3.1.2";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where a part comes from, where it goes, and the command that makes it.
struct Part {
    source: PathBuf,
    destination: &'static str,
    made_by: &'static str,
}

/// Copies what is there, then fails if a part was missing, naming the command that builds it.
pub(crate) fn run(out: Option<PathBuf>, from: Option<PathBuf>) -> Result<()> {
    let out = out.unwrap_or_else(|| crate::target_dir().join("dist"));
    let from = from.unwrap_or_else(|| crate::target_dir().join("debug"));
    let mut missing = Vec::new();
    let mut written = 0;
    for part in parts(&from) {
        if part.source.is_file() {
            written += usize::from(place(&part.source, &out.join(part.destination))?);
        } else {
            missing.push(format!("{} (made by: {})", part.source.display(), part.made_by));
        }
    }
    let python = out.join("lib/haulier/python");
    let worker = crate::repository().join("python/worker/haulier_worker");
    written += mirror(&worker, &python.join("haulier_worker"), &["_native.abi3.so"])?;
    written += cloudpickle(&python)?;
    // So that a module which imports the client can be loaded where the client is not installed.
    let client = crate::repository().join("python/src/haulier");
    written += mirror(&client, &python.join("haulier"), &[])?;
    if !missing.is_empty() {
        return Err(format!("the distribution folder lacks:\n  {}", missing.join("\n  ")).into());
    }
    println!("{} ({written} files written)", out.display());
    Ok(())
}

fn parts(from: &Path) -> Vec<Part> {
    const CARGO: &str = "cargo build --workspace --all-targets";
    const MAVEN: &str = "mvn --file java/pom.xml package";
    let part = |source: PathBuf, destination, made_by| Part { source, destination, made_by };
    vec![
        part(from.join("haulier"), "bin/haulier", CARGO),
        part(from.join("libhaulier_jni.so"), "lib/haulier/libhaulier_jni.so", CARGO),
        part(from.join("libhaulier_python.so"), "lib/haulier/python/haulier_worker/_native.abi3.so", CARGO),
        part(jar("worker"), "lib/haulier/haulier-worker.jar", MAVEN),
        part(jar("api"), "lib/haulier/haulier-api.jar", MAVEN),
        part(jar("maven"), "lib/haulier/haulier-maven.jar", MAVEN),
    ]
}

/// The jar of a Maven module: `java/<module>/target/haulier-<module>-<version>.jar`.
fn jar(module: &str) -> PathBuf {
    let version = env!("CARGO_PKG_VERSION");
    crate::repository().join(format!("java/{module}/target/haulier-{module}-{version}.jar"))
}

/// Makes `destination` equal to the `.py` files of `source`, recursively; leaves files named in `keep` alone.
fn mirror(source: &Path, destination: &Path, keep: &[&str]) -> Result<usize> {
    let mut wanted = BTreeSet::new();
    let mut written = 0;
    for entry in WalkDir::new(source).sort_by_file_name() {
        let entry = entry?;
        if entry.path().extension() == Some(OsStr::new("py")) {
            let relative = entry.path().strip_prefix(source)?.to_owned();
            written += usize::from(place(entry.path(), &destination.join(&relative))?);
            wanted.insert(relative);
        }
    }
    for entry in WalkDir::new(destination) {
        let entry = entry?;
        let relative = entry.path().strip_prefix(destination)?;
        let kept = keep.iter().any(|name| relative == Path::new(name));
        if entry.file_type().is_file() && !kept && !wanted.contains(relative) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(written)
}

/// Installs the pinned cloudpickle with pip, once.
fn cloudpickle(python: &Path) -> Result<usize> {
    let stamp = format!("cloudpickle-{CLOUDPICKLE}.dist-info");
    let cache = crate::target_dir().join("cloudpickle").join(CLOUDPICKLE);
    if !cache.join(&stamp).is_dir() {
        let status = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"])
            .args(["--root-user-action", "ignore", "--upgrade", "--target"])
            .arg(&cache)
            .arg(format!("cloudpickle=={CLOUDPICKLE}"))
            .status()?;
        if !status.success() {
            return Err(format!("pip could not install cloudpickle {CLOUDPICKLE}").into());
        }
    }
    mirror(&cache.join("cloudpickle"), &python.join("cloudpickle"), &[])
}

/// Puts a copy of `source` at `destination` in one step; says whether anything had to be written.
fn place(source: &Path, destination: &Path) -> Result<bool> {
    if same(source, destination)? {
        return Ok(false);
    }
    let folder = destination.parent().ok_or("a destination has a folder")?;
    fs::create_dir_all(folder)?;
    let mut name = destination.file_name().ok_or("a destination has a name")?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = folder.join(name);
    fs::copy(source, &fresh)?;
    fs::rename(&fresh, destination)?;
    Ok(true)
}

fn same(left: &Path, right: &Path) -> Result<bool> {
    let Ok(metadata) = fs::metadata(right) else { return Ok(false) };
    Ok(metadata.len() == fs::metadata(left)?.len() && fs::read(left)? == fs::read(right)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("haulier-xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_is_written_once_and_replaced_in_one_step() {
        let folder = scratch("place");
        let (source, destination) = (folder.join("source"), folder.join("deep/er/copy"));
        fs::write(&source, "one").unwrap();
        assert!(place(&source, &destination).unwrap());
        assert!(!place(&source, &destination).unwrap());
        let open = fs::File::open(&destination).unwrap();
        fs::write(&source, "two").unwrap();
        assert!(place(&source, &destination).unwrap());
        assert_eq!(std::io::read_to_string(open).unwrap(), "one", "who has it open keeps the old bytes");
        assert_eq!(fs::read_to_string(&destination).unwrap(), "two");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_mirror_drops_what_is_gone_and_keeps_what_it_is_told() {
        let folder = scratch("mirror");
        let (source, destination) = (folder.join("source"), folder.join("copy"));
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(&destination).unwrap();
        fs::write(source.join("kept.py"), "").unwrap();
        fs::write(destination.join("gone.py"), "").unwrap();
        fs::write(destination.join("_native.abi3.so"), "").unwrap();
        assert_eq!(mirror(&source, &destination, &["_native.abi3.so"]).unwrap(), 1);
        let mut names: Vec<_> = fs::read_dir(&destination).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["_native.abi3.so", "kept.py"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
