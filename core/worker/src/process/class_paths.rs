//! The class paths that a worker knows.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
};

use haulier_model::{Digest, Error, Language, Result};
use haulier_protocol::v1::{self, worker_command::Message as Command, worker_message::Message};
use parking_lot::Mutex;

use super::{WorkerClassPath, class_path::Runtime, control::ControlLink, flight::Flights};

/// So many class paths are kept although nobody holds them: isolated tasks of one code base then ask once.
const RECENT: usize = 16;

pub(super) struct ClassPaths {
    control: Arc<ControlLink>,
    runtime: Runtime,
    known: Mutex<Known>,
    flights: Flights<Digest, Arc<WorkerClassPath>>,
}

#[derive(Default)]
struct Known {
    held: HashMap<Digest, Weak<WorkerClassPath>>,
    recent: VecDeque<Arc<WorkerClassPath>>,
}

impl Known {
    fn get(&mut self, digest: Digest) -> Option<Arc<WorkerClassPath>> {
        let found = self.held.get(&digest)?.upgrade()?;
        if self.recent.back().is_none_or(|last| last.digest() != digest) {
            self.recent.retain(|other| other.digest() != digest);
            self.keep(found.clone());
        }
        Some(found)
    }

    fn insert(&mut self, class_path: Arc<WorkerClassPath>) {
        self.held.retain(|_, held| held.strong_count() > 0);
        self.held.insert(class_path.digest(), Arc::downgrade(&class_path));
        self.keep(class_path);
    }

    fn keep(&mut self, class_path: Arc<WorkerClassPath>) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(class_path);
    }
}

impl ClassPaths {
    pub(super) fn new(control: Arc<ControlLink>, language: Language, release: u32) -> Self {
        let runtime = Runtime { language, release };
        Self { control, runtime, known: Mutex::default(), flights: Flights::default() }
    }

    pub(super) fn get(&self, digest: Digest) -> Result<Arc<WorkerClassPath>> {
        if let Some(found) = self.known.lock().get(digest) {
            return Ok(found);
        }
        self.flights.join(&digest, || {
            // Another flight may have landed since.
            if let Some(found) = self.known.lock().get(digest) {
                return Ok(found);
            }
            let class_path = Arc::new(self.ask(digest)?);
            self.known.lock().insert(class_path.clone());
            Ok(class_path)
        })
    }

    /// Keeps none that nobody holds.
    pub(super) fn forget(&self) {
        let recent = std::mem::take(&mut self.known.lock().recent);
        // Unmaps files: outside the lock.
        drop(recent);
    }

    fn ask(&self, digest: Digest) -> Result<WorkerClassPath> {
        let request = v1::ClassPathRequest { class_path: bytes::Bytes::copy_from_slice(digest.as_bytes()) };
        let operation = format!("find class path {}", digest.short());
        match self.control.ask(&operation, Message::ClassPath(request))? {
            Command::ClassPath(v1::ClassPathAnswer { error: Some(error), .. }) => Err(error.into()),
            Command::ClassPath(answer) => WorkerClassPath::new(digest, answer, self.runtime, self.control.clone()),
            other => Err(Error::internal(operation, format!("the node answered with {other:?}"))),
        }
    }
}
