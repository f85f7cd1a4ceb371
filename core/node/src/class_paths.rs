//! Class paths of tasks: from units and a snapshot to roots, and on to what a worker needs to load from them.

mod fetching;
mod python;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use haulier_model::{ClassPath, ClassPathSource, Digest, Error, ErrorKind, Language, Manifest, Result, Root, RootKind};
use haulier_protocol::v1;
use haulier_store::Store;
use parking_lot::Mutex;

use self::{fetching::Fetches, python::PythonNeeds};
use crate::{
    code::Snapshot, directories::Directories, jdks, local_code::LocalCode, options::Limits, past_tasks::TaskCode,
    session::Session, units::PinnedUnit,
};

/// A class path whose roots are known; lives as long as a task, a session or a worker needs it.
pub(crate) struct ResolvedClassPath {
    pub(crate) digest: Digest,
    pub(crate) class_path: ClassPath,
    /// What is known of it when nothing needs it any more.
    pub(crate) code: Arc<TaskCode>,
    roots: Vec<ResolvedRoot>,
    /// The Python directory, when the language is Python.
    pub(crate) directory: Option<PathBuf>,
    python: PythonNeeds,
    /// Keeps units from being removed.
    _units: Vec<Arc<PinnedUnit>>,
    /// Who can be asked for entries of the snapshot: every session with the same content.
    origins: Mutex<Vec<Weak<Session>>>,
    fetching: Fetches,
    /// Whether its code stays after its clients have left.
    stays: AtomicBool,
}

/// What a class path is made of, each part resolved.
pub(crate) struct Sources {
    pub(crate) class_path: ClassPath,
    pub(crate) units: Vec<Arc<PinnedUnit>>,
    pub(crate) snapshots: Vec<(Digest, Arc<Snapshot>)>,
}

struct ResolvedRoot {
    label: String,
    digest: Digest,
    root: Root,
    index: HashMap<String, usize>,
    /// Of which snapshot it is: its clients can be asked for what is not here.
    snapshot: Option<Digest>,
}

impl ResolvedClassPath {
    pub(crate) fn add_origin(&self, session: &Arc<Session>) {
        let mut origins = self.origins.lock();
        if !origins.iter().any(|known| known.as_ptr() == Arc::as_ptr(session)) {
            origins.retain(|origin| origin.strong_count() > 0);
            origins.push(Arc::downgrade(session));
        }
    }

    /// Everything that its tasks may load.
    pub(crate) fn contents(&self) -> impl Iterator<Item = Digest> {
        self.roots
            .iter()
            .flat_map(|root| std::iter::once(root.root.digest()).chain(root.root.contents().map(|(digest, _)| digest)))
    }

    /// The version of the newest of its classes that are in `store`, without those for other releases. Reads the
    /// beginning of each.
    pub(crate) fn newest_class(&self, store: &Store) -> Option<u16> {
        let is_class = |path: &str| {
            path.ends_with(".class") && !path.starts_with("META-INF/") && !path.ends_with("module-info.class")
        };
        let entries = self.roots.iter().flat_map(|root| &root.root.entries);
        let classes = entries.filter(|entry| is_class(entry.path.as_str()) && store.contains(&entry.digest));
        classes.filter_map(|entry| jdks::version_of(&store.read(&entry.digest).ok()?)).max()
    }

    /// Its code stays after its clients have left.
    pub(crate) fn stays(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    /// The snapshots whose code stays.
    pub(crate) fn staying(&self) -> impl Iterator<Item = Digest> {
        let stays = self.stays.load(Ordering::Relaxed);
        self.class_path.sources.iter().filter_map(move |source| match source {
            ClassPathSource::Snapshot(digest) if stays => Some(*digest),
            _ => None,
        })
    }

    /// Those of the entries that are not in the store.
    pub(crate) fn missing(&self, store: &Store, request: &v1::EntryRequest) -> Vec<Digest> {
        let Some(root) = self.roots.get(request.root as usize) else { return Vec::new() };
        let known = request.paths.iter().filter_map(|path| root.index.get(path));
        store.missing(known.map(|at| root.root.entries[*at].digest))
    }
}

/// The class paths in use on this node.
pub(crate) struct ClassPaths {
    store: Store,
    pub(crate) directories: Directories,
    limits: Limits,
    /// The node's own code, the last source of every class path.
    pub(crate) local: Option<Arc<LocalCode>>,
    known: Mutex<HashMap<Digest, Weak<ResolvedClassPath>>>,
    /// How often a client was asked for code, or told that its code has arrived.
    pub(crate) code_round_trips: Arc<AtomicU64>,
}

impl ClassPaths {
    /// `folder` holds the Python directories; it is emptied.
    pub(crate) fn open(
        store: &Store,
        folder: &Path,
        limits: &Limits,
        local: Option<Arc<LocalCode>>,
    ) -> io::Result<Self> {
        Ok(Self {
            store: store.clone(),
            directories: Directories::open(folder, limits.class_paths)?,
            limits: limits.clone(),
            local,
            known: Mutex::default(),
            code_round_trips: Arc::default(),
        })
    }

    /// Builds, or finds, the class path of `sources` for the workers of a trust group. Blocks.
    pub(crate) fn resolve(
        &self,
        session: &Arc<Session>,
        language: Language,
        group: &str,
        sources: Sources,
    ) -> Result<Arc<ResolvedClassPath>> {
        // Java and Python of one unit are two loaders: a class path is that of one language. A Python directory is
        // filled by its workers, so each trust group has one of its own.
        let digest = sources.class_path.digest();
        let digest = match language {
            Language::Python => Digest::of(&[digest.as_bytes().as_slice(), b"python", group.as_bytes()].concat()),
            _ => digest,
        };
        if let Some(known) = self.get(&digest) {
            known.add_origin(session);
            return Ok(known);
        }
        let kind = if language == Language::Python { RootKind::Python } else { RootKind::Jvm };
        let (mut roots, mut manifests) = (Vec::new(), Vec::new());
        for source in &sources.class_path.sources {
            let manifest = self.add_roots(source, kind, session, &sources, &mut roots)?;
            manifests.push((manifest, matches!(source, ClassPathSource::Snapshot(_))));
        }
        let python = kind == RootKind::Python;
        let directory = python.then(|| self.directories.make(group, &digest)).transpose()?;
        let labels = roots.iter().map(|root| root.label.clone()).collect();
        let code = Arc::new(TaskCode {
            language,
            policy: sources.class_path.policy,
            parent_prefixes: sources.class_path.parent_prefixes.clone(),
            sources: manifests,
            labels,
            python: None,
        });
        let resolved = Arc::new(ResolvedClassPath {
            digest,
            class_path: sources.class_path,
            code,
            python: if kind == RootKind::Python { PythonNeeds::of(&roots) } else { PythonNeeds::default() },
            roots,
            directory,
            _units: sources.units,
            origins: Mutex::default(),
            fetching: Fetches::default(),
            stays: AtomicBool::new(false),
        });
        resolved.add_origin(session);
        let mut known = self.known.lock();
        known.retain(|_, class_path| class_path.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&resolved));
        Ok(resolved)
    }

    fn add_roots(
        &self,
        source: &ClassPathSource,
        kind: RootKind,
        session: &Arc<Session>,
        sources: &Sources,
        roots: &mut Vec<ResolvedRoot>,
    ) -> Result<Manifest> {
        let (manifest, label, of_snapshot) = match source {
            ClassPathSource::Unit(digest) => {
                let unit = sources.units.iter().find(|unit| unit.record.digest == *digest);
                let unit = unit.ok_or_else(|| Error::internal("build a class path", "a unit is not pinned"))?;
                let names = unit.record.sources.clone();
                let id = unit.record.id.to_string();
                let label = Box::new(move |index: usize| match names.get(index) {
                    Some(name) => format!("{id}/{name}"),
                    None => id.clone(),
                }) as Box<dyn Fn(usize) -> String>;
                (self.store.manifest(digest)?, label, None)
            }
            ClassPathSource::Snapshot(digest) => {
                let snapshot =
                    sources.snapshots.iter().find(|(of, _)| of == digest).map(|(_, snapshot)| snapshot.clone());
                let snapshot =
                    snapshot.ok_or_else(|| Error::internal("build a class path", "a snapshot is not resolved"))?;
                // Code that stays may be run by a session that has not brought it.
                let brought = session.code.snapshot(digest).is_some();
                let id = if brought { session.id.clone() } else { digest.short() };
                let manifest = snapshot.manifest.clone();
                let label = Box::new(move |index: usize| format!("session {id}/{}", snapshot.name(index)));
                (manifest, label as Box<dyn Fn(usize) -> String>, Some(*digest))
            }
            ClassPathSource::Local(_) => {
                let local = self.local.clone();
                let local = local.ok_or_else(|| Error::internal("build a class path", "the node has no own code"))?;
                let manifest = local.manifest.clone();
                let label = move |index: usize| match local.names.get(index) {
                    Some(name) => format!("node/{name}"),
                    None => "node".to_owned(),
                };
                (manifest, Box::new(label) as Box<dyn Fn(usize) -> String>, None)
            }
        };
        for (index, root) in self.store.roots(&manifest)?.into_iter().enumerate() {
            if root.kind == kind {
                let paths = root.entries.iter().enumerate().map(|(at, entry)| (entry.path.as_str().to_owned(), at));
                let paths = paths.collect();
                let digest = manifest.roots[index];
                roots.push(ResolvedRoot { label: label(index), digest, index: paths, root, snapshot: of_snapshot });
            }
        }
        Ok(manifest)
    }

    /// The class paths that tasks or sessions hold.
    pub(crate) fn in_use(&self) -> Vec<Arc<ResolvedClassPath>> {
        self.known.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// Removes directories that no class path and none of `others` needs. Blocks.
    pub(crate) fn sweep(&self, others: &[PathBuf]) -> io::Result<()> {
        let is_used = |path: &Path| {
            let resolved = self.in_use();
            let mut used = resolved.iter().filter_map(|class_path| class_path.directory.as_deref());
            used.any(|used| used == path) || others.iter().any(|used| used == path)
        };
        let is_named = |root: &Digest| {
            self.in_use().iter().any(|class_path| class_path.roots.iter().any(|named| named.digest == *root))
        };
        self.directories.sweep(is_used, is_named, |root| self.store.contains(root))
    }

    /// The class path with this digest, if a task or session still holds it.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<ResolvedClassPath>> {
        self.known.lock().get(digest).and_then(Weak::upgrade)
    }

    /// Everything a worker needs to know of a class path.
    pub(crate) fn describe(&self, class_path: &ResolvedClassPath) -> v1::ClassPathAnswer {
        let mut packs = Packs::default();
        let roots = class_path.roots.iter().map(|root| v1::RootIndex {
            label: root.label.clone(),
            kind: root.root.kind.name().to_owned(),
            entries: root.root.entries.iter().map(|entry| packs.locate(&self.store, entry)).collect(),
            peer: root.snapshot.is_some(),
            prepared: match root.root.kind {
                RootKind::Python => self.directories.prepared.find(&root.digest),
                RootKind::Jvm => None,
            }
            .map(|folder| folder.display().to_string())
            .unwrap_or_default(),
        });
        let roots = roots.collect();
        v1::ClassPathAnswer {
            class_path: Bytes::copy_from_slice(class_path.digest.as_bytes()),
            policy: v1::LoadingPolicy::from(class_path.class_path.policy).into(),
            packs: packs.files,
            roots,
            directory: class_path.directory.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            error: None,
            parent_prefixes: class_path.class_path.parent_prefixes.clone(),
        }
    }

    /// Makes entries present, from the client if need be, and says where they are.
    pub(crate) async fn entries(
        &self,
        class_path: &Arc<ResolvedClassPath>,
        request: &v1::EntryRequest,
    ) -> Result<v1::EntryAnswer> {
        let operation = "load code";
        let root = class_path.roots.get(request.root as usize).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, operation, format!("the class path has no root {}", request.root))
        })?;
        let mut entries = Vec::with_capacity(request.paths.len());
        for path in &request.paths {
            let at = root.index.get(path).ok_or_else(|| {
                Error::new(ErrorKind::CodeNotFound, operation, format!("'{path}' is not in {}", root.label))
            })?;
            entries.push(&root.root.entries[*at]);
        }
        let missing = self.store.missing(entries.iter().map(|entry| entry.digest));
        if !missing.is_empty() {
            let first = request.paths.first().map_or("", String::as_str);
            self.fetch(class_path, root, missing)
                .await
                .map_err(|error| fetching::unreachable_code(error, first, &root.label))?;
        }
        let mut packs = Packs::default();
        let entries = entries.into_iter().map(|entry| packs.locate(&self.store, entry)).collect();
        Ok(v1::EntryAnswer { packs: packs.files, entries, error: None })
    }
}

#[derive(Default)]
struct Packs {
    files: Vec<v1::PackFile>,
    numbers: HashMap<Arc<Path>, u32>,
}

impl Packs {
    fn locate(&mut self, store: &Store, entry: &haulier_model::Entry) -> v1::EntryLocation {
        let mut location = v1::EntryLocation {
            path: entry.path.as_str().to_owned(),
            size: entry.size,
            pack: 0,
            offset: 0,
            digest: Bytes::copy_from_slice(entry.digest.as_bytes()),
            executable: entry.executable,
        };
        if let Some(found) = store.locate(&entry.digest) {
            location.offset = found.offset;
            location.pack = *self.numbers.entry(found.pack).or_insert_with_key(|path| {
                self.files.push(v1::PackFile { path: path.display().to_string() });
                self.files.len() as u32
            });
        }
        location
    }
}
