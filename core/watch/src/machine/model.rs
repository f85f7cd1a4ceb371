//! The decisions under random changes, outages and delays: in the end the node has what the storage has, and nothing is
//! undeployed that only seemed to be gone.

use std::collections::BTreeSet;

use haulier_model::{Error, ErrorKind};
use proptest::prelude::*;

use super::{
    tests::{file, is, unit},
    *,
};

const UNITS: usize = 6;
const SETTLE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
enum Step {
    /// A file is written; every fourth state is a bad one.
    Write(usize, u64),
    Delete(usize),
    DeleteAll,
    /// The storage cannot be reached any more, or again.
    Reach(bool),
    /// Somebody deploys, or undeploys, by hand.
    ByHand(usize, bool),
    /// The node refuses or takes what it is asked, for the time being.
    NodeDown(bool),
    Look(u64),
    /// The jobs that were begun end.
    Finish,
    /// The watch starts anew and knows nothing.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..UNITS, 1..20_u64).prop_map(|(index, state)| Step::Write(index, state)),
        3 => (0..UNITS).prop_map(Step::Delete),
        1 => Just(Step::DeleteAll),
        2 => any::<bool>().prop_map(Step::Reach),
        1 => (0..UNITS, any::<bool>()).prop_map(|(index, deploy)| Step::ByHand(index, deploy)),
        1 => any::<bool>().prop_map(Step::NodeDown),
        20 => (100..3_000_u64).prop_map(Step::Look),
        8 => Just(Step::Finish),
        1 => Just(Step::Restart),
    ]
}

/// A unit at the node: who deployed it, and the state of the file.
type AtNode = (bool, u64);

struct World {
    machine: Machine,
    now: Duration,
    stored: BTreeMap<usize, u64>,
    reachable: bool,
    node: BTreeMap<usize, AtNode>,
    node_down: bool,
    /// Begun, with the state of the file that was read.
    running: Vec<(Job, usize, u64)>,
    /// Whose removal was decided, and which have not come back since: if the node has refused, it is asked again.
    going: BTreeSet<usize>,
    /// Since when each unit has been absent in all looks, and in how many.
    absent: BTreeMap<usize, (Duration, u32)>,
    confirmed: bool,
}

impl World {
    fn new() -> Self {
        Self {
            machine: Machine::new(SETTLE),
            now: Duration::ZERO,
            stored: BTreeMap::new(),
            reachable: true,
            node: BTreeMap::new(),
            node_down: false,
            running: Vec::new(),
            going: BTreeSet::new(),
            absent: BTreeMap::new(),
            confirmed: false,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Write(index, state) => drop(self.stored.insert(index, state)),
            Step::Delete(index) => drop(self.stored.remove(&index)),
            Step::DeleteAll => self.stored.clear(),
            Step::Reach(reachable) => self.reachable = reachable,
            Step::ByHand(index, true) => drop(self.node.insert(index, (false, 0))),
            Step::ByHand(index, false) => drop(self.node.remove(&index)),
            Step::NodeDown(down) => self.node_down = down,
            Step::Look(after) => self.look(Duration::from_millis(after)),
            Step::Finish => self.finish(),
            Step::Restart => {
                self.machine = Machine::new(SETTLE);
                self.running.clear();
                self.going.clear();
                self.absent.clear();
            }
        }
    }

    fn look(&mut self, after: Duration) {
        self.now += after;
        if !self.reachable {
            self.machine.look_failed(&Error::new(ErrorKind::Unavailable, "list", "away"));
            self.absent.clear();
            return;
        }
        let units: Vec<WatchedUnit> =
            self.node.iter().map(|(index, (ours, _))| unit(&format!("u:{index}"), *ours)).collect();
        let files = self.stored.iter().map(|(index, state)| file(&format!("u-{index}.jar"), *state)).collect();
        let lost_much = self.count_lost();
        let jobs = self.machine.observe(files, &units, self.now);
        for job in jobs {
            let id = match &job.work {
                Work::Take(found) => found.id.clone(),
                Work::Remove(id) => id.clone(),
            };
            let index: usize = id.version.as_str().parse().unwrap();
            if matches!(job.work, Work::Remove(_)) {
                assert!(self.confirmed || !lost_much, "undeployed when much was lost");
                let (since, looks) = self.absent[&index];
                assert!(looks >= 2 && self.now - since >= SETTLE, "undeployed too early");
                assert!(units.iter().all(|unit| unit.by_watch || !is(unit, &id)), "undeployed what was there by hand");
                self.going.insert(index);
            }
            assert!(self.machine.begin(&job));
            let state = self.stored.get(&index).copied().unwrap_or(0);
            self.running.push((job, index, state));
        }
    }

    /// Counts what this look misses; whether it is too much at once, whatever else the watch may know.
    fn count_lost(&mut self) -> bool {
        for index in 0..UNITS {
            if self.stored.contains_key(&index) {
                self.absent.remove(&index);
                self.going.remove(&index);
            } else {
                self.absent.entry(index).or_insert((self.now, 0)).1 += 1;
            }
        }
        let ours = self.node.iter().filter(|(_, (ours, _))| *ours).map(|(index, _)| index);
        let lost = ours.filter(|index| !self.stored.contains_key(index) && !self.going.contains(index)).count();
        lost >= 2 && (self.stored.is_empty() || lost * 2 > UNITS)
    }

    fn finish(&mut self) {
        for (job, index, read) in std::mem::take(&mut self.running) {
            let by_hand = self.node.get(&index).is_some_and(|(ours, _)| !ours);
            let fail = |kind| Outcome::Failed(Error::new(kind, "deploy", "refused"));
            let outcome = match &job.work {
                _ if self.node_down => fail(ErrorKind::Unavailable),
                Work::Take(_) if self.stored.get(&index) != Some(&read) => Outcome::Changed,
                Work::Take(_) if read.is_multiple_of(4) => fail(ErrorKind::InvalidArgument),
                Work::Take(_) | Work::Remove(_) if by_hand => fail(ErrorKind::Conflict),
                Work::Take(_) => {
                    self.node.insert(index, (true, read));
                    Outcome::Done
                }
                Work::Remove(_) => {
                    self.node.remove(&index);
                    Outcome::Done
                }
            };
            self.machine.finished(job, outcome, self.now);
        }
    }

    /// Everything works, nothing changes, and what is gone is meant to be.
    fn calm_down(&mut self) {
        (self.reachable, self.node_down) = (true, false);
        self.finish();
        for _ in 0..3 {
            for _ in 0..70 {
                self.look(Duration::from_secs(1));
                self.finish();
            }
            self.machine.confirm();
            self.confirmed = true;
        }
        assert_eq!(self.machine.due(), None, "something is due though nothing changes");
    }

    fn check(&self) {
        for index in 0..UNITS {
            let (stored, at_node) = (self.stored.get(&index), self.node.get(&index));
            match (stored, at_node) {
                (_, Some((false, _))) => {}
                (Some(state), Some((true, deployed))) if state.is_multiple_of(4) => {
                    assert!(!deployed.is_multiple_of(4))
                }
                (Some(state), Some((true, deployed))) => assert_eq!(state, deployed, "unit {index}"),
                (Some(state), None) => assert!(state.is_multiple_of(4), "unit {index} is missing"),
                (None, Some((true, _))) => panic!("unit {index} was not undeployed"),
                (None, None) => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_the_node_has_what_the_storage_has(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.calm_down();
        world.check();
    }
}
