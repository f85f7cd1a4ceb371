//! Python workers: forked from a warm process.

use haulier_model::{ErrorKind, Language};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{Running, Site, gone, text};

/// The process that a worker was forked from.
pub(super) fn zygote_of(running: &Running) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.worker.process_id())).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    parent.trim().parse().unwrap()
}

pub async fn workers_are_forked() {
    let first = Site::new(Language::Python);
    let second = Site::beside(Language::Python, first.supervisor());
    let (mut one, mut two) = (first.start().await, second.start().await);
    assert_eq!(zygote_of(&one), zygote_of(&two));
    assert_ne!(one.worker.process_id(), two.worker.process_id());
    assert_eq!(one.call("echo", "one").await.unwrap(), "one");
    assert_eq!(two.call("echo", "two").await.unwrap(), "two");
    // One ends with its last words; the other, and the zygote, go on.
    one.submit(1, 0, "exit", "last words of one");
    let loss = one.heard.lost().await;
    assert_eq!((loss.status.as_str(), loss.last_output.as_str()), ("exit code 7", "last words of one\n"));
    assert_eq!(two.call("echo", "still").await.unwrap(), "still");
    let mut three = first.start().await;
    assert_eq!(zygote_of(&three), zygote_of(&two));
    let child = three.call("start", "").await.unwrap();
    three.worker.kill();
    let loss = three.heard.lost().await;
    assert_eq!((loss.status.as_str(), loss.requested), ("signal 9 (SIGKILL)", true));
    assert!(gone(String::from_utf8_lossy(&child).parse().unwrap()).await);
    two.worker.stop(std::time::Duration::from_secs(10)).await;
    assert_eq!(two.heard.lost().await.status, "exit code 0");
}

pub async fn a_dead_zygote_is_replaced() {
    let site = Site::new(Language::Python);
    let mut running = site.start().await;
    let zygote = zygote_of(&running);
    kill_process(Pid::from_raw(zygote as i32).unwrap(), Signal::KILL).unwrap();
    let loss = running.heard.lost().await;
    assert!(!loss.requested);
    assert!(gone(running.worker.process_id()).await && gone(zygote).await);
    let mut running = site.start().await;
    assert_ne!(zygote_of(&running), zygote);
    assert_eq!(running.call("echo", "again").await.unwrap(), "again");
    // Without workers and supervisor there is no zygote.
    let zygote = zygote_of(&running);
    drop((site, running));
    assert!(gone(zygote).await);
}

pub async fn a_stopped_zygote_is_replaced() {
    let mut site = Site::new(Language::Python);
    let mut running = site.start().await;
    let zygote = zygote_of(&running);
    kill_process(Pid::from_raw(zygote as i32).unwrap(), Signal::STOP).unwrap();
    site.spec.start_timeout = std::time::Duration::from_millis(200);
    let error = site.try_start().await.0.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    assert_eq!(running.call("echo", "not stopped").await.unwrap(), "not stopped");
    assert!(gone(zygote).await);
    running.heard.lost().await;
    site.spec.start_timeout = std::time::Duration::from_secs(10);
    assert_eq!(site.start().await.call("echo", "again").await.unwrap(), "again");
}

pub async fn a_zygote_without_children_ends() {
    let site = Site::new(Language::Python);
    let mut running = site.start().await;
    let zygote = zygote_of(&running);
    site.supervisor().end_idle_zygotes(std::time::Duration::ZERO);
    assert_eq!(running.call("echo", "it has a child").await.unwrap(), "it has a child");
    running.worker.kill();
    running.heard.lost().await;
    drop(running);
    site.supervisor().end_idle_zygotes(std::time::Duration::from_secs(60));
    assert_eq!(zygote_of(&site.start().await), zygote, "it was used just now");
    let ended = async {
        while !gone_by_now(zygote) {
            site.supervisor().end_idle_zygotes(std::time::Duration::ZERO);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.expect("the zygote ends");
    assert_eq!(site.start().await.call("echo", "again").await.unwrap(), "again");
}

pub(super) fn gone_by_now(process_id: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{process_id}")).exists()
}

pub async fn children_are_confined_each_to_its_own() {
    let first = Site::new(Language::Python);
    let second = Site::beside(Language::Python, first.supervisor());
    let (mut one, two) = (first.start().await, second.start().await);
    assert_eq!(zygote_of(&one), zygote_of(&two));
    one.call("write", text(&first.path("mine"))).await.unwrap();
    one.call("write", text(&second.path("other's"))).await.unwrap_err();
    assert!(!second.path("other's").exists());
}

pub async fn zygotes_are_bounded() {
    let site = Site::new(Language::Python);
    let mut zygotes = Vec::new();
    for number in 0..9 {
        let mut other = Site::beside(Language::Python, site.supervisor());
        other.spec.memory = Some((8 << 30) + number);
        let mut running = other.start().await;
        zygotes.push(zygote_of(&running));
        running.worker.kill();
        running.heard.lost().await;
    }
    assert!(gone(zygotes[0]).await, "it was not used for longest");
    assert!(zygotes[1..].iter().all(|zygote| !gone_by_now(*zygote)));
    assert!(crate::log::has("a zygote makes room for another one"));
}
