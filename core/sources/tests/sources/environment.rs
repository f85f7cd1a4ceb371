//! What comes from the environment: keys, proxies, trusted authorities. A test that needs it starts itself again, in a
//! process that has it.

use std::fs;

use haulier_model::ErrorKind;
use haulier_sources::{FetchOptions, Storage, fetch};
use haulier_testkit::{TestServer, TlsMaterial, within};

use super::{
    SHORT,
    played::{Played, bare, page},
    refused,
};

/// Says to a test that it was started again, and with which URL.
const AGAIN: &str = "HAULIER_TEST_URL";

fn again() -> Option<String> {
    std::env::var(AGAIN).ok()
}

/// Starts the test of that name again.
async fn start_again(test: &str, url: &str, variables: &[(&str, &str)]) {
    let mut process = tokio::process::Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", &format!("environment::{test}")]).env(AGAIN, url);
    process.envs(variables.iter().copied()).kill_on_drop(true);
    let ended = within(60, "the test in another environment", process.output()).await.unwrap();
    let output = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && output.contains("1 passed"), "{output}");
}

fn options() -> FetchOptions {
    FetchOptions { deadlines: SHORT, ..FetchOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_private_objects() {
    if let Some(url) = again() {
        let found = Storage::open(&url).unwrap().stat("private/x.jar").await.unwrap();
        assert_eq!(found.unwrap().size, Some(1));
        return;
    }
    let mut server = TestServer::s3().unwrap();
    server.put("private/x.jar", b"x").unwrap();
    refused(Storage::open(server.url()).unwrap().stat("private/x.jar").await, ErrorKind::PermissionDenied);
    let keys = [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    start_again("keys_open_private_objects", server.url(), &keys).await;
}

#[tokio::test]
async fn a_proxy_is_asked() {
    let target = tempfile::tempdir().unwrap();
    if let Some(url) = again() {
        let fetched = fetch(&url, target.path(), &options()).await.unwrap();
        assert_eq!(fs::read(fetched.path).unwrap(), b"of the proxy");
        return;
    }
    const URL: &str = "http://nowhere.invalid/x.jar";
    refused(fetch(URL, target.path(), &options()).await, ErrorKind::Unavailable);
    let proxy = Played::start(|path| if path == URL { page("of the proxy") } else { bare("404 Missing", "") }).await;
    start_again("a_proxy_is_asked", URL, &[("http_proxy", &proxy.url("")), ("NO_PROXY", "")]).await;
}

#[tokio::test]
async fn tls_is_verified_and_never_lost() {
    let target = tempfile::tempdir().unwrap();
    if let Some(url) = again() {
        let fetched = fetch(&format!("{url}/x.jar"), target.path(), &options()).await.unwrap();
        assert_eq!(fs::read(fetched.path).unwrap(), b"by TLS");
        let lost = fetch(&format!("{url}/lost.jar"), target.path(), &options()).await;
        let text = refused(lost, ErrorKind::InvalidArgument);
        assert!(text.contains("from https to http"), "{text}");
        return;
    }
    let plain = Played::start(|path| panic!("asked for {path} without TLS")).await;
    let elsewhere = format!("Location: {}\r\n", plain.url("/x.jar"));
    let tls = TlsMaterial::generate();
    let server = Played::start_tls(&tls, move |path| match path {
        "/x.jar" => page("by TLS"),
        _ => bare("302 Found", &elsewhere),
    })
    .await;
    let url = server.url("").replace("http://", "https://");
    let text = refused(fetch(&format!("{url}/x.jar"), target.path(), &options()).await, ErrorKind::Unavailable);
    assert!(text.contains("certificate"), "{text}");
    let authority = tls.authority();
    start_again("tls_is_verified_and_never_lost", &url, &[("SSL_CERT_FILE", authority.to_str().unwrap())]).await;
}
