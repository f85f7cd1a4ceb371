//! Bugs put in on purpose: the checks of this test must find each of them, else they prove nothing.

use crate::{
    check::{Told, check, cut_power},
    harness::{Ended, Kill, run},
    plan::{Plan, at},
};

/// Runs a child with a bug in a folder of its own, and gives what the check says.
fn found(plan: Plan, power_cut: bool) -> (Ended, Result<(), String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    let ended = run(&Plan { folder: folder.path().to_owned(), cycles: 1, ..plan }, Kill::Never, &mut told);
    let torn = if power_cut { cut_power(folder.path(), 0) } else { 0 };
    (ended, check(folder.path(), &mut told, torn))
}

#[test]
fn a_unit_that_is_visible_before_its_content() {
    for pass in [1, 2] {
        let sabotage = Some("sabotage::unchecked".to_owned());
        let (_, found) = found(Plan { sabotage, kill: at("head::after-set", pass), ..Plan::default() }, false);
        let problem = found.expect_err("a unit without content is found");
        assert!(problem.contains("is not whole"), "{problem}");
    }
}

#[test]
fn a_collection_that_ignores_leases() {
    let plan = Plan { collect: at("head::before-set", 2), kill: at("head::after-set", 2), ..Plan::default() };
    let (ended, fine) = found(Plan { collect: at("head::before-set", 2), ..Plan::default() }, false);
    assert!(fine.is_ok() && ended.collections == 1, "without the bug: {fine:?}");
    let (_, found) = found(Plan { sabotage: Some("sabotage::no-leases".to_owned()), ..plan }, false);
    let problem = found.expect_err("a unit whose content was collected is found");
    assert!(problem.contains("is not whole"), "{problem}");
}

#[test]
fn an_alias_that_outlives_its_version() {
    let (_, found) = found(Plan { sabotage: Some("sabotage::keep-aliases".to_owned()), ..Plan::default() }, false);
    let problem = found.expect_err("an alias that points to nothing is found");
    assert!(problem.contains("the alias stable points to"), "{problem}");
}

#[test]
fn a_sync_that_is_left_out() {
    let sabotage = Some("sync::before".to_owned());
    let (_, found) = found(Plan { sabotage, kill: at("head::after-set", 2), ..Plan::default() }, true);
    let problem = found.expect_err("a unit that a power cut tears is found");
    assert!(problem.contains("is not whole"), "{problem}");
}

/// The order of the steps, also where no crash shows it: nothing is sealed and not synced when a head is written.
#[test]
fn content_is_synced_before_it_is_named() {
    for (sabotage, fine) in [(None, true), (Some("sync::before".to_owned()), false)] {
        let (ended, _) = found(Plan { sabotage, traced: true, ..Plan::default() }, false);
        let (mut unsynced, mut early, mut heads) = (0, 0, 0);
        for point in &ended.passed {
            match point.as_str() {
                "seal::after-rename" => unsynced += 1,
                "sync::after" => unsynced = 0,
                _ => (early, heads) = (early + u32::from(unsynced > 0), heads + 1),
            }
        }
        assert!(ended.regular && heads >= 10, "{ended:?}");
        assert_eq!(early == 0, fine, "{early} of {heads} heads named what was not synced");
    }
}
