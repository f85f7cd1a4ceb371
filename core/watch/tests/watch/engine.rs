//! When a watch looks, on a clock that is not real.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use haulier_model::{Error, ErrorKind, Result};
use haulier_watch::{Fetched, ProblemState, StoredFile, Watch, WatchOptions, WatchState, WatchedStorage};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::node::{Node, Running, jar};

/// A storage that tells when it is listed. It says nothing of its files but their names.
struct Told {
    listed: mpsc::UnboundedSender<Duration>,
    began: Instant,
    broken: AtomicBool,
    stuck: AtomicBool,
    jar: Option<Vec<u8>>,
}

#[async_trait]
impl WatchedStorage for Told {
    fn url(&self) -> &str {
        "s3://bucket/units"
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    async fn list(&self) -> Result<Vec<StoredFile>> {
        let _ = self.listed.send(self.began.elapsed());
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "list s3://bucket/units", "no route"));
        }
        Ok(self.jar.iter().map(|_| file()).collect())
    }

    async fn stat(&self, _: &str) -> Result<Option<StoredFile>> {
        Ok(self.jar.as_ref().map(|_| file()))
    }

    async fn fetch(&self, _: &str, to: &Path, _: u64) -> Result<Fetched> {
        let jar = self.jar.as_deref().unwrap();
        std::fs::write(to, jar).unwrap();
        Ok(Fetched { size: jar.len() as u64, sha256: String::new() })
    }
}

fn file() -> StoredFile {
    StoredFile { path: "a-1.jar".into(), size: None, modified_ms: None, etag: None }
}

fn storage(jar: Option<Vec<u8>>) -> (Arc<Told>, mpsc::UnboundedReceiver<Duration>) {
    let (listed, receiver) = mpsc::unbounded_channel();
    let (broken, stuck) = (AtomicBool::new(false), AtomicBool::new(false));
    (Arc::new(Told { listed, began: Instant::now(), broken, stuck, jar }), receiver)
}

/// The seconds at which the next `count` looks begin.
async fn looks(listed: &mut mpsc::UnboundedReceiver<Duration>, count: usize) -> Vec<u64> {
    let mut seconds = Vec::new();
    for _ in 0..count {
        let look = timeout(Duration::from_secs(3600), listed.recv()).await;
        seconds.push(look.expect("it looks").unwrap().as_secs());
    }
    seconds
}

#[tokio::test(start_paused = true)]
async fn looks_follow_the_interval_outages_and_wishes() {
    let (storage, mut listed) = storage(None);
    let watch = Watch::new(Arc::<Told>::clone(&storage), Node::new(), WatchOptions::new("w", "/nonexistent"));
    let (handle, stop) = (watch.handle(), CancellationToken::new());
    assert_eq!((handle.status().state, handle.status().last_success_ms), (WatchState::Starting, None));
    let task = tokio::spawn(watch.run(stop.clone()));
    assert_eq!(looks(&mut listed, 3).await, [0, 30, 60]);
    storage.broken.store(true, Ordering::SeqCst);
    assert_eq!(looks(&mut listed, 9).await, [90, 91, 93, 97, 105, 121, 151, 181, 211]);
    assert!(handle.status().last_error.unwrap().contains("no route"));
    storage.broken.store(false, Ordering::SeqCst);
    assert_eq!(looks(&mut listed, 2).await, [241, 271]);
    let mut status = handle.subscribe();
    status.wait_for(|status| status.state == WatchState::Watching).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    handle.look();
    assert_eq!(looks(&mut listed, 2).await, [281, 311]);
    storage.stuck.store(true, Ordering::SeqCst);
    assert_eq!(looks(&mut listed, 2).await, [341, 942], "a listing that hangs is given up, and tried again");
    stop.cancel();
    timeout(Duration::from_secs(1), task).await.expect("it ends while it looks").unwrap();
    assert!(status.has_changed().is_err(), "the status is closed");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_is_given_up_and_holds_up_no_end() {
    let (storage, mut listed) = storage(Some(jar("a")));
    let (node, began) = (Node::new(), Instant::now());
    let _hangs = node.gate.lock().await;
    let running = Running::start(storage, &node, |_| ());
    let mut status = running.handle.subscribe();
    let given_up = timeout(Duration::from_secs(3600), status.wait_for(|status| status.problem_count == 1)).await;
    assert!(given_up.is_ok_and(|status| status.is_ok()));
    let problem = running.handle.status().problems.remove(0);
    assert_eq!((problem.state, problem.unit.as_deref()), (ProblemState::Retrying, Some("a:1")));
    assert!(problem.error.contains("600 seconds"), "{}", problem.error);
    assert_eq!(began.elapsed().as_secs(), 602);
    assert_eq!(looks(&mut listed, 4).await, [0, 2, 32, 62], "it looks all the same");
    sleep(Duration::from_secs(5)).await;
    let stopped = Instant::now();
    running.stop().await;
    assert_eq!(stopped.elapsed().as_secs(), 10, "what it has begun again gets its time");
}
