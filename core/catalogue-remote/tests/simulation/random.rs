//! Many faults at instants chosen by a seed, while two members write what they can.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use haulier_catalogue::{Catalogue, Changes, Event, MemoryCatalogue, OperationId, Record, Revision};
use haulier_catalogue_remote::RemoteCatalogue;
use haulier_model::{ErrorKind, Result};
use tokio::time::Instant;
use turmoil::Sim;

use crate::network::{Follower, OWNER, Outcome, add_owner, join, memory, simulation};

const MEMBERS: [&str; 2] = ["a", "b"];
const KEYS: [&str; 3] = ["units/a", "units/b", "nodes/a"];

/// For how long there are faults.
const TROUBLE: Duration = Duration::from_secs(15);

/// The longest that any request may take.
const BOUND: Duration = Duration::from_millis(4_100);

/// Longer than registrations live, and longer than the last write of another member may take.
const QUIET: Duration = Duration::from_secs(7);

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// What the members were told, and what they know in the end.
#[derive(Default)]
struct Notes {
    told: HashMap<OperationId, std::result::Result<Revision, ErrorKind>>,
    known: BTreeMap<&'static str, BTreeMap<String, Record>>,
}

#[test]
fn members_agree_with_the_owner_after_any_faults() {
    let seeds = std::env::var("HAULIER_SOAK").ok().map_or(24, |count| count.parse().expect("a number of seeds"));
    for seed in 0..seeds {
        println!("seed {seed}");
        // Half of the owners forget quickly, so that members have to list again.
        run(seed, if seed % 2 == 0 { 10_000 } else { 8 });
    }
}

fn run(seed: u64, history: usize) {
    let (mut sim, folder) = (simulation(seed), tempfile::tempdir().unwrap());
    let owner = memory(history);
    let served = owner.clone();
    add_owner(&mut sim, move || served.clone());
    let notes = Arc::new(Mutex::new(Notes::default()));
    for (index, name) in MEMBERS.into_iter().enumerate() {
        let (copy, notes) = (folder.path().join(name), notes.clone());
        let dice = Dice(seed * 1_000 + index as u64 + 1);
        sim.client(name, async move { live(name, &copy, dice, &notes).await });
    }
    trouble(&mut sim, Dice(seed * 1_000));
    sim.run().unwrap();
    let notes = notes.lock().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(compare(&owner, &notes, history));
}

/// Breaks connections, holds messages back, restarts the owner; in the end all is well again.
fn trouble(sim: &mut Sim<'_>, mut dice: Dice) {
    let mut next = Duration::from_secs(1);
    while sim.elapsed() < TROUBLE {
        assert!(!sim.step().unwrap(), "the members outlive the faults");
        if sim.elapsed() < next {
            continue;
        }
        next = sim.elapsed() + Duration::from_millis(50 + dice.roll(1_500));
        let member = MEMBERS[dice.roll(2) as usize];
        match dice.roll(10) {
            0 | 1 => sim.partition(OWNER, member),
            2 => sim.partition_oneway(OWNER, member),
            3 => sim.partition_oneway(member, OWNER),
            4 | 5 => sim.hold(OWNER, member),
            6 => {
                sim.crash(OWNER);
                sim.bounce(OWNER);
            }
            _ => mend(sim, member),
        }
    }
    MEMBERS.into_iter().for_each(|member| mend(sim, member));
}

fn mend(sim: &Sim<'_>, member: &str) {
    sim.release(OWNER, member);
    sim.repair(OWNER, member);
}

async fn live(name: &'static str, copy: &Path, mut dice: Dice, notes: &Mutex<Notes>) -> Outcome {
    let member = join(copy, 10_000).await?;
    let mut follower = Follower::new(&member).await?;
    while turmoil::sim_elapsed().unwrap() < TROUBLE {
        let pause = Duration::from_millis(dice.roll(100));
        if let Ok(read) = tokio::time::timeout(pause, follower.read(&member)).await {
            read?;
        }
        act(&member, &mut dice, notes).await?;
    }
    follower.settle(&member, QUIET).await?;
    assert!(member.is_connected());
    assert_eq!(follower.compacted, 0, "a member's history is its own");
    notes.lock().unwrap().known.insert(name, follower.known);
    Ok(())
}

/// One request, which ends in time; what it was told is noted.
async fn act(member: &RemoteCatalogue, dice: &mut Dice, notes: &Mutex<Notes>) -> Result<()> {
    let (key, operation, begun) = (KEYS[dice.roll(3) as usize], OperationId::random(), Instant::now());
    let current = member.get(key).await?.map(|record| record.revision);
    assert!(begun.elapsed() < BOUND, "a read took {:?}", begun.elapsed());
    let begun = Instant::now();
    let told = match (dice.roll(6), current) {
        (0, Some(revision)) => member.delete(key, revision, operation).await.map(|()| None),
        (1, Some(revision)) => member.renew(key, revision).await.map(|()| None),
        (2, current) => {
            let ttl = Duration::from_secs(1 + dice.roll(3));
            member.register(key, current, Vec::new(), ttl, operation).await.map(Some)
        }
        (_, current) => member.compare_and_set(key, current, Vec::new(), operation).await.map(Some),
    };
    assert!(begun.elapsed() <= BOUND, "a write took {:?}", begun.elapsed());
    let told = told.map_err(|error| error.kind()).transpose();
    if let Some(told) = told {
        let expected = [ErrorKind::Conflict, ErrorKind::NotFound, ErrorKind::Unavailable];
        assert!(told.is_ok() || expected.map(Err).contains(&told), "{told:?}");
        notes.lock().unwrap().told.insert(operation, told);
    }
    Ok(())
}

async fn compare(owner: &MemoryCatalogue, notes: &Notes, history: usize) {
    let there = owner.list("").await.unwrap();
    let there: BTreeMap<String, Record> =
        there.records.into_iter().map(|record| (record.key.clone(), record)).collect();
    assert_eq!(notes.known.len(), MEMBERS.len());
    for (name, known) in &notes.known {
        assert_eq!(known, &there, "what {name} knows");
    }
    if history < 10_000 {
        return;
    }
    let mut done: HashMap<OperationId, Revision> = HashMap::new();
    let mut watch = owner.watch("", 0).await.unwrap();
    while let Ok(changes) = tokio::time::timeout(Duration::ZERO, watch.next()).await {
        let Changes::Events(events) = changes.unwrap() else { panic!("its history is long enough") };
        for event in events {
            if let Event::Put(record) = event {
                assert_eq!(done.insert(record.operation, record.revision), None, "{record:?} was done twice");
            }
        }
    }
    for (operation, told) in &notes.told {
        match (told, done.get(operation)) {
            (Ok(told), done) => assert_eq!(Some(told), done, "{operation}"),
            (Err(ErrorKind::Unavailable), _) => {}
            (Err(kind), done) => assert_eq!(done, None, "{operation} was told {kind:?}"),
        }
    }
    assert!(done.len() > 20, "{} writes are too few to say anything", done.len());
}
