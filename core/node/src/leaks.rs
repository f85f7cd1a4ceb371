//! Class loaders that stay in the memory of JVM workers although no task uses them any more: what the workers say of
//! them, and when a worker has too many.
//!
//! Must never know why one stays: the worker names its suspects.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use haulier_model::UnitId;
use haulier_protocol::v1;
use haulier_worker::WorkerId;
use parking_lot::Mutex;

use crate::core::NodeCore;

/// Loaders of a worker that are remembered; user code decides how many there are.
const MOST: usize = 256;
/// Labels and suspects of a loader that are remembered, and characters of each.
const TEXTS: usize = 16;
const LONGEST: usize = 200;
const LONGEST_IDENTITY: usize = 64;

/// What the workers of this node have said.
#[derive(Default)]
pub(crate) struct Leaks(Mutex<HashMap<WorkerId, OfWorker>>);

#[derive(Default)]
struct OfWorker {
    released: u64,
    collected: u64,
    leaked: BTreeMap<Bytes, Leak>,
}

#[derive(Clone, Debug)]
struct Leak {
    labels: Vec<String>,
    suspects: Vec<String>,
    since: Instant,
}

/// A worker says what became of its loaders: each one that stays is logged once, and too many mean another worker.
pub(crate) fn hear(node: &NodeCore, worker: WorkerId, report: v1::LoaderReport) {
    let (fresh, count) = node.scheduler.leaks.note(worker, report);
    if let Some(leak) = fresh {
        tracing::warn!(
            %worker,
            code = leak.labels.join(", "),
            suspects = leak.suspects.join("; "),
            leaked = count,
            "a class loader stays in memory although no task uses it any more"
        );
    }
    let limit = node.limits.leaked_loaders;
    if limit > 0 && count >= limit && node.scheduler.replace(worker) {
        tracing::warn!(%worker, leaked = count, "too many class loaders stay in this worker: a new one takes its place");
    }
}

impl Leaks {
    /// The loader of the report if it was not known to stay, and how many stay in that worker.
    fn note(&self, worker: WorkerId, report: v1::LoaderReport) -> (Option<Leak>, usize) {
        let mut workers = self.0.lock();
        let known = workers.entry(worker).or_default();
        known.released = report.released;
        known.collected = report.collected;
        known.leaked.remove(&report.recovered);
        let mut fresh = None;
        if let Some(leaked) = report.leaked
            && leaked.loader.len() <= LONGEST_IDENTITY
            && (known.leaked.len() < MOST || known.leaked.contains_key(&leaked.loader))
        {
            let (labels, suspects) = (bounded(&leaked.labels), bounded(&leaked.suspects));
            let leak = Leak { labels, suspects, since: Instant::now() };
            if known.leaked.insert(leaked.loader, leak.clone()).is_none() {
                fresh = Some(leak);
            }
        }
        (fresh, known.leaked.len())
    }

    /// The worker has ended, and its memory with it.
    pub(crate) fn forget(&self, worker: WorkerId) {
        self.0.lock().remove(&worker);
    }

    /// What `worker` has said: loaders released, collected, and those that stay.
    fn of(&self, worker: WorkerId) -> (u64, u64, Vec<v1::LeakedLoader>) {
        let workers = self.0.lock();
        let Some(known) = workers.get(&worker) else { return (0, 0, Vec::new()) };
        (known.released, known.collected, known.leaked.iter().map(described).collect())
    }
}

fn described((loader, leak): (&Bytes, &Leak)) -> v1::LeakedLoader {
    v1::LeakedLoader {
        loader: loader.clone(),
        labels: leak.labels.clone(),
        suspects: leak.suspects.clone(),
        age_ms: u64::try_from(leak.since.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn bounded(texts: &[String]) -> Vec<String> {
    let cut = |text: &String| text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    texts.iter().take(TEXTS).map(cut).collect()
}

impl NodeCore {
    /// The JVM workers that run tasks of an identity, and the loaders that stay in their memory.
    pub(crate) fn worker_loaders(self: &Arc<Self>, identity: &str) -> Vec<v1::WorkerLoaders> {
        let workers = self.scheduler.java_workers(identity).into_iter().map(|(worker, group, draining)| {
            let (released, collected, leaked) = self.scheduler.leaks.of(worker.id());
            v1::WorkerLoaders {
                worker: worker.id().to_string(),
                node: self.name.clone(),
                process_id: worker.process_id(),
                identity: group.to_string(),
                draining,
                released,
                collected,
                leaked,
            }
        });
        workers.collect()
    }

    /// The loaders of a unit that stay in the memory of workers that run tasks of an identity.
    pub(crate) fn leaked_loaders_of(self: &Arc<Self>, identity: &str, unit: &UnitId) -> Vec<v1::LeakedLoader> {
        let (whole, part) = (unit.to_string(), format!("{unit}/"));
        let of_unit = |label: &String| *label == whole || label.starts_with(&part);
        let leaked = self.worker_loaders(identity).into_iter().flat_map(|worker| worker.leaked);
        leaked.filter(|loader| loader.labels.iter().any(of_unit)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaked(loader: &'static [u8], suspect: &str) -> v1::LoaderReport {
        let labels = vec!["unit:1.0.0/a.jar".to_owned()];
        let loader = v1::LeakedLoader {
            loader: Bytes::from_static(loader),
            labels,
            suspects: vec![suspect.to_owned()],
            age_ms: 0,
        };
        v1::LoaderReport { leaked: Some(loader), ..v1::LoaderReport::default() }
    }

    #[test]
    fn each_loader_is_new_once_until_it_is_collected() {
        let (leaks, worker) = (Leaks::default(), WorkerId(1));
        assert!(leaks.note(worker, leaked(b"one", "thread")).0.is_some());
        let (fresh, count) = leaks.note(worker, leaked(b"one", "hook"));
        assert!(fresh.is_none() && count == 1);
        assert_eq!(leaks.of(worker).2[0].suspects, ["hook"]);
        assert_eq!(leaks.note(worker, leaked(b"two", "thread")).1, 2);
        assert_eq!(leaks.note(WorkerId(2), leaked(b"one", "thread")).1, 1);
        let recovered = v1::LoaderReport {
            released: 5,
            collected: 3,
            recovered: Bytes::from_static(b"one"),
            ..v1::LoaderReport::default()
        };
        assert_eq!(leaks.note(worker, recovered).1, 1);
        assert_eq!((leaks.of(worker).0, leaks.of(worker).1), (5, 3));
        leaks.forget(worker);
        assert!(leaks.of(worker).2.is_empty());
    }

    #[test]
    fn what_a_worker_says_is_bounded() {
        let (leaks, worker) = (Leaks::default(), WorkerId(1));
        leaks.note(worker, leaked(b"one", &"a\nb".repeat(1000)));
        let suspect = &leaks.of(worker).2[0].suspects[0];
        assert!(suspect.len() == LONGEST && !suspect.contains('\n'), "{suspect}");
        for number in 0..2 * MOST {
            let mut report = leaked(b"", "thread");
            report.leaked.as_mut().unwrap().loader = number.to_string().into();
            leaks.note(worker, report);
        }
        assert_eq!(leaks.of(worker).2.len(), MOST);
    }
}
