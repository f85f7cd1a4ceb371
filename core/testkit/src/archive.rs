//! Archives that tests make themselves: jars of any size, and copies of jars with other files in them.
use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::Path,
};

use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// A jar in the making: paths with their bytes, in the order of the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jar {
    entries: Vec<(String, Vec<u8>)>,
}

impl Jar {
    /// The files of an archive that is there.
    ///
    /// # Panics
    /// If it is none.
    pub fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut archive = ZipArchive::new(file).expect("an archive");
        let mut jar = Self::default();
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("the bytes of an entry");
            let name = entry.name().expect("a name in UTF-8").into_owned();
            jar = jar.with(&name, bytes);
        }
        jar
    }

    /// With this file, in place of the one with the same path, if there is one.
    #[must_use]
    pub fn with(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        match self.entries.iter_mut().find(|(known, _)| known == path) {
            Some((_, old)) => *old = bytes.into(),
            None => self.entries.push((path.to_owned(), bytes.into())),
        }
        self
    }

    /// With all files of another one, which win.
    #[must_use]
    pub fn with_all(self, other: &Self) -> Self {
        other.entries.iter().fold(self, |jar, (path, bytes)| jar.with(path, bytes.clone()))
    }

    /// Writes it, without compression.
    ///
    /// # Panics
    /// If that fails.
    pub fn write(&self, path: &Path) {
        let mut archive = ZipWriter::new(File::create(path).expect("a new file"));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, bytes) in &self.entries {
            archive.start_file(name.as_str(), options).expect("an entry");
            archive.write_all(bytes).expect("the bytes of an entry");
        }
        archive.finish().expect("a whole archive");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_bytes;

    #[test]
    fn a_jar_is_what_was_put_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jar");
        let jar = Jar::default().with("a/A.class", random_bytes(1, 100)).with("b.txt", "b");
        jar.write(&path);
        assert_eq!(Jar::read(&path), jar);
        let changed = Jar::read(&path).with_all(&Jar::default().with("b.txt", "c").with("d.txt", "d"));
        assert_eq!(changed, jar.with("b.txt", "c").with("d.txt", "d"));
        assert_ne!(random_bytes(1, 16), random_bytes(2, 16));
        assert_eq!(random_bytes(1, 13).len(), 13);
    }
}
