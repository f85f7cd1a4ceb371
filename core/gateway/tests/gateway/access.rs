//! Tokens, `Host` and `Origin`; HTTPS.

use std::sync::Arc;

use serde_json::json;

use crate::{
    curl::{anonymous, curl},
    running::{Running, read_all},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_always() {
    let gateway = Running::start().await;
    for path in ["/cluster/units", "/openapi.json", "/nothing", "/units/a/1"] {
        for header in [
            "X: y",
            "Authorization: Bearer wrong",
            "Authorization: Bearer ",
            "Authorization: Basic YTpi",
            "Authorization;",
        ] {
            let reply = anonymous(&["-H", header, &gateway.url(path)]).await;
            let detail = reply.problem(401);
            assert!(reply.authenticate.starts_with("Bearer"), "{reply:?}");
            assert!(!detail.contains("secret") && !detail.contains("wrong"), "{detail}");
        }
    }
    let units = gateway.url("/cluster/units");
    anonymous(&["-H", "Authorization: Bearer later", &units]).await.problem(503);
    assert_eq!(anonymous(&["-H", "authorization: bearer a-token-of-ann", &units]).await.status, 200);
    let both = ["-H", "Authorization: Bearer a-token-of-ann", "-H", "Authorization: Bearer wrong", &units];
    anonymous(&both).await.problem(401);
    let health = anonymous(&[&format!("http://{}/health", gateway.address)]).await;
    assert_eq!((health.status, health.json()), (200, json!({"status": "UP"})));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_hosts_and_origins_are_refused() {
    let gateway = Running::with(|options| options.hosts = vec!["deploy.example.org".to_owned()]).await;
    let units = gateway.url("/cluster/units");
    let health = format!("http://{}/health", gateway.address);
    let own = format!("Origin: http://{}", gateway.address);
    let port = gateway.address.port();
    for header in [
        "Host: evil.example",
        "Host: 10.0.0.1",
        "Host: a@localhost",
        "Host;",
        "Origin: null",
        "Origin: http://evil.example",
        "Origin: http://127.0.0.1:1",
    ] {
        for url in [&units, &health] {
            let reply = curl(&["-H", header, url]).await;
            reply.problem(403);
            assert_eq!(reply.cors, "");
        }
    }
    for header in ["Host: localhost", "Host: [::1]:1", "Host: deploy.example.org:99", &own] {
        let reply = curl(&["-H", header, &units]).await;
        assert_eq!((reply.status, reply.cors.as_str()), (200, ""), "{header}");
    }
    let preflight = ["-X", "OPTIONS", "-H", &own, "-H", "Access-Control-Request-Method: DELETE", &units];
    assert_eq!((curl(&preflight).await.status, curl(&preflight).await.cors.as_str()), (405, ""));
    for request in [
        format!("GET http://evil.example/health HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        "GET /health HTTP/1.0\r\n\r\n".to_owned(),
    ] {
        let answer = read_all(&mut gateway.send(&request).await).await;
        assert!(answer.lines().next().is_some_and(|line| line.contains(" 403 ")), "{request}: {answer}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_https() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let gateway = Running::with(|options| options.tls = Some(Arc::new(config))).await;
    let trusted = gateway.folder.path().join("ca.pem");
    std::fs::write(&trusted, certificate.cert.pem()).unwrap();
    let url = format!("https://localhost:{}/management/v1/deployment", gateway.address.port());
    let with = ["--cacert", trusted.to_str().unwrap()];
    let origin = format!("Origin: https://localhost:{}", gateway.address.port());
    let deploy = ["-H", &origin, "-F", "unitContent=x;filename=a", &format!("{url}/units/a/1")];
    curl(&[with.as_slice(), &deploy].concat()).await.done();
    let plain = format!("Origin: http://localhost:{}", gateway.address.port());
    curl(&[with.as_slice(), &["-H", &plain, &format!("{url}/node/units")]].concat()).await.problem(403);
    gateway.stop().await;
}
