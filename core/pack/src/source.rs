//! What a path is: a jar, a zip, a wheel, a folder of classes, a Python package; and its roots.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use haulier_model::{Original, Result, Root, RootKind};

use crate::{
    DenyList, KnownDigests, LeftOut, Limits, PackedRoot,
    archive::{Archive, Opened, Opening, place_as_is, place_in_wheel},
    content::{self, Content},
    fat_jar,
    folder::{Files, Flavor, Found, Gathered, Keep, Search},
    limits::Budget,
    paths::{BadEntry, Twin},
    refusal,
    selection::Selection,
};

mod python_root;

pub(crate) use python_root::{read_python_packages, read_python_root};

/// Left out of every deployed folder.
const NEVER_DEPLOYED: &str = ".git";

/// How a source of a unit is read.
#[derive(Clone, Default)]
pub struct ReadOptions<'a> {
    /// How much it may hold.
    pub limits: Limits,
    /// No entry of an archive is uncompressed that this has seen before. Default: nothing is known.
    pub known: Option<&'a KnownDigests>,
    /// Keep the exact bytes of each archive. Default: of those only that are signed, or have more in them than entries.
    /// `InvalidArgument` for what is no archive.
    pub opaque: bool,
}

pub(crate) fn read_source(path: &Path, options: &ReadOptions<'_>) -> Result<Vec<PackedRoot>> {
    let ReadOptions { limits, known, opaque } = options;
    let metadata = path.metadata().map_err(|error| refusal::io(path, error))?;
    let mut budget = Budget::new(limits);
    if metadata.is_dir() {
        return if *opaque { Err(no_archive("it is a folder")) } else { read_folder(path, options, &mut budget) };
    }
    let name = name_of(path);
    let extension = Path::new(&name).extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let none = DenyList::none();
    let opening = |place| Opening { deny: &none, bad: BadEntry::Refuse, place, known: *known };
    let read = |place, budget: &mut Budget<'_>| Archive::open(content::open(path)?.0, &opening(place), budget);
    match extension.as_str() {
        "jar" | "war" => {
            let jar = read(place_as_is, &mut budget)?;
            let original = original_of(&name, &jar, *opaque, &mut budget)?;
            let mut roots = fat_jar::roots(name, jar, original, &opening(place_as_is), &mut budget)?.into_iter();
            Ok(roots.next().map(|own| own.of_file(path)).into_iter().chain(roots).collect())
        }
        "zip" => read_zip(path, name, read(place_as_is, &mut budget)?, options, &mut budget),
        "whl" => {
            let wheel = read(place_in_wheel, &mut budget)?;
            Ok(vec![of_whole_archive(name, RootKind::Python, wheel, *opaque, &mut budget)?.of_file(path)])
        }
        "txt" if name == Root::LOCK => read_module(path, name, &mut budget),
        "py" if *opaque => Err(no_archive("it is a Python file")),
        "py" => read_module(path, name, &mut budget),
        _ => Err(nothing(&format!("'{name}' is no jar, war, zip, wheel, folder or Python file"))),
    }
}

pub(crate) fn read_class_roots(path: &Path, deny: &DenyList, limits: &Limits) -> Result<Vec<PackedRoot>> {
    let metadata = path.metadata().map_err(|error| refusal::io(path, error))?;
    let mut budget = Budget::new(limits);
    let name = name_of(path);
    if !metadata.is_dir() {
        let opening = Opening { deny, bad: BadEntry::Skip, place: place_as_is, known: None };
        let jar = Archive::open(content::open(path)?.0, &opening, &mut budget)?;
        return fat_jar::roots(name, jar, None, &opening, &mut budget);
    }
    let selection = Selection::new(deny.clone());
    let rules = selection.bare();
    let mut search = Search::new(path, Flavor::Jvm, &rules, BadEntry::Skip, limits.entries)?;
    search.everything("")?;
    Ok(vec![of_search(name, RootKind::Jvm, search, BadEntry::Skip, Keep::Copy, &mut budget)?])
}

/// An archive that a Python client imports from: a zipapp, an egg.
pub(crate) fn read_python_archive(path: &Path, deny: &DenyList, limits: &Limits) -> Result<PackedRoot> {
    let mut budget = Budget::new(limits);
    let opening = Opening { deny, bad: BadEntry::Skip, place: place_as_is, known: None };
    let mut archive = Archive::open(content::open(path)?.0, &opening, &mut budget)?;
    // Nobody takes what a client has compiled.
    archive.retain(|entry| !entry.path.as_str().ends_with(".pyc"));
    of_archive(name_of(path), RootKind::Python, archive, None)
}

/// A zip: its classes or Python sources, and its jars, which become roots of their own. One that has jars is like a
/// folder: the jars may be opaque, it never is.
fn read_zip(
    path: &Path,
    name: String,
    mut zip: Opened,
    options: &ReadOptions<'_>,
    budget: &mut Budget<'_>,
) -> Result<Vec<PackedRoot>> {
    let mut jars = Vec::new();
    for (index, entry) in zip.entries.iter().enumerate().filter(|(_, entry)| is_jar(entry.path.as_str())) {
        let jar = unpack(&zip.archive, index)?;
        jars.push(read_jar(jar, entry.path.as_str(), options, budget)?);
    }
    zip.retain(|entry| !is_jar(entry.path.as_str()));
    let has = |ends: fn(&str) -> bool| zip.entries.iter().any(|entry| ends(entry.path.as_str()));
    let kind = if jars.is_empty() && has(is_python) && !has(is_class) { RootKind::Python } else { RootKind::Jvm };
    let mut roots = Vec::new();
    if jars.is_empty() {
        roots.push(of_whole_archive(name, kind, zip, options.opaque, budget)?.of_file(path));
    } else if !zip.entries.is_empty() {
        if options.opaque {
            return Err(no_archive("it has other files besides jars").hint("deploy its jars by themselves"));
        }
        roots.push(of_archive(name, kind, zip, None)?.of_file(path));
    }
    roots.append(&mut jars);
    Ok(roots)
}

/// Writes an entry to a temporary file without a name.
pub(crate) fn unpack(archive: &Archive, index: usize) -> Result<File> {
    let failed = |error| refusal::io(&std::env::temp_dir(), error);
    let mut file = BufWriter::new(tempfile::tempfile().map_err(failed)?);
    archive.extract(index, &mut |bytes| file.write_all(bytes).map_err(failed))?;
    file.into_inner().map_err(|error| failed(error.into_error()))
}

/// A single Python file: a module; or a lock of requirements.
fn read_module(path: &Path, name: String, budget: &mut Budget<'_>) -> Result<Vec<PackedRoot>> {
    let found = Found { path: haulier_model::EntryPath::new(&name)?, file: path.to_owned(), included: false };
    let files = Files::read(vec![found], BadEntry::Refuse, Keep::Paths, budget)?;
    Ok(vec![of_files(name, RootKind::Python, files)?])
}

fn read_folder(path: &Path, options: &ReadOptions<'_>, budget: &mut Budget<'_>) -> Result<Vec<PackedRoot>> {
    let name = name_of(path);
    let selection = Selection::new(DenyList::new([NEVER_DEPLOYED])?);
    let rules = selection.bare();
    let search = |flavor| Search::new(path, flavor, &rules, BadEntry::Refuse, options.limits.entries);
    if path.join("__init__.py").is_file() {
        let mut python = search(Flavor::Python)?;
        python.everything(&name)?;
        return Ok(vec![of_search(name, RootKind::Python, python, BadEntry::Refuse, Keep::Paths, budget)?]);
    }
    // What is in a virtual environment, or a link in one, must not decide what the folder is.
    let mut probe = Search::new(path, Flavor::Python, &rules, BadEntry::Skip, options.limits.entries)?;
    probe.everything("")?;
    if has(&probe, is_python) && !has(&probe, is_class) && !has(&probe, is_jar) {
        let mut python = search(Flavor::Python)?;
        python.everything("")?;
        return Ok(vec![of_search(name, RootKind::Python, python, BadEntry::Refuse, Keep::Paths, budget)?]);
    }
    let mut classes = search(Flavor::Jvm)?;
    classes.everything("")?;
    if !has(&classes, is_class) && !has(&classes, is_jar) {
        return Err(nothing("it has no class, jar or Python source"));
    }
    of_class_folder(name, classes, options, budget)
}

/// A folder for the JVM: first what is no jar, then each jar by path.
fn of_class_folder(
    name: String,
    all: Search<'_>,
    options: &ReadOptions<'_>,
    budget: &mut Budget<'_>,
) -> Result<Vec<PackedRoot>> {
    let (mut jars, files): (Vec<Found>, Vec<Found>) =
        all.found.into_iter().partition(|found| is_jar(found.path.as_str()));
    jars.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    let mut roots = Vec::new();
    if !files.is_empty() {
        roots.push(of_files(name, RootKind::Jvm, Files::read(files, BadEntry::Refuse, Keep::Paths, budget)?)?);
    }
    for jar in jars {
        let file = content::open(&jar.file).map_err(|error| error.context("jar", jar.path.as_str()))?.0;
        roots.push(read_jar(file, jar.path.as_str(), options, budget)?.of_file(&jar.file));
    }
    Ok(roots)
}

/// A jar inside a source.
fn read_jar(file: File, path: &str, options: &ReadOptions<'_>, budget: &mut Budget<'_>) -> Result<PackedRoot> {
    let opening = Opening { deny: &DenyList::none(), bad: BadEntry::Refuse, place: place_as_is, known: options.known };
    let opened = Archive::open(file, &opening, budget).map_err(|error| error.context("jar", path))?;
    of_whole_archive(path.to_owned(), RootKind::Jvm, opened, options.opaque, budget)
}

fn has(search: &Search<'_>, ends: fn(&str) -> bool) -> bool {
    search.found.iter().any(|found| ends(found.path.as_str()))
}

fn of_search(
    name: String,
    kind: RootKind,
    search: impl Into<Gathered>,
    bad: BadEntry,
    keep: Keep,
    budget: &mut Budget<'_>,
) -> Result<PackedRoot> {
    let Gathered { found, mut skipped, mut left_out, left_out_more } = search.into();
    let mut files = Files::read(found, bad, keep, budget)?;
    skipped.append(&mut files.skipped);
    let twins = std::mem::take(&mut files.twins);
    match kind {
        RootKind::Jvm => skipped.extend(twins.iter().map(Twin::to_string)),
        RootKind::Python => left_out.extend(twins.iter().map(|twin| LeftOut {
            path: twin.path.clone(),
            rule: format!("differs from '{}' by case only", twin.kept),
        })),
    }
    files.skipped = skipped;
    Ok(of_files(name, kind, files)?.without(left_out, left_out_more).without_twins(twins))
}

fn of_files(name: String, kind: RootKind, files: Files) -> Result<PackedRoot> {
    let root = Root { kind, original: None, entries: files.entries };
    PackedRoot::new(name, root, files.content, files.skipped)
}

/// An archive all of whose entries are in the root, and whose exact bytes are kept if they are wanted or needed.
fn of_whole_archive(
    name: String,
    kind: RootKind,
    opened: Opened,
    opaque: bool,
    budget: &mut Budget<'_>,
) -> Result<PackedRoot> {
    let original = original_of(&name, &opened, opaque, budget)?;
    of_archive(name, kind, opened, original)
}

/// What the archive is as a whole, if that is wanted or needed.
fn original_of(name: &str, opened: &Opened, opaque: bool, budget: &mut Budget<'_>) -> Result<Option<Original>> {
    let kept = opaque || opened.is_more_than_entries;
    if kept { opened.archive.original(name, budget).map(Some) } else { Ok(None) }
}

pub(crate) fn of_archive(
    name: String,
    kind: RootKind,
    opened: Opened,
    original: Option<Original>,
) -> Result<PackedRoot> {
    let root = Root { kind, original, entries: opened.entries };
    PackedRoot::new(name, root, Content::Archive(opened.archive.into()), opened.skipped)
}

/// The last part of the path, also for `.` and `..`.
fn name_of(path: &Path) -> String {
    let real = || path.canonicalize().ok().and_then(|real| Some(real.file_name()?.to_string_lossy().into_owned()));
    path.file_name().map(|name| name.to_string_lossy().into_owned()).or_else(real).unwrap_or_else(|| "root".to_owned())
}

pub(crate) fn is_jar(path: &str) -> bool {
    ends(path, "jar")
}

fn is_class(path: &str) -> bool {
    ends(path, "class")
}

fn is_python(path: &str) -> bool {
    ends(path, "py")
}

/// Whether a file is a module in machine code, such as `fast.cpython-311-x86_64-linux-gnu.so`.
fn is_extension(path: &str) -> bool {
    ends(path, "so") || ends(path, "pyd")
}

fn ends(path: &str, extension: &str) -> bool {
    path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).is_some_and(|(_, found)| found == extension)
}

fn no_archive(problem: &str) -> haulier_model::Error {
    refusal::refused(format!("{problem}, and only a jar, zip or wheel has exact bytes to keep"))
        .hint("deploy it without --opaque")
}

fn nothing(problem: &str) -> haulier_model::Error {
    refusal::refused(problem).hint("haulier deploy NAME FILE.jar")
}

#[cfg(test)]
mod tests;
