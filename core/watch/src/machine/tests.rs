//! The decisions, look by look.

use std::time::Duration;

use haulier_model::{Digest, Error, ErrorKind};

use super::*;

/// A node that does at once what the machine decides.
struct Simulation {
    machine: Machine,
    now: Duration,
    units: Vec<WatchedUnit>,
    /// How the next jobs end, but for those that succeed.
    failing: Option<ErrorKind>,
}

pub(super) fn file(path: &str, state: u64) -> StoredFile {
    StoredFile { path: path.into(), size: Some(state), modified_ms: Some(state), etag: None }
}

pub(super) fn unit(text: &str, by_watch: bool) -> WatchedUnit {
    let (name, version) = text.split_once(':').unwrap();
    let digest = Digest::of(b"");
    WatchedUnit { name: name.parse().unwrap(), version: version.parse().unwrap(), digest, by_watch }
}

pub(super) fn is(unit: &WatchedUnit, id: &UnitId) -> bool {
    unit.name == id.name && unit.version == id.version
}

impl Simulation {
    fn new() -> Self {
        let machine = Machine::new(Duration::from_secs(2));
        Self { machine, now: Duration::ZERO, units: Vec::new(), failing: None }
    }

    /// One second later, a look finds `files`: "a-1.jar a-2.jar=7", 0 being the state of those without a number. What is
    /// done: "+a:1 -b:1".
    fn look(&mut self, files: &str) -> String {
        self.now += Duration::from_secs(1);
        let parse = |word: &str| match word.split_once('=') {
            Some((path, state)) => file(path, state.parse().unwrap()),
            None => file(word, 0),
        };
        let files = files.split_whitespace().map(parse).collect();
        let jobs = self.machine.observe(files, &self.units, self.now);
        let mut done = Vec::new();
        for job in jobs {
            assert!(self.machine.begin(&job));
            done.push(self.carry_out(job));
        }
        done.join(" ")
    }

    fn carry_out(&mut self, job: Job) -> String {
        let outcome = match self.failing {
            Some(kind) => Outcome::Failed(Error::new(kind, "deploy", "refused")),
            None => Outcome::Done,
        };
        let (id, sign) = match &job.work {
            Work::Take(found) => (found.id.clone(), '+'),
            Work::Remove(id) => (id.clone(), '-'),
        };
        if self.failing.is_none() {
            self.units.retain(|unit| !is(unit, &id));
            if sign == '+' {
                self.units.push(unit(&id.to_string(), true));
            }
        }
        self.machine.finished(job, outcome, self.now);
        format!("{sign}{id}")
    }

    fn check(&mut self, looks: &[(&str, &str)]) {
        for (index, (files, done)) in looks.iter().enumerate() {
            assert_eq!(self.look(files), *done, "look {index} at '{files}'");
        }
    }

    fn fail(&mut self) {
        self.now += Duration::from_secs(1);
        self.machine.look_failed(&Error::new(ErrorKind::Unavailable, "list", "no route"));
    }

    fn status(&self) -> WatchStatus {
        self.machine.status("w", "file:///w", 0)
    }

    fn problems(&self) -> Vec<(String, &'static str)> {
        self.status().problems.iter().map(|problem| (problem.path.clone(), problem.state.name())).collect()
    }
}

#[test]
fn add_change_touch_delete() {
    Simulation::new().check(&[
        ("", ""),
        ("a-1.jar", ""),
        ("a-1.jar", ""),
        ("a-1.jar", "+a:1"),
        ("a-1.jar", ""),
        ("a-1.jar=1", ""),
        ("a-1.jar=2", ""),
        ("a-1.jar=2", ""),
        ("a-1.jar=2", "+a:1"),
        ("a-1.jar=2", ""),
        ("", ""),
        ("", ""),
        ("", "-a:1"),
        ("", ""),
    ]);
}

#[test]
fn what_comes_back_in_time_is_not_undeployed() {
    let mut simulation = Simulation::new();
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", ""), ("a-1.jar", "+a:1"), ("", ""), ("", ""), ("a-1.jar", "")]);
    simulation.check(&[("", ""), ("", "")]);
    simulation.fail();
    simulation.check(&[("", ""), ("", ""), ("", "-a:1")]);
}

#[test]
fn a_folder_is_one_unit_and_another_way_to_write_the_version_is_the_same() {
    Simulation::new().check(&[
        ("a/1/x.jar a/1/lib/y.jar", ""),
        ("a/1/x.jar a/1/lib/y.jar a/1/z.jar", ""),
        ("a/1/x.jar a/1/lib/y.jar a/1/z.jar", ""),
        ("a/1/x.jar a/1/lib/y.jar a/1/z.jar", "+a:1"),
        ("a-1.0.jar", ""),
        ("a-1.0.jar", ""),
        ("a-1.0.jar", "+a:1.0"),
    ]);
}

#[test]
fn twins_are_left_alone() {
    let mut simulation = Simulation::new();
    simulation.check(&[("a-1.jar a/1.0/x.jar", ""), ("a-1.jar a/1.0/x.jar", ""), ("a-1.jar a/1.0/x.jar", "")]);
    assert_eq!(simulation.problems(), [("a-1.jar".to_owned(), "conflict")]);
    simulation.check(&[("a/1.0/x.jar", ""), ("a/1.0/x.jar", ""), ("a/1.0/x.jar", "+a:1.0")]);
    simulation.check(&[("a-1.jar a/1.0/x.jar", ""), ("a-1.jar a/1.0/x.jar", ""), ("a-1.jar a/1.0/x.jar", "")]);
    simulation.check(&[("a/1.0/x.jar", ""), ("a/1.0/x.jar", ""), ("a/1.0/x.jar", "")]);
    assert_eq!(simulation.problems(), []);
}

#[test]
fn a_bad_file_waits_until_it_changes() {
    let mut simulation = Simulation::new();
    simulation.failing = Some(ErrorKind::InvalidArgument);
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", ""), ("a-1.jar", "+a:1")]);
    (0..100).for_each(|_| assert_eq!(simulation.look("a-1.jar"), ""));
    assert_eq!(simulation.problems(), [("a-1.jar".to_owned(), "quarantined")]);
    assert_eq!(simulation.status().problems[0].since_ms, 3_000);
    simulation.failing = None;
    simulation.check(&[("a-1.jar=1", ""), ("a-1.jar=1", ""), ("a-1.jar=1", "+a:1")]);
    assert_eq!(simulation.problems(), []);
}

#[test]
fn other_failures_are_tried_again_ever_more_slowly() {
    for (kind, state) in [(ErrorKind::Unavailable, "retrying"), (ErrorKind::Conflict, "conflict")] {
        let mut simulation = Simulation::new();
        simulation.failing = Some(kind);
        let mut tries = Vec::new();
        for second in 1..=200 {
            if simulation.look("a-1.jar") == "+a:1" {
                tries.push(second);
            }
        }
        assert_eq!(tries, [3, 4, 6, 10, 18, 34, 66, 126, 186]);
        assert_eq!(simulation.problems(), [("a-1.jar".to_owned(), state)]);
        assert_eq!(simulation.machine.due(), Some(Duration::from_secs(246)));
    }
}

#[test]
fn what_cannot_be_undeployed_is_tried_again() {
    let mut simulation = Simulation::new();
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", ""), ("a-1.jar", "+a:1"), ("", ""), ("", "")]);
    simulation.failing = Some(ErrorKind::Conflict);
    simulation.check(&[("", "-a:1"), ("", "-a:1"), ("", "")]);
    assert_eq!(simulation.problems(), [("a-1.jar".to_owned(), "conflict")]);
    simulation.fail();
    simulation.failing = None;
    simulation.check(&[("", ""), ("", ""), ("", "-a:1"), ("", "")]);
    assert_eq!(simulation.status().units, 0);
}

#[test]
fn by_hand_wins() {
    let mut simulation = Simulation::new();
    simulation.units = vec![unit("a:1.0", false)];
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", ""), ("a-1.jar", "")]);
    assert_eq!(simulation.problems(), [("a-1.jar".to_owned(), "conflict")]);
    simulation.units.clear();
    simulation.check(&[("a-1.jar", "+a:1"), ("a-1.jar", "")]);
    // Replaced by hand, and the file goes: what is there by hand stays.
    simulation.units[0].by_watch = false;
    simulation.check(&[("a-1.jar", ""), ("", ""), ("", ""), ("", ""), ("", "")]);
    assert_eq!((simulation.units.len(), simulation.status().units), (1, 0));
}

#[test]
fn what_was_undeployed_by_hand_comes_back() {
    let mut simulation = Simulation::new();
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", ""), ("a-1.jar", "+a:1"), ("a-1.jar", "")]);
    simulation.units.clear();
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", "+a:1"), ("a-1.jar", "")]);
}

const TEN: &str = "a-0.jar a-1.jar a-2.jar a-3.jar a-4.jar a-5.jar a-6.jar a-7.jar a-8.jar a-9.jar";
const SIX: &str = "a-0.jar a-1.jar a-2.jar a-3.jar a-4.jar a-5.jar";
const FIVE: &str = "a-0.jar a-1.jar a-2.jar a-3.jar a-4.jar";
const FOUR: &str = "a-0.jar a-1.jar a-2.jar a-3.jar";

/// Ten units that an earlier run deployed.
fn ten() -> Simulation {
    let mut simulation = Simulation::new();
    simulation.units = (0..10).map(|index| unit(&format!("a:{index}"), true)).collect();
    simulation
}

#[test]
fn more_than_half_gone_is_an_outage_until_half_is_back() {
    let mut simulation = ten();
    simulation.check(&[(FOUR, ""), (FOUR, "")]);
    assert_eq!(simulation.look(FOUR), "+a:0 +a:1 +a:2 +a:3", "what is there is read again");
    assert_eq!(simulation.status().state, WatchState::Outage);
    assert!(simulation.status().last_error.unwrap().contains("6 of 10"));
    // Neither time nor new units make it a deletion.
    let more = format!("{FOUR} b-1.jar b-2.jar b-3.jar b-4.jar b-5.jar");
    simulation.check(&[(&more, ""), (&more, ""), (&more, "+b:1 +b:2 +b:3 +b:4 +b:5"), (&more, "")]);
    assert_eq!(simulation.status().state, WatchState::Outage);
    let half = format!("{FIVE} b-1.jar b-2.jar b-3.jar b-4.jar b-5.jar");
    assert_eq!(simulation.look(&half), "-a:5 -a:6 -a:7 -a:8 -a:9");
    assert_eq!(simulation.status().state, WatchState::Watching);
    simulation.check(&[(&half, ""), (&half, "+a:4")]);
}

#[test]
fn half_gone_is_a_deletion() {
    let mut simulation = ten();
    simulation.check(&[(TEN, ""), (TEN, "")]);
    simulation.look(TEN);
    simulation.check(&[(FIVE, ""), (FIVE, ""), (FIVE, "-a:5 -a:6 -a:7 -a:8 -a:9"), (FIVE, "")]);
    assert_eq!(simulation.status().state, WatchState::Watching);
}

#[test]
fn a_loss_in_steps_is_an_outage_too() {
    let mut simulation = ten();
    simulation.look(TEN);
    simulation.check(&[(SIX, ""), (SIX, "+a:0 +a:1 +a:2 +a:3 +a:4 +a:5"), ("a-0.jar", ""), ("", ""), ("", "")]);
    assert_eq!((simulation.status().state, simulation.units.len()), (WatchState::Outage, 10));
    simulation.fail();
    simulation.check(&[("", ""), ("", ""), (TEN, ""), (TEN, "")]);
    assert_eq!(simulation.status().state, WatchState::Watching);
}

#[test]
fn a_loss_that_is_confirmed_is_a_deletion() {
    let mut simulation = ten();
    simulation.check(&[("", ""), ("", ""), ("", ""), ("", "")]);
    simulation.machine.confirm();
    assert_eq!(simulation.status().state, WatchState::Watching);
    assert_eq!(simulation.look("").split(' ').count(), 10);
    assert_eq!((simulation.look(""), simulation.status().units), (String::new(), 0));
}

#[test]
fn a_loss_that_somebody_undeploys_by_hand_is_over() {
    let mut simulation = ten();
    simulation.check(&[("", ""), ("", ""), ("", "")]);
    simulation.units.clear();
    simulation.check(&[("", ""), ("", "")]);
    assert_eq!(simulation.status().state, WatchState::Watching);
}

#[test]
fn one_of_one_is_a_deletion_two_of_two_an_outage() {
    let mut simulation = Simulation::new();
    simulation.units = vec![unit("a:1", true)];
    simulation.check(&[("", ""), ("", ""), ("", "-a:1")]);
    simulation.units = vec![unit("a:1", true), unit("b:1", true)];
    simulation.check(&[("", ""), ("", ""), ("", ""), ("", "")]);
    assert_eq!(simulation.status().state, WatchState::Outage);
}

#[test]
fn a_storage_that_cannot_be_listed_loses_nothing() {
    let mut simulation = ten();
    let pauses: Vec<u64> = (0..7)
        .map(|_| {
            simulation.fail();
            simulation.machine.pause().unwrap().as_secs()
        })
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    let status = simulation.status();
    assert_eq!((status.state, status.last_success_ms), (WatchState::Outage, None));
    assert!(status.last_error.unwrap().contains("no route"));
    simulation.check(&[(TEN, ""), (TEN, "")]);
    assert_eq!((simulation.status().state, simulation.machine.pause()), (WatchState::Watching, None));
}

#[test]
fn what_changes_while_it_is_read_settles_again() {
    let mut simulation = Simulation::new();
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", "")]);
    simulation.now += Duration::from_secs(1);
    let mut jobs = simulation.machine.observe(vec![file("a-1.jar", 0)], &[], simulation.now);
    let job = jobs.pop_front().unwrap();
    assert!(simulation.machine.begin(&job) && !simulation.machine.begin(&job));
    assert_eq!(simulation.look("a-1.jar"), "", "it is busy");
    simulation.machine.finished(job, Outcome::Changed, simulation.now);
    assert!(simulation.machine.due().unwrap() <= simulation.now);
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", ""), ("a-1.jar", "+a:1")]);
}

#[test]
fn what_changed_while_it_was_deployed_is_deployed_again() {
    let mut simulation = Simulation::new();
    simulation.check(&[("a-1.jar", ""), ("a-1.jar", "")]);
    simulation.now += Duration::from_secs(1);
    let job = simulation.machine.observe(vec![file("a-1.jar", 0)], &[], simulation.now).pop_front().unwrap();
    assert!(simulation.machine.begin(&job));
    simulation.check(&[("a-1.jar=1", ""), ("a-1.jar=1", ""), ("a-1.jar=1", "")]);
    assert_eq!(simulation.carry_out(job), "+a:1");
    assert_eq!(simulation.machine.due(), Some(simulation.now));
    simulation.check(&[("a-1.jar=1", "+a:1"), ("a-1.jar=1", "")]);
}

#[test]
fn problems_are_bounded() {
    let mut simulation = Simulation::new();
    let names: Vec<String> = (0..250).map(|index| format!("{index}.txt")).collect();
    simulation.look(&names.join(" "));
    let status = simulation.status();
    assert_eq!((status.problems.len(), status.problem_count, status.settling), (100, 250, 0));
    assert_eq!(status.problems[0].state, ProblemState::Ignored);
    simulation.look(&names.join(" "));
    assert_eq!(simulation.status().problems[0].since_ms, 1_000);
}
