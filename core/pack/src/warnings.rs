//! What a unit has that is seldom meant: classes that nobody will load, and two versions of one library.
//!
//! Looks at paths and digests alone. Refuses nothing: a unit with warnings works as its class path says.

use std::collections::{BTreeMap, HashMap};

use haulier_model::{Digest, Root, RootKind};

/// The most warnings of a unit.
const MOST: usize = 20;
const MAVEN: &str = "META-INF/maven/";

/// Warnings about roots with their names, in order; empty for most units.
///
/// ```
/// use haulier_model::{Digest, Entry, EntryPath, Root, RootKind};
/// use haulier_pack::warnings;
///
/// let entry = |path: &str| Entry { path: EntryPath::new(path).unwrap(), digest: Digest::of(b""), size: 0, executable: false };
/// let root = Root { kind: RootKind::Jvm, original: None, entries: vec![entry("java/util/List.class")] };
/// assert!(warnings(&["shaded.jar"], &[root])[0].contains("java/util/List.class"));
/// ```
pub fn warnings<S: AsRef<str>>(names: &[S], roots: &[Root]) -> Vec<String> {
    let name = |root: usize| names.get(root).map_or("a root", AsRef::as_ref);
    let mut found = Vec::new();
    for (index, root) in roots.iter().enumerate() {
        found.extend(never_loaded(name(index), root));
    }
    found.extend(two_versions(roots, &name));
    found.extend(other_bytes(roots, &name));
    found.truncate(MOST);
    found
}

/// Classes and modules that only the platform or Haulier may define.
fn never_loaded(name: &str, root: &Root) -> Vec<String> {
    let reserved: &[(&str, &str)] = match root.kind {
        RootKind::Jvm => &[("java/", "the JVM"), ("io/haulier/api/", "Haulier's own API")],
        RootKind::Python => &[("haulier/", "Haulier's own API"), ("haulier_worker/", "Haulier's worker")],
    };
    let of = |(prefix, owner): &(&str, &str)| {
        let is_code = |path: &str| path.starts_with(prefix) && (path.ends_with(".class") || path.ends_with(".py"));
        let mut paths = root.entries.iter().map(|entry| entry.path.as_str()).filter(|path| is_code(path));
        let first = paths.next()?;
        let more = paths.count();
        Some(format!(
            "{name} has {first}{}, which tasks always take from {owner}; build it without (scope 'provided')",
            and_more(more)
        ))
    };
    reserved.iter().filter_map(of).collect()
}

/// One artifact or distribution, by its metadata, in two versions.
fn two_versions<'a>(roots: &[Root], name: &impl Fn(usize) -> &'a str) -> Vec<String> {
    let mut seen: BTreeMap<String, (usize, String, Digest)> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, root) in roots.iter().enumerate() {
        for entry in &root.entries {
            let Some((library, version)) = library(entry.path.as_str()) else { continue };
            match seen.get(&library) {
                Some((first, known, digest)) if *known != version || *digest != entry.digest => found.push(format!(
                    "two versions of {library}: in {} and in {}; what the first one has counts",
                    described(name(*first), known),
                    described(name(index), &version)
                )),
                Some(_) => {}
                None => drop(seen.insert(library, (index, version, entry.digest))),
            }
        }
    }
    found
}

/// The library that a file is the metadata of: "org.slf4j:slf4j-api", or "numpy" with its version in the path.
fn library(path: &str) -> Option<(String, String)> {
    if let Some(rest) = path.strip_prefix(MAVEN) {
        let (group, rest) = rest.split_once('/')?;
        let artifact = rest.strip_suffix("/pom.properties")?;
        return (!artifact.contains('/')).then(|| (format!("{group}:{artifact}"), String::new()));
    }
    let (project, version) = path.strip_suffix(".dist-info/METADATA")?.split_once('-')?;
    (!version.contains('/')).then(|| (project.to_ascii_lowercase(), version.to_owned()))
}

fn described(name: &str, version: &str) -> String {
    if version.is_empty() { name.to_owned() } else { format!("{name} ({version})") }
}

/// Code that two roots have with other bytes.
fn other_bytes<'a>(roots: &[Root], name: &impl Fn(usize) -> &'a str) -> Vec<String> {
    let mut first: HashMap<(bool, &str), (usize, Digest)> = HashMap::new();
    let mut pairs: BTreeMap<(usize, usize), (&str, usize)> = BTreeMap::new();
    for (index, root) in roots.iter().enumerate() {
        for entry in &root.entries {
            let path = entry.path.as_str();
            let is_python = root.kind == RootKind::Python;
            let is_code = if is_python { path.ends_with(".py") } else { path.ends_with(".class") };
            // Each module descriptor describes its own jar.
            if !is_code || path.ends_with("module-info.class") {
                continue;
            }
            let (at, digest) = *first.entry((is_python, path)).or_insert((index, entry.digest));
            if at != index && digest != entry.digest {
                pairs.entry((at, index)).or_insert((path, 0)).1 += 1;
            }
        }
    }
    let warning = |((at, index), (path, count)): ((usize, usize), (&str, usize))| {
        format!(
            "{} hides {path}{} of {}, which has other bytes: two versions of one library?",
            name(at),
            and_more(count - 1),
            name(index)
        )
    };
    pairs.into_iter().map(warning).collect()
}

fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" and {count} more") }
}

#[cfg(test)]
mod tests {
    use haulier_model::{Entry, EntryPath};

    use super::*;

    fn root(kind: RootKind, files: &[(&str, &str)]) -> Root {
        let entry = |(path, bytes): &(&str, &str)| Entry {
            path: EntryPath::new(path).unwrap(),
            digest: Digest::of(bytes.as_bytes()),
            size: bytes.len() as u64,
            executable: false,
        };
        Root { kind, original: None, entries: files.iter().map(entry).collect() }
    }

    #[test]
    fn what_is_seldom_meant() {
        let jvm = |files: &[(&str, &str)]| root(RootKind::Jvm, files);
        let pom = "META-INF/maven/org.acme/lib/pom.properties";
        let old = jvm(&[
            ("org/acme/A.class", "1"),
            ("org/acme/B.class", "1"),
            (pom, "version=1"),
            ("module-info.class", "o"),
        ]);
        let new = jvm(&[
            ("org/acme/A.class", "2"),
            ("org/acme/B.class", "2"),
            (pom, "version=2"),
            ("module-info.class", "n"),
        ]);
        let app = jvm(&[("app/Main.class", "m"), ("io/haulier/api/Task.class", "t"), ("java/lang/X.class", "x")]);
        let found = warnings(&["app.jar", "lib-1.jar", "lib-2.jar"], &[app.clone(), old.clone(), new]);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("app.jar has java/lang/X.class, which"), "{found:#?}");
        assert!(found[1].contains("Haulier's own API"), "{found:#?}");
        assert!(found[2].starts_with("two versions of org.acme:lib: in lib-1.jar and in lib-2.jar"), "{found:#?}");
        assert!(found[3].starts_with("lib-1.jar hides org/acme/A.class and 1 more of lib-2.jar"), "{found:#?}");
        assert_eq!(warnings(&["a.jar", "b.jar"], &[old.clone(), old]), [""; 0], "the same bytes twice");
        assert_eq!(warnings::<&str>(&[], &[app]).len(), 2, "names are only for messages");
    }

    #[test]
    fn distributions() {
        let wheel = |version: &str| {
            root(
                RootKind::Python,
                &[("acme/__init__.py", version), (&format!("Acme-{version}.dist-info/METADATA"), version)],
            )
        };
        let found = warnings(&["a.whl", "b.whl"], &[wheel("1.0"), wheel("2.0")]);
        assert!(found[0].starts_with("two versions of acme: in a.whl (1.0) and in b.whl (2.0)"), "{found:#?}");
        assert!(found[1].starts_with("a.whl hides acme/__init__.py of b.whl"), "{found:#?}");
        assert_eq!(warnings(&["a.whl"], &[wheel("1.0")]), [""; 0]);
    }
}
