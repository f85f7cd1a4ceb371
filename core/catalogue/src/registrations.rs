//! Which records end by themselves, and when. Knows nothing of values.

use std::{collections::BTreeMap, time::Duration};

use haulier_model::{Error, ErrorKind, Result, Retry};

use crate::{Clock, Revision};

/// The registrations of a catalogue.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    clock: Clock,
    entries: BTreeMap<String, Registration>,
}

#[derive(Debug)]
struct Registration {
    revision: Revision,
    ttl: Duration,
    deadline: Duration,
}

impl Registrations {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, entries: BTreeMap::new() }
    }

    /// The record under `key` now ends `ttl` from now; without one it stays.
    pub(crate) fn set(&mut self, key: &str, revision: Revision, ttl: Option<Duration>) {
        match ttl {
            Some(ttl) => {
                let deadline = self.clock.now() + ttl;
                self.entries.insert(key.to_owned(), Registration { revision, ttl, deadline });
            }
            None => self.forget(key),
        }
    }

    pub(crate) fn forget(&mut self, key: &str) {
        self.entries.remove(key);
    }

    pub(crate) fn renew(&mut self, key: &str, revision: Revision) -> Result<()> {
        let now = self.clock.now();
        let registration = self.entries.get_mut(key).filter(|registration| registration.revision == revision);
        let registration = registration.ok_or_else(|| ended(key, revision))?;
        registration.deadline = now + registration.ttl;
        Ok(())
    }

    /// The keys whose time has come.
    pub(crate) fn due(&self) -> Vec<String> {
        let now = self.clock.now();
        let due = self.entries.iter().filter(|(_, registration)| registration.deadline <= now);
        due.map(|(key, _)| key.clone()).collect()
    }

    /// How long nothing can become due; `None`: until the next request.
    pub(crate) fn idle(&self) -> Option<Duration> {
        let next = self.entries.values().map(|registration| registration.deadline).min()?;
        self.clock.until(next)
    }

    /// How long the registration with this revision lives if nobody renews it; `None` if it has ended, or if waiting
    /// does not end it.
    pub(crate) fn remaining(&self, key: &str, revision: Revision) -> Option<Duration> {
        let registration = self.entries.get(key).filter(|registration| registration.revision == revision)?;
        self.clock.until(registration.deadline)
    }
}

pub(crate) fn ended(key: &str, revision: Revision) -> Error {
    let message = format!("'{key}' has no registration at revision {revision}: it has ended, or was written anew");
    Error::new(ErrorKind::NotFound, "renew a registration", message).with_retry(Retry::Never).hint("register it again")
}
