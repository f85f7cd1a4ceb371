//! Names that look like one that was not found: for messages.

use std::{collections::BTreeSet, sync::Arc};

use haulier_model::Language;

/// More differing characters than this are no typing mistake.
const FARTHEST: usize = 3;

/// The paths of a class path, and how its language names them.
pub(crate) struct Candidates<I> {
    pub(crate) language: Language,
    pub(crate) paths: I,
}

/// The same simple name elsewhere comes first, then names that differ in few characters.
pub(crate) fn nearest<'a>(
    candidates: Candidates<impl Iterator<Item = &'a Arc<str>>>,
    name: &str,
    limit: usize,
) -> Vec<String> {
    let (package, simple) = split(name);
    let mut best: BTreeSet<(usize, String)> = BTreeSet::new();
    for path in candidates.paths {
        let Some(candidate) = name_of(candidates.language, path) else { continue };
        let (other_package, other_simple) = split(&candidate);
        let Some(mut distance) = distance(simple, other_simple, FARTHEST.min(simple.chars().count() / 2)) else {
            continue;
        };
        if package != other_package {
            // In another package: only the very name, or nearly so.
            if distance > 1 {
                continue;
            }
            distance += 1;
        }
        best.insert((distance, candidate));
        if best.len() > limit {
            best.pop_last();
        }
    }
    best.into_iter().map(|(_, name)| name).collect()
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// The name that a user would write for an entry, if there is one.
fn name_of(language: Language, path: &str) -> Option<String> {
    let stem = match language {
        Language::Python => {
            let stem = path.strip_suffix(".py")?;
            stem.strip_suffix("/__init__").unwrap_or(stem)
        }
        Language::Java | Language::Rust => path.strip_suffix(".class")?,
    };
    let anonymous = stem.split('$').skip(1).any(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    (!anonymous && !stem.starts_with("META-INF/")).then(|| stem.replace('/', "."))
}

/// How many characters differ (Levenshtein), ignoring case; `None` if more than `limit`.
fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let a: Vec<char> = a.chars().map(|c| c.to_ascii_lowercase()).collect();
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    Some(row[b.len()]).filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_and_wrong_packages() {
        let paths = [
            "com/acme/Price.class",
            "com/acme/Prize.class",
            "org/other/Price.class",
            "com/acme/Price$1.class",
            "com/acme/Unrelated.class",
            "com/acme/readme.txt",
        ]
        .map(Arc::from);
        let of = |name: &str| nearest(Candidates { language: Language::Java, paths: paths.iter() }, name, 3);
        assert_eq!(of("com.acme.Pricer"), ["com.acme.Price", "com.acme.Prize", "org.other.Price"]);
        assert_eq!(of("com.acem.Price"), ["com.acme.Price", "org.other.Price", "com.acme.Prize"]);
        assert!(of("com.acme.SomethingElse").is_empty());
    }

    #[test]
    fn python_names() {
        let paths = ["acme/__init__.py", "acme/pricing.py", "acme/data.txt"].map(Arc::from);
        let of = |name: &str| nearest(Candidates { language: Language::Python, paths: paths.iter() }, name, 3);
        assert_eq!(of("acme.princing"), ["acme.pricing"]);
        assert_eq!(of("amce"), ["acme"]);
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("price", "Price", Some(0)), ("price", "prize", Some(1)), ("a", "abcd", None), ("", "", Some(0))]
        {
            assert_eq!(distance(a, b, 2), expected, "{a} {b}");
        }
    }
}
