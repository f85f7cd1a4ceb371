//! Who may connect: beyond loopback a node wants a token and TLS, or to be told that it need not.
use std::{fs, time::Duration};

use haulier::{ConnectOptions, ErrorKind};
use haulier_testkit::{NodeOptions, TestNode, TlsMaterial};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn beyond(arguments: &[&str]) -> NodeOptions {
    NodeOptions { listen: Some("0.0.0.0:0".into()), ..NodeOptions::default() }.arguments(arguments.iter().copied())
}

fn local(node: &TestNode) -> String {
    let (_, port) = node.address().rsplit_once(':').expect("host:port");
    format!("127.0.0.1:{port}")
}

#[test]
fn without_token_and_tls_a_node_does_not_start() {
    let material = TlsMaterial::generate();
    let token = material.folder().join("token");
    fs::write(&token, TOKEN).unwrap();
    let (certificate, key) = (material.certificate(), material.key());
    let path = |path: &std::path::Path| path.display().to_string();
    let (token, certificate, key) = (path(&token), path(&certificate), path(&key));
    let refused: [&[&str]; 3] = [&[], &["--token-file", &token], &["--tls-cert", &certificate, "--tls-key", &key]];
    for arguments in refused {
        let Err(error) = TestNode::start(beyond(arguments)) else { panic!("{arguments:?} started a node") };
        let error = error.to_string();
        assert!(error.contains("--insecure") && error.contains("token"), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn insecure_starts_with_a_warning() {
    let node = TestNode::start(beyond(&["--insecure"])).expect("a node");
    assert!(node.output().to_lowercase().contains("insecure"), "{}", node.output());
    let cluster = haulier::connect(local(&node)).await.expect("a connection");
    assert_eq!(cluster.nodes().await.expect("the nodes").len(), 1);
}

#[tokio::test]
async fn with_token_and_tls_only_those_who_have_both_connect() {
    let material = TlsMaterial::generate();
    let token = material.folder().join("token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let path = |path: &std::path::Path| path.display().to_string();
    let (certificate, key, token) = (path(&material.certificate()), path(&material.key()), path(&token));
    let arguments = ["--token-file", &token, "--tls-cert", &certificate, "--tls-key", &key];
    let node = TestNode::start(beyond(&arguments)).expect("a node");
    let authority = fs::read(material.authority()).unwrap();
    let options = || ConnectOptions::new(local(&node)).connect_timeout(Duration::from_secs(5));

    let cluster = options().ca_certificate(authority.clone()).token(TOKEN).connect().await.expect("a connection");
    assert_eq!(cluster.nodes().await.expect("the nodes").len(), 1);
    cluster.close().await;

    let error = options().ca_certificate(authority.clone()).connect().await.expect_err("no token");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    let error = options().ca_certificate(authority).token("wrong").connect().await.expect_err("a wrong token");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(!error.to_string().contains(TOKEN));

    let stranger = fs::read(TlsMaterial::generate().authority()).unwrap();
    let error = options().ca_certificate(stranger).token(TOKEN).connect().await.expect_err("a strange authority");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
    let error = options().token(TOKEN).connect().await.expect_err("no TLS");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let error = haulier::connect(address.as_str()).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
    let error = haulier::connect("not an address").await.expect_err("no address");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error:?}");
}
