//! Which node a task goes to. Pure: it knows nodes as candidates with a load, and no network.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use haulier_model::{Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::v1;

use crate::{
    core::NodeCore,
    members::{Peer, Registration},
    pythons,
};

/// What it costs to pass a task on and its result back, in microseconds, about: for less it stays.
const PASS_ON_US: f64 = 500.0;
/// Taken for the duration of a task where no node knows better, in microseconds.
const UNKNOWN_US: u64 = 10_000;

/// Where a task goes.
#[derive(Clone)]
pub(crate) enum Place {
    Here,
    There(Arc<Peer>),
}

struct Candidate {
    place: Place,
    registration: Registration,
    tasks: u32,
    average_us: u64,
}

impl Candidate {
    /// How long a task would wait there, about. Where it would wait at all counts for more than any way: how long the
    /// tasks ahead will take is only a guess.
    fn wait(&self) -> f64 {
        let slots = f64::from(self.registration.slots.max(1));
        let average = if self.average_us == 0 { UNKNOWN_US } else { self.average_us };
        let ahead = (f64::from(self.tasks) + 1.0 - slots).max(0.0);
        let distance = if matches!(self.place, Place::Here) { 0.0 } else { PASS_ON_US };
        let busy = if ahead > 0.0 { 2.0 * PASS_ON_US } else { 0.0 };
        distance + busy + ahead * average as f64 / slots
    }
}

/// The node for a task that runs on one.
pub(crate) fn choose(node: &NodeCore, submit: &v1::Submit) -> Result<Place> {
    let target = submit.target.as_ref().and_then(|target| target.target.as_ref());
    if let Some(v1::target::Target::Node(name)) = target {
        return named(node, name);
    }
    let language = submit.language().try_into().ok();
    let candidates = with_interpreter(candidates(node, labels(submit), language), &submit.requires);
    let found = match target {
        Some(v1::target::Target::Key(key)) => {
            let score = |candidate: &Candidate| affinity(key, &candidate.registration.name);
            candidates.iter().max_by_key(|candidate| score(candidate))
        }
        _ => candidates.iter().min_by(|a, b| a.wait().partial_cmp(&b.wait()).unwrap_or(Ordering::Equal)),
    };
    found.map(|candidate| candidate.place.clone()).ok_or_else(|| nobody(node, submit))
}

/// Of the candidates those whose Python reads code by value of the client; all of them if there is none, so that one says
/// what it has.
fn with_interpreter(candidates: Vec<Candidate>, requires: &[String]) -> Vec<Candidate> {
    let Some((_, minor)) = pythons::by_value(requires).and_then(|needed| needed.split_once('-')) else {
        return candidates;
    };
    let has = |candidate: &Candidate| {
        let versions = candidate.registration.runtimes.get(Language::Python.name());
        let is_it = |version: &str| version.strip_prefix(minor).is_some_and(|rest| rest.starts_with('.'));
        versions.is_none_or(|versions| versions.split(", ").any(is_it))
    };
    if candidates.iter().any(has) { candidates.into_iter().filter(has).collect() } else { candidates }
}

/// All nodes that a broadcast goes to.
pub(crate) fn everywhere(node: &NodeCore, submit: &v1::Submit) -> Result<Vec<Place>> {
    let candidates = candidates(node, labels(submit), None);
    if candidates.is_empty() {
        return Err(nobody(node, submit));
    }
    Ok(candidates.into_iter().map(|candidate| candidate.place).collect())
}

/// Whether a submit says more about its place than "anywhere".
pub(crate) fn is_anywhere(submit: &v1::Submit) -> bool {
    let target = submit.target.as_ref();
    target.is_none_or(|target| {
        target.labels.is_empty() && matches!(target.target, None | Some(v1::target::Target::Any(_)))
    })
}

fn labels(submit: &v1::Submit) -> Option<&HashMap<String, String>> {
    submit.target.as_ref().map(|target| &target.labels)
}

fn named(node: &NodeCore, name: &str) -> Result<Place> {
    let draining = || {
        Err(Error::new(
            ErrorKind::Unavailable,
            "run a task",
            format!("the node '{name}' is draining: it takes nothing new"),
        )
        .hint(format!("choose another node, or: haulier node drain {name} --undo")))
    };
    if name == node.name {
        return if node.members.is_draining() { draining() } else { Ok(Place::Here) };
    }
    match node.members.get(name) {
        Some(peer) if peer.is_heard() && peer.registration().draining => draining(),
        Some(peer) if peer.is_heard() => Ok(Place::There(peer)),
        Some(_) => Err(Error::new(ErrorKind::Unavailable, "run a task", format!("the node '{name}' is lost"))
            .hint("haulier nodes; choose another node, or submit again when it is back")),
        None => {
            let names: Vec<String> = node.members.all().iter().map(|peer| peer.name()).collect();
            Err(Error::new(ErrorKind::NotFound, "run a task", format!("the cluster has no node '{name}'"))
                .context("nodes", [vec![node.name.clone()], names].concat().join(", "))
                .hint("haulier nodes"))
        }
    }
}

/// The nodes that take tasks with these labels and in this language, this one first.
fn candidates(node: &NodeCore, labels: Option<&HashMap<String, String>>, language: Option<Language>) -> Vec<Candidate> {
    let here = Candidate {
        place: Place::Here,
        registration: node.members.own(),
        tasks: node.load(),
        average_us: node.scheduler.average().as_micros().try_into().unwrap_or(u64::MAX),
    };
    let peers = node.members.heard().into_iter().map(|peer| {
        let (tasks, average_us) = peer.load();
        Candidate { registration: peer.registration(), place: Place::There(peer), tasks, average_us }
    });
    let fits = |candidate: &Candidate| {
        let registration = &candidate.registration;
        let has = |(key, value): (&String, &String)| registration.labels.get(key) == Some(value);
        // A node that does not know its languages yet is not left out.
        let speaks = |language: Language| {
            registration.runtimes.is_empty() || registration.runtimes.contains_key(language.name())
        };
        !registration.draining && labels.is_none_or(|labels| labels.iter().all(has)) && language.is_none_or(speaks)
    };
    std::iter::once(here).chain(peers).filter(fits).collect()
}

fn nobody(node: &NodeCore, submit: &v1::Submit) -> Error {
    let wanted: Vec<String> =
        labels(submit).into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    let message = if wanted.is_empty() {
        "no node takes tasks of this kind now: all are draining, or none has the language".to_owned()
    } else {
        format!("no node that takes tasks has the labels {}", wanted.join(", "))
    };
    let nodes = node.members.heard().iter().map(|peer| peer.name()).chain([node.name.clone()]).collect::<Vec<_>>();
    Error::new(ErrorKind::Unavailable, "run a task", message).context("nodes", nodes.join(", ")).hint("haulier nodes")
}

/// Rendezvous hashing: the node with the highest number has the key. A node that comes or goes moves only the keys that
/// it gets or had.
fn affinity(key: &str, node: &str) -> u64 {
    let digest = Digest::of(&[key.as_bytes(), b"\0", node.as_bytes()].concat());
    let first: [u8; 8] = digest.as_bytes()[..8].try_into().unwrap_or_default();
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_goes_moves_only_its_keys() {
        let place = |key: &str, nodes: &[&str]| {
            let best = nodes.iter().max_by_key(|node| affinity(key, node));
            best.map(|node| (*node).to_owned())
        };
        let mut moved = 0;
        let mut counts = HashMap::new();
        for number in 0..3000 {
            let key = format!("customer-{number}");
            let all = place(&key, &["a", "b", "c"]).unwrap();
            let fewer = place(&key, &["a", "b"]).unwrap();
            assert!(all == "c" || all == fewer, "{key} moved from {all} to {fewer}");
            moved += u32::from(all == "c");
            *counts.entry(all).or_insert(0) += 1;
        }
        assert!((800..1200).contains(&moved) && counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_free_slot_is_better_than_a_short_queue() {
        let candidate = |tasks, average_us| Candidate {
            place: Place::Here,
            registration: Registration { slots: 2, ..Registration::default() },
            tasks,
            average_us,
        };
        assert_eq!(candidate(1, 0).wait(), 0.0, "a slot is free");
        assert!(candidate(2, 10).wait() > PASS_ON_US, "a free slot elsewhere is better");
        assert!(candidate(100, 10).wait() < candidate(3, 0).wait(), "many short tasks are less than some long ones");
    }
}
