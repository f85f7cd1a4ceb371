//! The command lines of workers, and what they may use.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use haulier_model::{Error, ErrorKind, Language, Result};

use super::{SupervisorOptions, WorkerSpec};
use crate::launcher::{CONFINEMENT_VARIABLE, Confinement, FIRST_DESCRIPTOR, Instructions};

/// The first release that warns about native code which the command line does not allow.
const NATIVE_ACCESS: u32 = 22;

/// A heap below this is best served by one collecting thread, in bytes.
const SMALL_HEAP: u64 = 1 << 30;

/// Checks what no worker could be started from.
pub(super) fn check(spec: &WorkerSpec) -> Result<()> {
    let problem = if spec.slots == 0 || spec.slots > WorkerSpec::SLOT_LIMIT {
        format!("{} slots; a worker has 1 to {}", spec.slots, WorkerSpec::SLOT_LIMIT)
    } else if spec.language == Language::Python && spec.slots != 1 {
        format!("{} slots; a Python worker has 1", spec.slots)
    } else if spec.language == Language::Rust {
        "there are no workers for Rust".to_owned()
    } else if !spec.program.is_absolute() {
        format!("'{}' is no absolute path of a program", spec.program.display())
    } else if !spec.program.exists() {
        format!("there is no program {}", spec.program.display())
    } else if !spec.temp_dir.is_dir() {
        format!("there is no directory {}", spec.temp_dir.display())
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidArgument, format!("start a {} worker", spec.language.name()), problem))
}

/// How to become a JVM that serves the slots of `spec`.
pub(super) fn java(options: &SupervisorOptions, spec: &WorkerSpec) -> Result<Instructions> {
    let home = text(&options.home)?;
    let temp_dir = text(&spec.temp_dir)?;
    let mut arguments = vec![
        "-cp".to_owned(),
        format!("{home}/haulier-worker.jar:{home}/haulier-api.jar"),
        "-Xshare:auto".to_owned(),
        // Its files in /tmp are closed to the worker.
        "-XX:-UsePerfData".to_owned(),
        format!("-Djava.io.tmpdir={temp_dir}"),
        format!("-Duser.home={temp_dir}"),
        format!("-Dhaulier.native={home}/libhaulier_jni.so"),
    ];
    if let Some(pattern) = &options.serial_filter {
        arguments.push(format!("-Dhaulier.serialFilter={pattern}"));
    }
    if let Some(bytes) = spec.memory {
        arguments.push(format!("-Xmx{}k", (bytes / 1024).max(2048)));
        if bytes < SMALL_HEAP {
            arguments.push("-XX:+UseSerialGC".to_owned());
        }
    }
    if java_release(&spec.program).is_some_and(|release| release >= NATIVE_ACCESS) {
        arguments.push("--enable-native-access=ALL-UNNAMED".to_owned());
    }
    arguments.push("io.haulier.worker.Main".to_owned());
    let mut instructions = instructions(spec, arguments, usize::from(spec.slots) + 1)?;
    instructions.confinement =
        Some(confinement(options, spec, [spec.temp_dir.clone()].into_iter().chain(spec.directory.clone())));
    Ok(instructions)
}

/// How to become the interpreter from which workers like `spec` are forked. It confines none but its children.
pub(super) fn zygote(options: &SupervisorOptions, spec: &WorkerSpec) -> Result<Instructions> {
    let python = serde_json::to_string(text(&options.home.join("python"))?)
        .map_err(|error| Error::internal("quote a path", error.to_string()))?;
    let program = format!("import sys; sys.path.insert(0, {python}); from haulier_worker import main; main.zygote()");
    let mut instructions = instructions(spec, ["-I", "-c", &program].map(str::to_owned).to_vec(), 1)?;
    instructions.private_memory = spec.memory;
    // No worker's own directory, which would go with it.
    instructions.directory = PathBuf::from("/");
    let confinement = serde_json::to_string(&confinement(options, spec, []))
        .map_err(|error| Error::internal("describe the confinement", error.to_string()))?;
    instructions.environment.push((CONFINEMENT_VARIABLE.to_owned(), confinement));
    Ok(instructions)
}

fn instructions(spec: &WorkerSpec, arguments: Vec<String>, descriptors: usize) -> Result<Instructions> {
    Ok(Instructions {
        parent: std::process::id(),
        program: spec.program.clone(),
        arguments,
        environment: environment(spec)?,
        directory: spec.temp_dir.clone(),
        descriptors,
        private_memory: None,
        confinement: None,
    })
}

/// Nothing of the node's environment but what programs need to run at all.
fn environment(spec: &WorkerSpec) -> Result<Vec<(String, String)>> {
    let temp_dir = text(&spec.temp_dir)?.to_owned();
    let mut variables: Vec<(String, String)> =
        ["PATH", "LANG", "TZ"].into_iter().filter_map(|name| Some((name.to_owned(), env::var(name).ok()?))).collect();
    variables.push(("TMPDIR".to_owned(), temp_dir.clone()));
    variables.push(("HOME".to_owned(), temp_dir));
    variables.push(("HAULIER_CONTROL_FD".to_owned(), FIRST_DESCRIPTOR.to_string()));
    variables.push(("HAULIER_SLOTS".to_owned(), spec.slots.to_string()));
    variables.push(("HAULIER_NODE_NAME".to_owned(), spec.node.clone()));
    Ok(variables)
}

fn confinement(options: &SupervisorOptions, spec: &WorkerSpec, own: impl IntoIterator<Item = PathBuf>) -> Confinement {
    let readable = spec.readable.iter().chain([&options.home]).cloned().collect();
    Confinement::new(&spec.program, readable, spec.writable.iter().cloned().chain(own).collect())
}

/// The feature release of a JVM, from the `release` file of its home: 17.
fn java_release(program: &Path) -> Option<u32> {
    let home = program.canonicalize().ok()?.parent()?.parent()?.to_owned();
    let release = fs::read_to_string(home.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    version.split(['.', '"', '-', '+']).next()?.parse().ok()
}

pub(super) fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "start a worker", format!("the path {} is not UTF-8", path.display()))
    })
}
