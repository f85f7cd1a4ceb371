//! The code of this client: what its class loaders and interpreters hold, promised to the node by digest.
//!
//! Owns the chain of snapshots of each scope and what the node was already offered of it. It never loads, imports or
//! initialises anything because a node asked.

mod foreign;
mod offer;
mod preview;
mod registry;
mod watch;

use std::{
    collections::{HashSet, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use haulier_model::{Digest, Error, ErrorKind, Result, RootKind};
use haulier_pack::PackedRoots;
use parking_lot::{Mutex, RwLock};

pub use self::preview::{CodePreview, PreviewedFile};
pub(crate) use self::registry::Registry;
use self::{foreign::Foreign, watch::Watch};
use crate::{
    CodeReference,
    session::{Persistence, Session, Standing},
};

const OPERATION: &str = "send code";

/// Older snapshots of a scope that a running task may still ask for; beyond them the answer is `SnapshotGone`.
const KEPT_SNAPSHOTS: usize = 16;

/// The code of one class loader or interpreter of this client, as the cluster may load it.
///
/// A JVM scope is read once, and again after [`CodeScope::refresh`]; a Python scope when a file below its roots has
/// changed.
#[derive(Debug)]
pub struct CodeScope {
    session: Arc<Session>,
    scope: Arc<Scope>,
}

impl CodeScope {
    pub(crate) fn new(
        session: Arc<Session>,
        kind: RootKind,
        roots: Vec<PathBuf>,
        packages: Vec<(String, PathBuf)>,
    ) -> Self {
        let scope = Arc::new(Scope {
            kind,
            packages,
            watch: Mutex::default(),
            changes: AtomicU64::new(0),
            changes_read: AtomicU64::new(0),
            roots,
            warm: RwLock::default(),
            preparing: Mutex::default(),
            kept: Mutex::default(),
            announced: Mutex::default(),
            foreign: Mutex::default(),
        });
        session.code.scopes.lock().push(scope.clone());
        Self { session, scope }
    }

    /// Makes sure that the node has what `start` needs to begin, and returns what a submission refers to.
    ///
    /// `start` are JVM class names ("com/acme/Task") or Python modules ("mypackage.scoring"). Sends what is new: their
    /// closure over the roots of the scope, as far as the node lacks it. Called again with the same names it is a
    /// look-up. Blocks; must not be called on a thread that runs asynchronous code.
    ///
    /// Errors: `PermissionDenied` if peer loading is off at the node, `Unavailable` if the node cannot be reached,
    /// and those of reading the roots.
    pub fn prepare(&self, start: &[String]) -> Result<CodeReference> {
        if let Some(reference) = self.prepared(start) {
            return Ok(reference);
        }
        self.session.check(OPERATION)?;
        self.scope.prepare(&self.session, start)
    }

    /// What [`CodeScope::prepare`] would send for these names now, and what not. Reads the roots if they have changed, and
    /// sends nothing. Blocks. Errors: those of reading the roots.
    pub fn preview(&self, start: &[String]) -> Result<CodePreview> {
        self.scope.preview(&self.session, start)
    }

    /// Says that the roots have changed: they are read again when the next task needs code. Tasks that were submitted
    /// before keep what they had.
    pub fn refresh(&self) {
        self.scope.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// See [`Cluster::close_scope`](crate::Cluster::close_scope). Returns the snapshots that no other scope has.
    pub(crate) fn end(&self) -> Vec<Digest> {
        if self.session.check(OPERATION).is_err() {
            return Vec::new();
        }
        let (code, announced) = (&self.session.code, std::mem::take(&mut *self.scope.announced.lock()));
        // Before the other scopes are looked at: what one of them offers from here on stays.
        let last_offer = code.last_offer();
        let gone = code.forget(&self.scope, announced);
        if !gone.is_empty() {
            self.session.end_code(&gone, last_offer);
        }
        gone
    }

    /// What [`CodeScope::prepare`] would return at once: the node has it all, and nothing has changed. Never waits.
    pub fn prepared(&self, start: &[String]) -> Option<CodeReference> {
        self.session.check(OPERATION).ok()?;
        self.scope.warm(self.session.epoch(), start)
    }
}

struct Scope {
    kind: RootKind,
    roots: Vec<PathBuf>,
    /// Python: packages and modules that have other names than their places would give them, in no root.
    packages: Vec<(String, PathBuf)>,
    /// Python: of the last reading.
    watch: Mutex<Option<Watch>>,
    /// How often files were seen to have changed.
    changes: AtomicU64,
    /// That number when what the node has was read.
    changes_read: AtomicU64,
    warm: RwLock<Warm>,
    /// Locked while code is read and sent, so that threads that need the same code wait for one transfer.
    preparing: Mutex<()>,
    /// Snapshots that can still be asked for, the newest last; in a lock of its own, because an answer must not wait
    /// for a transfer.
    kept: Mutex<VecDeque<Arc<PackedRoots>>>,
    /// All snapshots that nodes were told of.
    announced: Mutex<HashSet<Digest>>,
    /// What the newest snapshot imports that it does not have.
    foreign: Mutex<Foreign>,
}

/// What the node has, for a look without waiting.
#[derive(Default)]
struct Warm {
    epoch: u64,
    reference: Option<CodeReference>,
    names: HashSet<Box<str>>,
}

impl Warm {
    fn look_up(&self, epoch: u64, start: &[String]) -> Option<CodeReference> {
        let known = self.epoch == epoch && start.iter().all(|name| self.names.contains(name.as_str()));
        self.reference.filter(|_| known)
    }

    /// What refers to this snapshot, if the node has been told of it in this session.
    fn announced(&self, epoch: u64, snapshot: Digest) -> Option<CodeReference> {
        self.reference.filter(|reference| self.epoch == epoch && reference.snapshot == snapshot)
    }

    fn note(&mut self, epoch: u64, reference: CodeReference, start: &[String]) {
        if self.announced(epoch, reference.snapshot).is_none() {
            self.names.clear();
        }
        self.epoch = epoch;
        self.reference = Some(reference);
        self.names.extend(start.iter().map(|name| name.as_str().into()));
    }
}

impl Scope {
    /// What the node has already, if nothing has changed since.
    fn warm(&self, epoch: u64, start: &[String]) -> Option<CodeReference> {
        self.look_for_changes();
        let warm = self.warm.read();
        if self.changes.load(Ordering::Acquire) != self.changes_read.load(Ordering::Acquire) {
            return None;
        }
        warm.look_up(epoch, start)
    }

    fn look_for_changes(&self) {
        if self.watch.lock().as_mut().is_some_and(Watch::changed) {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn prepare(&self, session: &Arc<Session>, start: &[String]) -> Result<CodeReference> {
        let _one_at_a_time = self.preparing.lock();
        let epoch = ready_for_code(session)?.epoch;
        // Another thread may have prepared the same.
        if let Some(reference) = self.warm(epoch, start) {
            return Ok(reference);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let snapshot = self.snapshot(session, changes)?;
        let mut persistence = Persistence::default();
        loop {
            let standing = ready_for_code(session)?;
            match self.announce(session, &standing, &snapshot, start) {
                Ok(reference) => {
                    let mut warm = self.warm.write();
                    warm.note(standing.epoch, reference, start);
                    self.changes_read.store(changes, Ordering::Release);
                    return Ok(reference);
                }
                Err(error) => crate::runtime::block_on(persistence.after(session, error))??,
            }
        }
    }

    /// Offers what the session does not know: the snapshot, or entries of the closure.
    fn announce(
        &self,
        session: &Session,
        standing: &Standing,
        snapshot: &PackedRoots,
        start: &[String],
    ) -> Result<CodeReference> {
        let (closure, foreign) = snapshot.closure_entries(self.kind, start);
        let mut new = snapshot.digests_of(&closure);
        if self.kind == RootKind::Python {
            snapshot.check_twins(&closure, &foreign)?;
            self.foreign.lock().note(snapshot.digest, start, foreign);
        }
        session.code.offered.lock().retain_new(standing.epoch, &mut new);
        let announced = self.warm.read().announced(standing.epoch, snapshot.digest);
        let reference = match announced {
            Some(reference) if new.is_empty() => reference,
            _ => {
                self.announced.lock().insert(snapshot.digest);
                offer::offer(session, standing, snapshot, &new)?
            }
        };
        session.code.offered.lock().extend(standing.epoch, new);
        Ok(reference)
    }

    /// The snapshot of now: the last one, unless files have changed since.
    fn snapshot(&self, session: &Session, changes: u64) -> Result<Arc<PackedRoots>> {
        let last = self.kept.lock().back().cloned();
        if let Some(last) = &last
            && changes == self.changes_read.load(Ordering::Acquire)
        {
            return Ok(last.clone());
        }
        let snapshot = Arc::new(self.read(&session.code)?);
        for (root, skipped) in snapshot.roots.iter().flat_map(|root| root.skipped().iter().map(move |one| (root, one)))
        {
            tracing::debug!(root = root.name, skipped, "not part of the code of this client");
        }
        if let Some(last) = last.filter(|last| last.digest == snapshot.digest) {
            return Ok(last);
        }
        let mut kept = self.kept.lock();
        kept.push_back(snapshot.clone());
        while kept.len() > KEPT_SNAPSHOTS {
            kept.pop_front();
        }
        Ok(snapshot)
    }
}

impl Scope {
    /// Reads the roots as they are now, and watches those of Python from before they are read.
    fn read(&self, code: &Registry) -> Result<PackedRoots> {
        let selection = &code.selection;
        if self.kind == RootKind::Jvm {
            // Class loaders of one program have most of their jars in common.
            let read = |path: &[PathBuf]| PackedRoots::read(self.kind, path, selection, &|_| {});
            return code.unchanged.read(&self.roots, read);
        }
        let places: Vec<PathBuf> =
            self.roots.iter().chain(self.packages.iter().map(|(_, place)| place)).cloned().collect();
        for by_kernel in [true, false] {
            let watch = Watch::begin(&self.roots, selection.brings_back(&places), by_kernel);
            let told = |folder: &Path| watch.folder(folder);
            let read = PackedRoots::read_python(&self.roots, &self.packages, selection, &told)?;
            let is_kept = |folder: &Path| read.roots.iter().any(|root| root.reads_from(folder));
            if let Some(watch) = watch.complete(is_kept) {
                *self.watch.lock() = Some(watch);
                return Ok(read);
            }
        }
        Err(Error::internal(OPERATION, "the folders of the code cannot be watched"))
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("kind", &self.kind).field("roots", &self.roots).finish_non_exhaustive()
    }
}

/// Waits for the session, on a thread that may.
fn ready_for_code(session: &Session) -> Result<Standing> {
    takes_code(crate::runtime::block_on(session.connected(OPERATION))??)
}

fn takes_code(standing: Standing) -> Result<Standing> {
    let welcome = &standing.welcome;
    if welcome.peer_loading { Ok(standing) } else { Err(peer_loading_is_off(&welcome.node)) }
}

/// Announces a snapshot that an older session had to the session of now, and returns the number of the offer. Nothing of
/// it is sent ahead: the node asks for what a task needs.
pub(crate) async fn announce(session: &Arc<Session>, snapshot: &[u8]) -> Result<u64> {
    let snapshot = session.code.find(&Digest::from_slice(snapshot)?)?.1;
    let mut persistence = Persistence::default();
    loop {
        let standing = takes_code(session.connected(OPERATION).await?)?;
        let (session_of_work, snapshot) = (session.clone(), snapshot.clone());
        let offering = move || offer::offer(&session_of_work, &standing, &snapshot, &[]);
        let offered = session.runtime().spawn_blocking(offering).await;
        match offered.unwrap_or_else(|error| Err(Error::internal(OPERATION, error.to_string()))) {
            Ok(reference) => return Ok(reference.offer_id),
            Err(error) => persistence.after(session, error).await?,
        }
    }
}

/// Sends an answer to a request for code that is packed already, on a thread that may block.
pub(crate) fn send_answer(session: &Arc<Session>, epoch: u64, request_id: u64, pack: Vec<u8>) {
    let session_of_work = session.clone();
    session.spawn_blocking(move || offer::send_packed(&session_of_work, epoch, request_id, pack));
}

fn peer_loading_is_off(node: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, OPERATION, "peer loading is off")
        .context("node", node)
        .hint("deploy the code as a unit: haulier deploy NAME PATH")
}
