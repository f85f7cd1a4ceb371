//! A process is killed while it deploys, replaces, points aliases, undeploys, fetches and collects: at every step that a
//! crash could tear, and at any other instant. Whoever opens the store next finds every change wholly done or not at
//! all, and nothing that was acknowledged is lost.
//!
//! A kill cannot show a sync that is missing: what was written is in the page cache. So files that were not said to be
//! on disk are also torn as by a power cut, and the order of the steps is recorded. What a disk does that lies about its
//! syncs, and what the catalogue's own file suffers from a power cut, is not covered here.

mod check;
mod child;
mod harness;
mod plan;
mod sabotage;

use std::{fs, time::Duration};

use check::{check, cut_power};
use harness::{Kill, in_lanes, run};
use plan::{Plan, at};

const SIGKILL: i32 = 9;

/// The points that every cycle of a child passes three times or more.
const POINTS: [&str; 15] = [
    "receive::record",
    "seal::before-footer",
    "seal::before-rename",
    "seal::after-rename",
    "sync::before",
    "sync::after-file",
    "sync::after",
    "publish::manifest",
    "collect::before-forget",
    "collect::after-forget",
    "collect::after-unlink",
    "compact::after-copy",
    "compact::after-leave",
    "settle::before-sync",
    "settle::after-sync",
];

/// Changes of heads in a cycle, each of another kind: publish, alias, undeploy, remove...
const CHANGES: u32 = 13;

/// The child itself; without a plan it does nothing.
#[test]
fn child_process() {
    if let Some(plan) = Plan::of_environment() {
        child::run(&plan);
    }
}

/// What the points cost a node, in which nobody arms any.
#[test]
fn a_point_that_nobody_arms() {
    let (begun, passes) = (std::time::Instant::now(), 1_000_000);
    for _ in 0..passes {
        fail::fail_point!("receive::record");
    }
    let each = begun.elapsed() / passes;
    println!("{each:?} for each pass");
    assert!(each < Duration::from_micros(1), "{each:?} on a busy machine");
}

fn soak() -> bool {
    std::env::var_os("HAULIER_SOAK").is_some()
}

#[test]
fn killed_at_every_step() {
    let mut instants: Vec<(&str, u32)> = POINTS.iter().flat_map(|point| [(*point, 1), (*point, 3)]).collect();
    let heads = (1..=CHANGES).flat_map(|pass| [("head::before-set", pass), ("head::after-set", pass)]);
    instants.extend(heads);
    let repetitions = if soak() { 8 } else { 1 };
    let rounds: Vec<_> = (0..repetitions).flat_map(|_| instants.clone()).enumerate().collect();
    in_lanes(&rounds, |lane, (round, (point, pass))| {
        let plan = Plan { kill: at(point, *pass), ..lane.plan(3) };
        let ended = run(&plan, Kill::Never, &mut lane.told);
        assert_eq!(ended.by_signal, Some(SIGKILL), "{point} was not passed {pass} times: {ended:?}");
        let torn = if round % 2 == 1 { cut_power(lane.folder.path(), *round) } else { 0 };
        let checked = check(lane.folder.path(), &mut lane.told, torn);
        empty_damaged(lane.folder.path());
        checked.unwrap_or_else(|problem| panic!("killed at {point}, pass {pass}, {torn} torn: {problem}"));
    });
}

#[test]
fn killed_at_any_instant() {
    let rounds: Vec<usize> = (0..if soak() { 400 } else { 24 }).collect();
    in_lanes(&rounds, |lane, round| {
        let kill = Kill::After(round * 7 % 61, Duration::from_micros((*round as u64 * 977) % 9000));
        let ended = run(&lane.plan(1000), kill, &mut lane.told);
        assert_eq!(ended.by_signal, Some(SIGKILL), "{ended:?}");
        let torn = if round % 3 == 2 { cut_power(lane.folder.path(), *round) } else { 0 };
        let checked = check(lane.folder.path(), &mut lane.told, torn);
        empty_damaged(lane.folder.path());
        checked.unwrap_or_else(|problem| panic!("round {round}, {kill:?}, {torn} torn: {problem}"));
    });
}

#[test]
fn killed_while_it_sets_damage_aside() {
    let instants = [("open::before-set-aside", 1), ("open::after-set-aside", 1), ("open::after-set-aside", 3)];
    in_lanes(&instants, |lane, (point, pass)| {
        run(&lane.plan(1), Kill::Never, &mut lane.told);
        for number in 0..3 {
            fs::write(lane.folder.path().join(format!("store/packs/{number}.pack")), b"no pack").unwrap();
        }
        let plan = Plan { kill: at(point, *pass), ..lane.plan(1) };
        assert_eq!(run(&plan, Kill::Never, &mut lane.told).by_signal, Some(SIGKILL), "{point} {pass}");
        check(lane.folder.path(), &mut lane.told, 3).unwrap();
        assert_eq!(fs::read_dir(lane.folder.path().join("store/damaged")).unwrap().count(), 3);
        empty_damaged(lane.folder.path());
    });
}

/// Garbage is collected between every two steps of a deployment: the unit is whole, or whoever deploys is told and
/// sends again.
#[test]
fn collected_at_every_step() {
    let points = [
        "receive::record",
        "seal::after-rename",
        "publish::manifest",
        "sync::before",
        "sync::after",
        "head::before-set",
    ];
    let instants: Vec<_> = points.iter().flat_map(|point| (1..=4).map(move |pass| (*point, pass))).collect();
    in_lanes(&instants, |lane, (point, pass)| {
        let plan = Plan { collect: at(point, *pass), ..lane.plan(1) };
        let ended = run(&plan, Kill::Never, &mut lane.told);
        assert!(ended.regular && ended.collections == 1, "{point} {pass}: {ended:?}");
        check(lane.folder.path(), &mut lane.told, 0).unwrap_or_else(|problem| panic!("{point} {pass}: {problem}"));
    });
}

fn empty_damaged(folder: &std::path::Path) {
    for store in ["store", "member"] {
        for entry in fs::read_dir(folder.join(store).join("damaged")).into_iter().flatten() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}
