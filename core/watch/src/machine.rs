//! The decisions of a watch: listings, answers of the node and times go in, what to deploy and undeploy comes out.
//!
//! Pure: it reads no clock, and neither waits nor touches a file. Times are since the watch began.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use haulier_model::{Error, UnitId};

use crate::{
    listing::{Found, Listing},
    naming,
    record::{Decision, Record, pause},
    status::{MOST_PROBLEMS, Problem, ProblemState, WatchState, WatchStatus, shorten},
    storage::StoredFile,
    units::WatchedUnit,
};

/// The longest pause between looks at a storage that cannot be listed.
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// Something to do with a unit.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) key: String,
    pub(crate) work: Work,
}

#[derive(Clone, Debug)]
pub(crate) enum Work {
    Take(Found),
    Remove(UnitId),
}

/// What became of a job.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// The files changed while they were read.
    Changed,
    Failed(Error),
}

pub(crate) struct Machine {
    settle: Duration,
    /// By the key of name and version: what is in the storage, and what this watch has deployed.
    records: BTreeMap<String, Record>,
    /// Paths that are no unit's, and since when; the first ones.
    ignored: BTreeMap<String, Duration>,
    ignored_count: usize,
    /// Too much is gone at once.
    loss: Option<String>,
    /// The last look failed.
    failure: Option<String>,
    failures: u32,
    last_success: Option<Duration>,
    due: Option<Duration>,
}

impl Machine {
    pub(crate) fn new(settle: Duration) -> Self {
        Self {
            settle,
            records: BTreeMap::new(),
            ignored: BTreeMap::new(),
            ignored_count: 0,
            loss: None,
            failure: None,
            failures: 0,
            last_success: None,
            due: None,
        }
    }

    /// A look succeeded: what is to be done now. What an earlier look said, and was not begun, is void.
    pub(crate) fn observe(&mut self, files: Vec<StoredFile>, units: &[WatchedUnit], now: Duration) -> VecDeque<Job> {
        (self.failure, self.failures, self.last_success) = (None, 0, Some(now));
        let listing = Listing::new(files);
        self.ignore(&listing, now);
        self.compare(listing, units, now);
        self.weigh_loss();
        let jobs = self.decide(now);
        let outage = self.loss.is_some();
        self.due = self.records.values().filter_map(|record| record.due(now, self.settle, outage)).min();
        jobs
    }

    fn ignore(&mut self, listing: &Listing, now: Duration) {
        let before = std::mem::take(&mut self.ignored);
        self.ignored_count = listing.ignored_count;
        for path in &listing.ignored {
            if !before.contains_key(path) {
                tracing::info!(path, "a path in the watched storage is no unit's");
            }
            self.ignored.insert(path.clone(), before.get(path).copied().unwrap_or(now));
        }
    }

    /// Brings the records in line with what the storage and the node say.
    fn compare(&mut self, mut listing: Listing, units: &[WatchedUnit], now: Duration) {
        let mut at_node: BTreeMap<String, &WatchedUnit> = BTreeMap::new();
        for unit in units {
            let place = at_node.entry(naming::key(&unit.name, &unit.version)).or_insert(unit);
            if !unit.by_watch {
                *place = unit;
            }
        }
        for (key, found) in &listing.units {
            self.records.entry(key.clone()).or_insert_with(|| Record::new(found.id.clone()));
        }
        for (key, unit) in at_node.iter().filter(|(_, unit)| unit.by_watch) {
            let id = || UnitId { name: unit.name.clone(), version: unit.version.clone() };
            self.records.entry(key.clone()).or_insert_with(|| Record::new(id()));
        }
        self.records.retain(|key, record| {
            record.see(listing.units.remove(key), now);
            record.hear(at_node.get(key).copied(), now)
        });
    }

    /// Whether so much is gone at once that it is taken as an outage.
    fn weigh_loss(&mut self) {
        if self.loss.is_some() && too_much(self.records.values().filter(|record| record.baseline)).is_none() {
            tracing::info!("enough of what was gone from the watched storage is back");
            self.forget_loss();
        }
        if self.loss.is_some() {
            return;
        }
        let known = |record: &&Record| record.found.is_some() || !(record.going || record.accepted);
        if let Some((gone, all)) = too_much(self.records.values().filter(known)) {
            let text = format!("{gone} of {all} units are gone from the storage at once; none of them is undeployed");
            tracing::warn!(gone, all, "too much is gone from the watched storage at once: taken as an outage");
            self.loss = Some(text);
            for record in self.records.values_mut() {
                record.baseline = known(&&*record);
            }
        }
    }

    fn forget_loss(&mut self) {
        self.loss = None;
        self.records.values_mut().for_each(|record| record.baseline = false);
    }

    fn decide(&mut self, now: Duration) -> VecDeque<Job> {
        let mut jobs = VecDeque::new();
        let (settle, outage) = (self.settle, self.loss.is_some());
        self.records.retain(|key, record| {
            let work = match record.decide(now, settle, outage) {
                Decision::Nothing => return true,
                Decision::Forget => return false,
                Decision::Take => record.found.clone().map(Work::Take),
                Decision::Remove => {
                    record.going = true;
                    record.ours.clone().map(Work::Remove)
                }
            };
            jobs.extend(work.map(|work| Job { key: key.clone(), work }));
            true
        });
        jobs
    }

    /// A look failed: nothing that was decided, and not begun, is done.
    pub(crate) fn look_failed(&mut self, error: &Error) {
        self.failures = self.failures.saturating_add(1);
        if self.failure.replace(shorten(error)).is_none() {
            tracing::warn!(%error, "the watched storage cannot be looked at");
        }
        self.records.values_mut().for_each(Record::look_failed);
        self.due = None;
    }

    /// How long to wait after a look that failed; none if the last one was good.
    pub(crate) fn pause(&self) -> Option<Duration> {
        (self.failures > 0).then(|| pause(self.failures, MOST_PAUSE))
    }

    /// What is absent now is meant to be. Nothing is undeployed before the next good look.
    pub(crate) fn confirm(&mut self) {
        if self.loss.is_none() {
            return;
        }
        self.forget_loss();
        for record in self.records.values_mut().filter(|record| record.found.is_none()) {
            record.accepted = true;
        }
    }

    /// A job begins. False if its unit is busy or gone, and the job is void.
    pub(crate) fn begin(&mut self, job: &Job) -> bool {
        match self.records.get_mut(&job.key) {
            Some(record) if !record.busy => {
                record.busy = true;
                true
            }
            _ => false,
        }
    }

    /// A job has ended.
    pub(crate) fn finished(&mut self, job: Job, outcome: Outcome, now: Duration) {
        let Some(record) = self.records.get_mut(&job.key) else { return };
        match (job.work, outcome) {
            (Work::Take(found), Outcome::Done) => record.deployed(found.id, found.fingerprint),
            (Work::Take(found), Outcome::Failed(error)) => record.failed(Some(found.fingerprint), &error, now),
            (_, Outcome::Changed) => record.changed(),
            (Work::Remove(_), Outcome::Failed(error)) => record.failed(None, &error, now),
            (Work::Remove(_), Outcome::Done) => {
                if !record.removed() {
                    self.records.remove(&job.key);
                    return;
                }
            }
        }
        // What has become ripe meanwhile waits for a look, too.
        let outage = self.loss.is_some();
        let ripe = record.decide(now, self.settle, outage) != Decision::Nothing;
        let due = if ripe { Some(now) } else { record.due(now, self.settle, outage) };
        self.due = [self.due, due].into_iter().flatten().min();
    }

    /// When a look could lead to something new, if nothing changes in the storage.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// What to report; `began_ms` is when the watch began, since the epoch.
    pub(crate) fn status(&self, id: &str, url: &str, began_ms: u64) -> WatchStatus {
        let at = |time: Duration| began_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let last_error = self.failure.clone().or_else(|| {
            let text = self.loss.as_ref()?;
            Some(format!("{text}; if that is meant, try: haulier watch add {url}"))
        });
        let state = match (&last_error, self.last_success) {
            (Some(_), _) => WatchState::Outage,
            (None, None) => WatchState::Starting,
            (None, Some(_)) => WatchState::Watching,
        };
        let (problems, problem_count) = self.problems(&at);
        WatchStatus {
            id: id.to_owned(),
            url: url.to_owned(),
            state,
            last_error,
            last_success_ms: self.last_success.map(at),
            units: self.records.values().filter(|record| record.ours.is_some()).count(),
            settling: self.records.values().filter(|record| record.is_wanted() && record.failure.is_none()).count(),
            problems,
            problem_count,
        }
    }

    fn problems(&self, at: &dyn Fn(Duration) -> u64) -> (Vec<Problem>, usize) {
        let troubled = || self.records.values().filter(|record| record.failure.is_some() || record.held.is_some());
        let mut problems: Vec<Problem> =
            troubled().take(MOST_PROBLEMS).filter_map(|record| problem(record, at)).collect();
        let ignored = self.ignored.iter().map(|(path, since)| Problem {
            path: path.clone(),
            unit: None,
            state: ProblemState::Ignored,
            error: "not a unit's name; name it id-version.jar (.zip, .whl, .py), or put it into a folder id/version"
                .into(),
            since_ms: at(*since),
        });
        let room = MOST_PROBLEMS - problems.len();
        problems.extend(ignored.take(room));
        (problems, troubled().count() + self.ignored_count)
    }
}

fn problem(record: &Record, at: &dyn Fn(Duration) -> u64) -> Option<Problem> {
    let (state, error, since) = match (&record.failure, &record.held) {
        (_, Some((error, since))) => (ProblemState::Conflict, error, *since),
        (Some(failure), None) => (failure.state, &failure.error, failure.since),
        (None, None) => return None,
    };
    let unit = Some(record.id.to_string());
    Some(Problem { path: record.source.clone(), unit, state, error: error.clone(), since_ms: at(since) })
}

/// How many of `known` are absent, and of how many, if that is too much to be deletions.
fn too_much<'a>(known: impl Iterator<Item = &'a Record>) -> Option<(usize, usize)> {
    let (mut gone, mut all) = (0, 0);
    for record in known {
        all += 1;
        gone += usize::from(record.found.is_none());
    }
    (gone >= 2 && gone * 2 > all).then_some((gone, all))
}
