//! Explanations of small class paths, word by word.

use haulier_model::LoadingPolicy;

use super::*;
use crate::{IndexOptions, IndexRoot};

fn root(label: &str, kind: RootKind, files: &[(&str, &str)]) -> IndexRoot {
    let entry = |(path, bytes): &(&str, &str)| RootEntry {
        path: (*path).into(),
        digest: Digest::of(bytes.as_bytes()),
        size: bytes.len() as u64,
        executable: false,
    };
    IndexRoot {
        label: label.into(),
        kind,
        peer: label.starts_with("session"),
        entries: files.iter().map(entry).collect(),
    }
}

fn java(policy: LoadingPolicy) -> Index {
    let roots = vec![
        root("session 1/classes", RootKind::Jvm, &[("com/acme/Price.class", "new")]),
        root(
            "pricing:1.0/pricing.jar",
            RootKind::Jvm,
            &[
                ("com/acme/Price.class", "old"),
                ("com/acme/Rate.class", "rate"),
                ("META-INF/versions/17/com/acme/Rate.class", "rate 17"),
                ("prices.csv", "1"),
                ("META-INF/services/com.acme.Rate", "x"),
                ("org/slf4j/Logger.class", "logger"),
                ("java/lang/String.class", "no"),
            ],
        ),
        root("copy:1.0/copy.jar", RootKind::Jvm, &[("com/acme/Price.class", "new")]),
    ];
    let options =
        IndexOptions { parent_prefixes: vec!["com.shared.".into()], ..IndexOptions::new(Language::Java, policy) };
    Index::new(options, roots)
}

#[test]
fn who_shadows_whom() {
    let text = java(LoadingPolicy::ChildFirst).explain("com.acme.Price").to_string();
    let digest = |bytes: &str| Digest::of(bytes.as_bytes()).short();
    let expected = format!(
        "class com.acme.Price: from session 1/classes\n  \
           rule: the policy child-first\n  \
           found: session 1/classes (com/acme/Price.class, {}, 3 bytes, of the session)\n  \
           shadowed: pricing:1.0/pricing.jar (com/acme/Price.class, other bytes: {})\n  \
           shadowed: copy:1.0/copy.jar (com/acme/Price.class, the same bytes)",
        digest("new"),
        digest("old"),
    );
    assert_eq!(text, expected);
    let by_path = java(LoadingPolicy::ChildFirst).explain("com/acme/Price.class");
    assert_eq!((by_path.kind, by_path.name.as_str()), (NameKind::Class, "com.acme.Price"));
}

#[test]
fn rules_are_named() {
    let index = java(LoadingPolicy::ChildFirst);
    for (name, rule, verdict) in [
        ("java.lang.String", "java.* is of the platform", "alone: what the class path has is never used"),
        ("io.haulier.api.Task", "io.haulier.api.* is of the platform", "alone"),
        (
            "javax.sql.DataSource",
            "packages of the platform come first: javax.sql",
            "absent, unless it is of the platform",
        ),
        ("org.slf4j.Logger", "logging APIs of the parent are meant for all: org.slf4j", "else from pricing:1.0"),
        ("com.shared.Contract", "the prefix com.shared. is asked at the parent first", "absent, unless"),
        ("com.acme.Rate", "the policy child-first", "from pricing:1.0/pricing.jar"),
        ("prices.csv", "the policy child-first", "from pricing:1.0/pricing.jar"),
        ("META-INF/services/com.acme.Rate", "the class path has the interface com.acme.Rate", "from pricing:1.0"),
    ] {
        let explanation = index.explain(name);
        assert!(explanation.rule.to_string().contains(rule), "{name}: {}", explanation.rule);
        assert!(explanation.verdict().contains(verdict), "{name}: {}", explanation.verdict());
    }
    let own = java(LoadingPolicy::SelfOnly).explain("com.acme.Nothing");
    assert_eq!(own.verdict(), "absent, unless the platform has the class");
}

#[test]
fn releases_and_absent_names() {
    let index = java(LoadingPolicy::ParentFirst);
    let rate = index.explain("com.acme.Rate");
    let paths: Vec<&str> = rate.places.iter().map(|place| place.path.as_str()).collect();
    assert_eq!(paths, ["META-INF/versions/17/com/acme/Rate.class", "com/acme/Rate.class"]);
    let absent = index.explain("com.acme.Prices");
    assert_eq!((absent.places.len(), absent.searched.len()), (0, 3));
    let text = absent.to_string();
    assert!(
        text.contains("nearest: com.acme.Price") && text.contains("searched: session 1/classes, pricing"),
        "{text}"
    );
}

#[test]
fn modules() {
    let roots = vec![
        root("a.whl", RootKind::Python, &[("acme/__init__.py", "a"), ("acme/price.py", "p1"), ("spread/one.py", "1")]),
        root(
            "b.whl",
            RootKind::Python,
            &[("acme/__init__.py", "b"), ("acme/price.py", "p2"), ("acme/rate.py", "r"), ("spread/two.py", "2")],
        ),
    ];
    let index = Index::new(IndexOptions::new(Language::Python, LoadingPolicy::ChildFirst), roots);
    let labels = |name: &str| index.explain(name).places.iter().map(|place| place.label.clone()).collect::<Vec<_>>();
    assert_eq!(labels("acme"), ["a.whl", "b.whl"]);
    assert_eq!(labels("acme.price"), ["a.whl", "b.whl"]);
    assert_eq!(labels("acme.rate"), Vec::<String>::new(), "the package of a.whl hides all of the other one");
    assert_eq!(labels("spread"), ["a.whl", "b.whl"]);
    assert!(index.explain("spread").to_string().contains("found: b.whl (spread/, a namespace package)"));
    assert!(index.explain("haulier").verdict().contains("the interpreter's own packages alone"));
}
