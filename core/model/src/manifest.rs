//! Manifests: the canonical form of code, whose hash is its identity.
//!
//! A [`Root`] is a jar, a folder or a Python source tree: its entries in order, with path, digest, size and executable
//! bit. Times, owners and the name of the root are left out. A root of an archive whose exact bytes are kept names those
//! bytes, too: its [`Original`]. A [`Manifest`] is the ordered list of the digests of roots.
//! A unit and a snapshot of a session are both manifests, so promoting one to the other changes nothing.

use std::{collections::HashSet, fmt};

use crate::{Digest, Error, ErrorKind};

const ROOT_MAGIC: &[u8] = b"haulier root 1\n";
/// A root with an original. Roots without one keep the first form, and with it their digests.
const ROOT_WITH_ORIGINAL_MAGIC: &[u8] = b"haulier root 2\n";
const MANIFEST_MAGIC: &[u8] = b"haulier manifest 1\n";

/// A path inside a root: relative, with `/`, without `.`, `..`, backslash, NUL, drive letter or empty part.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPath(Box<str>);

impl EntryPath {
    /// The longest path in bytes.
    pub const MAX_LENGTH: usize = 4096;

    /// Checks `path`; `InvalidArgument` says what is wrong with it.
    pub fn new(path: &str) -> Result<Self, Error> {
        let problem = if path.is_empty() {
            "is empty"
        } else if path.len() > Self::MAX_LENGTH {
            "is longer than 4096 bytes"
        } else if path.starts_with('/') {
            "is absolute"
        } else if path.contains('\\') {
            "has a backslash"
        } else if path.contains('\0') {
            "has a NUL"
        } else if path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic() {
            "has a drive letter"
        } else if path.split('/').any(|part| part == "..") {
            "leaves the root by '..'"
        } else if path.split('/').any(|part| part.is_empty() || part == ".") {
            "has an empty or '.' part"
        } else {
            return Ok(Self(path.into()));
        };
        Err(Error::new(ErrorKind::InvalidArgument, "check a path", format!("'{}' {problem}", path.escape_debug())))
    }

    /// The path with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A file of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is in the root.
    pub path: EntryPath,
    /// The digest of its bytes, uncompressed.
    pub digest: Digest,
    /// Its size in bytes, uncompressed.
    pub size: u64,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Which loader a root is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RootKind {
    /// A jar or a folder of classes and resources.
    Jvm,
    /// A tree that is put on `sys.path`.
    Python,
}

impl RootKind {
    /// The name in messages and on the worker link: "jvm".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jvm => "jvm",
            Self::Python => "python",
        }
    }
}

/// The archive that a root was read from, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Original {
    /// The most bytes of an original: 2 GiB, as of any one content.
    pub const MAX_SIZE: u64 = 2 << 30;
}

/// A jar, a folder or a Python source tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Which loader it is for.
    pub kind: RootKind,
    /// The archive as it was, if it is kept: then the root is opaque. Nothing is ever loaded from it.
    pub original: Option<Original>,
    /// The files in order: of the archive, or sorted by path for a folder.
    pub entries: Vec<Entry>,
}

impl Root {
    /// The file that makes a root the lock of a unit's Python requirements, at its top: pip's requirements format, with
    /// exact versions and hashes.
    pub const LOCK: &str = "haulier-requirements.txt";

    /// Whether it is a lock of requirements and nothing else.
    pub fn is_lock(&self) -> bool {
        matches!(self.entries.as_slice(), [only] if only.path.as_str() == Self::LOCK)
    }

    /// The canonical bytes, whose hash is the digest: magic, kind, digest and size of the original if there is one
    /// (which is another magic), count, then for each entry digest, size (8 bytes, little endian), flags (1 =
    /// executable), length of the path (2 bytes, little endian), path.
    pub fn encode(&self) -> Vec<u8> {
        let paths: usize = self.entries.iter().map(|entry| entry.path.as_str().len()).sum();
        let mut out = Vec::with_capacity(ROOT_MAGIC.len() + 45 + self.entries.len() * 43 + paths);
        out.extend_from_slice(if self.original.is_some() { ROOT_WITH_ORIGINAL_MAGIC } else { ROOT_MAGIC });
        out.push(match self.kind {
            RootKind::Jvm => 1,
            RootKind::Python => 2,
        });
        if let Some(original) = &self.original {
            out.extend_from_slice(original.digest.as_bytes());
            out.extend_from_slice(&original.size.to_le_bytes());
        }
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for entry in &self.entries {
            out.extend_from_slice(entry.digest.as_bytes());
            out.extend_from_slice(&entry.size.to_le_bytes());
            out.push(u8::from(entry.executable));
            out.extend_from_slice(&(entry.path.as_str().len() as u16).to_le_bytes());
            out.extend_from_slice(entry.path.as_str().as_bytes());
        }
        out
    }

    /// Reads canonical bytes. Every path is checked; twins, also such that differ by case only, are refused, because
    /// some file systems cannot hold both.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let has_original = bytes.starts_with(ROOT_WITH_ORIGINAL_MAGIC);
        reader.magic(if has_original { ROOT_WITH_ORIGINAL_MAGIC } else { ROOT_MAGIC }, "root")?;
        let kind = match reader.array::<1>()? {
            [1] => RootKind::Jvm,
            [2] => RootKind::Python,
            [other] => return Err(corrupt(&format!("unknown kind {other}"))),
        };
        let original = if has_original { Some(reader.original()?) } else { None };
        let count = u32::from_le_bytes(reader.array()?) as usize;
        let mut entries = Vec::with_capacity(count.min(bytes.len() / 43));
        for _ in 0..count {
            let digest = Digest::from_bytes(reader.array()?);
            let size = u64::from_le_bytes(reader.array()?);
            let [flags] = reader.array()?;
            if flags > 1 {
                return Err(corrupt("unknown flags"));
            }
            let length = u16::from_le_bytes(reader.array()?);
            let path =
                std::str::from_utf8(reader.take(usize::from(length))?).map_err(|_| corrupt("a path is no UTF-8"))?;
            entries.push(Entry { path: EntryPath::new(path)?, digest, size, executable: flags == 1 });
        }
        if !reader.0.is_empty() {
            return Err(corrupt("bytes after the end"));
        }
        let root = Self { kind, original, entries };
        root.check()?;
        Ok(root)
    }

    /// Refuses twins: the same path twice, or paths that differ by case only.
    pub fn check(&self) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(self.entries.len());
        for entry in &self.entries {
            if !seen.insert(entry.path.as_str().to_lowercase()) {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "check a root",
                    format!("'{}' is there twice, or differs from another entry by case only", entry.path),
                ));
            }
        }
        Ok(())
    }

    /// The identity of the root.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// Everything that must be there for the root to be whole, with the size of each: its entries in order, then its
    /// original. The same content may come several times. Whoever sends, holds, leases or collects a root asks this.
    pub fn contents(&self) -> impl Iterator<Item = (Digest, u64)> {
        let entries = self.entries.iter().map(|entry| (entry.digest, entry.size));
        entries.chain(self.original.map(|original| (original.digest, original.size)))
    }

    /// Bytes of all entries, uncompressed, and of the original.
    pub fn size(&self) -> u64 {
        self.contents().fold(0, |sum, (_, size)| sum.saturating_add(size))
    }
}

/// The ordered list of the digests of roots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Manifest {
    /// The digests of the roots, in the order in which they are searched.
    pub roots: Vec<Digest>,
}

impl Manifest {
    /// The canonical bytes, whose hash is the digest of a unit or of a snapshot: magic, then the digests.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MANIFEST_MAGIC.len() + self.roots.len() * Digest::SIZE);
        out.extend_from_slice(MANIFEST_MAGIC);
        for root in &self.roots {
            out.extend_from_slice(root.as_bytes());
        }
        out
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        reader.magic(MANIFEST_MAGIC, "manifest")?;
        Ok(Self { roots: Digest::split(reader.0)? })
    }

    /// The identity of a unit or of a snapshot.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(|| corrupt("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        Ok(self.take(N)?.try_into().expect("take gives N bytes"))
    }

    fn original(&mut self) -> Result<Original, Error> {
        let original = Original { digest: Digest::from_bytes(self.array()?), size: u64::from_le_bytes(self.array()?) };
        if original.size > Original::MAX_SIZE {
            return Err(corrupt(&format!("its original has {} bytes, more than allowed", original.size))
                .context("allowed", Original::MAX_SIZE.to_string())
                .hint("leave data out of the archive"));
        }
        Ok(original)
    }

    fn magic(&mut self, magic: &[u8], what: &str) -> Result<(), Error> {
        if self.take(magic.len())? == magic { Ok(()) } else { Err(corrupt(&format!("these bytes are no {what}"))) }
    }
}

fn corrupt(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "read a manifest", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(paths: &[&str]) -> Root {
        let entry = |path: &&str| Entry {
            path: EntryPath::new(path).unwrap(),
            digest: Digest::of(path.as_bytes()),
            size: path.len() as u64,
            executable: path.ends_with(".sh"),
        };
        Root { kind: RootKind::Jvm, original: None, entries: paths.iter().map(entry).collect() }
    }

    #[test]
    fn canonical_form_is_fixed() {
        // These digests are the identity of deployed code: a change of the form loses every unit.
        let root = root(&["a/B.class", "run.sh"]);
        assert_eq!(Root::decode(&root.encode()).unwrap(), root);
        let manifest = Manifest { roots: vec![root.digest(), Digest::of(b"x")] };
        assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
        assert_eq!(root.digest().hex(), GOLDEN_ROOT);
        assert_eq!(manifest.digest().hex(), GOLDEN_MANIFEST);
    }

    // Computed by hand in Python, with struct and hashlib.
    const GOLDEN_ROOT: &str = "5ca109e81f4fd33064e26da3a72807f0ce05f0444865e1ea02edae52bdefe1ae";
    const GOLDEN_OPAQUE: &str = "569f6fc3960f38a8d8daf7bc642357774bee86fba3709979fc8fc85af447db65";
    const GOLDEN_MANIFEST: &str = "2a25fc5b155d2987b7c18370538b1c0c72af6a6bb17bedb822354e40b0ee561b";

    #[test]
    fn an_original_is_part_of_the_identity_and_of_what_must_be_there() {
        let plain = root(&["a/B.class", "run.sh"]);
        let original = Original { digest: Digest::of(b"the jar"), size: 7 };
        let opaque = Root { original: Some(original), ..plain.clone() };
        assert_eq!(Root::decode(&opaque.encode()).unwrap(), opaque);
        assert_eq!(opaque.digest().hex(), GOLDEN_OPAQUE);
        assert_eq!(opaque.size(), plain.size() + 7);
        assert_eq!(opaque.contents().last(), Some((original.digest, 7)));
        assert_eq!(opaque.contents().count(), 3);
        let bytes = opaque.encode();
        for end in 0..bytes.len() {
            assert!(Root::decode(&bytes[..end]).is_err());
        }
        for size in [Original::MAX_SIZE + 1, u64::MAX] {
            let huge = Root { original: Some(Original { size, ..original }), ..plain.clone() };
            assert!(Root::decode(&huge.encode()).unwrap_err().message().contains("more than allowed"));
        }
    }

    #[test]
    fn order_is_identity() {
        assert_ne!(root(&["a", "b"]).digest(), root(&["b", "a"]).digest());
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_ne!(Manifest { roots: vec![a, b] }.digest(), Manifest { roots: vec![b, a] }.digest());
    }

    #[test]
    fn hostile_paths_are_refused() {
        for bad in
            ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "C:/x", "a\0b", "a//b", "./a", "a/.", &"a/".repeat(3000)]
        {
            assert_eq!(EntryPath::new(bad).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
        for good in ["a", "a b/ü#%2e(1).txt", "..a/b..", "META-INF/services/x.Y", "libs-evil/x"] {
            assert_eq!(EntryPath::new(good).unwrap().as_str(), good);
        }
        assert!(root(&["a/X", "A/x"]).check().is_err());
        assert!(root(&["a", "a"]).check().is_err());
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let bytes = root(&["a/B.class"]).encode();
        for end in 0..bytes.len() {
            assert!(Root::decode(&bytes[..end]).is_err());
        }
        let mut huge = ROOT_MAGIC.to_vec();
        huge.extend_from_slice(&[1, 255, 255, 255, 255]);
        assert!(Root::decode(&huge).is_err());
    }
}
