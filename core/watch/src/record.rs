//! What a watch knows of one unit, and what that makes it do. It knows no other unit and no clock.

use std::time::Duration;

use haulier_model::{Error, ErrorKind, Retry, UnitId};

use crate::{
    listing::Found,
    status::{ProblemState, shorten},
    units::WatchedUnit,
};

/// The longest pause before something that failed is tried again.
const MOST_PAUSE: Duration = Duration::from_secs(60);

/// How many looks in a row must miss a unit at the node before it counts as undeployed by hand: the first may have begun
/// before the unit was deployed.
const UNLISTED: u32 = 2;

/// What a watch knows of one unit. Times are since the watch began.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its name in reports: that in the storage, else that at the node.
    pub(crate) id: UnitId,
    /// Where it is, or was, in the storage; empty if it was there before the watch began only.
    pub(crate) source: String,
    /// What the last good look found; none: it is absent.
    pub(crate) found: Option<Found>,
    sight: Sight,
    /// What this watch has deployed, as the node says.
    pub(crate) ours: Option<UnitId>,
    unlisted: u32,
    /// Somebody else has deployed it.
    foreign: bool,
    /// The state of the files that is deployed, if this watch has deployed it since it began.
    taken: Option<u64>,
    /// What failed, if its files are still as they were then.
    pub(crate) failure: Option<Failure>,
    /// Why it is left alone although its files are there.
    pub(crate) held: Option<(String, Duration)>,
    /// It is being deployed or undeployed.
    pub(crate) busy: bool,
    /// It has been decided that it is undeployed.
    pub(crate) going: bool,
    /// Its absence is meant.
    pub(crate) accepted: bool,
    /// It was known when too much was gone at once.
    pub(crate) baseline: bool,
}

/// For how long a unit has looked the same.
#[derive(Debug, Default)]
struct Sight {
    fingerprint: Option<u64>,
    since: Duration,
    /// Good looks in a row; 0 begins again.
    looks: u32,
}

#[derive(Debug)]
pub(crate) struct Failure {
    of: Option<u64>,
    pub(crate) state: ProblemState,
    pub(crate) error: String,
    pub(crate) since: Duration,
    attempts: u32,
    pub(crate) retry_at: Option<Duration>,
}

/// What is to be done with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Nothing,
    Take,
    Remove,
    /// It is neither in the storage nor deployed.
    Forget,
}

impl Record {
    pub(crate) fn new(id: UnitId) -> Self {
        Self {
            id,
            source: String::new(),
            found: None,
            sight: Sight::default(),
            ours: None,
            unlisted: 0,
            foreign: false,
            taken: None,
            failure: None,
            held: None,
            busy: false,
            going: false,
            accepted: false,
            baseline: false,
        }
    }

    /// What a good look found of it in the storage.
    pub(crate) fn see(&mut self, found: Option<Found>, now: Duration) {
        let fingerprint = found.as_ref().map(|found| found.fingerprint);
        if self.sight.looks == 0 || self.sight.fingerprint != fingerprint {
            self.sight = Sight { fingerprint, since: now, looks: 0 };
        }
        self.sight.looks += 1;
        if self.failure.as_ref().is_some_and(|failure| failure.of != fingerprint) {
            self.failure = None;
        }
        if let Some(found) = &found {
            self.id = found.id.clone();
            self.source.clone_from(&found.source);
            (self.going, self.accepted) = (false, false);
        }
        self.found = found;
    }

    /// What the node says of it. False if it is neither in the storage nor, since somebody undeployed it, at the node.
    pub(crate) fn hear(&mut self, unit: Option<&WatchedUnit>, now: Duration) -> bool {
        self.foreign = unit.is_some_and(|unit| !unit.by_watch);
        match unit {
            Some(unit) if unit.by_watch => {
                self.ours = Some(UnitId { name: unit.name.clone(), version: unit.version.clone() });
                self.unlisted = 0;
            }
            Some(_) => (self.ours, self.taken) = (None, None),
            None if self.ours.is_some() => {
                self.unlisted += 1;
                if self.unlisted >= UNLISTED {
                    (self.ours, self.taken) = (None, None);
                    return self.found.is_some() || self.busy;
                }
            }
            None => {}
        }
        self.hold(unit, now);
        true
    }

    /// Whether, and why, it is left alone.
    fn hold(&mut self, unit: Option<&WatchedUnit>, now: Duration) {
        let why = self.found.as_ref().and_then(|found| match (&found.twin, unit) {
            (Some(twin), _) => Some(format!("'{}' and '{twin}' are the same unit; remove one of them", found.source)),
            (None, Some(unit)) if !unit.by_watch => Some(format!(
                "{0}:{1} was deployed by somebody else, and is left alone; try: haulier undeploy {0}:{1}",
                unit.name, unit.version
            )),
            _ => None,
        });
        let since = self.held.as_ref().map_or(now, |held| held.1);
        self.held = why.map(|why| (why, since));
    }

    /// A look failed: absence must be seen in two good looks without a bad one between them.
    pub(crate) fn look_failed(&mut self) {
        if self.found.is_none() {
            self.sight.looks = 0;
        }
    }

    /// When it will have looked the same for long enough, if nothing changes.
    fn ripe_at(&self, settle: Duration) -> Duration {
        self.sight.since + settle
    }

    fn is_ripe(&self, now: Duration, settle: Duration) -> bool {
        self.sight.looks >= 2 && now >= self.ripe_at(settle)
    }

    /// Whether what failed must wait.
    fn is_blocked(&self, now: Duration) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.retry_at.is_none_or(|at| now < at))
    }

    /// Whether its files are to be deployed, now or later.
    pub(crate) fn is_wanted(&self) -> bool {
        let Some(found) = &self.found else { return false };
        self.held.is_none() && !self.foreign && self.taken != Some(found.fingerprint)
    }

    /// What is to be done; `outage` keeps what is absent.
    pub(crate) fn decide(&self, now: Duration, settle: Duration, outage: bool) -> Decision {
        if self.busy || !self.is_ripe(now, settle) {
            return Decision::Nothing;
        }
        match (&self.found, &self.ours) {
            (Some(_), _) if self.is_wanted() && !self.is_blocked(now) => Decision::Take,
            (Some(_), _) => Decision::Nothing,
            (None, _) if outage => Decision::Nothing,
            (None, None) => Decision::Forget,
            (None, Some(_)) if self.is_blocked(now) => Decision::Nothing,
            (None, Some(_)) => Decision::Remove,
        }
    }

    /// When a look could lead to something new, if nothing changes.
    pub(crate) fn due(&self, now: Duration, settle: Duration, outage: bool) -> Option<Duration> {
        let absent = self.found.is_none();
        if self.busy || (absent && outage) || (!absent && !self.is_wanted()) {
            return None;
        }
        match &self.failure {
            Some(failure) => failure.retry_at,
            None if self.is_ripe(now, settle) => None,
            None => Some(self.ripe_at(settle)),
        }
    }

    /// Its files, as they were at `fingerprint`, are deployed.
    pub(crate) fn deployed(&mut self, id: UnitId, fingerprint: u64) {
        self.busy = false;
        self.ours = Some(id);
        self.unlisted = 0;
        self.taken = Some(fingerprint);
        self.failure = None;
    }

    /// Its files changed while they were read: they must settle again.
    pub(crate) fn changed(&mut self) {
        self.busy = false;
        self.sight.looks = 0;
    }

    /// It is undeployed. False if it has not come back meanwhile.
    pub(crate) fn removed(&mut self) -> bool {
        self.busy = false;
        (self.ours, self.taken, self.failure) = (None, None, None);
        self.found.is_some()
    }

    /// Deploying its files as they were at `of`, or undeploying it, failed.
    pub(crate) fn failed(&mut self, of: Option<u64>, error: &Error, now: Duration) {
        self.busy = false;
        if self.sight.fingerprint != of {
            return;
        }
        let before = self.failure.take();
        let attempts = before.as_ref().map_or(0, |failure| failure.attempts).saturating_add(1);
        let state = match error.kind() {
            ErrorKind::InvalidArgument if of.is_some() => ProblemState::Quarantined,
            // More bytes than allowed, found out while they were read.
            ErrorKind::ResourceExhausted if of.is_some() && error.retry() == Retry::Never => ProblemState::Quarantined,
            ErrorKind::Conflict => ProblemState::Conflict,
            _ => ProblemState::Retrying,
        };
        let retry_at = (state != ProblemState::Quarantined).then(|| now + pause(attempts, MOST_PAUSE));
        let since = before.filter(|failure| failure.state == state).map_or(now, |failure| failure.since);
        self.failure = Some(Failure { of, state, error: shorten(error), since, attempts, retry_at });
    }
}

/// How long to wait after failure number `attempts`: 1 second, doubled each time, at most `most`.
pub(crate) fn pause(attempts: u32, most: Duration) -> Duration {
    Duration::from_secs(1 << attempts.saturating_sub(1).min(16)).min(most)
}
