//! A client in a worker says there how many of the worker's tasks may wait for tasks of their own, so that the node lets
//! other slots work meanwhile.
//!
//! Must never know sessions or nodes: what counts is that this process has tasks that are not answered, wherever they run.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    process,
    sync::OnceLock,
    thread::{self, ThreadId},
};

use haulier_protocol::waiting::{WAITING_VARIABLE, WaitingPipe, WaitingRecord};
use parking_lot::Mutex;

/// How the threads are named that run a slot of a JVM each.
const SLOT_THREADS: &[u8] = b"haulier-slot-";

/// Who waits: a slot's thread, however many tasks it has submitted; of other threads it is not known for which slot they
/// work, so each of their tasks counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Waiter {
    Slot(ThreadId),
    Other(u64),
}

/// Held while a task is not answered that was submitted in a worker.
pub(crate) struct Awaited {
    inside: &'static Inside,
    waiter: Waiter,
}

struct Inside {
    pipe: File,
    /// More than so many slots there are not.
    slots: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The process that the rest is about: one that is forked waits for nothing of its parent.
    process: u32,
    waiters: HashMap<Waiter, usize>,
    last: u64,
}

/// Whether this process is a worker.
pub(crate) fn is_inside() -> bool {
    inside().is_some()
}

/// A task is submitted; `None` outside of workers.
pub(crate) fn begin() -> Option<Awaited> {
    let inside = inside()?;
    let mut state = inside.state.lock();
    if state.process != process::id() {
        *state = State { process: process::id(), ..State::default() };
    }
    let waiter = if is_slot() {
        Waiter::Slot(thread::current().id())
    } else {
        state.last += 1;
        Waiter::Other(state.last)
    };
    let tasks = state.waiters.entry(waiter).or_default();
    *tasks += 1;
    if *tasks == 1 && state.waiters.len() <= inside.slots {
        inside.tell(&state);
    }
    Some(Awaited { inside, waiter })
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut state = self.inside.state.lock();
        let Some(tasks) = state.waiters.get_mut(&self.waiter) else { return };
        *tasks -= 1;
        if *tasks == 0 {
            state.waiters.remove(&self.waiter);
            if state.waiters.len() < self.inside.slots {
                self.inside.tell(&state);
            }
        }
    }
}

impl Inside {
    fn tell(&self, state: &State) {
        let library = std::ptr::from_ref(self) as usize as u64;
        let tasks = state.waiters.len().min(self.slots);
        let record = WaitingRecord {
            source: library.rotate_left(32) ^ u64::from(state.process),
            tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
        };
        // It never blocks. Where the node does not read, it does not schedule either; the next record says it all.
        let _ = (&self.pipe).write(&record.to_bytes());
    }
}

fn inside() -> Option<&'static Inside> {
    static INSIDE: OnceLock<Option<Inside>> = OnceLock::new();
    INSIDE.get_or_init(open).as_ref()
}

fn open() -> Option<Inside> {
    let named: WaitingPipe = std::env::var(WAITING_VARIABLE).ok()?.parse().ok()?;
    let path = format!("/proc/self/fd/{}", named.descriptor);
    // Before it is opened: what has this number here may be anything.
    let is_it = |found: &std::fs::Metadata| found.file_type().is_fifo() && found.ino() == named.inode;
    std::fs::metadata(&path).ok().filter(is_it)?;
    let pipe = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    pipe.metadata().ok().filter(is_it)?;
    let slots = std::env::var("HAULIER_SLOTS").ok().and_then(|slots| slots.parse().ok()).unwrap_or(1);
    Some(Inside { pipe, slots, state: Mutex::default() })
}

fn is_slot() -> bool {
    rustix::thread::name().is_ok_and(|name| name.to_bytes().starts_with(SLOT_THREADS))
}
