//! A client in a worker says there how many of the worker's tasks may wait for tasks of their own, so that the node lets
//! other slots work meanwhile.
//!
//! What was said last is what holds, so it is never lost: a pipe that is full gets it as soon as there is room.
//!
//! Must never know sessions or nodes: what counts is that this process has tasks that are not answered, wherever they run.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    process,
    sync::OnceLock,
    thread::{self, ThreadId},
};

use haulier_protocol::waiting::{WAITING_VARIABLE, WaitingPipe, WaitingRecord};
use parking_lot::Mutex;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

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
    /// The pipe was full: a thread says what holds when there is room.
    behind: bool,
}

/// Whether this process is a worker.
pub(crate) fn is_inside() -> bool {
    inside().is_some()
}

/// A task is submitted; `None` outside of workers.
pub(crate) fn begin() -> Option<Awaited> {
    inside().map(Inside::begin)
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut state = self.inside.state.lock();
        if state.process != process::id() {
            return;
        }
        let Some(tasks) = state.waiters.get_mut(&self.waiter) else { return };
        *tasks -= 1;
        if *tasks == 0 {
            state.waiters.remove(&self.waiter);
            if state.waiters.len() < self.inside.slots {
                self.inside.tell(&mut state);
            }
        }
    }
}

impl Inside {
    fn begin(&'static self) -> Awaited {
        let mut state = self.state.lock();
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
        if *tasks == 1 && state.waiters.len() <= self.slots {
            self.tell(&mut state);
        }
        Awaited { inside: self, waiter }
    }

    /// It never blocks: tasks of another node go on while this one does not read.
    fn tell(&'static self, state: &mut State) {
        if !state.behind && !self.write(state) {
            let later = thread::Builder::new().name("haulier-waiting".into()).spawn(|| self.tell_later());
            // Without a thread the next record says it all.
            state.behind = later.is_ok();
        }
    }

    /// False if the pipe has no room. Where nobody can read any more, there is nothing to say.
    fn write(&self, state: &State) -> bool {
        let library = std::ptr::from_ref(self) as usize as u64;
        let tasks = state.waiters.len().min(self.slots);
        let record = WaitingRecord {
            source: library.rotate_left(32) ^ u64::from(state.process),
            tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
        };
        let written = (&self.pipe).write(&record.to_bytes());
        !written.is_err_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted))
    }

    /// Waits until there is room, and says what holds then.
    fn tell_later(&self) {
        loop {
            let ready = poll(&mut [PollFd::new(&self.pipe, PollFlags::OUT)], None);
            let mut state = self.state.lock();
            // Others may have filled it again.
            if self.write(&state) || ready.is_err_and(|error| error != Errno::INTR) {
                state.behind = false;
                return;
            }
        }
    }
}

fn inside() -> Option<&'static Inside> {
    static INSIDE: OnceLock<Option<Inside>> = OnceLock::new();
    let open = || {
        let named = std::env::var(WAITING_VARIABLE).ok()?.parse().ok()?;
        let slots = std::env::var("HAULIER_SLOTS").ok().and_then(|slots| slots.parse().ok());
        open(named, slots.unwrap_or(1))
    };
    INSIDE.get_or_init(open).as_ref()
}

/// `None` if this process was not given that pipe.
fn open(named: WaitingPipe, slots: usize) -> Option<Inside> {
    let path = format!("/proc/self/fd/{}", named.descriptor);
    // Before it is opened: what has this number here may be anything.
    let is_it = |found: &std::fs::Metadata| found.file_type().is_fifo() && found.ino() == named.inode;
    std::fs::metadata(&path).ok().filter(is_it)?;
    let pipe = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    pipe.metadata().ok().filter(is_it)?;
    Some(Inside { pipe, slots, state: Mutex::default() })
}

fn is_slot() -> bool {
    rustix::thread::name().is_ok_and(|name| name.to_bytes().starts_with(SLOT_THREADS))
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::fd::AsRawFd, sync::mpsc, time::Duration};

    use super::*;

    /// A worker of four slots, and what its node reads.
    fn worker() -> (&'static Inside, File) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let inode = rustix::fs::fstat(&writer).unwrap().st_ino;
        let inside = open(WaitingPipe { descriptor: writer.as_raw_fd(), inode }, 4).unwrap();
        (Box::leak(Box::new(inside)), reader.into())
    }

    fn told(reader: &mut File) -> u32 {
        let mut bytes = [0; WaitingRecord::SIZE];
        reader.read_exact(&mut bytes).unwrap();
        WaitingRecord::from_bytes(bytes).tasks
    }

    #[test]
    fn a_slot_waits_once_however_many_tasks_it_has() {
        let (inside, mut reader) = worker();
        let slot = |inside: &'static Inside| (inside.begin(), inside.begin());
        let thread = thread::Builder::new().name("haulier-slot-3".into()).spawn(move || slot(inside)).unwrap();
        let (first, second) = thread.join().unwrap();
        let other = inside.begin();
        assert_eq!((told(&mut reader), told(&mut reader)), (1, 2));
        drop((first, second));
        drop(other);
        assert_eq!((told(&mut reader), told(&mut reader)), (1, 0));
    }

    #[test]
    fn no_more_wait_than_there_are_slots() {
        let (inside, mut reader) = worker();
        let many: Vec<_> = (0..100).map(|_| inside.begin()).collect();
        assert_eq!((1..=4).map(|_| told(&mut reader)).collect::<Vec<_>>(), [1, 2, 3, 4]);
        drop(many);
        assert_eq!((0..=3).map(|_| told(&mut reader)).collect::<Vec<_>>(), [3, 2, 1, 0]);
    }

    /// More records than a pipe takes are written before anybody reads.
    #[test]
    fn what_holds_is_heard_after_a_time_without_a_reader() {
        let (inside, mut reader) = worker();
        for _ in 0..10_000 {
            drop(inside.begin());
        }
        let three = [inside.begin(), inside.begin(), inside.begin()];
        let (hear, heard) = mpsc::channel();
        thread::spawn(move || while hear.send(told(&mut reader)).is_ok() {});
        let until = |tasks: u32| {
            let next = || heard.recv_timeout(Duration::from_secs(20)).expect("a record in time");
            std::iter::repeat_with(next).take_while(|told| *told != tasks).count()
        };
        let lost = 20_003 - until(3);
        assert!(lost > 1000, "the pipe was full");
        drop(three);
        // 2 and 1 may come before it, if the thread has told of 3 already.
        assert!(until(0) <= 2);
    }

    #[test]
    fn another_file_of_that_number_is_left_alone() {
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let inode = rustix::fs::fstat(&writer).unwrap().st_ino;
        assert!(open(WaitingPipe { descriptor: writer.as_raw_fd(), inode: inode + 1 }, 1).is_none());
        let file = tempfile::tempfile().unwrap();
        let named = WaitingPipe { descriptor: file.as_raw_fd(), inode: file.metadata().unwrap().ino() };
        assert!(open(named, 1).is_none());
        assert!(open(WaitingPipe { descriptor: 1 << 20, inode: 1 }, 1).is_none());
    }
}
