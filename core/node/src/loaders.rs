//! The loaders that this node's workers have: each lives as long as somebody holds it (a session, a task, code that
//! stays), and the last one who lets it go makes the workers forget it. Must never know who the holders are, nor what
//! is loaded.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use haulier_model::{Digest, Hasher, Language};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{core::NodeCore, pythons::PythonRuntime, run::PoolKey};

/// A session keeps so many loaders, those that it has used last.
const MOST_HELD: usize = 64;
/// Loaders that workers are told of at once.
const BATCH: usize = 256;

/// What tasks must have in common to share a loader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LoaderKey {
    /// Who shares a worker process.
    pub(crate) group: Arc<str>,
    pub(crate) language: Language,
    /// The release of the JDK that reads its classes; `None`: the default.
    pub(crate) java: Option<u16>,
    /// The interpreter or environment that its modules are run with.
    pub(crate) python: Option<Arc<PythonRuntime>>,
    pub(crate) class_path: Digest,
    /// A session or a task, if the loader is that one's own.
    pub(crate) scope: Bytes,
}

/// How long a loader stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Until nobody holds it; who comes after that gets a new one.
    Held,
    /// As long as its worker: idle processes wait for whoever comes next.
    Warm,
}

/// A loader that somebody holds.
#[derive(Debug)]
pub(crate) struct LiveLoader {
    /// What workers know it by: another one for each life.
    pub(crate) id: Bytes,
    pub(crate) pool: PoolKey,
    /// The manifests that it loads from.
    manifests: Vec<Digest>,
    released: Option<mpsc::UnboundedSender<Released>>,
}

impl LiveLoader {
    /// Whether it is run by one of these programs.
    pub(crate) fn runs_with(&self, programs: &[PathBuf]) -> bool {
        self.pool.python.as_ref().is_some_and(|python| programs.contains(&python.program))
    }

    /// Whether it loads from a unit or a snapshot.
    pub(crate) fn uses(&self, manifest: &Digest) -> bool {
        self.manifests.contains(manifest)
    }
}

impl Drop for LiveLoader {
    fn drop(&mut self) {
        if let Some(released) = self.released.take() {
            // The receiver is gone only when the node stops, and then its workers end.
            let _ = released.send(Released { pool: self.pool.clone(), id: self.id.clone() });
        }
    }
}

/// A loader that nobody holds any more.
pub(crate) struct Released {
    pool: PoolKey,
    id: Bytes,
}

/// The loaders of this node.
pub(crate) struct Loaders {
    live: Mutex<HashMap<LoaderKey, Weak<LiveLoader>>>,
    last_life: AtomicU64,
    released: mpsc::UnboundedSender<Released>,
}

impl Loaders {
    /// The receiver gets each loader that nobody holds any more; see [`follow`].
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Released>) {
        let (released, receiver) = mpsc::unbounded_channel();
        (Self { live: Mutex::default(), last_life: AtomicU64::new(0), released }, receiver)
    }

    /// The loader of these tasks: the one that somebody holds, or a new one. A new one never has the name of an older
    /// one, so that a release that is under way takes nothing from whoever comes next.
    pub(crate) fn hold(&self, key: LoaderKey, manifests: Vec<Digest>, stay: Stay) -> Arc<LiveLoader> {
        let mut live = self.live.lock();
        if let Some(known) = live.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let life = match stay {
            Stay::Held => self.last_life.fetch_add(1, Ordering::Relaxed) + 1,
            Stay::Warm => 0,
        };
        let id = loader_id(&key, life);
        let environment = (key.language == Language::Python).then(|| id.clone());
        let (group, language, java, python) = (key.group.clone(), key.language, key.java, key.python.clone());
        let pool = PoolKey { group, language, environment, java, python };
        let released = (stay == Stay::Held).then(|| self.released.clone());
        let fresh = Arc::new(LiveLoader { id, pool, manifests, released });
        live.retain(|_, loader| loader.strong_count() > 0);
        live.insert(key, Arc::downgrade(&fresh));
        fresh
    }

    /// Whether somebody holds a loader of this interpreter.
    pub(crate) fn run_with(&self, program: &Path) -> bool {
        let of = |key: &LoaderKey| key.python.as_ref().is_some_and(|python| python.program == program);
        self.live.lock().iter().any(|(key, loader)| loader.strong_count() > 0 && of(key))
    }

    /// Forgets the keys of loaders that nobody holds any more, and what they keep: environments.
    pub(crate) fn forget_gone(&self) {
        let gone: Vec<_> = self.live.lock().extract_if(|_, loader| loader.strong_count() == 0).collect();
        drop(gone);
    }
}

fn loader_id(key: &LoaderKey, life: u64) -> Bytes {
    let mut hasher = Hasher::default();
    hasher.update(key.class_path.as_bytes());
    hasher.update(&life.to_le_bytes());
    hasher.update(&key.scope);
    if let Some(python) = &key.python {
        hasher.update(python.program.as_os_str().as_encoded_bytes());
    }
    Bytes::copy_from_slice(hasher.finish().as_bytes())
}

/// Tells workers of loaders that nobody holds any more. Runs until the node has gone.
pub(crate) async fn follow(node: Weak<NodeCore>, mut released: mpsc::UnboundedReceiver<Released>) {
    let mut batch = Vec::new();
    while released.recv_many(&mut batch, BATCH).await > 0 {
        let Some(node) = node.upgrade() else { return };
        let mut groups: HashMap<Arc<str>, Vec<Bytes>> = HashMap::new();
        let mut environments = Vec::new();
        for Released { pool, id } in batch.drain(..) {
            match pool.environment {
                Some(environment) => environments.push(environment),
                None => groups.entry(pool.group).or_default().push(id),
            }
        }
        for (group, loaders) in groups {
            node.scheduler.release_loaders(&group, &loaders);
        }
        if !environments.is_empty() {
            for worker in node.scheduler.retire(node.limits.idle, &environments) {
                worker.kill();
            }
        }
    }
}

/// The loaders that a session keeps until it ends, those first that it has not used for longest.
#[derive(Default)]
pub(crate) struct HeldLoaders(Mutex<Held>);

#[derive(Default)]
struct Held {
    loaders: VecDeque<HeldLoader>,
    ended: bool,
}

struct HeldLoader {
    loader: Arc<LiveLoader>,
    /// Held for tasks in the continuous mode only.
    continuous: bool,
}

impl HeldLoaders {
    /// Keeps a loader; `continuous` says that its task was submitted in that mode.
    pub(crate) fn keep(&self, loader: &Arc<LiveLoader>, continuous: bool) {
        let forgotten = {
            let mut held = self.0.lock();
            if held.ended {
                return;
            }
            let known = held.loaders.iter().position(|held| Arc::ptr_eq(&held.loader, loader));
            let before = known.and_then(|position| held.loaders.remove(position));
            let continuous = continuous && before.is_none_or(|before| before.continuous);
            held.loaders.push_back(HeldLoader { loader: loader.clone(), continuous });
            (held.loaders.len() > MOST_HELD).then(|| held.loaders.pop_front())
        };
        drop(forgotten);
    }

    /// Lets loaders of a unit or a snapshot go, which nobody can submit with any more.
    pub(crate) fn forget_manifest(&self, manifest: &Digest) {
        self.forget(|held| held.loader.uses(manifest));
    }

    /// Lets loaders of these programs go; tasks keep those that they run with.
    pub(crate) fn forget_programs(&self, programs: &[PathBuf]) {
        self.forget(|held| held.loader.runs_with(programs));
    }

    /// Lets loaders go that are held for the continuous mode alone.
    pub(crate) fn forget_continuous(&self, snapshot: &Digest) {
        self.forget(|held| held.continuous && held.loader.uses(snapshot));
    }

    fn forget(&self, goes: impl Fn(&HeldLoader) -> bool) {
        let forgotten: VecDeque<_> = {
            let mut held = self.0.lock();
            let (gone, stays) = held.loaders.drain(..).partition(|held| goes(held));
            held.loaders = stays;
            gone
        };
        drop(forgotten);
    }

    /// The session has ended: it keeps none.
    pub(crate) fn end(&self) {
        let loaders = {
            let mut held = self.0.lock();
            held.ended = true;
            std::mem::take(&mut held.loaders)
        };
        drop(loaders);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, scope: &'static str) -> LoaderKey {
        let scope = Bytes::from_static(scope.as_bytes());
        let (language, class_path) = (Language::Java, Digest::of(b"code"));
        LoaderKey { group: group.into(), language, java: None, python: None, class_path, scope }
    }

    #[test]
    fn a_loader_is_shared_while_it_is_held_and_never_comes_back() {
        let (loaders, mut released) = Loaders::new();
        let first = loaders.hold(key("a", ""), Vec::new(), Stay::Held);
        let second = loaders.hold(key("a", ""), Vec::new(), Stay::Held);
        assert!(Arc::ptr_eq(&first, &second));
        assert_ne!(first.id, loaders.hold(key("a", "session"), Vec::new(), Stay::Held).id);
        assert!(released.try_recv().is_ok_and(|released| released.id != first.id));
        drop(first);
        assert!(released.try_recv().is_err(), "somebody still holds it");
        let id = second.id.clone();
        drop(second);
        assert_eq!(released.try_recv().map(|released| released.id).ok(), Some(id.clone()));
        assert_ne!(loaders.hold(key("a", ""), Vec::new(), Stay::Held).id, id);
    }

    #[test]
    fn a_warm_loader_has_the_same_name_again() {
        let (loaders, mut released) = Loaders::new();
        let id = loaders.hold(key("a", ""), Vec::new(), Stay::Warm).id.clone();
        assert_eq!(loaders.hold(key("a", ""), Vec::new(), Stay::Warm).id, id);
        assert!(released.try_recv().is_err());
    }

    #[test]
    fn a_session_keeps_what_it_has_used_last() {
        let (loaders, _released) = Loaders::new();
        let (held, snapshot) = (HeldLoaders::default(), Digest::of(b"snapshot"));
        let all: Vec<_> = (0..=MOST_HELD)
            .map(|number| {
                let scope = Bytes::from(number.to_string());
                loaders.hold(LoaderKey { scope, ..key("a", "") }, vec![snapshot], Stay::Held)
            })
            .collect();
        all.iter().for_each(|loader| held.keep(loader, true));
        let count = |loader: &Arc<LiveLoader>| Arc::strong_count(loader);
        assert_eq!((count(&all[0]), count(&all[1])), (1, 2));
        held.keep(&all[1], false);
        held.forget_continuous(&snapshot);
        assert_eq!((count(&all[1]), count(&all[2])), (2, 1), "only what is continuous and nothing else goes");
        held.forget_manifest(&snapshot);
        assert_eq!(count(&all[1]), 1);
        held.end();
        held.keep(&all[1], false);
        assert_eq!(count(&all[1]), 1);
    }
}
