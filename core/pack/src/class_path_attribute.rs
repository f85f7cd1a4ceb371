//! What the manifests of jars add to a class path (`Class-Path`) and a unit does not have.
//!
//! In a unit the order of its roots is the class path: what a manifest names is found if it is a root, too, wherever the
//! path of the manifest leads to. Refuses nothing.

use haulier_model::{Digest, Root, RootKind};

/// A manifest above this size is not looked at, in bytes.
const LARGEST: u64 = 1 << 20;
/// Names that a warning lists, and characters of each.
const MOST: usize = 5;
const LONGEST: usize = 100;

/// One warning for each root whose manifest names jars or folders that are no roots of the unit. `read` gives content of
/// the unit; what it does not have is passed over.
///
/// ```
/// use haulier_model::{Digest, Entry, EntryPath, Root, RootKind};
/// use haulier_pack::class_path_warnings;
///
/// let path = EntryPath::new("META-INF/MANIFEST.MF").unwrap();
/// let entries = vec![Entry { path, digest: Digest::of(b""), size: 20, executable: false }];
/// let root = Root { kind: RootKind::Jvm, original: None, entries };
/// let manifest = |_: &Digest| Some(b"Class-Path: lib/rates.jar\n".to_vec());
/// assert!(class_path_warnings(&["app.jar"], &[root], manifest)[0].contains("lib/rates.jar"));
/// ```
pub fn class_path_warnings<S: AsRef<str>>(
    names: &[S],
    roots: &[Root],
    read: impl Fn(&Digest) -> Option<Vec<u8>>,
) -> Vec<String> {
    let here: Vec<&str> = names.iter().map(|name| last(name.as_ref())).collect();
    let of = |(index, root): (usize, &Root)| {
        let manifest = root.entries.iter().find(|entry| entry.path.as_str() == "META-INF/MANIFEST.MF")?;
        if root.kind != RootKind::Jvm || manifest.size > LARGEST {
            return None;
        }
        let manifest = String::from_utf8_lossy(&read(&manifest.digest)?).into_owned();
        let lacking: Vec<String> = elements(&manifest).filter(|element| !is_here(element, &here)).collect();
        let name = names.get(index).map_or("a root", AsRef::as_ref);
        (!lacking.is_empty()).then(|| warning(name, &lacking))
    };
    roots.iter().enumerate().filter_map(of).collect()
}

fn warning(name: &str, lacking: &[String]) -> String {
    let shown = lacking.iter().take(MOST).map(|path| path.chars().take(LONGEST).collect::<String>());
    let more = match lacking.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the Class-Path of {name} names {}{more}, which the unit does not have: deploy them with it, after {name}",
        shown.collect::<Vec<_>>().join(", ")
    )
}

/// The paths of the attribute `Class-Path` of a manifest's main section.
fn elements(manifest: &str) -> impl Iterator<Item = String> {
    let text = manifest.replace("\r\n", "\n").replace('\r', "\n");
    // Attributes of single entries come after the first empty line; a line that begins with a space goes on.
    let main = text.split("\n\n").next().unwrap_or_default().replace("\n ", "");
    let value = main.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Class-Path").then(|| value.to_owned())
    });
    let elements: Vec<String> = value.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    elements.into_iter().filter(|element| !last(element).trim_matches('.').is_empty())
}

/// Whether a root has the name of what a manifest names, or that name with a version in it: "rates-1.2.jar" is "rates.jar".
fn is_here(element: &str, here: &[&str]) -> bool {
    let wanted = last(element);
    let with_version = |name: &str| {
        let (stem, end) = wanted.rsplit_once('.').unwrap_or((wanted, ""));
        let version = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(end)).and_then(|v| v.strip_prefix('-'));
        version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    };
    here.iter().any(|name| *name == wanted || with_version(name))
}

/// The last part of a path or a URL.
fn last(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use haulier_model::{Entry, EntryPath};

    use super::*;

    fn found(names: &[&str], manifest: &str) -> Vec<String> {
        let path = EntryPath::new("META-INF/MANIFEST.MF").unwrap();
        let entry =
            Entry { path, digest: Digest::of(manifest.as_bytes()), size: manifest.len() as u64, executable: false };
        let first = Root { kind: RootKind::Jvm, original: None, entries: vec![entry] };
        let none = Root { kind: RootKind::Jvm, original: None, entries: Vec::new() };
        let roots: Vec<Root> =
            names.iter().enumerate().map(|(i, _)| if i == 0 { first.clone() } else { none.clone() }).collect();
        class_path_warnings(names, &roots, |_| Some(manifest.as_bytes().to_vec()))
    }

    #[test]
    fn what_a_manifest_names_and_the_unit_lacks() {
        let manifest = "Manifest-Version: 1.0\r\nclass-path: a.jar lib/b.ja\r\n r file:/c/ .  ./\r\n\r\nName: x\r\nClass-Path: no.jar\r\n";
        let all = found(&["app.jar"], manifest);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].starts_with("the Class-Path of app.jar names a.jar, lib/b.jar, file:/c/, which"), "{all:?}");
        let some = found(&["app.jar", "x/a.jar", "b-1.2.jar", "b-tool.jar"], manifest);
        assert!(some[0].contains("names file:/c/, which"), "{some:?}");
        assert_eq!(found(&["app.jar", "a.jar", "b.jar", "c"], manifest), [""; 0]);
        assert_eq!(found(&["app.jar"], "Manifest-Version: 1.0\n"), [""; 0]);
        let many: String = (0..9).map(|n| format!(" lib{n}.jar")).collect();
        assert!(found(&["app.jar"], &format!("Class-Path:{many}\n"))[0].contains("lib4.jar and 4 more"));
    }
}
