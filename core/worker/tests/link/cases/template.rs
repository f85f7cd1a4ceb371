//! Python workers: forked from a process that has imported what earlier tasks imported.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use haulier_model::Language;
use haulier_worker::{Preloading, Supervisor};
use rustix::process::{Pid, Signal, kill_process};

use super::zygote::{gone_by_now, zygote_of};
use crate::{
    fixture::{Running, Site, gone, supervisor, text},
    log,
};

/// Where the workers of a trust group are.
struct Group {
    site: Site,
}

impl Group {
    fn new(name: &str) -> Self {
        Self::beside(name, supervisor())
    }

    fn beside(name: &str, supervisor: Supervisor) -> Self {
        let mut site = Site::beside(Language::Python, supervisor);
        let folder = site.directory.path().to_owned();
        site.spec.temp_dir = site.path("slot");
        std::fs::create_dir(&site.spec.temp_dir).unwrap();
        site.spec.preloading = Some(Preloading {
            group: name.into(),
            temp_dir: folder.clone(),
            writable: vec![folder],
            own_names: Arc::default(),
            import_limit: Duration::from_secs(5),
            pause: Duration::ZERO,
        });
        Self { site }
    }

    fn preloading(&mut self) -> &mut Preloading {
        self.site.spec.preloading.as_mut().unwrap()
    }

    /// A worker that has imported modules, and has ended; its zygote.
    async fn import(&self, modules: &str) -> u32 {
        let mut running = self.site.start().await;
        running.call("import", modules.to_owned()).await.unwrap();
        let zygote = zygote_of(&running);
        running.worker.kill();
        running.heard.lost().await;
        zygote
    }

    /// A worker that has these modules from the beginning.
    async fn with(&self, modules: &str) -> Running {
        let started = async {
            loop {
                let mut running = self.site.start().await;
                if preloaded(&mut running).await == modules {
                    return running;
                }
            }
        };
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, started).await.unwrap_or_else(|_| panic!("no worker has {modules}"))
    }
}

async fn variable(running: &mut Running, name: &str) -> String {
    let environment = running.call("environment", "").await.unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let found = environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
    found.unwrap_or_default()
}

async fn preloaded(running: &mut Running) -> String {
    variable(running, "PRELOADED").await
}

fn kill(process_id: u32) {
    kill_process(Pid::from_raw(process_id as i32).unwrap(), Signal::KILL).unwrap();
}

pub async fn later_workers_have_what_earlier_ones_imported() {
    let group = Group::new("a");
    let zygote = group.import("numpy no-module scipy.stats").await;
    let (mut one, two) = (group.with("numpy scipy.stats").await, group.with("numpy scipy.stats").await);
    assert_ne!(zygote_of(&one), zygote);
    assert_eq!(zygote_of(&one), zygote_of(&two));
    assert_eq!(one.call("echo", "one").await.unwrap(), "one");
    assert!(log::has("modules=\"numpy scipy.stats\""));
    one.submit(1, 0, "exit", "last words of one");
    let loss = one.heard.lost().await;
    assert_eq!((loss.status.as_str(), loss.last_output.as_str()), ("exit code 7", "last words of one\n"));
}

pub async fn trust_groups_share_none() {
    let first = Group::new("a");
    let second = Group::beside("b", first.site.supervisor());
    let zygote = first.import("numpy").await;
    let one = first.with("numpy").await;
    let mut two = second.site.start().await;
    assert_eq!((preloaded(&mut two).await.as_str(), zygote_of(&two)), ("", zygote));
    second.import("numpy").await;
    assert_ne!(zygote_of(&second.with("numpy").await), zygote_of(&one));
}

pub async fn a_class_path_with_a_name_of_it_does_without() {
    let mut group = Group::new("a");
    let zygote = group.import("numpy").await;
    drop(group.with("numpy").await);
    group.preloading().own_names = Arc::new(HashSet::from(["numpy".to_owned(), "other".to_owned()]));
    let mut running = group.site.start().await;
    assert_eq!((preloaded(&mut running).await.as_str(), zygote_of(&running)), ("", zygote));
}

pub async fn modules_that_cannot_be_imported_are_left_out() {
    let mut group = Group::new("a");
    group.preloading().import_limit = Duration::from_millis(300);
    group.import("numpy raises pandas aborts hangs").await;
    drop(group.with("numpy pandas").await);
    for line in ["it raises", "its import has not ended for 300ms", "signal 6 (SIGABRT)"] {
        assert!(log::has(line), "no '{line}' in\n{}", log::all());
    }
    group.import("raises").await;
    assert_eq!(preloaded(&mut group.site.start().await).await, "numpy pandas");
}

pub async fn more_modules_make_another_one() {
    let mut group = Group::new("a");
    group.import("numpy").await;
    let mut old = group.with("numpy").await;
    group.import("pandas").await;
    drop(group.with("numpy pandas").await);
    assert_eq!(old.call("echo", "still").await.unwrap(), "still");
    let template = zygote_of(&old);
    drop(old);
    assert!(gone(template).await, "it goes with its last child");
    group.preloading().pause = Duration::from_secs(1000);
    group.import("scipy").await;
    assert_eq!(preloaded(&mut group.site.start().await).await, "numpy pandas", "too early");
}

pub async fn it_dies_and_is_replaced() {
    let group = Group::new("a");
    let zygote = group.import("numpy").await;
    let mut running = group.with("numpy").await;
    let template = zygote_of(&running);
    kill(template);
    running.heard.lost().await;
    assert!(gone(running.worker.process_id()).await && gone(template).await);
    assert_eq!(group.site.start().await.call("echo", "again").await.unwrap(), "again");
    let running = group.with("numpy").await;
    let template = zygote_of(&running);
    // And with its zygote.
    kill(zygote);
    assert!(gone(template).await && gone(running.worker.process_id()).await);
    drop(group.with("numpy").await);
    let template = zygote_of(&group.with("numpy").await);
    drop(group);
    assert!(gone(template).await, "it ends with its supervisor");
}

pub async fn it_goes_when_it_is_idle_or_its_program_has_gone() {
    let group = Group::new("a");
    let zygote = group.import("numpy").await;
    let template = zygote_of(&group.with("numpy").await);
    let folder = |group: &Group| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(group.site.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| text(path).contains("template-")).collect()
    };
    assert_eq!(folder(&group).len(), 1);
    group.site.supervisor().end_idle_zygotes(Duration::from_secs(60));
    assert_eq!(zygote_of(&group.with("numpy").await), template);
    let ended = async {
        while !gone_by_now(template) || !gone_by_now(zygote) || !folder(&group).is_empty() {
            group.site.supervisor().end_idle_zygotes(Duration::ZERO);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("template, zygote and folder go");
    assert!(log::has("an idle template ends"));
    let running = group.with("numpy").await;
    let template = zygote_of(&running);
    group.site.supervisor().end_zygotes_of(&group.site.spec.program);
    assert!(!gone_by_now(template), "it has a child");
    drop(running);
    assert!(gone(template).await);
}

pub async fn they_are_bounded() {
    let groups: Vec<Group> = {
        let first = Group::new("bounded 0");
        let supervisor = first.site.supervisor();
        std::iter::once(first)
            .chain((1..8).map(|number| Group::beside(&format!("bounded {number}"), supervisor.clone())))
            .collect()
    };
    let mut templates = Vec::new();
    for group in &groups {
        group.import("numpy").await;
        let mut running = group.with("numpy").await;
        templates.push(zygote_of(&running));
        running.worker.kill();
        running.heard.lost().await;
    }
    // One zygote and seven templates.
    assert!(gone(templates[0]).await, "it was not used for longest");
    assert!(templates[1..].iter().all(|template| !gone_by_now(*template)));
    assert!(log::has("group=bounded 0 ") && log::has("a template makes room for another zygote or template"));
    // While all have children, there is no further one, and workers start without.
    let mut running = Vec::new();
    for group in &groups[1..] {
        running.push(group.with("numpy").await);
    }
    groups[0].import("numpy").await;
    assert_eq!(preloaded(&mut groups[0].site.start().await).await, "");
    assert!(log::has("no template: 8 zygotes and templates have children"));
}

pub async fn it_may_write_where_its_group_may() {
    let group = Group::new("a");
    let other = Group::beside("b", group.site.supervisor());
    group.import("numpy").await;
    let mut running = group.with("numpy").await;
    running.call("write", text(&group.site.spec.temp_dir.join("mine"))).await.unwrap();
    let folder = PathBuf::from(variable(&mut running, "TEMPLATE_FOLDER").await);
    assert!(folder.starts_with(group.site.directory.path()));
    running.call("write", text(&folder.join("cache"))).await.unwrap();
    for refused in [group.site.path("beside"), other.site.spec.temp_dir.join("other's")] {
        running.call("write", text(&refused)).await.unwrap_err();
        assert!(!refused.exists());
    }
}

pub async fn what_it_says_is_not_believed() {
    let group = Group::new("a");
    let zygote = group.import("lies").await;
    // The template says that its parent, the zygote, is its child; workers come from the zygote then.
    for _ in 0..3 {
        let mut running = group.site.start().await;
        assert_eq!(running.call("echo", "here").await.unwrap(), "here");
        assert_eq!(zygote_of(&running), zygote);
        running.worker.kill();
        running.heard.lost().await;
    }
    let told = async {
        while !log::has("cannot fork from a template") {
            drop(group.site.start().await);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("the template is used");
    assert!(!gone_by_now(zygote), "nobody has killed it");
}

pub async fn workers_start_without_it_if_they_must() {
    let group = Group::new("a");
    group.import("dies_in_children").await;
    let told = async {
        while !log::has("did not start: not again") {
            let mut running = group.site.start().await;
            assert_eq!(running.call("echo", "here").await.unwrap(), "here");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("the template is used");
}
