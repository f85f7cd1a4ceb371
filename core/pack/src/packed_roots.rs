//! Roots at one moment, with an index from digests to bytes, and the packs made of them.

mod chunked;

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, RootKind};

use crate::{Limits, PackedRoot, Selection, closure, refusal, stream::RecordWriter};

pub use chunked::size_of_chunks;

/// Entries above this are not held in memory while they are packed.
const LARGE: u64 = 1 << 20;

/// Roots in order, as a unit or a snapshot has them, and the bytes of everything in them by digest.
pub struct PackedRoots {
    /// The roots, in the order in which they are searched.
    pub roots: Vec<PackedRoot>,
    /// Their digests.
    pub manifest: Manifest,
    /// The digest of the manifest: the identity of a unit or of a snapshot.
    pub digest: Digest,
    places: HashMap<Digest, Place>,
}

/// Where the bytes of a digest are.
#[derive(Clone, Copy)]
enum Place {
    /// The encoded root of this index.
    Root(usize),
    /// The entry of this index in the root of the other.
    Entry(usize, usize),
    /// The archive that the root of this index was read from.
    Original(usize),
}

impl PackedRoots {
    /// Roots that were read.
    pub fn of(roots: Vec<PackedRoot>) -> Self {
        let manifest = Manifest { roots: roots.iter().map(PackedRoot::digest).collect() };
        let count: usize = roots.iter().map(|root| root.root.entries.len() + 2).sum();
        let mut places = HashMap::with_capacity(count);
        for (index, root) in roots.iter().enumerate() {
            places.insert(root.digest(), Place::Root(index));
            for (entry, content) in root.root.entries.iter().enumerate() {
                places.entry(content.digest).or_insert(Place::Entry(index, entry));
            }
            if let Some(original) = &root.root.original {
                places.entry(original.digest).or_insert(Place::Original(index));
            }
        }
        Self { digest: manifest.digest(), manifest, roots, places }
    }

    /// Reads sources as `deploy` takes them, in their order; see [`PackedRoot::read_source`].
    pub fn read_sources<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>, limits: &Limits) -> Result<Self> {
        let mut roots = Vec::new();
        for path in paths {
            roots.extend(PackedRoot::read_source(path.as_ref(), limits)?);
        }
        Ok(Self::of(roots))
    }

    /// Reads the roots of a class loader or an interpreter, several at a time. Elements that do not exist are left
    /// out, as the JVM and Python do. `on_folder` is told of each folder of import roots before it is read. Errors: those
    /// of [`PackedRoot::read_class_roots`] and [`PackedRoot::read_python_root`].
    pub fn read(
        kind: RootKind,
        paths: &[PathBuf],
        selection: &Selection,
        on_folder: &(dyn Fn(&Path) + Sync),
    ) -> Result<Self> {
        Self::read_each(paths.len(), &|index| read_roots(kind, &paths[index], selection, on_folder))
    }

    /// As [`PackedRoots::read`] of Python; `packages` come after all roots, see [`PackedRoot::read_python_packages`].
    pub fn read_python(
        paths: &[PathBuf],
        packages: &[(String, PathBuf)],
        selection: &Selection,
        on_folder: &(dyn Fn(&Path) + Sync),
    ) -> Result<Self> {
        let count = paths.len() + usize::from(!packages.is_empty());
        Self::read_each(count, &|index| match paths.get(index) {
            Some(path) => read_roots(RootKind::Python, path, selection, on_folder),
            None => {
                let limits = Limits::of_import_roots();
                Ok(vec![PackedRoot::read_python_packages(packages, selection, &limits, on_folder)?])
            }
        })
    }

    /// Reads `count` elements, several at a time.
    fn read_each(count: usize, read: &(dyn Fn(usize) -> Result<Vec<PackedRoot>> + Sync)) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count).max(1);
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work = || {
            let mut roots = Vec::new();
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if index >= count {
                    return Ok::<_, Error>(roots);
                }
                roots.extend(read(index)?.into_iter().map(|root| (index, root)));
            }
        };
        let mut roots = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut roots = work()?;
            for other in others {
                roots.extend(other.join().map_err(|_| Error::internal("read code", "a thread panicked"))??);
            }
            Ok::<_, Error>(roots)
        })?;
        roots.sort_by_key(|(index, _)| *index);
        Ok(Self::of(roots.into_iter().map(|(_, root)| root).collect()))
    }

    /// What the roots are called in messages.
    pub fn names(&self) -> Vec<String> {
        self.roots.iter().map(|root| root.name.clone()).collect()
    }

    /// The digests of what `start` needs, in the order in which it is found.
    pub fn closure(&self, kind: RootKind, start: &[String]) -> Vec<Digest> {
        self.closure_and_foreign(kind, start).0
    }

    /// As [`PackedRoots::closure`]; and, of Python, the top-level names that it imports and that no root has.
    pub fn closure_and_foreign(&self, kind: RootKind, start: &[String]) -> (Vec<Digest>, Vec<String>) {
        let (found, foreign) = self.closure_entries(kind, start);
        (self.digests_of(&found), foreign)
    }

    /// The digests of entries, given by the indices of root and entry.
    pub fn digests_of(&self, entries: &[(usize, usize)]) -> Vec<Digest> {
        entries.iter().map(|(root, entry)| self.roots[*root].root.entries[*entry].digest).collect()
    }

    /// As [`PackedRoots::closure`], by the indices of root and entry; and, of Python, the top-level names that the closure
    /// imports and that no root has.
    pub fn closure_entries(&self, kind: RootKind, start: &[String]) -> (Vec<(usize, usize)>, Vec<String>) {
        match kind {
            RootKind::Jvm => (closure::jvm(&self.roots, start), Vec::new()),
            RootKind::Python => closure::python(&self.roots, start),
        }
    }

    /// Refuses a closure of Python (see [`PackedRoots::closure_entries`]) some module of which is not there, because another
    /// one has its name where names have no case. `InvalidArgument` that names both.
    pub fn check_twins(&self, found: &[(usize, usize)], foreign: &[String]) -> Result<()> {
        for (number, root) in self.roots.iter().enumerate().filter(|(_, root)| !root.twins().is_empty()) {
            let of_root = found.iter().filter(|(of, _)| *of == number);
            let tops = of_root.map(|(_, index)| closure::top(root.root.entries[*index].path.as_str()));
            let needed: HashSet<&str> = tops.chain(foreign.iter().map(String::as_str)).collect();
            let is_needed = |path: &str| closure::is_module(path) && needed.contains(closure::top(path));
            if let Some(twin) = root.twins().iter().find(|twin| is_needed(&twin.path)) {
                return Err(refusal::twin_module(&root.ignored_in(&twin.path), twin));
            }
        }
        Ok(())
    }

    /// The names of classes whose bytes these are, as internal names.
    pub fn class_names(&self, digests: &[Digest]) -> Vec<String> {
        let names = digests.iter().filter_map(|digest| match self.places.get(digest)? {
            Place::Root(_) | Place::Original(_) => None,
            Place::Entry(root, entry) => {
                let path = self.roots[*root].root.entries[*entry].path.as_str();
                path.strip_suffix(".class").map(str::to_owned)
            }
        });
        names.collect()
    }

    /// The bytes that a pack of these takes. `PermissionDenied` for what is not part of the snapshot.
    pub fn size_of(&self, digests: &[Digest]) -> Result<u64> {
        let sizes = digests.iter().map(|digest| Ok(self.size_at(self.place(digest)?) + HEADER));
        sizes.sum()
    }

    /// Gives the chunks of a pack of these to `sink`; see [`crate::stream`]. Large entries are never whole in memory.
    ///
    /// Errors: `PermissionDenied` for what is not part of these roots, `SessionLost` for a file that has changed since it
    /// was read, and those of `sink`.
    pub fn pack(&self, digests: &[Digest], sink: &mut dyn FnMut(Bytes) -> Result<()>) -> Result<()> {
        let mut packing = Packing { writer: RecordWriter::default(), chunks: Vec::new(), sink, failure: None };
        for digest in digests {
            match self.place(digest)? {
                Place::Root(root) => {
                    packing.writer.push(*digest, &self.roots[root].root.encode(), &mut packing.chunks);
                }
                place => packing.content(self, place, *digest)?,
            }
            packing.flush()?;
        }
        packing.finish()
    }

    fn size_at(&self, place: Place) -> u64 {
        match place {
            Place::Root(root) => self.roots[root].root.encode().len() as u64,
            Place::Entry(root, entry) => self.roots[root].root.entries[entry].size,
            Place::Original(root) => self.roots[root].root.original.map_or(0, |original| original.size),
        }
    }

    /// Writes the bytes at a place in parts.
    fn copy_at(&self, place: Place, out: &mut dyn Write) -> Result<()> {
        match place {
            Place::Root(root) => out
                .write_all(&self.roots[root].root.encode())
                .map_err(|error| Error::internal("send code", error.to_string())),
            Place::Entry(root, entry) => self.roots[root].copy_to(entry, out),
            Place::Original(root) => self.roots[root].copy_original(out),
        }
    }

    fn place(&self, digest: &Digest) -> Result<Place> {
        self.places.get(digest).copied().ok_or_else(|| {
            Error::new(ErrorKind::PermissionDenied, "send code", "this code has no such content")
                .context("digest", digest.to_string())
                .context("code", self.digest.to_string())
        })
    }
}

/// Digest and size before each record.
const HEADER: u64 = Digest::SIZE as u64 + 8;

fn read_roots(
    kind: RootKind,
    path: &Path,
    selection: &Selection,
    on_folder: &(dyn Fn(&Path) + Sync),
) -> Result<Vec<PackedRoot>> {
    match kind {
        RootKind::Jvm if path.exists() => PackedRoot::read_class_roots(path, &selection.deny, &Limits::default()),
        RootKind::Python if path.is_dir() => {
            let limits = Limits::of_import_roots();
            Ok(vec![PackedRoot::read_python_root(path, selection, &limits, on_folder)?])
        }
        RootKind::Python if path.is_file() => {
            Ok(vec![PackedRoot::read_python_archive(path, &selection.deny, &Limits::of_import_roots())?])
        }
        RootKind::Jvm | RootKind::Python => Ok(Vec::new()),
    }
}

struct Packing<'a> {
    writer: RecordWriter,
    chunks: Vec<Bytes>,
    sink: &'a mut dyn FnMut(Bytes) -> Result<()>,
    failure: Option<Error>,
}

impl Packing<'_> {
    fn content(&mut self, roots: &PackedRoots, place: Place, digest: Digest) -> Result<()> {
        let size = roots.size_at(place);
        if let Place::Entry(root, index) = place
            && size <= LARGE
        {
            self.writer.push(digest, &roots.roots[root].bytes(index)?, &mut self.chunks);
            return Ok(());
        }
        self.writer.start(digest, size, &mut self.chunks);
        let copied = roots.copy_at(place, self);
        match self.failure.take() {
            Some(error) => Err(error),
            None => copied,
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.chunks.drain(..).try_for_each(&mut *self.sink)
    }

    fn finish(mut self) -> Result<()> {
        std::mem::take(&mut self.writer).finish(&mut self.chunks);
        self.flush()
    }
}

impl Write for Packing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.data(bytes, &mut self.chunks);
        self.flush().map_err(|error| {
            self.failure = Some(error);
            io::Error::other("the receiver is gone")
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::stream::{Event, RecordReader};

    use super::*;

    fn records(snapshot: &PackedRoots, digests: &[Digest]) -> Vec<(Digest, usize)> {
        let mut reader = RecordReader::new(&Limits::default());
        let (mut records, mut size) = (Vec::new(), 0);
        snapshot
            .pack(digests, &mut |chunk| {
                let mut rest = &chunk[..];
                while let Some(event) = reader.read(&mut rest)? {
                    match event {
                        Event::Start { .. } => size = 0,
                        Event::Data(data) => size += data.len(),
                        Event::End { digest } => records.push((digest, size)),
                    }
                }
                Ok(())
            })
            .unwrap();
        reader.finish().unwrap();
        records
    }

    #[test]
    fn packs_hold_what_was_asked_for_and_nothing_else_leaves() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("small.txt"), b"small").unwrap();
        fs::write(folder.path().join("large.bin"), vec![7; 3 << 20]).unwrap();
        fs::write(folder.path().join(".env"), b"secret").unwrap();
        let paths = [folder.path().to_owned(), folder.path().join("missing")];
        let snapshot = PackedRoots::read(RootKind::Jvm, &paths, &Selection::default(), &|_| {}).unwrap();
        let root = snapshot.manifest.roots[0];
        let all = [root, Digest::of(b"small"), Digest::of(&vec![7; 3 << 20])];
        let packed = records(&snapshot, &all);
        assert_eq!(packed.iter().map(|(digest, _)| *digest).collect::<Vec<_>>(), all);
        let bytes: usize = packed.iter().map(|(_, size)| size + HEADER as usize).sum();
        assert_eq!(snapshot.size_of(&all).unwrap(), bytes as u64);
        for foreign in [Digest::of(b"secret"), Digest::of(b"x")] {
            assert_eq!(snapshot.size_of(&[foreign]).unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert!(snapshot.pack(&[foreign], &mut |_| Ok(())).is_err());
        }
    }
}
