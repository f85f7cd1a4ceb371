//! Units that a node fetches itself: URLs and Maven coordinates, from real servers.
use std::{fs, path::Path, time::Duration};

use haulier::{Cluster, ErrorKind, MavenOptions};
use haulier_testkit::{CommandLine, NodeOptions, TestNode, TestServer, fixture, within};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

async fn connect(node: &TestNode) -> Cluster {
    haulier::connect(node.address()).await.expect("a connection")
}

async fn price(cluster: &Cluster, unit: &str) -> i64 {
    let task = cluster.task(unit, "acme.Price").timeout(Duration::from_secs(60));
    task.call(21).await.unwrap_or_else(|error| panic!("{unit}: {error:?}"))
}

fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).expect("a file"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder with pricing-1.jar as "pricing.jar".
fn served() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(fixture("pricing-1.jar"), folder.path().join("pricing.jar")).expect("a copy");
    folder
}

#[tokio::test]
async fn urls_of_every_scheme() {
    let folder = served();
    let (http, ftp) =
        (TestServer::http(folder.path()).expect("a server"), TestServer::ftp(folder.path()).expect("a server"));
    let mut s3 = TestServer::s3().expect("a server");
    s3.put("pricing.jar", &fs::read(fixture("pricing-1.jar")).expect("a jar")).expect("an object");
    s3.put("private/pricing.jar", &fs::read(fixture("pricing-1.jar")).expect("a jar")).expect("an object");
    // The node's keys, not the client's.
    let mut options = NodeOptions::default();
    options.environment.extend(
        [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "of-the-node")]
            .map(|(name, value)| (name.into(), value.into())),
    );
    let node = TestNode::start(options).expect("a node");
    let cluster = connect(&node).await;
    let in_bucket = |key: &str| s3.url().replace("units/", &format!("units/{key}"));
    let digest = sha256(&fixture("pricing-1.jar"));
    for (name, url) in [
        ("by-http", format!("{}pricing.jar", http.url())),
        ("by-ftp", format!("{}pricing.jar", ftp.url().replace("ftp://", "ftp://me:secret%20word@"))),
        ("by-s3", in_bucket("pricing.jar")),
        ("by-s3-private", in_bucket("private/pricing.jar")),
    ] {
        let deploy = cluster.deploy(name, "1.0.0").source(&url).sha256(&digest);
        let unit = within(60, name, deploy.send()).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(unit.reference(), format!("{name}:1.0.0"));
        assert_eq!(price(&cluster, name).await, 42, "{name}");
        let details = cluster.inspect(name).await.expect("its files");
        assert_eq!(details.origins.len(), 1, "{details:?}");
        let origin = &details.origins[0];
        assert_eq!(origin.sha256, digest, "{name}");
        assert!(origin.source.contains("pricing.jar") && !origin.source.contains("secret"), "{name}: {origin:?}");
    }
    let log = node.output();
    assert!(!log.contains("secret") && !log.contains("of-the-node"), "{log}");
    // The same bytes from elsewhere are the same unit.
    let digests: Vec<_> =
        cluster.list_deployments().await.expect("a list").into_iter().map(|unit| unit.digest).collect();
    assert!(digests.len() == 4 && digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[tokio::test]
async fn what_a_node_does_not_take() {
    let folder = served();
    fs::copy(fixture("hostile-truncated.jar"), folder.path().join("bad.jar")).expect("a copy");
    let http = TestServer::http(folder.path()).expect("a server");
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = connect(&node).await;
    let url = |name: &str| format!("{}{name}", http.url());
    let file = format!("file://{}/pricing.jar", folder.path().display());
    for (source, sha256, kind, part) in [
        (url("pricing.jar"), "0".repeat(64), ErrorKind::InvalidArgument, "0000"),
        (url("absent.jar"), String::new(), ErrorKind::NotFound, "absent.jar"),
        (url("bad.jar"), String::new(), ErrorKind::InvalidArgument, "no archive"),
        (file, String::new(), ErrorKind::InvalidArgument, "reads no files"),
        ("gopher://127.0.0.1/x.jar".to_owned(), String::new(), ErrorKind::InvalidArgument, "gopher"),
        ("http://127.0.0.1:1/x.jar".to_owned(), String::new(), ErrorKind::Unavailable, "127.0.0.1"),
    ] {
        let deploy = cluster.deploy("pricing", "1.0.0").source(&source).sha256(sha256);
        let error = within(90, &source, deploy.send()).await.expect_err(&source);
        assert_eq!(error.kind(), kind, "{source}: {error:?}");
        assert!(error.to_string().contains(part), "{source}: {error}");
        assert!(cluster.list_deployments().await.expect("a list").is_empty(), "{source}: nothing was deployed");
    }
}

/// A repository with org.acme:pricing:1.4.0, which needs org.acme:tasks:2.0.0.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let dependency = "<dependencies><dependency><groupId>org.acme</groupId><artifactId>tasks</artifactId>\
                      <version>2.0.0</version></dependency></dependencies>";
    for (artifact, version, jar, rest) in
        [("pricing", "1.4.0", "pricing-1.jar", dependency), ("tasks", "2.0.0", "tasks.jar", "")]
    {
        let place = folder.path().join("org/acme").join(artifact).join(version);
        fs::create_dir_all(&place).expect("a folder");
        fs::copy(fixture(jar), place.join(format!("{artifact}-{version}.jar"))).expect("a jar");
        let pom = format!(
            "<project><modelVersion>4.0.0</modelVersion><groupId>org.acme</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version>{rest}</project>"
        );
        fs::write(place.join(format!("{artifact}-{version}.pom")), pom).expect("a description");
    }
    folder
}

/// A home folder in which nothing but `mirror` is asked: no test asks Maven Central.
fn home(mirror: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    fs::create_dir(home.path().join(".m2")).expect("a folder");
    let settings = format!(
        "<settings><mirrors><mirror><id>test</id><mirrorOf>central</mirrorOf><url>{mirror}</url></mirror></mirrors></settings>"
    );
    fs::write(home.path().join(".m2/settings.xml"), settings).expect("settings");
    home
}

#[tokio::test]
async fn maven_coordinates() {
    let (served, nothing) = (repository(), tempfile::tempdir().expect("a folder"));
    let server = TestServer::maven(served.path()).expect("a server");
    let central = TestServer::maven(nothing.path()).expect("a server");
    let home = home(central.url());
    let mut options = NodeOptions::default();
    let java = format!("-Duser.home={}", home.path().display());
    options.environment.push(("JAVA_TOOL_OPTIONS".into(), java));
    let node = TestNode::start(options).expect("a node");
    let cluster = connect(&node).await;
    let maven = MavenOptions { repositories: vec![server.url().to_owned()], ..MavenOptions::default() };
    let coordinates = "org.acme:pricing:1.4.0";
    let deploy = |name: &str, maven: MavenOptions| cluster.deploy(name, "").source(coordinates).maven(maven).send();
    let unit = within(90, "a resolution", deploy("pricing", maven.clone())).await;
    let unit = unit.unwrap_or_else(|error| panic!("{error:?}\n{}", node.output()));
    assert_eq!(unit.version, "1.4.0", "the version of the coordinates");
    assert_eq!(unit.sources.len(), 2, "with its dependency: {:?}", unit.sources);
    assert_eq!(price(&cluster, "pricing:1.4.0").await, 42);
    let callable = cluster.task("pricing", "acme.tasks.AsCallable").timeout(Duration::from_secs(60));
    assert_eq!(callable.call::<String>(()).await.expect("a class of the dependency"), "callable");
    let origins = cluster.inspect("pricing").await.expect("its files").origins;
    let seen: Vec<_> = origins.iter().map(|origin| (origin.coordinates.as_str(), origin.sha256.clone())).collect();
    let expected = [("org.acme:pricing:jar:1.4.0", "pricing-1.jar"), ("org.acme:tasks:jar:2.0.0", "tasks.jar")];
    assert_eq!(seen, expected.map(|(coordinates, jar)| (coordinates, sha256(&fixture(jar)))));
    assert!(origins.iter().all(|origin| origin.source == coordinates), "{origins:?}");

    let alone = deploy("alone", MavenOptions { no_dependencies: true, ..maven.clone() }).await.expect("a unit");
    assert_eq!(alone.sources.len(), 1, "{:?}", alone.sources);
    let without = MavenOptions { exclude: vec!["org.acme:tasks".into()], ..maven.clone() };
    assert_eq!(deploy("without", without).await.expect("a unit").digest, alone.digest);
    let absent = cluster.deploy("absent", "").source("org.acme:absent:1.0").maven(maven).send();
    let absent = within(90, "a resolution", absent).await.expect_err("it is nowhere");
    assert_eq!(absent.kind(), ErrorKind::NotFound, "{absent:?}");
    assert!(cluster.list_units("absent").await.expect("a list").is_empty());
}

#[tokio::test]
async fn the_command_lets_the_node_fetch() {
    let folder = served();
    let http = TestServer::http(folder.path()).expect("a server");
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let haulier = CommandLine::new(node.address());
    let url = format!("{}pricing.jar", http.url());
    let digest = sha256(&fixture("pricing-1.jar"));
    let wrong = "1".repeat(64);
    for (name, place) in [("there", &["--on-node"][..]), ("here", &[])] {
        let deploy = ["deploy", name, url.as_str(), "--version", "1.0.0", "--output", "json"];
        let refused = haulier.run(&[&deploy, &["--sha256", wrong.as_str()][..], place].concat()).await;
        assert_eq!(refused.code, 2, "{refused:?}");
        let deployed = haulier.run(&[&deploy, &["--sha256", digest.as_str()][..], place].concat()).await.succeeded();
        let unit: Json = serde_json::from_str(&deployed).expect("JSON");
        assert_eq!(unit["version"], "1.0.0", "{unit}");
        let shown = haulier.run(&["inspect", name, "--output", "json"]).await.succeeded();
        let shown: Json = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(shown["origins"][0]["sha256"], digest, "{name}: {}", shown["origins"]);
        assert_eq!(shown["origins"][0]["source"], url, "{name}: {}", shown["origins"]);
    }
    assert_eq!(haulier.run(&["run", "there", "acme.Price", "21"]).await.succeeded().trim(), "42");
    let file = format!("file://{}/pricing.jar", folder.path().display());
    let refused = haulier.run(&["deploy", "file", &file, "--on-node"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.complaint.contains("hint: "), "{refused:?}");
}
