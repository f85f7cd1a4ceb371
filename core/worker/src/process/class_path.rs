//! A class path inside a worker: names to mapped bytes.

mod python;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use haulier_loader::{Delegation, Explanation, Index, IndexOptions, IndexRoot, Place, RootEntry};
use haulier_model::{Digest, Error, ErrorKind, Language, Result, RootKind, signature_files};
use haulier_protocol::v1::{self, worker_command::Message as Command, worker_message::Message};

use self::python::PythonParts;
pub use self::python::{PREPARED_FILES, PythonModule, PythonTop};
use super::{
    control::ControlLink,
    flight::Flights,
    packs::{Packs, Span, span},
};

/// Words of a message that are looked up, and names that are explained.
const MOST_WORDS: usize = 200;
const MOST_EXPLAINED: usize = 4;
/// Names that an error lists as looking like the one that was not found.
const NEAREST: usize = 3;

/// What entries are chosen for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runtime {
    pub(super) language: Language,
    /// The feature release of a JVM: 17.
    pub(super) release: u32,
}

/// A class path: ordered roots, their names, and a way to their bytes. Late entries are fetched from the node when
/// they are asked for.
pub struct WorkerClassPath {
    digest: Digest,
    runtime: Runtime,
    index: Index,
    /// By root and entry; empty: the node does not have the bytes yet.
    spans: Vec<Vec<OnceLock<Span>>>,
    packs: Packs,
    /// By root: whether its manifest says `Multi-Release: true`.
    multi_release: Vec<OnceLock<bool>>,
    /// What only Python class paths have.
    python: Option<PythonParts>,
    control: Arc<ControlLink>,
    flights: Flights<Place, ()>,
}

impl WorkerClassPath {
    pub(super) fn new(
        digest: Digest,
        answer: v1::ClassPathAnswer,
        runtime: Runtime,
        control: Arc<ControlLink>,
    ) -> Result<Self> {
        let policy = answer.policy().into();
        let packs = Packs::default();
        let mapped = packs.map(&answer.packs)?;
        let prepared = answer.roots.iter().map(|root| root.prepared.clone()).collect();
        let (mut roots, mut spans) = (Vec::new(), Vec::new());
        for root in answer.roots {
            let mut known = Vec::with_capacity(root.entries.len());
            for location in &root.entries {
                known.push(span(location, &mapped)?.map_or_else(OnceLock::new, OnceLock::from));
            }
            spans.push(known);
            roots.push(index_root(root)?);
        }
        let options = IndexOptions { language: runtime.language, policy, parent_prefixes: answer.parent_prefixes };
        let multi_release = roots.iter().map(|_| OnceLock::new()).collect();
        let index = Index::new(options, roots);
        let has_directory = !answer.directory.is_empty();
        let python = has_directory.then(|| PythonParts::new(PathBuf::from(answer.directory), prepared));
        Ok(Self { digest, runtime, index, spans, packs, multi_release, python, control, flights: Flights::default() })
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Who is asked for a class ("com.acme.Price"), a resource ("com/acme/price.txt") or a module ("acme.price").
    pub fn delegation(&self, name: &str) -> Delegation {
        self.index.delegation(name)
    }

    /// The first entry of that path ("com/acme/Price.class"); in a multi-release root the one for this runtime.
    ///
    /// # Errors
    /// When the bytes cannot be had for now. Only `None` means absent.
    pub fn find(&self, path: &str) -> Result<Option<Found>> {
        match self.roots_with(path).next() {
            Some(root) => self.find_in(root, path),
            None => Ok(None),
        }
    }

    /// The entries of that path in all roots, in order.
    pub fn find_all(&self, path: &str) -> Result<Vec<Found>> {
        let found: Result<Vec<_>> = self.roots_with(path).map(|root| self.find_in(root, path)).collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// The entry of that path in one root.
    pub fn find_in(&self, root: usize, path: &str) -> Result<Option<Found>> {
        self.place_in(root, path)?.map(|place| self.found(place)).transpose()
    }

    fn place_in(&self, root: usize, path: &str) -> Result<Option<Place>> {
        if root >= self.spans.len() {
            return Ok(None);
        }
        let versioned = match self.index.versioned(root, path, self.runtime.release) {
            Some(place) if self.is_multi_release(root)? => Some(place),
            _ => None,
        };
        Ok(versioned.or_else(|| self.index.in_root(root, path)))
    }

    /// The path of the entry that [`Self::find_in`] gives for that path: of a versioned one "META-INF/versions/17/...".
    ///
    /// # Errors
    /// When the manifest of the root cannot be had for now. Only `None` means absent.
    pub fn path_in(&self, root: usize, path: &str) -> Result<Option<Arc<str>>> {
        Ok(self.place_in(root, path)?.map(|place| self.index.entry(place).path.clone()))
    }

    /// JVM: the files that sign a root, beside its manifest; none if it is not signed. Asks nobody.
    pub fn signature_files(&self, root: usize) -> Vec<&str> {
        let root = self.index.roots().get(root);
        root.map_or_else(Vec::new, |root| signature_files(root.entries.iter().map(|entry| &*entry.path)))
    }

    /// Whether a root has that path; asks nobody.
    pub fn contains(&self, path: &str) -> bool {
        self.index.contains(path)
    }

    /// Every path, in the order of the roots; one that several roots have comes once.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.index.paths()
    }

    /// The labels of the roots in order, for messages and code sources.
    pub fn searched(&self) -> Vec<String> {
        self.index.searched().map(str::to_owned).collect()
    }

    /// The error for a class, module or resource that the class path does not have: what was searched, the nearest
    /// names, the command that would deploy it.
    pub fn not_found(&self, name: &str) -> Error {
        let (what, hint) = match self.runtime.language {
            Language::Python => ("module", format!("haulier deploy NAME <package or wheel containing {name}>")),
            Language::Java | Language::Rust => ("class", format!("haulier deploy NAME <jar containing {name}>")),
        };
        // What has no classes may have functions.
        let hint = match self.runtime.language {
            Language::Java if self.index.roots().is_empty() => {
                format!("a function of Python code is called as module:function; for a class: {hint}")
            }
            _ => hint,
        };
        let searched = match self.searched().join(", ") {
            empty if empty.is_empty() => "an empty class path".to_owned(),
            labels => labels,
        };
        let mut error =
            Error::new(ErrorKind::CodeNotFound, format!("load {name}"), format!("no {what} {name} in {searched}"))
                .context("class path", self.digest.short())
                .hint(hint);
        let nearest = self.index.nearest(name, NEAREST).join(", ");
        if !nearest.is_empty() {
            error = error.context("nearest", nearest);
        }
        error = error.context("explained", self.index.explain(name).to_string());
        error
    }

    /// Where the names come from that a message speaks of, as `haulier explain` says it; empty if there is none of this
    /// class path. For failures of linking: which of several copies was taken is what one wants to know.
    pub fn explain_names_in(&self, message: &str) -> String {
        let mut explained: Vec<Explanation> = Vec::new();
        // What is absent is not explained: the search for names like it takes its time.
        for name in names_in(message).take(MOST_WORDS).filter(|name| self.index.has_name(name)) {
            let explanation = self.index.explain(name);
            let is_new = explained.iter().all(|known| known.name != explanation.name);
            if is_new && !explanation.places.is_empty() && explained.len() < MOST_EXPLAINED {
                explained.push(explanation);
            }
        }
        explained.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// The roots that have a path, or a version of it.
    fn roots_with(&self, path: &str) -> impl Iterator<Item = usize> {
        (0..self.spans.len()).filter(move |root| {
            self.index.in_root(*root, path).is_some()
                || self.index.versioned(*root, path, self.runtime.release).is_some()
                    // A manifest that cannot be had now is reported by whoever asks for the entry.
                    && self.is_multi_release(*root).unwrap_or(true)
        })
    }

    fn is_multi_release(&self, root: usize) -> Result<bool> {
        if let Some(known) = self.multi_release[root].get() {
            return Ok(*known);
        }
        let says_so = match self.index.in_root(root, "META-INF/MANIFEST.MF") {
            Some(place) => says_multi_release(self.found(place)?.bytes()),
            None => false,
        };
        Ok(*self.multi_release[root].get_or_init(|| says_so))
    }

    fn found(&self, place: Place) -> Result<Found> {
        if self.span(place).get().is_none() {
            self.flights.join(&place, || self.fetch(place.root, &[place]))?;
        }
        let entry = self.index.entry(place);
        Ok(Found {
            label: self.index.label(place.root).to_owned(),
            root: place.root,
            path: entry.path.clone(),
            digest: entry.digest,
            span: self.known(place),
        })
    }

    fn span(&self, place: Place) -> &OnceLock<Span> {
        &self.spans[place.root][place.entry]
    }

    fn known(&self, place: Place) -> Span {
        self.span(place).get().cloned().expect("fetched before")
    }

    /// Fetches what is lacking: one request for each root.
    fn fetch_all(&self, places: &[Place]) -> Result<()> {
        let mut lacking: HashMap<usize, Vec<Place>> = HashMap::new();
        for place in places.iter().filter(|place| self.span(**place).get().is_none()) {
            lacking.entry(place.root).or_default().push(*place);
        }
        lacking.into_iter().try_for_each(|(root, places)| self.fetch(root, &places))
    }

    /// Asks the node for entries of a root; it may send more than was asked for.
    fn fetch(&self, root: usize, places: &[Place]) -> Result<()> {
        let lacking = || places.iter().filter(|place| self.span(**place).get().is_none());
        let paths: Vec<String> = lacking().map(|place| self.index.entry(*place).path.to_string()).collect();
        let Some(first) = paths.first() else { return Ok(()) };
        let operation = format!("fetch {first}");
        let request = v1::EntryRequest {
            class_path: bytes::Bytes::copy_from_slice(self.digest.as_bytes()),
            root: root as u32,
            paths,
        };
        let answer = match self.control.ask(&operation, Message::Entry(request))? {
            Command::Entry(v1::EntryAnswer { error: Some(error), .. }) => return Err(error.into()),
            Command::Entry(answer) => answer,
            other => return Err(Error::internal(operation, format!("the node answered with {other:?}"))),
        };
        let packs = self.packs.map(&answer.packs)?;
        for location in &answer.entries {
            let Some(place) = self.index.in_root(root, &location.path) else { continue };
            if let Some(span) = span(location, &packs)? {
                // Another thread may have set it; the bytes are the same.
                let _ = self.span(place).set(span);
            }
        }
        match lacking().next() {
            None => Ok(()),
            Some(place) => Err(Error::internal(operation, "the node's answer lacks an entry")
                .context("entry", self.index.entry(*place).path.to_string())
                .context("root", self.index.label(root))),
        }
    }
}

/// An entry of a class path with its bytes.
#[derive(Clone, Debug)]
pub struct Found {
    /// The label of its root: "session ab12/classes", "pricing:1.2.0/pricing.jar".
    pub label: String,
    /// The index of its root.
    pub root: usize,
    /// Its path in the root: of a versioned entry "META-INF/versions/17/...".
    pub path: Arc<str>,
    /// The digest of its bytes.
    pub digest: Digest,
    span: Span,
}

impl Found {
    /// The bytes, mapped from the node's store.
    pub fn bytes(&self) -> &[u8] {
        self.span.bytes()
    }
}

fn index_root(root: v1::RootIndex) -> Result<IndexRoot> {
    let kind = match root.kind.as_str() {
        kind if kind == RootKind::Jvm.name() => RootKind::Jvm,
        kind if kind == RootKind::Python.name() => RootKind::Python,
        other => return Err(Error::internal("read a class path", format!("no kind of root: {other}"))),
    };
    let entry = |location: v1::EntryLocation| {
        Ok(RootEntry {
            path: location.path.into(),
            digest: Digest::from_slice(&location.digest)?,
            size: location.size,
            executable: location.executable,
        })
    };
    let entries: Result<Vec<_>> = root.entries.into_iter().map(entry).collect();
    Ok(IndexRoot { label: root.label, kind, peer: root.peer, entries: entries? })
}

/// What looks like a qualified name: "com.acme.Price" and "com/acme/Price" of "'void com.acme.Price.rate(int)'" with its
/// last parts taken off, too.
fn names_in(message: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_' | '$');
    let words = message.split(move |c| !is_part(c)).map(|word| word.trim_matches(['.', '/']));
    // A method or field follows its class.
    let shorter = |word: &str| word.rfind(['.', '/']);
    words
        .filter(move |word| shorter(word).is_some())
        .flat_map(move |word| std::iter::once(word).chain(shorter(word).map(|end| &word[..end])))
}

/// Whether the main section of a manifest, up to the first empty line, says `Multi-Release: true`.
fn says_multi_release(manifest: &[u8]) -> bool {
    let text = String::from_utf8_lossy(manifest);
    text.lines().take_while(|line| !line.is_empty()).any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("Multi-Release") && value.trim().eq_ignore_ascii_case("true")
        })
    })
}
