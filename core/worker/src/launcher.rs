//! `haulier exec-worker`: confines the process that it runs in and becomes a JVM or an interpreter.
//!
//! A node has many threads: what must happen between its fork and an exec happens here instead, in a process with one
//! thread. Must never know tasks or links, beyond handing descriptors over.

mod confinement;

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::PathBuf,
    process::{Command, exit},
};

use bytes::BytesMut;
use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};

use crate::socket::{self, Read};

pub(crate) use confinement::Confinement;

/// The first descriptor that is handed over: the control link.
pub(crate) const FIRST_DESCRIPTOR: i32 = 3;

/// The variable that tells a zygote how its children confine themselves.
pub(crate) const CONFINEMENT_VARIABLE: &str = "HAULIER_CONFINEMENT";

/// The exit code of a launcher that could not become a worker.
const FAILED: i32 = 126;

/// What a launcher is to do: its only argument, as JSON. The descriptors come through its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Instructions {
    /// The process id of the node. If it is not the parent any more, the node has died.
    pub(crate) parent: u32,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The whole environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// How many descriptors are handed over, as 3 and on.
    pub(crate) descriptors: usize,
    /// Limit of private memory in bytes.
    pub(crate) private_memory: Option<u64>,
    /// `None`: the process confines itself later, as a zygote's children do.
    pub(crate) confinement: Option<Confinement>,
}

/// Becomes the worker that `arguments` (what follows `exec-worker`) describe. Call it first thing in `main`, before
/// any thread exists. Does not return: on failure it says why on standard error and exits with 126.
pub fn exec_worker(arguments: impl IntoIterator<Item = OsString>) -> ! {
    let problem = match become_worker(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    eprintln!("haulier exec-worker: {problem}");
    exit(FAILED)
}

fn become_worker(arguments: impl IntoIterator<Item = OsString>) -> io::Result<std::convert::Infallible> {
    let text = arguments.into_iter().next().and_then(|text| text.into_string().ok());
    let text = text.ok_or_else(|| io::Error::other("is run by a node, not by hand; try: haulier node"))?;
    let instructions: Instructions = serde_json::from_str(&text)?;
    die_with(instructions.parent)?;
    place_descriptors(instructions.descriptors)?;
    limit(&instructions)?;
    if let Some(confinement) = instructions.confinement {
        confinement.apply();
    }
    let error = Command::new(&instructions.program)
        .args(&instructions.arguments)
        .env_clear()
        .envs(instructions.environment)
        .current_dir(&instructions.directory)
        .exec();
    Err(io::Error::new(error.kind(), format!("run {}: {error}", instructions.program.display())))
}

/// The kernel kills this process, whatever it becomes, when the thread of the node that spawned it ends.
fn die_with(node: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() as u32 != node) {
        return Err(io::Error::other("the node has died"));
    }
    Ok(())
}

/// Receives the descriptors, gives them their numbers, and leaves nothing else open but the standard ones.
fn place_descriptors(count: usize) -> io::Result<()> {
    let mut received: Vec<OwnedFd> = Vec::new();
    let mut bytes = BytesMut::new();
    while received.len() < count {
        if socket::read_with_descriptors(io::stdin(), &mut bytes, &mut received)? != Read::Some {
            return Err(io::Error::other(format!("{} of {count} descriptors have come", received.len())));
        }
    }
    let end = FIRST_DESCRIPTOR + i32::try_from(count).map_err(io::Error::other)?;
    // Out of the way first: a received one may have a number that another one is to get.
    let aside: io::Result<Vec<OwnedFd>> =
        received.iter().map(|descriptor| Ok(rustix::io::fcntl_dupfd_cloexec(descriptor, end)?)).collect();
    drop(received);
    for (number, descriptor) in (FIRST_DESCRIPTOR..end).zip(aside?) {
        rename(&descriptor, number)?;
    }
    rename(&OwnedFd::from(File::open("/dev/null")?), libc::STDIN_FILENO)?;
    // SAFETY: closes what the node's process may have leaked; nothing here uses a descriptor from `end` on.
    if unsafe { libc::close_range(end as u32, u32::MAX, 0) } < 0 {
        eprintln!("haulier exec-worker: inherited descriptors stay open: {}", io::Error::last_os_error());
    }
    Ok(())
}

/// Gives an open descriptor one more number, which survives exec.
fn rename(descriptor: &OwnedFd, number: i32) -> io::Result<()> {
    // SAFETY: this process has one thread, and nothing in it uses `number`: it is standard input, which is not read any
    // more, or a number that nothing has.
    let placed = unsafe { libc::dup2(descriptor.as_raw_fd(), number) };
    if placed < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn limit(instructions: &Instructions) -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    // A core of a JVM is as large as its heap.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    if let Some(bytes) = instructions.private_memory {
        let maximum = getrlimit(Resource::Data).maximum;
        let bytes = maximum.map_or(bytes, |maximum| maximum.min(bytes));
        setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    }
    Ok(())
}
