//! One file by its URL, from each kind of server: whole under its name, or not at all.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use haulier_model::{Digest, ErrorKind, Retry};
use haulier_sources::{FetchOptions, fetch};
use haulier_testkit::{TestServer, within};

use super::{
    SHORT, fill,
    played::{Played, Then, bare, page},
    refused, write,
};

fn options() -> FetchOptions {
    FetchOptions { deadlines: SHORT, ..FetchOptions::default() }
}

/// The names in a folder.
fn files(folder: &std::path::Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_every_scheme() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let body = fs::read(folder.path().join("größe/1.0/ü.py")).unwrap();
    let path = "gr%C3%B6%C3%9Fe/1.0/%C3%BC.py";
    let (ftp, http) = (TestServer::ftp(folder.path()).unwrap(), TestServer::http(folder.path()).unwrap());
    let mut s3 = TestServer::s3().unwrap();
    s3.put("größe/1.0/ü.py", &body).unwrap();
    let signed = ftp.url().replace("ftp://", "ftp://me:secret%20word@");
    for url in [
        format!("file://{}/{path}", folder.path().display()),
        format!("{signed}{path}"),
        format!("{}{path}?token=secret", http.url()),
        s3.url().replace("units/", &format!("units/{path}")),
    ] {
        let target = tempfile::tempdir().unwrap();
        let digest = Digest::of(&body).hex();
        let seen = Arc::new(AtomicU64::new(0));
        let (shared, length) = (seen.clone(), body.len() as u64);
        let progress: haulier_sources::Progress = Arc::new(move |done, total| {
            assert!(total.is_none_or(|total| total == length) && done <= length);
            shared.store(done, Ordering::Relaxed);
        });
        let whole = FetchOptions { sha256: Some(digest.to_uppercase()), progress: Some(progress), ..options() };
        let fetched = within(30, "a fetch", fetch(&url, target.path(), &whole)).await.unwrap();
        assert_eq!(fetched.path, target.path().join("ü.py"));
        assert_eq!((fetched.size, fetched.sha256.as_str()), (body.len() as u64, digest.as_str()));
        assert_eq!(fs::read(&fetched.path).unwrap(), body);
        assert_eq!(seen.load(Ordering::Relaxed), length);
        assert!(!fetched.url.contains("secret"), "{}", fetched.url);
        refused_leaves_nothing(&url, &digest).await;
    }
}

async fn refused_leaves_nothing(url: &str, digest: &str) {
    let target = tempfile::tempdir().unwrap();
    let other = Digest::of(b"other").hex();
    let wrong = FetchOptions { sha256: Some(other.clone()), ..options() };
    let text = refused(fetch(url, target.path(), &wrong).await, ErrorKind::InvalidArgument);
    assert!(text.contains(&other) && text.contains(digest), "{text}");
    let small = FetchOptions { limit: 100, ..options() };
    refused(fetch(url, target.path(), &small).await, ErrorKind::ResourceExhausted);
    let missing = url.replace("%C3%BC.py", "missing.py");
    refused(fetch(&missing, target.path(), &options()).await, ErrorKind::NotFound);
    assert!(files(target.path()).is_empty(), "{:?}", files(target.path()));
}

#[tokio::test]
async fn statuses_are_kinds() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let server = Played::start(move |path| match path {
        "/busy.jar" => {
            counted.fetch_add(1, Ordering::Relaxed);
            bare("503 Busy", "")
        }
        "/once.jar" if counted.fetch_add(1, Ordering::Relaxed) == 0 => bare("500 Once", ""),
        "/once.jar" => page("whole"),
        path => bare(&format!("{} x", &path[1..4]), ""),
    })
    .await;
    let target = tempfile::tempdir().unwrap();
    let kinds = [
        (404, ErrorKind::NotFound),
        (410, ErrorKind::NotFound),
        (401, ErrorKind::PermissionDenied),
        (403, ErrorKind::PermissionDenied),
        (400, ErrorKind::InvalidArgument),
    ];
    for (status, kind) in kinds {
        let url = server.url(&format!("/{status}.jar")).replace("://", "://me:secret@");
        let text = refused(fetch(&url, target.path(), &options()).await, kind);
        assert!(text.contains(&status.to_string()), "{text}");
    }
    let fetched = fetch(&server.url("/once.jar"), target.path(), &options()).await.unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), b"whole");
    tries.store(0, Ordering::Relaxed);
    let error = fetch(&server.url("/busy.jar"), target.path(), &options()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
    assert_eq!(tries.load(Ordering::Relaxed), 4);
    assert_eq!(files(target.path()), ["once.jar"]);
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let server = Played::start(|path| {
        let number: usize = path.trim_start_matches("/r").trim_end_matches(".jar").parse().unwrap();
        match number {
            0 => page("end"),
            100 => bare("302 Found", "Location: /r100.jar\r\n"),
            _ => bare("302 Found", &format!("Location: /r{}.jar\r\n", number - 1)),
        }
    })
    .await;
    let target = tempfile::tempdir().unwrap();
    let fetched = fetch(&server.url("/r5.jar"), target.path(), &options()).await.unwrap();
    assert_eq!(fetched.path, target.path().join("r5.jar"));
    for path in ["/r6.jar", "/r100.jar"] {
        let text = refused(fetch(&server.url(path), target.path(), &options()).await, ErrorKind::InvalidArgument);
        assert!(text.contains("more than 5 redirects"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle() {
    let server = Played::start(|path| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this much".to_owned().into_bytes();
        (head, if path == "/closed.jar" { Then::Close } else { Then::Silence })
    })
    .await;
    let target = tempfile::tempdir().unwrap();
    for path in ["/closed.jar", "/silent.jar"] {
        let answer = within(20, "a broken transfer", fetch(&server.url(path), target.path(), &options())).await;
        refused(answer, ErrorKind::Unavailable);
    }
    assert!(files(target.path()).is_empty());
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_no_file() {
    let server = Played::start(|_| (b"HTTP/1.1 200 OK\r\n\r\nsome".to_vec(), Then::Silence)).await;
    let target = tempfile::tempdir().unwrap();
    let url = server.url("/x.jar");
    let begun = Arc::new(tokio::sync::Notify::new());
    let told = begun.clone();
    let progress: haulier_sources::Progress = Arc::new(move |done, _| {
        if done > 0 {
            told.notify_one();
        }
    });
    let options = FetchOptions { progress: Some(progress), ..FetchOptions::default() };
    tokio::select! {
        answer = fetch(&url, target.path(), &options) => panic!("{answer:?}"),
        () = within(20, "the first bytes", begun.notified()) => {}
    }
    assert!(files(target.path()).is_empty());
}

#[tokio::test]
async fn what_names_no_file_is_refused() {
    let target = tempfile::tempdir().unwrap();
    write(target.path(), "folder/file", b"x");
    for url in ["http://h/", "s3://bucket", "ftp://me:secret@h/a/", "http://h/..%2fx", "gopher://me:secret@h/x"] {
        refused(fetch(url, target.path(), &options()).await, ErrorKind::InvalidArgument);
    }
    let folder = format!("file://{}", target.path().display());
    refused(fetch(&format!("{folder}/folder"), target.path(), &options()).await, ErrorKind::NotFound);
    let missing = target.path().join("missing");
    refused(fetch(&format!("{folder}/folder/file"), &missing, &options()).await, ErrorKind::NotFound);
}
