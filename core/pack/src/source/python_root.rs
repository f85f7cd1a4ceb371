//! Import roots of Python clients: what in them can be imported, as long as it is not too much.
//!
//! A program may lie beside anything, in a home folder beside gigabytes. So nothing is read before it is known how much
//! it would be.

use std::{
    collections::{HashMap, HashSet},
    fs::DirEntry,
    path::{Path, PathBuf},
};

use haulier_model::{EntryPath, Error, ErrorKind, Result, Retry, RootKind};

use super::{is_extension, is_python, name_of, of_search};
use crate::{
    IGNORE_FILE, Limits, PackedRoot, Selection,
    folder::{Flavor, Found, Gathered, Keep, OnFolder, Search},
    limits::Budget,
    paths::BadEntry,
    refusal,
    selection::{Reach, Rules, Verdict},
};

/// How many times more files and folders are looked at than may be taken, most of which are data beside the code.
const LOOKED_AT: usize = 5;

pub(crate) fn read_python_root(
    dir: &Path,
    selection: &Selection,
    limits: &Limits,
    on_folder: OnFolder<'_>,
) -> Result<PackedRoot> {
    let rules = selection.rules(dir);
    let search = Search::new(dir, Flavor::Python, &rules, BadEntry::Skip, limits.entries)?;
    let root = search.root().to_owned();
    on_folder(&root);
    let mut top = Top { dir, rules: &rules, search: search.telling(on_folder), limits, seen: 0 };
    top.search.skipped.extend(rules.problem.clone());
    for item in root.read_dir().map_err(|error| refusal::io(&root, error))? {
        top.item(&item.map_err(|error| refusal::io(&root, error))?)?;
    }
    top.check_amount()?;
    let kept = folders_of(&top.search.found);
    let mut budget = Budget::new(limits);
    let read = of_search(name_of(dir), RootKind::Python, top.search, BadEntry::Skip, Keep::Copy, &mut budget)?;
    Ok(read.of_folder(dir, kept))
}

/// Packages and modules by their dotted names, wherever they are, as one root.
pub(crate) fn read_python_packages(
    packages: &[(String, PathBuf)],
    selection: &Selection,
    limits: &Limits,
    on_folder: OnFolder<'_>,
) -> Result<PackedRoot> {
    let name = packages.first().map_or("", |(name, _)| name.split('.').next().unwrap_or(name));
    let mut places = Vec::with_capacity(packages.len());
    for (name, place) in packages {
        places.push((EntryPath::new(&name.replace('.', "/"))?.as_str().to_owned(), place.clone()));
    }
    // What is inside another package comes first: of two files with one path the first one counts.
    places.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    let (mut all, mut paths) = (Gathered::default(), HashSet::new());
    for (path, place) in &places {
        let mut gathered = gather_package(path, place, selection, limits, on_folder)?;
        let is_ignore_file = |found: &Found| found.file.file_name().is_some_and(|name| name == IGNORE_FILE);
        gathered.found.retain(|found| !is_ignore_file(found) && paths.insert(found.path.clone()));
        all.add(gathered);
    }
    let kept = folders_of(&all.found);
    let mut budget = Budget::new(limits);
    let read = of_search(name.to_owned(), RootKind::Python, all, BadEntry::Skip, Keep::Copy, &mut budget)?;
    Ok(read.of_packages(places, kept))
}

fn gather_package(
    path: &str,
    place: &Path,
    selection: &Selection,
    limits: &Limits,
    on_folder: OnFolder<'_>,
) -> Result<Gathered> {
    // An install whose folder has gone.
    let Ok(real) = place.canonicalize() else { return Ok(Gathered::default()) };
    let dir = if real.is_dir() { place } else { place.parent().unwrap_or(place) };
    let rules = selection.rules(dir);
    let search = Search::new(dir, Flavor::Python, &rules, BadEntry::Skip, limits.entries)?;
    let mut top = Top { dir, rules: &rules, search: search.telling(on_folder), limits, seen: 0 };
    top.search.skipped.extend(rules.problem.clone());
    if real.is_dir() {
        top.search.everything(path)?;
    } else {
        on_folder(top.search.root());
        top.search.found.push(Found { path: EntryPath::new(&format!("{path}.py"))?, file: real, included: false });
    }
    top.check_amount()?;
    Ok(top.search.into())
}

/// The folders, without links, that files are in.
fn folders_of(found: &[Found]) -> HashSet<PathBuf> {
    found.iter().filter_map(|found| found.file.parent().map(Path::to_owned)).collect()
}

/// The top of an import root.
struct Top<'a> {
    dir: &'a Path,
    rules: &'a Rules<'a>,
    search: Search<'a>,
    limits: &'a Limits,
    seen: usize,
}

impl Top<'_> {
    fn item(&mut self, item: &DirEntry) -> Result<()> {
        let name = item.file_name();
        let Some(name) = name.to_str() else { return Ok(()) };
        let before = self.search.found.len();
        let is_metadata = is_metadata(name);
        let read =
            if importable(name) || is_metadata { self.search.item(item, Reach::Ruled) } else { self.other(item, name) };
        self.seen += self.search.seen();
        let sources = self.search.found[before..].iter().any(|found| is_python(found.path.as_str()));
        let wanted = sources || is_metadata || is_extension(name);
        match read {
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                if wanted {
                    let much = format!("'{name}' has more than {} files and folders", self.limits.entries);
                    return Err(self.too_much(&much, name));
                }
                self.search.skipped.push(format!("'{name}': {}", error.message()));
                self.keep_included(before);
            }
            Err(error) => return Err(error.context("folder", name)),
            Ok(()) if !wanted && self.keep_included(before) => {
                self.search.leave_out(name, "no Python source in it".to_owned());
            }
            Ok(()) => {}
        }
        if self.seen > LOOKED_AT * self.limits.entries {
            let much = format!("it has more than {} files and folders", LOOKED_AT * self.limits.entries);
            return Err(self.too_much(&much, name));
        }
        Ok(())
    }

    /// What nothing can import: only if somebody asks for it.
    fn other(&mut self, item: &DirEntry, name: &str) -> Result<()> {
        if name == IGNORE_FILE {
            self.search.nothing_seen();
            return Ok(());
        }
        let is_folder = item.path().is_dir();
        if self.rules.judge(name, is_folder, Reach::Ruled) != Verdict::Take(Reach::Ruled) {
            return self.search.item(item, Reach::Ruled);
        }
        self.search.leave_out(name, "cannot be imported".to_owned());
        if is_folder && self.rules.leads_to_included(name) {
            return self.search.item(item, Reach::Listed);
        }
        self.search.nothing_seen();
        Ok(())
    }

    /// Leaves of the last item what was included; says whether that is not all.
    fn keep_included(&mut self, before: usize) -> bool {
        let last = self.search.found.split_off(before);
        let count = last.len();
        self.search.found.extend(last.into_iter().filter(|found| found.included));
        self.search.found.len() - before < count
    }

    /// Refuses more files or bytes than allowed, before a byte of them is read.
    fn check_amount(&self) -> Result<()> {
        let mut parts: HashMap<&str, (usize, u64)> = HashMap::new();
        let (mut files, mut bytes) = (0, 0);
        for found in &self.search.found {
            // A file that has gone meanwhile is left out when it is read.
            let size = found.file.metadata().map_or(0, |metadata| metadata.len());
            let part = parts.entry(found.path.as_str().split('/').next().unwrap_or_default()).or_default();
            *part = (part.0 + 1, part.1 + size);
            (files, bytes) = (files + 1, bytes + size);
        }
        let megabytes = |bytes: u64| bytes >> 20;
        if files > self.limits.entries {
            let (name, (most, _)) = parts.into_iter().max_by_key(|(_, (files, _))| *files).unwrap_or_default();
            let much = format!("its modules and their data are {files} files, {most} of them in '{name}'");
            return Err(self.too_much(&much, name));
        }
        if bytes > self.limits.size {
            let (name, (_, most)) = parts.into_iter().max_by_key(|(_, (_, bytes))| *bytes).unwrap_or_default();
            let (all, most) = (megabytes(bytes), megabytes(most));
            return Err(
                self.too_much(&format!("its modules and their data are {all} MiB, {most} of them in '{name}'"), name)
            );
        }
        Ok(())
    }

    fn too_much(&self, much: &str, name: &str) -> Error {
        let dir = self.dir.display();
        let allowed = format!("{} files, {} MiB", self.limits.entries, self.limits.size >> 20);
        let separator = if self.dir.join(name).is_dir() { "/" } else { "" };
        Error::new(ErrorKind::ResourceExhausted, "", format!("'{dir}' is too large to be read for each submit: {much}"))
            .with_retry(Retry::Never)
            .context("folder", self.dir.join(name).display().to_string())
            .context("allowed", allowed)
            .hint(format!(
                "leave it out: echo '/{name}{separator}' >> '{}'; or run the program from a folder of its own",
                self.dir.join(IGNORE_FILE).display()
            ))
    }
}

/// Whether an item at the top is the metadata of a distribution: of an editable install, say.
fn is_metadata(name: &str) -> bool {
    name.ends_with(".egg-info") || name.ends_with(".dist-info")
}

/// Whether an item at the top of an import root may be a module or a package: its name, up to a dot, is an identifier.
fn importable(name: &str) -> bool {
    let (module, extension) = name.split_once('.').unwrap_or((name, ""));
    let first = module.chars().next();
    first.is_some_and(|first| first == '_' || first.is_alphabetic())
        && module.chars().all(|part| part == '_' || part.is_alphanumeric())
        && (extension.is_empty() || extension == "py" || is_extension(name))
}
