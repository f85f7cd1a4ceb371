//! What happens in a real folder, and what the node then has.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use haulier_watch::{ProblemState, WatchOptions, WatchState};
use tempfile::TempDir;

use crate::{
    node::{Node, Running, digest, jar, write},
    storages::Disturbed,
};

/// Looks often, and only when something happens.
fn by_events(options: &mut WatchOptions) {
    options.settle = Duration::from_millis(100);
    options.interval = Some(Duration::from_secs(3600));
}

/// Looks all the time.
fn by_interval(options: &mut WatchOptions) {
    options.settle = Duration::from_millis(100);
    options.interval = Some(Duration::from_millis(20));
}

struct Setup {
    folder: TempDir,
    node: Arc<Node>,
}

impl Setup {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), node: Node::new() }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        write(self.root(), path, bytes);
    }

    fn storage(&self) -> Disturbed {
        Disturbed::new(open(self.root()))
    }

    fn start(&self, change: impl FnOnce(&mut WatchOptions)) -> Running {
        Running::start(Arc::new(self.storage()), &self.node, change)
    }
}

fn open(root: &Path) -> haulier_sources::Storage {
    haulier_sources::Storage::open(&format!("file://{}", root.display())).unwrap()
}

#[tokio::test]
async fn events_alone_add_replace_touch_and_delete() {
    let setup = Setup::new();
    let running = setup.start(by_events);
    running.until("the first look", |status| status.state == WatchState::Watching).await;
    setup.write("pricing-1.0.jar", &jar("one"));
    setup.node.logged("deployed pricing:1.0").await;
    assert_eq!(setup.node.state().units["pricing:1.0"].0, digest(&setup.root().join("pricing-1.0.jar")));
    // Renamed over the old one.
    setup.write("pricing-1.0.jar", &jar("two"));
    setup.node.until("it is replaced", |state| state.log.len() == 2).await;
    assert_eq!(setup.node.state().units["pricing:1.0"].0, digest(&setup.root().join("pricing-1.0.jar")));
    let touched = File::options().append(true).open(setup.root().join("pricing-1.0.jar")).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    setup.node.logged("same pricing:1.0").await;
    setup.write("late/2/lib/deep/x.jar", &jar("deep"));
    setup.node.logged("deployed late:2").await;
    fs::remove_file(setup.root().join("pricing-1.0.jar")).unwrap();
    setup.node.logged("undeployed pricing:1.0").await;
    running.until("one unit", |status| status.units == 1 && status.problem_count == 0).await;
    assert_eq!(setup.node.state().log.len(), 5, "{:?}", setup.node.state().log);
    running.stop().await;
}

#[tokio::test]
async fn a_growing_file_is_deployed_once_when_it_is_whole() {
    let setup = Setup::new();
    let bytes = jar(&"x".repeat(5_000));
    let path = setup.root().join("a-1.jar");
    let mut storage = setup.storage();
    let (chunks, to) = (bytes.clone(), path.clone());
    // A chunk for each look: whatever the watch does, it never looks at the file twice in the same state.
    storage.before_list = Box::new(move |call| fs::write(&to, &chunks[..chunks.len().min(call * 250)]).unwrap());
    storage.before_list = once_whole(storage.before_list, bytes.len().div_ceil(250));
    let running = Running::start(Arc::new(storage), &setup.node, by_interval);
    setup.node.logged("deployed a:1").await;
    running.until("nothing waits", |status| status.units == 1 && status.settling == 0).await;
    assert_eq!((setup.node.state().log.len(), fs::read(path).unwrap()), (1, bytes));
    running.stop().await;
}

/// Calls `hook` for the first `calls` calls only.
fn once_whole(hook: Box<dyn Fn(usize) + Send + Sync>, calls: usize) -> Box<dyn Fn(usize) + Send + Sync> {
    Box::new(move |call| {
        if call <= calls {
            hook(call)
        }
    })
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_not_deployed() {
    let setup = Setup::new();
    let whole = jar("whole");
    setup.write("a-1.jar", &whole);
    let mut storage = setup.storage();
    let path = setup.root().join("a-1.jar");
    storage.after_fetch = Box::new(move |call| {
        if call == 1 {
            File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
        }
    });
    let running = Running::start(Arc::new(storage), &setup.node, by_interval);
    running.until("the rest is bad", |status| status.problem_count == 1).await;
    assert_eq!(setup.node.state().log, ["refused a:1"], "what was read before it shrank is not deployed");
    setup.write("a-1.jar", &whole);
    setup.node.logged("deployed a:1").await;
    running.until("it is good", |status| status.problem_count == 0).await;
    running.stop().await;
}

#[tokio::test]
async fn a_corrupt_file_is_quarantined_and_the_others_go_on() {
    let setup = Setup::new();
    setup.write("bad-1.jar", b"PK\x03\x04 this is no jar");
    setup.write("notes.txt", b"");
    let running = setup.start(by_interval);
    running.until("it is quarantined", |status| status.problem_count == 2).await;
    setup.write("good-1.jar", &jar("good"));
    setup.node.logged("deployed good:1").await;
    let problems = running.handle.status().problems;
    let shown: Vec<_> =
        problems.iter().map(|problem| (problem.path.as_str(), problem.unit.as_deref(), problem.state)).collect();
    let bad = ("bad-1.jar", Some("bad:1"), ProblemState::Quarantined);
    assert_eq!(shown, [bad, ("notes.txt", None, ProblemState::Ignored)]);
    assert!(problems[0].since_ms > 1_600_000_000_000 && !problems[0].error.is_empty());
    assert_eq!(setup.node.count("refused bad:1"), 1);
    setup.write("bad-1.jar", &jar("mended"));
    setup.node.logged("deployed bad:1").await;
    running.until("only the text is left", |status| status.problem_count == 1 && status.units == 2).await;
    running.stop().await;
}

#[tokio::test]
async fn a_unit_beyond_the_limit_is_quarantined_and_not_fetched() {
    let setup = Setup::new();
    setup.write("a/1/x.jar", &jar("x"));
    setup.write("a/1/y.jar", &jar("y"));
    let storage = Arc::new(setup.storage());
    let running = Running::start(Arc::<Disturbed>::clone(&storage), &setup.node, |options| {
        by_interval(options);
        options.limit = 300;
    });
    running.until("it is quarantined", |status| status.problem_count == 1).await;
    assert!(running.handle.status().problems[0].error.contains("the limit is 300"));
    assert_eq!(storage.fetches.load(Ordering::SeqCst), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_thousand_files() {
    let setup = Setup::new();
    for index in 0..1000 {
        setup.write(&format!("unit-{index}.jar"), &jar(&index.to_string()));
    }
    let storage = Arc::new(setup.storage());
    let running = Running::start(Arc::<Disturbed>::clone(&storage), &setup.node, |options| {
        options.settle = Duration::from_millis(200);
        options.interval = Some(Duration::from_secs(5));
    });
    setup.node.until("all are deployed", |state| state.units.len() == 1000).await;
    running.until("all are counted", |status| status.units == 1000 && status.settling == 0).await;
    assert_eq!((setup.node.state().log.len(), storage.fetches.load(Ordering::SeqCst)), (1000, 1000));
    let (most, lists) = (storage.most.load(Ordering::SeqCst), storage.lists.load(Ordering::SeqCst));
    assert!((1..=4).contains(&most) && lists < 50, "{most} fetches at once, {lists} lists");
    for index in 0..300 {
        fs::remove_file(setup.root().join(format!("unit-{index}.jar"))).unwrap();
    }
    setup.node.until("300 are gone", |state| state.units.len() == 700).await;
    let aside = setup.root().with_extension("aside");
    fs::rename(setup.root(), &aside).unwrap();
    running.until("the folder is away", |status| status.state == WatchState::Outage).await;
    fs::create_dir(setup.root()).unwrap();
    running.until("it is empty", |status| status.last_error.as_ref().is_some_and(|error| error.contains("700"))).await;
    fs::remove_dir(setup.root()).unwrap();
    fs::rename(&aside, setup.root()).unwrap();
    running.until("it is back", |status| status.state == WatchState::Watching).await;
    assert_eq!((setup.node.state().units.len(), setup.node.state().log.len()), (700, 1300));
    running.stop().await;
}

#[tokio::test]
async fn folders_with_odd_names_keep_what_is_in_them() {
    let setup = Setup::new();
    setup.write("pricing/1.2.0/lib ä/x y#%2e(1).jar", &jar("odd"));
    setup.write("pricing/1.2.0/com/acme/Größe.class", b"class");
    setup.write("scoring/1/__init__.py", b"x = 1");
    setup.write("scoring/1/größe.txt", b"y");
    setup.write("my-module-0.1.py", b"z = 1");
    setup.write("größe-1.jar", &jar("no name of a unit"));
    let running = setup.start(by_interval);
    setup.node.until("three units", |state| state.units.len() == 3).await;
    let state = setup.node.state();
    let paths = |unit: &str| state.units[unit].1.iter().map(String::as_str).collect::<BTreeSet<_>>();
    assert_eq!(paths("pricing:1.2.0"), ["com/acme/Größe.class", "com/acme/Price.class", "text"].into());
    assert_eq!(paths("scoring:1"), ["scoring/__init__.py", "scoring/größe.txt"].into());
    assert_eq!(paths("my-module:0.1"), ["my_module.py"].into());
    assert_eq!(running.handle.status().problems[0].path, "größe-1.jar");
    running.stop().await;
}

#[tokio::test]
async fn a_restart_finds_out_what_has_happened_meanwhile() {
    let setup = Setup::new();
    for name in ["a-1.jar", "b-1.jar", "c-1.jar"] {
        setup.write(name, &jar(name));
    }
    let running = setup.start(by_interval);
    setup.node.until("three units", |state| state.units.len() == 3).await;
    running.stop().await;
    fs::remove_file(setup.root().join("a-1.jar")).unwrap();
    setup.write("b-1.jar", &jar("new"));
    setup.write("d-1.jar", &jar("hand"));
    setup.node.change(|state| {
        state.log.clear();
        state.units.insert("d:1".into(), (haulier_model::Digest::of(b"by hand"), Vec::new()));
        state.by_hand.push("d:1".into());
    });
    let running = setup.start(by_interval);
    setup.node.until("all is in step", |state| state.log.len() == 3).await;
    running.until("all is counted", |status| status.units == 2 && status.problem_count == 1).await;
    let log: BTreeSet<_> = setup.node.state().log.into_iter().collect();
    assert_eq!(log, ["deployed b:1", "same c:1", "undeployed a:1"].map(String::from).into());
    assert_eq!(running.handle.status().problems[0].state, ProblemState::Conflict);
    running.stop().await;
}

#[tokio::test]
async fn a_folder_that_comes_later_is_watched_from_then_on() {
    let setup = Setup::new();
    let root = setup.root().join("later");
    let running = Running::start(Arc::new(Disturbed::new(open(&root))), &setup.node, by_interval);
    running.until("there is no folder", |status| status.state == WatchState::Outage).await;
    write(&root, "a-1.jar", &jar("a"));
    setup.node.logged("deployed a:1").await;
    running.until("it is there", |status| status.state == WatchState::Watching && status.units == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn what_is_under_way_at_the_end_leaves_nothing() {
    let setup = Setup::new();
    setup.write("a-1.jar", &jar("a"));
    let gate = setup.node.gate.lock().await;
    let mut storage = setup.storage();
    let fetched = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&fetched);
    storage.after_fetch = Box::new(move |_| tell.notify_one());
    let running = Running::start(Arc::new(storage), &setup.node, by_interval);
    fetched.notified().await;
    let stopped = tokio::spawn(running.stop());
    drop(gate);
    stopped.await.unwrap();
}

#[tokio::test]
async fn what_a_killed_run_left_is_removed() {
    let (setup, temp) = (Setup::new(), tempfile::tempdir().unwrap());
    let mine = format!("watch-{}-x", haulier_model::Digest::of(b"w1").short());
    for folder in [mine.as_str(), "watch-0123456789ab-x", "other"] {
        write(temp.path(), &format!("{folder}/file"), b"left");
    }
    let running = setup.start(|options| {
        by_interval(options);
        options.temp = temp.path().to_owned();
    });
    running.until("it looks", |status| status.state == WatchState::Watching).await;
    let left: BTreeSet<_> = fs::read_dir(temp.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(left, ["watch-0123456789ab-x", "other"].map(Into::into).into());
    running.stop().await;
}
