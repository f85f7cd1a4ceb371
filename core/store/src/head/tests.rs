//! Heads moved by hand: versions, states, conflicts.

use super::*;

fn name() -> UnitName {
    "orders".parse().unwrap()
}

fn candidate(version: &str, content: &str) -> Candidate {
    Candidate {
        version: (!version.is_empty()).then(|| version.parse().unwrap()),
        digest: Digest::of(content.as_bytes()),
        replace: false,
        replaces_only_its_own: false,
        operation: OperationId::random(),
        deployed_at_ms: 1,
        deployed_by: "unverified:test".into(),
        size: 1,
        entries: 1,
        sources: Sources::Names(vec!["a.jar".into()]),
        origins: None,
    }
}

fn deploy(head: &mut Head, version: &str, content: &str) -> Result<Outcome<Generation>> {
    head.publish(&name(), &candidate(version, content))
}

fn latest(head: &Head) -> String {
    head.resolve(&name(), &Selector::Latest).unwrap().version.to_string()
}

fn named(version: &str) -> Selector {
    Selector::Named(version.parse().unwrap())
}

#[test]
fn same_bytes_succeed_and_other_bytes_conflict() {
    let mut head = Head::default();
    assert!(matches!(deploy(&mut head, "1.0", "a"), Ok(Outcome::Changed(_))));
    assert!(matches!(deploy(&mut head, "1.0", "a"), Ok(Outcome::Unchanged(_))));
    assert!(matches!(deploy(&mut head, "1.0.0", "a"), Ok(Outcome::Unchanged(_))), "1.0 means 1.0.0");
    let error = deploy(&mut head, "1.0", "b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = error.to_string();
    for digest in [Digest::of(b"a"), Digest::of(b"b")] {
        assert!(text.contains(&digest.hex()[..12]), "{text}");
    }
    let replaced = head.publish(&name(), &Candidate { replace: true, ..candidate("1.0", "b") }).unwrap();
    assert!(matches!(replaced, Outcome::Changed(Generation { generation: 2, .. })));
    assert_eq!(head.resolve(&name(), &named("1.0")).unwrap().digest, Digest::of(b"b"));
}

#[test]
fn development_versions_may_change() {
    let mut head = Head::default();
    deploy(&mut head, "1.0-SNAPSHOT", "a").unwrap();
    assert!(matches!(deploy(&mut head, "1.0-SNAPSHOT", "b"), Ok(Outcome::Changed(_))));
}

#[test]
fn latest_follows_the_order_of_versions() {
    let mut head = Head::default();
    for (version, expected) in [
        ("1.0.0-rc.1", "1.0.0-rc.1"),
        ("1.0.0-rc.2", "1.0.0-rc.2"),
        ("1.0.0", "1.0.0"),
        ("1.10.0", "1.10.0"),
        ("1.9.0", "1.10.0"),
        ("2.0.0-rc.1", "1.10.0"),
    ] {
        deploy(&mut head, version, version).unwrap();
        assert_eq!(latest(&head), expected, "after {version}");
    }
    head.undeploy(&name(), &named("1.10.0"), false).unwrap();
    assert_eq!(latest(&head), "1.9.0");
}

#[test]
fn versions_are_counted_until_one_is_given() {
    let mut head = Head::default();
    for number in 1..=7 {
        assert!(matches!(deploy(&mut head, "", &number.to_string()), Ok(Outcome::Changed(_))));
    }
    assert!(matches!(deploy(&mut head, "", "7"), Ok(Outcome::Unchanged(_))));
    assert_eq!(latest(&head), "0.0.7");
    assert_eq!(head.deployed().count(), KEPT_REVISIONS);
    deploy(&mut head, "1.0", "x").unwrap();
    let error = deploy(&mut head, "", "y").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("--version"), "{error}");
}

#[test]
fn an_undeployed_version_is_refused_with_its_state() {
    let mut head = Head::default();
    deploy(&mut head, "1.0", "a").unwrap();
    assert!(matches!(head.undeploy(&name(), &Selector::Latest, false), Ok(Outcome::Changed(_))));
    assert!(matches!(head.undeploy(&name(), &Selector::Latest, false), Ok(Outcome::Unchanged(_))));
    let error = head.resolve(&name(), &named("1.0")).unwrap_err();
    assert!(error.to_string().contains("OBSOLETE"), "{error}");
    let generation = head.versions[0].generation;
    assert!(matches!(head.remove(&name(), &"1.0".parse().unwrap(), generation), Ok(Outcome::Changed(()))));
    assert!(matches!(head.remove(&name(), &"1.0".parse().unwrap(), generation), Ok(Outcome::Unchanged(()))));
    assert_eq!(head.resolve(&name(), &named("1.0")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn heads_read_back_and_unknown_formats_are_refused() {
    let mut head = Head::default();
    deploy(&mut head, "1.0", "a").unwrap();
    assert_eq!(Head::parse(&name(), &head.encode()).unwrap().versions, head.versions);
    for bad in [&b"{"[..], b"{\"format\":9,\"versions\":[]}"] {
        assert_eq!(Head::parse(&name(), bad).unwrap_err().kind(), ErrorKind::Incompatible);
    }
}

fn point(head: &mut Head, alias: &str, to: &str) -> Result<Outcome<(Generation, Option<String>)>> {
    head.set_alias(&name(), &alias.parse().unwrap(), &to.parse().unwrap())
}

#[test]
fn aliases_move_and_hold_their_version() {
    let mut head = Head::default();
    deploy(&mut head, "1.2.0", "a").unwrap();
    deploy(&mut head, "1.3", "b").unwrap();
    let Ok(Outcome::Changed((target, None))) = point(&mut head, "stable", "1.2") else { panic!("no new alias") };
    assert_eq!(target.version.as_str(), "1.2.0", "1.2 means 1.2.0");
    assert_eq!(head.resolve(&name(), &named("stable")).unwrap().digest, Digest::of(b"a"));
    assert!(matches!(point(&mut head, "stable", "1.2.0"), Ok(Outcome::Unchanged(_))));
    assert!(
        matches!(point(&mut head, "canary", "stable"), Ok(Outcome::Changed((target, None))) if target.version.as_str() == "1.2.0")
    );
    let moved = point(&mut head, "stable", "1.3").unwrap();
    assert!(matches!(moved, Outcome::Changed((_, Some(previous))) if previous == "1.2.0"));
    let error = head.undeploy(&name(), &named("1.3.0"), false).unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.message().contains("'stable'"), "{error}");
    let by_digest = Selector::Digest(Digest::of(b"b"));
    assert_eq!(head.undeploy(&name(), &by_digest, false).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(head.undeploy(&name(), &named("stable"), true).unwrap_err().kind(), ErrorKind::Conflict);
    head.undeploy(&name(), &named("1.3"), true).unwrap();
    assert!(!head.aliases.contains_key("stable") && head.aliases.contains_key("canary"));
    assert_eq!(head.resolve(&name(), &named("stable")).unwrap_err().kind(), ErrorKind::NotFound);
    head.undeploy(&name(), &Selector::Latest, false).unwrap();
    assert!(head.aliases.is_empty(), "all versions go with their aliases");
}

#[test]
fn an_alias_goes_along_with_a_replacement_that_is_spelled_otherwise() {
    let mut head = Head::default();
    deploy(&mut head, "1.0", "a").unwrap();
    deploy(&mut head, "2.0", "b").unwrap();
    point(&mut head, "stable", "1.0").unwrap();
    head.publish(&name(), &Candidate { replace: true, ..candidate("1.0.0", "c") }).unwrap();
    head.undeploy(&name(), &named("2.0"), false).unwrap();
    let stable = head.resolve(&name(), &named("stable")).unwrap();
    assert_eq!((stable.version.as_str(), stable.digest), ("1.0.0", Digest::of(b"c")));
    assert_eq!(head.aliases_of(&stable.version).collect::<Vec<_>>(), ["stable"]);
    assert_eq!(head.undeploy(&name(), &named("1.0"), false).unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn what_cannot_be_an_alias() {
    let mut head = Head::default();
    deploy(&mut head, "1.0", "a").unwrap();
    deploy(&mut head, "jre-21", "b").unwrap();
    for (alias, version, kind) in [
        ("latest", "1.0", ErrorKind::InvalidArgument),
        ("2.0", "1.0", ErrorKind::InvalidArgument),
        ("jre-21", "1.0", ErrorKind::Conflict),
        ("stable", "9.9", ErrorKind::NotFound),
    ] {
        assert_eq!(point(&mut head, alias, version).unwrap_err().kind(), kind, "{alias}");
    }
    assert_eq!(head.remove_alias(&name(), &"stable".parse().unwrap()).unwrap_err().kind(), ErrorKind::NotFound);
    point(&mut head, "stable", "1.0").unwrap();
    assert!(
        matches!(head.remove_alias(&name(), &"stable".parse().unwrap()), Ok(Outcome::Changed(from)) if from == "1.0")
    );
}

#[test]
fn the_retention_keeps_what_an_alias_points_to() {
    let mut head = Head::default();
    deploy(&mut head, "", "0").unwrap();
    point(&mut head, "stable", "0.0.1").unwrap();
    for content in 1..8 {
        deploy(&mut head, "", &content.to_string()).unwrap();
    }
    let deployed: Vec<&str> = head.deployed().map(|present| present.version.as_str()).collect();
    assert_eq!(deployed, ["0.0.1", "0.0.4", "0.0.5", "0.0.6", "0.0.7", "0.0.8"]);
}

#[test]
fn a_head_of_before_aliases_is_read() {
    let mut head = Head::default();
    deploy(&mut head, "1.0", "a").unwrap();
    let text = String::from_utf8(head.encode()).unwrap().replace("\"format\":2", "\"format\":1");
    assert_eq!(Head::parse(&name(), text.as_bytes()).unwrap().versions, head.versions);
    assert_eq!(Head::parse(&name(), b"{\"format\":3,\"versions\":[]}").unwrap_err().kind(), ErrorKind::Incompatible);
}
