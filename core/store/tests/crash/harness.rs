//! Starts children, listens to what they say, and knows how they ended.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::{
    check::Told,
    plan::{Plan, VARIABLE},
};

/// When the parent kills.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kill {
    /// Not at all: the child ends by itself, or at an instant of its plan.
    Never,
    /// After so many lines, and then a while.
    After(usize, Duration),
}

/// What a child said besides what it did, and how it ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) by_signal: Option<i32>,
    /// It came to its end.
    pub(crate) regular: bool,
    /// Lines of a traced child.
    pub(crate) passed: Vec<String>,
    pub(crate) collections: u32,
    /// How often content that was not leased had gone, and the child was told.
    pub(crate) told: u32,
}

/// Runs a child to its end.
pub(crate) fn run(plan: &Plan, kill: Kill, told: &mut Told) -> Ended {
    let mut child = start(plan);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut ended = Ended::default();
    if let Kill::After(count, later) = kill {
        lines.by_ref().take(count).for_each(|line| note(&line, told, &mut ended));
        // The instant differs from round to round; there is no event to await. After no line, it falls into the start.
        thread::sleep(later);
        child.kill().unwrap();
    }
    lines.for_each(|line| note(&line, told, &mut ended));
    ended.by_signal = child.wait().unwrap().signal();
    ended
}

fn start(plan: &Plan) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child_process", "--exact", "--nocapture"])
        .env(VARIABLE, plan.encode())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn note(line: &str, told: &mut Told, ended: &mut Ended) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "try" => {
            let mut state = told.acknowledged.clone();
            for (key, value) in rest.split_whitespace().filter_map(|change| change.split_once('=')) {
                match value {
                    "none" => drop(state.remove(key)),
                    value => drop(state.insert(key.to_owned(), value.to_owned())),
                }
            }
            told.attempted = Some(state);
        }
        "done" => told.acknowledged = told.attempted.take().unwrap(),
        "held" => drop(told.held.insert(rest.to_owned())),
        "pass" => ended.passed.push(rest.to_owned()),
        "collected" => ended.collections += 1,
        "told" => ended.told += 1,
        "end" => ended.regular = true,
        _ => {}
    }
}

/// Works on all items, on two threads that have a folder each.
pub(crate) fn in_lanes<T: Sync>(items: &[T], work: impl Fn(&mut Lane, &T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut lane = Lane { folder: tempfile::tempdir().unwrap(), told: Told::default() };
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(&mut lane, item);
                }
            });
        }
    });
}

/// A folder that goes from child to child, and what they have said of it.
pub(crate) struct Lane {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) told: Told,
}

impl Lane {
    /// A plan for its folder.
    pub(crate) fn plan(&self, cycles: u32) -> Plan {
        Plan { folder: self.folder.path().to_owned(), cycles, ..Plan::default() }
    }
}
