//! What runs where: questions about the state, and workers that are no longer needed.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use haulier_model::Language;
use haulier_worker::{Worker, WorkerId};

use super::{Entry, Scheduler, State};
use crate::{loaders::LiveLoader, pool::PoolWorker, run::PoolKey};

impl Scheduler {
    /// Tasks that wait and that run, for operators.
    pub(crate) fn load(&self) -> (u32, u32) {
        let state = self.state.lock();
        (state.queued as u32, (state.runs.len() - state.queued.min(state.runs.len())) as u32)
    }

    /// Whether the task waits or runs here.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.state.lock().runs.contains_key(&id)
    }

    /// What a task has taken lately; zero if none has run.
    pub(crate) fn average(&self) -> std::time::Duration {
        self.state.lock().pools.values().map(crate::pool::Pool::average).max().unwrap_or_default()
    }

    pub(crate) fn is_executing(&self, id: u64) -> Option<bool> {
        self.state.lock().runs.get(&id).map(|entry| entry.at.is_some())
    }

    /// Runs of tasks that use a unit with this digest.
    pub(crate) fn runs_with_unit(&self, digest: haulier_model::Digest) -> Vec<u64> {
        let uses = |entry: &Entry| {
            entry.run.placement.class_path.class_path.sources.contains(&haulier_model::ClassPathSource::Unit(digest))
        };
        self.state.lock().runs.iter().filter(|(_, entry)| uses(entry)).map(|(id, _)| *id).collect()
    }

    /// Runs of tasks that use one of these loaders.
    pub(crate) fn runs_with_loaders(&self, loaders: &[Arc<LiveLoader>]) -> Vec<u64> {
        let uses = |entry: &Entry| loaders.iter().any(|loader| Arc::ptr_eq(loader, &entry.run.placement.live));
        self.state.lock().runs.iter().filter(|(_, entry)| uses(entry)).map(|(id, _)| *id).collect()
    }

    /// Tells the JVM workers of a group that loaders are not needed any more.
    pub(crate) fn release_loaders(&self, group: &str, loaders: &[Bytes]) {
        let workers: Vec<Arc<Worker>> = {
            let state = self.state.lock();
            let pools = state.pools.iter().filter(|(key, _)| &*key.group == group && key.language == Language::Java);
            pools.flat_map(|(_, pool)| pool.workers.iter().map(|worker| worker.worker.clone())).collect()
        };
        for worker in workers {
            worker.release_loaders(loaders.to_vec());
        }
    }

    /// Takes workers out that have had nothing to do for `limit`, or whose environment is named; the caller stops them.
    pub(crate) fn retire(&self, limit: Duration, environments: &[Bytes]) -> Vec<Arc<Worker>> {
        self.take_out(|key, worker| {
            let named = key.environment.as_ref().is_some_and(|environment| environments.contains(environment));
            named || worker.idle_since.elapsed() >= limit
        })
    }

    /// Takes idle workers out that run with one of these programs; the caller stops them.
    pub(crate) fn retire_programs(&self, programs: &[PathBuf]) -> Vec<Arc<Worker>> {
        self.take_out(|key, _| key.python.as_ref().is_some_and(|python| programs.contains(&python.program)))
    }

    /// Takes idle workers out that are not needed, and those that were replaced.
    fn take_out(&self, is_unneeded: impl Fn(&PoolKey, &PoolWorker) -> bool) -> Vec<Arc<Worker>> {
        let mut state = self.state.lock();
        let State { pools, workers, .. } = &mut *state;
        let mut retired = Vec::new();
        for (key, pool) in pools.iter_mut() {
            pool.workers.retain(|worker| {
                let unneeded = pool.queue.is_empty() && is_unneeded(key, worker);
                let old = worker.is_idle() && (unneeded || (worker.replaced && worker.draining));
                if old {
                    if let Some(python) = &key.python {
                        let program = python.program.display();
                        tracing::info!(worker = %worker.worker.id(), %program, "an idle Python worker ends");
                    }
                    workers.remove(&worker.worker.id());
                    retired.push(worker.worker.clone());
                }
                !old
            });
        }
        pools.retain(|_, pool| !pool.workers.is_empty() || pool.starting > 0 || !pool.queue.is_empty());
        retired
    }

    /// How many Python workers there are, those that start included.
    pub(crate) fn python_workers(&self) -> usize {
        let state = self.state.lock();
        let pools = state.pools.iter().filter(|(key, _)| key.language == Language::Python);
        pools.map(|(_, pool)| pool.workers.len() + pool.starting).sum()
    }

    /// The directory of the Python class path that a pool serves, and the names at its top.
    pub(crate) fn class_path(&self, key: &PoolKey) -> Option<(PathBuf, Arc<HashSet<String>>)> {
        let state = self.state.lock();
        let pool = state.pools.get(key)?;
        Some((pool.directory.clone()?, pool.top_levels.clone()))
    }

    /// The directories of all Python environments that have a pool.
    pub(crate) fn directories(&self) -> Vec<std::path::PathBuf> {
        self.state.lock().pools.values().filter_map(|pool| pool.directory.clone()).collect()
    }

    /// The slots of a worker that have tasks.
    pub(crate) fn busy_slots(&self, worker: WorkerId) -> Vec<u16> {
        let mut state = self.state.lock();
        let Some(key) = state.workers.get(&worker).cloned() else { return Vec::new() };
        let worker = state.pools.get_mut(&key).and_then(|pool| pool.worker(worker));
        let slots = worker.into_iter().flat_map(|worker| (0..).zip(&worker.slots));
        slots.filter(|(_, slot)| !slot.in_flight.is_empty()).map(|(number, _)| number).collect()
    }

    /// All workers, for the end of the node.
    pub(crate) fn workers(&self) -> Vec<Arc<Worker>> {
        let state = self.state.lock();
        state.pools.values().flat_map(|pool| pool.workers.iter().map(|worker| worker.worker.clone())).collect()
    }
}
