//! Writes what comes of one source, and verifies each record: its place in the order, its digest, its size. Blocks.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use haulier_model::{Digest, EntryPath, Error, ErrorKind, Result};
use haulier_pack::{
    CanonicalArchive, Limits,
    stream::{Event, RecordReader},
};
use tokio::sync::mpsc;

use super::{
    failed,
    layout::{Form, Target},
};
use crate::UnitEntry;

/// What is to come, and where it goes.
pub(super) struct Source {
    pub(super) target: Target,
    pub(super) entries: Vec<UnitEntry>,
    /// A folder in which nobody else writes.
    pub(super) folder: PathBuf,
}

/// Where the bytes go at the moment.
enum Sink {
    File(BufWriter<File>),
    Archive(CanonicalArchive<BufWriter<File>>),
    /// Between two files of a folder.
    Nothing,
}

/// Writes a source as it comes. If it fails, what was written is worth nothing.
pub(super) fn write(source: &Source, mut chunks: mpsc::Receiver<Bytes>) -> Result<()> {
    let expected = source.expected();
    let mut reader = RecordReader::new(&limits(&expected));
    let mut sink = source.open()?;
    let mut next = 0;
    while let Some(chunk) = chunks.blocking_recv() {
        let mut rest = &chunk[..];
        while let Some(event) = reader.read(&mut rest)? {
            match event {
                Event::Start { digest, size } => {
                    if expected.get(next) != Some(&(digest, size)) {
                        return Err(lacking(format!("{digest} of {size} bytes came out of turn")));
                    }
                    source.begin(next, &mut sink)?;
                }
                Event::Data(bytes) => sink.write(bytes).map_err(|error| failed(&source.path(), error))?,
                Event::End { .. } => next += 1,
            }
        }
    }
    reader.finish()?;
    if next < expected.len() {
        return Err(lacking(format!("{next} of {} contents came", expected.len())));
    }
    sink.finish().map_err(|error| failed(&source.path(), error))
}

impl Source {
    fn expected(&self) -> Vec<(Digest, u64)> {
        match &self.target.form {
            Form::Exact(original) => vec![(original.digest, original.size)],
            _ => self.entries.iter().map(|entry| (entry.digest, entry.size)).collect(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(self.target.path.as_str())
    }

    fn open(&self) -> Result<Sink> {
        let path = self.path();
        match &self.target.form {
            Form::Exact(_) => Ok(Sink::File(create(&path, false)?)),
            Form::Archive => Ok(Sink::Archive(CanonicalArchive::new(create(&path, false)?))),
            Form::Folder => fs::create_dir_all(&path).map(|()| Sink::Nothing).map_err(|error| failed(&path, error)),
            Form::Inside => Ok(Sink::Nothing),
        }
    }

    /// Begins the record of this index.
    fn begin(&self, index: usize, sink: &mut Sink) -> Result<()> {
        let folder = match &self.target.form {
            Form::Exact(_) => return Ok(()),
            Form::Folder => self.path(),
            Form::Archive | Form::Inside => self.folder.clone(),
        };
        let entry = &self.entries[index];
        let path = EntryPath::new(&entry.path)?;
        if let Sink::Archive(archive) = sink {
            let begun = archive.begin(&path, entry.size, entry.executable);
            return begun.map_err(|error| failed(&self.path(), error));
        }
        std::mem::replace(sink, Sink::Nothing).close().map_err(|error| failed(&folder, error))?;
        *sink = Sink::File(create(&folder.join(path.as_str()), entry.executable)?);
        Ok(())
    }
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(bytes),
            Self::Archive(archive) => archive.write_all(bytes),
            Self::Nothing => Err(io::Error::other("no file is open")),
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            Self::File(mut file) => file.flush(),
            Self::Archive(archive) => archive.finish().map(drop),
            Self::Nothing => Ok(()),
        }
    }

    /// Ends the source; the file that it is, or the last one of a folder, is on disk then.
    fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::File(file) => file,
            Self::Archive(archive) => archive.finish()?,
            Self::Nothing => return Ok(()),
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// A new file with its folders. Nothing that is there is written to.
fn create(path: &Path, executable: bool) -> Result<BufWriter<File>> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if executable { 0o777 } else { 0o666 });
    let file = options.open(path).map_err(|error| failed(path, error))?;
    Ok(BufWriter::with_capacity(1 << 18, file))
}

/// What is to come, and no more.
fn limits(expected: &[(Digest, u64)]) -> Limits {
    Limits {
        entries: expected.len(),
        size: expected.iter().fold(0, |sum, (_, size)| sum.saturating_add(*size)),
        entry_size: expected.iter().map(|(_, size)| *size).max().unwrap_or_default(),
        ..Limits::default()
    }
}

fn lacking(problem: String) -> Error {
    Error::new(ErrorKind::Unavailable, "", format!("the node does not give what the unit is made of: {problem}"))
        .hint("look at the node's log, then download again")
}

#[cfg(test)]
mod tests {
    use haulier_pack::stream::RecordWriter;

    use crate::UnitOriginal;

    use super::*;

    type Record<'a> = (Digest, &'a [u8]);

    fn entry(path: &str, bytes: &[u8], executable: bool) -> UnitEntry {
        UnitEntry { path: path.to_owned(), digest: Digest::of(bytes), size: bytes.len() as u64, executable, source: 0 }
    }

    /// Writes a source of which these records come.
    fn written(folder: &Path, form: Form, entries: Vec<UnitEntry>, records: &[Record<'_>]) -> Result<()> {
        let source =
            Source { target: Target { path: EntryPath::new("it").unwrap(), form }, entries, folder: folder.to_owned() };
        let (mut writer, mut chunks) = (RecordWriter::default(), Vec::new());
        records.iter().for_each(|(digest, bytes)| writer.push(*digest, bytes, &mut chunks));
        writer.finish(&mut chunks);
        let (sender, receiver) = mpsc::channel(chunks.len().max(1));
        chunks.into_iter().for_each(|chunk| sender.try_send(chunk).unwrap());
        drop(sender);
        write(&source, receiver)
    }

    #[test]
    fn a_folder_has_its_files_and_the_modes_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let entries =
            || vec![entry("a/run.sh", b"run", true), entry("b.txt", b"same", false), entry("c.txt", b"same", false)];
        let record = |bytes: &'static [u8]| (Digest::of(bytes), bytes);
        let records = [record(b"run"), record(b"same"), record(b"same")];
        written(folder.path(), Form::Folder, entries(), &records).unwrap();
        let read = |path: &str| fs::read(folder.path().join("it").join(path)).unwrap();
        assert_eq!((read("a/run.sh"), read("b.txt"), read("c.txt")), (b"run".into(), b"same".into(), b"same".into()));
        let mode = |path: &str| {
            std::os::unix::fs::PermissionsExt::mode(
                &folder.path().join("it").join(path).metadata().unwrap().permissions(),
            )
        };
        assert!(mode("a/run.sh") & 0o100 != 0 && mode("b.txt") & 0o100 == 0);
        let again = written(folder.path(), Form::Folder, entries(), &records).unwrap_err();
        assert!(again.message().contains("exists"), "what is there is not written to: {again}");
    }

    #[test]
    fn what_is_not_the_content_that_was_promised_is_refused() {
        let original = UnitOriginal { source: 0, digest: Digest::of(b"the jar"), size: 7 };
        let good: Record<'_> = (original.digest, b"the jar");
        let cases: [(&str, Vec<Record<'_>>); 5] = [
            ("other bytes", vec![(original.digest, b"the jam")]),
            ("another content", vec![(Digest::of(b"the jam"), b"the jam")]),
            ("another size", vec![(original.digest, b"the jars")]),
            ("nothing", vec![]),
            ("more", vec![good, good]),
        ];
        for (what, records) in cases {
            let folder = tempfile::tempdir().unwrap();
            assert!(written(folder.path(), Form::Exact(original.clone()), Vec::new(), &records).is_err(), "{what}");
        }
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), Form::Exact(original), Vec::new(), &[good]).unwrap();
        assert_eq!(fs::read(folder.path().join("it")).unwrap(), b"the jar");
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        for path in ["../evil", "/tmp/evil", "a/../../evil"] {
            let folder = tempfile::tempdir().unwrap();
            for form in [Form::Folder, Form::Archive] {
                let entries = vec![entry(path, b"x", false)];
                let error = written(folder.path(), form, entries, &[(Digest::of(b"x"), b"x")]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{path}: {error}");
                let _ = fs::remove_file(folder.path().join("it"));
            }
        }
    }
}
