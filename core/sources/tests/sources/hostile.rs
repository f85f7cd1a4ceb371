//! Listings of servers that mean harm, and of ones that answer nonsense.

use haulier_model::ErrorKind;
use haulier_sources::Storage;
use haulier_testkit::within;

use super::{
    SHORT,
    played::{Played, Then, bare, page},
    refused,
};

#[tokio::test]
async fn links_that_lead_elsewhere_are_not_followed() {
    let other = Played::start(|path| panic!("asked for {path}")).await;
    let elsewhere = other.url("/units/evil.jar");
    let server = Played::start(move |path| match path {
        "/units/" => page(&format!(
            r#"<a href="{elsewhere}">1</a><a href="../secret.jar">2</a><a href="javascript:alert(1)">3</a>
            <a href="/etc/passwd">4</a><a href="%2e%2e/x.jar">5</a><a href="..%2fx.jar">6</a><a href="good.jar">7</a>
            <a href="gone.jar">8</a><a href="./">9</a><a href="?C=M;O=A">10</a><a href=".git/">11</a>
            <a href="headless.jar">12</a>"#
        )),
        "/units/good.jar" => bare("200 OK", "ETag: \"1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        "/units/headless.jar" => bare("405 Method Not Allowed", ""),
        "/units/gone.jar" => bare("404 Gone", ""),
        other => panic!("asked for {other}"),
    })
    .await;
    let storage = Storage::open_with(&server.url("/units"), SHORT).unwrap();
    let files = within(20, "a listing", storage.list()).await.unwrap();
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!((files[0].path.as_str(), files[0].etag.as_deref()), ("good.jar", Some("\"1\"")));
    assert_eq!(files[0].modified_ms, Some(784_111_777_000));
    assert_eq!((files[1].path.as_str(), files[1].size, files[1].modified_ms), ("headless.jar", None, None));
}

#[tokio::test]
async fn a_listing_is_whole_or_an_error() {
    let server = Played::start(|path| match path {
        "/a/" => page(r#"<a href="x.jar">x</a><a href="deep/">deep</a>"#),
        "/a/x.jar" => bare("200 OK", ""),
        "/a/deep/" => bare("500 Oops", ""),
        "/b/" => page(r#"<a href="x.jar">x</a>"#),
        "/b/x.jar" => bare("503 Busy", ""),
        "/cut/" => {
            (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\n<a href=".into(), Then::Close)
        }
        "/silent/" => (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<a href=".into(), Then::Silence),
        "/nonsense/" => (b"SSH-2.0-OpenSSH_9.2\r\n".into(), Then::Close),
        _ => bare("200 OK", "Content-Type: application/json\r\n"),
    })
    .await;
    for (path, kind) in [
        ("/a", ErrorKind::Unavailable),
        ("/b", ErrorKind::Unavailable),
        ("/cut", ErrorKind::Unavailable),
        ("/silent", ErrorKind::Unavailable),
        ("/nonsense", ErrorKind::Unavailable),
        ("/json", ErrorKind::InvalidArgument),
    ] {
        let url = server.url(path).replace("://", "://me:secret@");
        refused(within(20, path, Storage::open_with(&url, SHORT).unwrap().list()).await, kind);
    }
}

#[tokio::test]
async fn listings_have_limits() {
    let server = Played::start(|path| match path {
        "/many/" => page(&(0..200_000).map(|number| format!("<a href={number}.jar>x</a>")).collect::<String>()),
        "/large/" => page(&" ".repeat(17 << 20)),
        _ => page(r#"<a href="deeper/">x</a>"#),
    })
    .await;
    for (path, message) in [("/many", "100000 entries"), ("/large", "16777216 bytes"), ("/deep", "deeper than 32")] {
        let storage = Storage::open(&server.url(path)).unwrap();
        let text = refused(within(60, path, storage.list()).await, ErrorKind::ResourceExhausted);
        assert!(text.contains(message), "{text}");
    }
}

#[tokio::test]
async fn an_ftp_server_that_talks_nonsense_or_echoes_the_password() {
    for (greeting, kind) in [
        ("HTTP/1.1 400 Bad Request\r\n", ErrorKind::Unavailable),
        ("530 go away, user me with password secret\r\n", ErrorKind::PermissionDenied),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ftp://me:secret@{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, greeting.as_bytes()).await;
            }
        });
        refused(within(20, "nonsense", Storage::open_with(&url, SHORT).unwrap().list()).await, kind);
    }
}
