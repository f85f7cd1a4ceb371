//! Uploads: names, sizes, and ends that come too early.

use std::fs;

use tokio::io::AsyncWriteExt as _;

use crate::{
    curl::curl,
    running::{Running, read_all},
};

/// The body of an upload with files of these names.
fn body(names: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for name in names {
        let head =
            format!("--edge\r\nContent-Disposition: form-data; name=\"unitContent\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"x\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    body
}

async fn post(gateway: &Running, body: &[u8]) -> crate::curl::Reply {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), body).unwrap();
    let data = format!("@{}", file.path().display());
    let content_type = "Content-Type: multipart/form-data; boundary=edge";
    curl(&["-H", content_type, "--data-binary", &data, &gateway.url("/units/hostile/1")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_refused() {
    let gateway = Running::start().await;
    let (long, deep) = ("n".repeat(300), "d/".repeat(64) + "x");
    for (names, reason) in [
        (["a", "../x"], "leaves the root"),
        (["a", "b/../../x"], "leaves the root"),
        (["a", "/etc/x"], "is absolute"),
        (["a", "b\\x"], "has a backslash"),
        (["a", "C:x"], "has a drive letter"),
        (["a", "./b"], "'.' part"),
        (["a", ""], "is empty"),
        (["a", "a"], "is there twice"),
        (["b/a", "B/A"], "by case only"),
        (["ä", "Ä"], "by case only"),
        (["a", "a/b"], "both a file and a folder"),
        (["a/b", "a"], "both a file and a folder"),
        (["a", &long], "too long"),
        (["a", &deep], "more than 64 parts"),
    ] {
        let detail = post(&gateway, &body(&names)).await.problem(400);
        assert!(detail.contains(reason), "{names:?}: {detail}");
    }
    assert!(gateway.engine.deployed.lock().is_empty());
    // Nothing was written outside: what lies beside the folder for uploads is that folder alone.
    assert_eq!(fs::read_dir(gateway.folder.path()).unwrap().count(), 1);
    post(&gateway, &body(&["%2e%2e/x", "..a", "libs-evil/x"])).await.done();
    assert!(gateway.engine.deployed.lock()[0].files.contains_key("%2e%2e/x"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_files() {
    let gateway = Running::start().await;
    let names: Vec<String> = (0..10_001).map(|index| format!("f{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(post(&gateway, &body(&names)).await.problem(400).contains("more than 10000 files"));
    post(&gateway, &body(&names[1..])).await.done();
    assert_eq!(gateway.engine.deployed.lock()[0].files.len(), 10_000);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_bytes() {
    let gateway = Running::with(|options| options.upload_limit = 1 << 20).await;
    let file = gateway.folder.path().join("big");
    fs::File::create(&file).unwrap().set_len(20 << 20).unwrap();
    let part = format!("unitContent=@{}", file.display());
    let url = gateway.url("/units/big/1");
    assert!(curl(&["-F", &part, &url]).await.problem(413).contains("1048576 bytes"));
    // Without a length, and without waiting for leave to send.
    for expect in ["Expect:", "Expect: 100-continue"] {
        curl(&["-H", "Transfer-Encoding: chunked", "-H", expect, "-F", &part, &url]).await.problem(413);
    }
    fs::File::create(&file).unwrap().set_len(1 << 19).unwrap();
    curl(&["-H", "Transfer-Encoding: chunked", "-F", &part, &url]).await.done();
    gateway.stop().await;
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_needs_little_memory() {
    let gateway = Running::start().await;
    let file = gateway.folder.path().join("large.bin");
    fs::File::create(&file).unwrap().set_len(300 << 20).unwrap();
    let part = format!("unitContent=@{}", file.display());
    let before = peak_memory();
    curl(&["-F", &part, &gateway.url("/units/large/1")]).await.done();
    let grown = peak_memory() - before;
    assert!(grown < 32 << 10, "{grown} KiB");
    assert_eq!(gateway.engine.deployed.lock()[0].files["large.bin"].0, 300 << 20);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_part_is_limited() {
    let gateway = Running::start().await;
    let mut body = b"--edge\r\nX: ".to_vec();
    body.resize(8 << 20, b'y');
    assert!(post(&gateway, &body).await.problem(400).contains("head of a part"));
    let mut preamble = vec![b'z'; 8 << 20];
    preamble.extend_from_slice(b"\r\n--edge--\r\n");
    post(&gateway, &preamble).await.problem(400);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_nothing() {
    let gateway = Running::start().await;
    let mut stream = gateway.send(&gateway.upload_head("gone", 1 << 20)).await;
    stream.write_all(&[b'x'; 100_000]).await.unwrap();
    gateway.uploads_exist(true).await;
    drop(stream);
    gateway.uploads_exist(false).await;
    assert!(gateway.engine.deployed.lock().is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_end_is_no_upload() {
    let gateway = Running::start().await;
    let whole = body(&["a", "b"]);
    for end in [10, 30, 95, whole.len() - 60, whole.len() - 12, whole.len() - 5] {
        assert!(post(&gateway, &whole[..end]).await.problem(400).contains("damaged"), "{end}");
    }
    assert!(gateway.engine.deployed.lock().is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_is_removed_at_the_start() {
    let gateway = Running::with(|options| {
        fs::create_dir_all(options.temp.join("gateway-upload-old/files")).unwrap();
        fs::write(options.temp.join("gateway-upload-old/files/a"), "x").unwrap();
    })
    .await;
    let mut stream = gateway.send("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    gateway.stop().await;
}
