//! Jars that hold a class path inside: executable jars of Spring Boot, and web archives. Each part of that class path
//! becomes a root of its own, in the order in which their launcher asks. Knows the layout, and no launcher.

use std::collections::HashMap;

use haulier_model::{EntryPath, Original, Result, RootKind};

use crate::{
    PackedRoot,
    archive::{Archive, Opened, Opening, place_as_is},
    limits::Budget,
    refusal, source,
};

/// The folders of a layout, as it names them: the classes, and the jars in their order.
struct Layout {
    classes: &'static str,
    libraries: &'static [&'static str],
    /// Lines `- "path"`: the jars in the order of the class path.
    order: &'static str,
}

const LAYOUTS: [Layout; 2] = [
    Layout { classes: "BOOT-INF/classes/", libraries: &["BOOT-INF/lib/"], order: "BOOT-INF/classpath.idx" },
    Layout {
        classes: "WEB-INF/classes/",
        libraries: &["WEB-INF/lib/", "WEB-INF/lib-provided/"],
        order: "WEB-INF/classpath.idx",
    },
];

/// A list of jars above this size is not read.
const LARGEST_ORDER: u64 = 1 << 20;

impl Layout {
    fn is_library(&self, path: &str) -> bool {
        let inside = |folder: &&str| path.strip_prefix(*folder).is_some_and(|rest| !rest.contains('/'));
        self.libraries.iter().any(inside) && source::is_jar(path)
    }

    fn is_used_by(&self, jar: &Opened) -> bool {
        let part = |path: &str| path.starts_with(self.classes) || self.is_library(path);
        jar.entries.iter().any(|entry| part(entry.path.as_str()))
    }
}

/// The roots of a jar: itself, and what it holds if it is such a jar. `original` is what the first root keeps of its exact
/// bytes, `opening` is how the jar was opened.
pub(crate) fn roots(
    name: String,
    mut jar: Opened,
    original: Option<Original>,
    opening: &Opening<'_>,
    budget: &mut Budget<'_>,
) -> Result<Vec<PackedRoot>> {
    let Some(layout) = LAYOUTS.iter().find(|layout| layout.is_used_by(&jar)) else {
        return Ok(vec![source::of_archive(name, RootKind::Jvm, jar, original)?]);
    };
    let mut roots = Vec::new();
    let libraries = libraries(layout, &jar, opening, budget)?;
    jar.retain(|entry| !layout.is_library(entry.path.as_str()));
    let mut classes = jar.split_off(|entry| entry.path.as_str().starts_with(layout.classes))?;
    for entry in &mut classes.entries {
        entry.path = EntryPath::new(&entry.path.as_str()[layout.classes.len()..])?;
    }
    let folder = format!("{name}!classes");
    roots.push(source::of_archive(name, RootKind::Jvm, jar, original)?);
    if !classes.entries.is_empty() {
        roots.push(source::of_archive(folder, RootKind::Jvm, classes, None)?);
    }
    roots.extend(libraries);
    Ok(roots)
}

fn libraries(layout: &Layout, jar: &Opened, opening: &Opening<'_>, budget: &mut Budget<'_>) -> Result<Vec<PackedRoot>> {
    let places = order(layout, &jar.archive, &jar.entries)?;
    let mut found: Vec<(usize, &str)> = jar.entries.iter().map(|entry| entry.path.as_str()).enumerate().collect();
    found.retain(|(_, path)| layout.is_library(path));
    found.sort_by_key(|(index, path)| (places.get(*path).copied().unwrap_or(usize::MAX), *index));
    let mut roots = Vec::with_capacity(found.len());
    for (index, path) in found {
        let opening = Opening { place: place_as_is, ..*opening };
        let opened = Archive::open(source::unpack(&jar.archive, index)?, &opening, budget)
            .map_err(|error| error.context("jar", path))?;
        let name = path.rsplit('/').next().unwrap_or(path);
        roots.push(source::of_archive(name.to_owned(), RootKind::Jvm, opened, None)?);
    }
    Ok(roots)
}

/// The place of each jar that the order names.
fn order(layout: &Layout, jar: &Archive, entries: &[haulier_model::Entry]) -> Result<HashMap<String, usize>> {
    let named = entries.iter().position(|entry| entry.path.as_str() == layout.order);
    let Some(index) = named.filter(|index| entries[*index].size <= LARGEST_ORDER) else { return Ok(HashMap::new()) };
    let mut bytes = Vec::new();
    jar.extract(index, &mut |part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    let text = String::from_utf8(bytes).map_err(|_| refusal::refused(format!("'{}' is no UTF-8", layout.order)))?;
    let path = |line: &str| Some(line.trim().strip_prefix("- \"")?.strip_suffix('"')?.to_owned());
    Ok(text.lines().filter_map(path).enumerate().map(|(place, path)| (path, place)).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        DenyList, Limits, PackedRoots, Selection,
        fixtures::{self, paths},
    };

    /// A jar in which `entries` are as they are given, with a jar for each path that ends with `.jar`.
    fn fat_jar(entries: &[(&str, &str)]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = fixtures::folder(&[]);
        let content = folder.path().join("content");
        for (path, text) in entries {
            if path.ends_with(".jar") {
                let to = content.join(path);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fixtures::jar(fixtures::folder(&[(&format!("{text}/Lib.class"), text)]).path(), &to);
            } else {
                fixtures::write(&content, path, text.as_bytes());
            }
        }
        let jar = fixtures::jar(&content, &folder.path().join("app.jar"));
        (folder, jar)
    }

    fn shape(roots: &[PackedRoot]) -> Vec<(&str, Vec<&str>)> {
        let own = |root| paths(root).into_iter().filter(|path| *path != "META-INF/MANIFEST.MF").collect();
        roots.iter().map(|root| (root.name.as_str(), own(root))).collect()
    }

    const BOOT: [(&str, &str); 6] = [
        ("org/boot/Launcher.class", "launcher"),
        ("BOOT-INF/classes/com/acme/Main.class", "main"),
        ("BOOT-INF/lib/a.jar", "a"),
        ("BOOT-INF/lib/b.jar", "b"),
        ("BOOT-INF/lib/c.jar", "c"),
        ("BOOT-INF/classpath.idx", "- \"BOOT-INF/lib/b.jar\"\n- \"BOOT-INF/lib/a.jar\"\n"),
    ];

    #[test]
    fn an_executable_jar_is_its_class_path() {
        let (_folder, jar) = fat_jar(&BOOT);
        let roots = PackedRoot::read_source(&jar, &Limits::default()).unwrap();
        let expected = [
            ("app.jar", vec!["BOOT-INF/classpath.idx", "org/boot/Launcher.class"]),
            ("app.jar!classes", vec!["com/acme/Main.class"]),
            ("b.jar", vec!["b/Lib.class"]),
            ("a.jar", vec!["a/Lib.class"]),
            ("c.jar", vec!["c/Lib.class"]),
        ];
        let mut found = shape(&roots);
        found[0].1.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(*roots[1].bytes(0).unwrap(), *b"main");
        assert_eq!(roots[0].file(), Some(jar.as_path()));
        let none = Selection::new(DenyList::none());
        let session = PackedRoots::read(RootKind::Jvm, std::slice::from_ref(&jar), &none, &|_| {}).unwrap();
        assert_eq!(session.digest, PackedRoots::of(roots).digest);
    }

    #[test]
    fn the_exact_bytes_are_those_of_the_whole() {
        let (_folder, jar) = fat_jar(&BOOT);
        let options = source::ReadOptions { opaque: true, ..Default::default() };
        let roots = source::read_source(&jar, &options).unwrap();
        let sizes: Vec<Option<u64>> =
            roots.iter().map(|root| root.root.original.as_ref().map(|kept| kept.size)).collect();
        assert_eq!(sizes, [Some(jar.metadata().unwrap().len()), None, None, None, None]);
    }

    #[test]
    fn a_web_archive_is_its_class_path() {
        let (folder, jar) = fat_jar(&[
            ("index.html", "page"),
            ("WEB-INF/classes/com/acme/Main.class", "main"),
            ("WEB-INF/lib/a.jar", "a"),
            ("WEB-INF/lib/deep/no.jar", "no"),
        ]);
        let war = folder.path().join("app.war");
        fs::rename(jar, &war).unwrap();
        let roots = PackedRoot::read_source(&war, &Limits::default()).unwrap();
        let names: Vec<&str> = roots.iter().map(|root| root.name.as_str()).collect();
        assert_eq!(names, ["app.war", "app.war!classes", "a.jar"]);
    }

    #[test]
    fn the_door_is_the_same_for_what_is_inside() {
        let mut entries = BOOT.to_vec();
        entries.push(("BOOT-INF/lib/noise", "x"));
        let (_folder, jar) = fat_jar(&entries);
        let small = Limits { size: 5, ..Limits::default() };
        assert!(PackedRoot::read_source(&jar, &small).is_err());
        let folder = fixtures::folder(&[("BOOT-INF/lib/noise.jar", "this is no archive")]);
        let jar = fixtures::jar(folder.path(), &folder.path().join("app.jar"));
        let error = PackedRoot::read_source(&jar, &Limits::default()).unwrap_err().to_string();
        assert!(error.contains("BOOT-INF/lib/noise.jar"), "{error}");
    }
}
