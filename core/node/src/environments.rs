//! The environments of Python tasks: an interpreter with exactly the distributions that a lock names. Each is built once,
//! by `uv`, kept on disk for all class paths that agree, and removed when nothing names it. Must never know units,
//! sessions or workers: whoever holds a [`PythonRuntime`] keeps its environment.
//!
//! An environment is built under another name and renamed when it is whole, so that what is there can be used, whatever
//! has crashed.

mod asking;
mod build;
mod explained;
mod flights;
mod growth;
mod installed;
mod leftovers;
mod lock;
mod origins;
mod record;
mod requirement;
mod room;
mod sweep;
mod tame;
mod task;
mod uv;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use haulier_model::{Digest, Hasher, Result};
use haulier_requirements::Lock;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) use self::{
    explained::Runs,
    origins::PythonPlace,
    requirement::normal,
    sweep::{give_room, tidy},
    task::runtime,
};
use self::{flights::Flights, installed::Installed, origins::Origins, record::Record, room::LetGo, uv::NodeUv};
use crate::pythons::PythonRuntime;

/// What environments may cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    /// How long a build may take.
    pub(crate) build: Duration,
    /// Environments on disk.
    pub(crate) count: usize,
    /// Bytes of one environment, and its files, links and folders.
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    /// Bytes of all environments.
    pub(crate) all_bytes: u64,
    /// Bytes of what uv has downloaded and unpacked.
    pub(crate) cache_bytes: u64,
}

/// Keeps an environment from being removed; notes when it was used last.
#[derive(Debug)]
pub(crate) struct InUse {
    folder: PathBuf,
    released: Arc<Notify>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let folder = std::mem::take(&mut self.folder);
        self.released.notify_waiters();
        // Whoever lets it go may hold a lock. Without a runtime the node has ended, and the time of the start is near enough.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(move || record::touch(&folder)));
        }
    }
}

/// What an environment is made of.
#[derive(Clone, Debug)]
struct Recipe {
    /// The interpreter that it is built on.
    base: Arc<PythonRuntime>,
    pins: Lock,
    /// The contents of the locks that it is for; none if a session asked for it.
    locks: BTreeSet<Digest>,
}

impl Recipe {
    fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        let interpreter = &self.base.interpreter;
        for text in [&*interpreter.program.to_string_lossy(), &interpreter.version, &self.pins.to_string()] {
            hasher.update(text.as_bytes());
            hasher.update(&[0]);
        }
        hasher.finish()
    }
}

/// The interpreter of an environment.
fn program_in(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

/// The environments of this node.
pub(crate) struct Environments {
    folder: PathBuf,
    /// Locks that were resolved for sessions, by what they ask for.
    locks: PathBuf,
    /// What uv has downloaded.
    cache: PathBuf,
    bounds: Bounds,
    uv: NodeUv,
    known: Mutex<HashMap<Digest, Weak<PythonRuntime>>>,
    builds: Arc<Flights<Arc<PythonRuntime>>>,
    resolutions: Arc<Flights<String>>,
    installed: Installed,
    origins: Origins,
    sweep: sweep::Wanted,
    /// Held while something is found, and while something is put away.
    shelf: Arc<Mutex<()>>,
    /// Somebody has let go of an environment.
    released: Arc<Notify>,
    let_go: OnceLock<LetGo>,
}

impl Environments {
    /// Opens what is below `folder`; what was half built when the node ended is removed. `uv`: its program, if it was named.
    pub(crate) fn open(folder: &Path, uv: Option<PathBuf>, bounds: Bounds) -> io::Result<Self> {
        let (environments, locks, cache) = (folder.join("environments"), folder.join("locks"), folder.join("cache"));
        for folder in [&environments, &locks] {
            crate::server::private_folder(folder)?;
        }
        build::remove_unfinished(&environments)?;
        leftovers::remove_unfinished(&cache)?;
        Ok(Self {
            uv: NodeUv::new(uv, cache.clone()),
            cache,
            folder: environments,
            locks,
            bounds,
            known: Mutex::default(),
            builds: Arc::default(),
            resolutions: Arc::default(),
            installed: Installed::default(),
            origins: Origins::default(),
            sweep: sweep::Wanted::default(),
            shelf: Arc::default(),
            released: Arc::default(),
            let_go: OnceLock::new(),
        })
    }

    /// The uv that this node was given by name.
    pub(crate) fn named_uv(&self) -> Option<haulier_requirements::Uv> {
        self.uv.named().map(haulier_requirements::Uv::at)
    }

    /// The environment of a recipe: the one that is used or on disk, else a new one. However many want the same, it is
    /// built once; who had `arrived` before a build failed gets its error.
    async fn get(self: &Arc<Self>, recipe: Recipe, arrived: Instant) -> Result<Arc<PythonRuntime>> {
        let digest = recipe.digest();
        let folder = self.folder_of(&digest);
        let known = self.known.lock().get(&digest).and_then(Weak::upgrade);
        if let Some(known) = known
            && record::serves(&folder, &recipe.locks)
        {
            return Ok(known);
        }
        let environments = self.clone();
        self.builds
            .join(digest, arrived, || Box::pin(async move { environments.find_or_build(digest, recipe).await }))
            .await
    }

    async fn find_or_build(self: &Arc<Self>, digest: Digest, recipe: Recipe) -> Result<Arc<PythonRuntime>> {
        let folder = self.folder_of(&digest);
        let (place, locks, shelf) = (folder.clone(), recipe.locks.clone(), self.shelf.clone());
        let found = tokio::task::spawn_blocking(move || {
            let _shelf = shelf.lock();
            record::find(&place, &locks)
        });
        if !found.await.unwrap_or_default() {
            build::build(self, &folder, &recipe).await?;
        }
        let runtime = Arc::new(PythonRuntime {
            program: program_in(&folder),
            interpreter: recipe.base.interpreter.clone(),
            environment: Some(InUse { folder, released: self.released.clone() }),
        });
        let mut known = self.known.lock();
        // Still used, but for other class paths, or damaged meanwhile: all hold the same one.
        if let Some(used) = known.get(&digest).and_then(Weak::upgrade) {
            return Ok(used);
        }
        known.retain(|_, runtime| runtime.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&runtime));
        Ok(runtime)
    }

    fn folder_of(&self, digest: &Digest) -> PathBuf {
        self.folder.join(&digest.hex()[..32])
    }
}
