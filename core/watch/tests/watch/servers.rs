//! Storages that are servers of others: FTP, HTTP, S3.

use std::{fs, path::Path, sync::Arc, time::Duration};

use haulier_sources::{Deadlines, Storage};
use haulier_testkit::TestServer;
use haulier_watch::WatchState;
use tempfile::TempDir;

use crate::node::{Node, Running, digest, jar, write};

fn start(server: &TestServer, node: &Arc<Node>) -> Running {
    let deadlines = Deadlines { connect: Duration::from_secs(1), silence: Duration::from_secs(1) };
    let storage = Storage::open_with(server.url(), deadlines).unwrap();
    Running::start(Arc::new(storage), node, |options| {
        options.interval = Some(Duration::from_millis(100));
        options.settle = Duration::from_millis(300);
    })
}

/// What the same bytes are when they are deployed as a file.
fn digest_of(bytes: &[u8]) -> haulier_model::Digest {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "x.jar", bytes);
    digest(&folder.path().join("x.jar"))
}

/// Adds, replaces, breaks, deletes; takes the server away for a while.
async fn follow(server: &mut TestServer, mut put: impl FnMut(&mut TestServer, &str, Option<&[u8]>)) {
    let node = Node::new();
    for name in ["a-1.jar", "b/1/lib/x y#%2e(ä).jar", "c-1.jar"] {
        put(server, name, Some(&jar(name)));
    }
    put(server, "bad-1.jar", Some(b"no jar"));
    let running = start(server, &node);
    node.until("three units", |state| state.units.len() == 3).await;
    running.until("one is bad", |status| status.units == 3 && status.problem_count == 1).await;
    assert_eq!(node.state().units["b:1"].0, digest_of(&jar("b/1/lib/x y#%2e(ä).jar")));
    put(server, "a-1.jar", Some(&jar("another text")));
    node.until("it is replaced", |state| state.units["a:1"].0 == digest_of(&jar("another text"))).await;
    server.pause().unwrap();
    running.until("it is silent", |status| status.state == WatchState::Outage).await;
    server.resume().unwrap();
    running.until("it is back", |status| status.state == WatchState::Watching).await;
    put(server, "c-1.jar", None);
    node.logged("undeployed c:1").await;
    server.stop().unwrap();
    running.until("it is gone", |status| status.state == WatchState::Outage).await;
    let log = node.state().log;
    assert_eq!(log.iter().filter(|line| line.starts_with("undeployed")).count(), 1, "{log:?}");
    assert_eq!(node.count("refused bad:1"), 1, "{log:?}");
    running.stop().await;
}

/// Puts files into the folder that a server shows.
fn into(folder: &Path) -> impl FnMut(&mut TestServer, &str, Option<&[u8]>) {
    move |_, path, bytes| match bytes {
        Some(bytes) => write(folder, path, bytes),
        None => fs::remove_file(folder.join(path)).unwrap(),
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn ftp() {
    let folder = folder();
    follow(&mut TestServer::ftp(folder.path()).unwrap(), into(folder.path())).await;
}

#[tokio::test]
async fn plain_ftp() {
    let folder = folder();
    follow(&mut TestServer::plain_ftp(folder.path()).unwrap(), into(folder.path())).await;
}

#[tokio::test]
async fn http() {
    let folder = folder();
    follow(&mut TestServer::http(folder.path()).unwrap(), into(folder.path())).await;
}

#[tokio::test]
async fn s3() {
    let put = |server: &mut TestServer, path: &str, bytes: Option<&[u8]>| match bytes {
        Some(bytes) => server.put(path, bytes).unwrap(),
        None => server.delete(path).unwrap(),
    };
    follow(&mut TestServer::s3().unwrap(), put).await;
}
