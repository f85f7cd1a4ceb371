//! The scopes of a session and what its node was offered of them. Never reads files.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use haulier_model::{Digest, Error, ErrorKind, Result, RootKind};
use haulier_pack::{DenyList, PackedRoots, Selection, UnchangedRoots};
use haulier_protocol::v1;
use parking_lot::Mutex;

use super::{OPERATION, Scope, offer};
use crate::session::Session;

/// What the node was offered or sent in one session.
#[derive(Default)]
pub(super) struct Offered {
    epoch: u64,
    digests: HashSet<Digest>,
}

impl Offered {
    /// What a session was offered; nothing can be said of one that is over.
    fn of(&mut self, epoch: u64) -> Option<&mut HashSet<Digest>> {
        if self.epoch < epoch {
            *self = Self { epoch, digests: HashSet::new() };
        }
        (self.epoch == epoch).then_some(&mut self.digests)
    }

    /// Leaves those that the node was never offered, each once.
    pub(super) fn retain_new(&mut self, epoch: u64, digests: &mut Vec<Digest>) {
        let offered = self.of(epoch);
        let mut seen = HashSet::with_capacity(digests.len());
        let is_new = |digest: &Digest| !offered.as_ref().is_some_and(|offered| offered.contains(digest));
        digests.retain(|digest| is_new(digest) && seen.insert(*digest));
    }

    /// As [`Offered::retain_new`], for the session of now.
    pub(super) fn retain_new_of_now(&mut self, digests: &mut Vec<Digest>) {
        self.retain_new(self.epoch, digests);
    }

    /// Whether the node still has them is not known any more.
    pub(super) fn forget(&mut self, digests: impl IntoIterator<Item = Digest>) {
        for digest in digests {
            self.digests.remove(&digest);
        }
    }

    pub(super) fn extend(&mut self, epoch: u64, digests: impl IntoIterator<Item = Digest>) {
        if let Some(offered) = self.of(epoch) {
            offered.extend(digests);
        }
    }
}

/// The scopes of a session, as the node may ask for them. Each stays until it is closed, or the session ends.
pub(crate) struct Registry {
    pub(super) scopes: Arc<Mutex<Vec<Arc<Scope>>>>,
    pub(super) offered: Mutex<Offered>,
    pub(super) selection: Selection,
    pub(super) unchanged: Arc<UnchangedRoots>,
    last_offer: AtomicU64,
}

impl Registry {
    pub(crate) fn new(denied: &[String], included: &[String]) -> Result<Self> {
        let mut deny = DenyList::default();
        denied.iter().try_for_each(|pattern| deny.add(pattern))?;
        let mut selection = Selection::new(deny);
        included.iter().try_for_each(|pattern| selection.include(pattern))?;
        let (scopes, offered, unchanged) = (Arc::default(), Mutex::default(), Arc::default());
        Ok(Self { scopes, offered, selection, unchanged, last_offer: AtomicU64::new(0) })
    }

    /// The same scopes for a session with another node.
    pub(crate) fn beside(&self) -> Self {
        Self {
            scopes: self.scopes.clone(),
            offered: Mutex::default(),
            selection: self.selection.clone(),
            unchanged: self.unchanged.clone(),
            last_offer: AtomicU64::new(0),
        }
    }

    /// The number of the last offer; those of later offers are higher.
    pub(crate) fn last_offer(&self) -> u64 {
        self.last_offer.load(Ordering::Relaxed)
    }

    /// The snapshot of this digest, and the kind of its roots.
    pub(super) fn find(&self, wanted: &Digest) -> Result<(RootKind, Arc<PackedRoots>)> {
        let scopes = self.scopes.lock().clone();
        let found = scopes.iter().find_map(|scope| {
            let kept = scope.kept.lock();
            kept.iter().find(|snapshot| snapshot.digest == *wanted).map(|snapshot| (scope.kind, snapshot.clone()))
        });
        found.ok_or_else(|| {
            Error::new(ErrorKind::SessionLost, OPERATION, "SnapshotGone: this client no longer has the snapshot")
                .context("snapshot", wanted.to_string())
                .hint("submit the task again")
        })
    }

    /// Forgets a scope. Returns those of its snapshots that no other scope has; what only they hold is offered anew when it
    /// comes again.
    pub(super) fn forget(&self, scope: &Arc<Scope>, mut announced: HashSet<Digest>) -> Vec<Digest> {
        let others = {
            let mut scopes = self.scopes.lock();
            scopes.retain(|other| !Arc::ptr_eq(other, scope));
            scopes.clone()
        };
        for other in others {
            for snapshot in other.kept.lock().iter() {
                announced.remove(&snapshot.digest);
            }
        }
        let kept = std::mem::take(&mut *scope.kept.lock());
        let gone = kept.iter().filter(|snapshot| announced.contains(&snapshot.digest));
        self.offered.lock().forget(
            gone.flat_map(|snapshot| &snapshot.roots).flat_map(|root| root.root.contents()).map(|(digest, _)| digest),
        );
        announced.into_iter().collect()
    }

    pub(super) fn next_offer(&self) -> u64 {
        self.last_offer.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Answers the node's request for entries, elsewhere: the caller goes on reading results.
    pub(crate) fn answer(&self, session: &Arc<Session>, epoch: u64, request: v1::CodeRequest) {
        let session_of_work = session.clone();
        session.spawn_blocking(move || offer::answer(&session_of_work, epoch, request));
    }
}
