//! Every kind of storage lists, shows and fetches the same; the server of each kind is a real one.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use haulier_model::{Digest, ErrorKind};
use haulier_sources::{Storage, StoredFile};
use haulier_testkit::{TestServer, within};

use super::{HIDDEN, NAMES, SHORT, body_of, fill, refused, write};

const LIMIT: u64 = 1 << 20;

async fn paths(storage: &Storage) -> Vec<String> {
    within(60, "a listing", storage.list()).await.unwrap().into_iter().map(|file| file.path).collect()
}

/// What holds for each kind. The storage has [`NAMES`] and [`HIDDEN`].
async fn serves_what_it_lists(storage: &Storage) {
    let files = within(60, "a listing", storage.list()).await.unwrap();
    assert_eq!(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), NAMES);
    let scratch = tempfile::tempdir().unwrap();
    for file in files {
        let body = body_of(&file.path);
        assert_eq!(file.size, Some(body.len() as u64), "{}", file.path);
        let year_2024 = 1_704_000_000_000;
        assert!(file.modified_ms.unwrap() > year_2024, "{}", file.path);
        assert_eq!(storage.stat(&file.path).await.unwrap(), Some(file.clone()));
        let to = scratch.path().join("fetched");
        let fetched = within(60, "a fetch", storage.fetch(&file.path, &to, LIMIT)).await.unwrap();
        assert_eq!((fetched.size, fetched.sha256), (body.len() as u64, Digest::of(&body).hex()));
        assert_eq!(fs::read(&to).unwrap(), body);
        refused(storage.fetch(&file.path, &to, LIMIT).await, ErrorKind::Conflict);
        fs::remove_file(to).unwrap();
    }
    refuses_what_it_must(storage, scratch.path()).await;
}

async fn refuses_what_it_must(storage: &Storage, scratch: &Path) {
    assert_eq!(storage.stat("nothing.jar").await.unwrap(), None);
    assert_eq!(storage.stat("no/folder/nothing.jar").await.unwrap(), None);
    let to = scratch.join("refused");
    refused(storage.fetch("nothing.jar", &to, LIMIT).await, ErrorKind::NotFound);
    let text = refused(storage.fetch("pricing/1.2.0/lib/pricing.jar", &to, 100).await, ErrorKind::ResourceExhausted);
    assert!(text.contains("more than 100 bytes"), "{text}");
    for path in ["../x", "/etc/passwd", "a/../../x", "", "a\\b"] {
        refused(storage.fetch(path, &to, LIMIT).await, ErrorKind::InvalidArgument);
        refused(storage.stat(path).await, ErrorKind::InvalidArgument);
    }
    assert!(!to.exists());
}

/// A file that is replaced by another of the same size is seen as another.
fn differs(before: &StoredFile, after: &StoredFile) -> bool {
    before.size == after.size && (before.etag != after.etag || before.modified_ms != after.modified_ms)
}

fn set_modified(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Replaces a file of `folder`, which `storage` shows.
async fn sees_a_replaced_file(storage: &Storage, folder: &Path) {
    set_modified(&folder.join("a b.jar"), 1_730_000_000);
    let before = storage.stat("a b.jar").await.unwrap().unwrap();
    assert_eq!(before.modified_ms, Some(1_730_000_000_000));
    write(folder, ".new", &body_of("A B.jar"));
    fs::rename(folder.join(".new"), folder.join("a b.jar")).unwrap();
    assert!(differs(&before, &storage.stat("a b.jar").await.unwrap().unwrap()));
    fs::remove_file(folder.join("a b.jar")).unwrap();
    assert_eq!(paths(storage).await, NAMES[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let storage = Storage::open(&format!("file://{}", folder.path().display())).unwrap();
    assert_eq!(storage.folder(), Some(folder.path()));
    serves_what_it_lists(&storage).await;
    sees_a_replaced_file(&storage, folder.path()).await;
    let missing = Storage::open(&format!("file://{}/missing", folder.path().display())).unwrap();
    refused(missing.list().await, ErrorKind::NotFound);
    refused(
        Storage::open(&format!("file://{}/b%231.jar", folder.path().display())).unwrap().list().await,
        ErrorKind::NotFound,
    );
    refused(Storage::open("file://host/folder"), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_stay_in_their_folder() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "libs-evil/x.jar", b"x");
    write(outside.path(), "libs/in/y.jar", b"y");
    let folder = outside.path().join("libs");
    let storage = Storage::open(&format!("file://{}", folder.display())).unwrap();
    symlink("in", folder.join("also")).unwrap();
    symlink("nowhere", folder.join(".#lock")).unwrap();
    assert_eq!(paths(&storage).await, ["also/y.jar", "in/y.jar"]);
    symlink("../libs-evil", folder.join("evil")).unwrap();
    let text = refused(storage.list().await, ErrorKind::InvalidArgument);
    assert!(text.contains("evil leads out of the folder"), "{text}");
    let to = outside.path().join("to");
    refused(storage.fetch("evil/x.jar", &to, LIMIT).await, ErrorKind::InvalidArgument);
    fs::remove_file(folder.join("evil")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    assert_eq!(storage.stat("pipe").await.unwrap(), None);
    refused(within(20, "a pipe", storage.fetch("pipe", &to, LIMIT)).await, ErrorKind::NotFound);
    assert_eq!(paths(&storage).await, ["also/y.jar", "in/y.jar"]);
    symlink(".", folder.join("loop")).unwrap();
    storage.list().await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ftp_server() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let server = TestServer::ftp(folder.path()).unwrap();
    let storage = Storage::open(server.url()).unwrap();
    serves_what_it_lists(&storage).await;
    let host = server.url().trim_start_matches("ftp://");
    let mine = Storage::open(&format!("ftp://me:secret%20word@{host}pricing/1.2.0")).unwrap();
    assert_eq!(mine.url(), format!("ftp://{host}pricing/1.2.0"));
    assert_eq!(paths(&mine).await, ["lib/pricing.jar"]);
    sees_a_replaced_file(&storage, folder.path()).await;
    refused(Storage::open(&format!("{}missing", server.url())).unwrap().list().await, ErrorKind::NotFound);
    let wrong = Storage::open(&format!("ftp://me:not%20secret@{host}")).unwrap();
    refused(wrong.list().await, ErrorKind::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ftp_server_of_old() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let server = TestServer::plain_ftp(folder.path()).unwrap();
    serves_what_it_lists(&Storage::open(server.url()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_listing() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let server = TestServer::http(folder.path()).unwrap();
    let storage = Storage::open(server.url()).unwrap();
    serves_what_it_lists(&storage).await;
    let below = Storage::open(&format!("{}pricing", server.url())).unwrap();
    assert_eq!(paths(&below).await, ["1.2.0/lib/pricing.jar"]);
    sees_a_replaced_file(&storage, folder.path()).await;
    refused(Storage::open(&format!("{}missing/", server.url())).unwrap().list().await, ErrorKind::NotFound);
    let file = Storage::open(&format!("{}empty", server.url())).unwrap();
    file.list().await.unwrap_err();
    refused(Storage::open(&format!("{}?token=secret", server.url())), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_bucket() {
    let mut server = TestServer::s3().unwrap();
    for name in NAMES.iter().chain(&HIDDEN) {
        server.put(name, &body_of(name)).unwrap();
    }
    let storage = Storage::open(server.url()).unwrap();
    serves_what_it_lists(&storage).await;
    let below = Storage::open(&server.url().replace("units/", "units/pricing/1.2.0")).unwrap();
    assert_eq!(paths(&below).await, ["lib/pricing.jar"]);
    let before = storage.stat("a b.jar").await.unwrap().unwrap();
    server.put("a b.jar", &body_of("A B.jar")).unwrap();
    assert!(differs(&before, &storage.stat("a b.jar").await.unwrap().unwrap()));
    server.delete("a b.jar").unwrap();
    assert_eq!(paths(&storage).await, NAMES[1..]);
    server.put("../evil.jar", b"x").unwrap();
    assert_eq!(paths(&storage).await, NAMES[1..]);
    refused(Storage::open(&server.url().replace("units/", "missing/")).unwrap().list().await, ErrorKind::NotFound);
    refused(Storage::open("s3://key:secret@bucket/"), ErrorKind::InvalidArgument);
    refused(Storage::open("s3://bucket/?key=secret"), ErrorKind::InvalidArgument);
    refused(Storage::open("s3://bucket/?endpoint=http://k:secret@h/"), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_many_keys_is_listed_whole() {
    let mut server = TestServer::s3().unwrap();
    let expected: Vec<String> = (0..1100).map(|number| format!("many/{number:04}.jar")).collect();
    for key in &expected {
        server.put(key, b"x").unwrap();
    }
    assert_eq!(paths(&Storage::open(server.url()).unwrap()).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_or_absent_server_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "x.jar", b"x");
    let s3 = TestServer::s3().unwrap();
    for mut server in [TestServer::ftp(folder.path()).unwrap(), TestServer::http(folder.path()).unwrap(), s3] {
        let storage = Storage::open_with(server.url(), SHORT).unwrap();
        storage.list().await.unwrap();
        server.pause().unwrap();
        refused(within(10, "a silent server", storage.list()).await, ErrorKind::Unavailable);
        let to = folder.path().join("to");
        refused(within(20, "a silent server", storage.fetch("x.jar", &to, LIMIT)).await, ErrorKind::Unavailable);
        assert!(!to.exists());
        server.resume().unwrap();
        let back = haulier_testkit::until(Duration::from_secs(20), async || storage.list().await.is_ok()).await;
        assert!(back, "{}", storage.url());
        server.stop().unwrap();
        let absent = tokio::spawn(async move { storage.list().await });
        refused(within(10, "an absent server", absent).await.unwrap(), ErrorKind::Unavailable);
    }
}
