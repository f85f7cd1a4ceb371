//! Code of a class path that is not here yet: asked of a client that has it, once however many tasks need it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use haulier_model::{Digest, Error, ErrorKind, Result};
use parking_lot::Mutex;

use super::{ClassPaths, ResolvedClassPath, ResolvedRoot};
use crate::{code, session::Session};

/// What is being asked for, by all that is wanted at once.
pub(super) type Fetches = Mutex<HashMap<Digest, Shared<BoxFuture<'static, Result<()>>>>>;

impl ClassPaths {
    /// However many tasks ask for the same entries, the client is asked once.
    pub(super) async fn fetch(
        &self,
        class_path: &Arc<ResolvedClassPath>,
        root: &ResolvedRoot,
        missing: Vec<Digest>,
    ) -> Result<()> {
        let Some(snapshot) = root.snapshot else {
            return Err(Error::internal("load code", format!("content of {} is missing in the store", root.label)));
        };
        let key = Digest::of(&Digest::concatenate(&missing));
        let shared = {
            let mut fetching = class_path.fetching.lock();
            if let Some(running) = fetching.get(&key) {
                running.clone()
            } else {
                let origins = class_path.origins.lock().clone();
                let (limit, round_trips) = (self.limits.code, self.code_round_trips.clone());
                let ask = async move {
                    round_trips.fetch_add(1, Ordering::Relaxed);
                    ask(origins, snapshot, &missing, limit).await
                };
                let future = ask.boxed().shared();
                fetching.insert(key, future.clone());
                future
            }
        };
        let result = shared.await;
        class_path.fetching.lock().remove(&key);
        result
    }
}

async fn ask(origins: Vec<Weak<Session>>, snapshot: Digest, missing: &[Digest], limit: Duration) -> Result<()> {
    let mut last = None;
    let sessions = origins.iter().rev().filter_map(Weak::upgrade).filter(|session| !session.is_ended());
    for session in sessions.filter(|session| session.code.snapshot(&snapshot).is_some()) {
        match code::fetch(&session, snapshot, missing, limit).await {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        Error::new(ErrorKind::SessionLost, "load code", "the client that has the code has gone")
            .hint("deploy the code as a unit to be independent of the client: haulier deploy NAME PATH")
    }))
}

/// What was asked for is named: the task has only begun to load it.
pub(super) fn unreachable_code(error: Error, path: &str, label: &str) -> Error {
    if error.kind() != ErrorKind::SessionLost {
        return error.context("code", path);
    }
    let message = format!("'{path}' of {label} has never come to this node, and the client that has it has gone");
    Error::new(ErrorKind::SessionLost, "load code", message)
        .context("code", path)
        .hint(
            "run it again from the program that has it; to be independent of that: haulier deploy NAME PATH, or, while \
             the program runs, haulier promote SESSION NAME",
        )
        .with_source(error)
}
