//! Python requirements that a node resolves itself, from a real index, with the node's own credentials.
use std::{fs, path::Path};

use haulier::{Cluster, ErrorKind};
use haulier_testkit::{NodeOptions, TestNode, TestServer, within};

fn add(folder: &Path, distribution: &str, metadata: &str) {
    let own = folder.join(distribution);
    fs::create_dir(&own).expect("a folder");
    let name = distribution.split('-').next().expect("a name");
    fs::write(own.join(format!("{name}.py")), "def f(): return 42\n").expect("a module");
    fs::write(own.join("METADATA"), metadata).expect("metadata");
}

/// An index with inner 1.0 and 2.0, and outer 1.5, which needs inner.
fn served() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    add(folder.path(), "inner-1.0", "");
    add(folder.path(), "inner-2.0", "");
    add(folder.path(), "outer-1.5", "Requires-Dist: inner\n");
    folder
}

/// A node that knows one index, and keeps nothing of it.
async fn start(index: &str) -> (TestNode, Cluster) {
    let mut options = NodeOptions::default();
    let variables =
        [("UV_DEFAULT_INDEX", index), ("UV_NO_CACHE", "1"), ("UV_HTTP_RETRIES", "0"), ("PIP_FIND_LINKS", "")];
    options.environment.extend(variables.map(|(name, value)| (name.into(), value.into())));
    options.environment.push(("HAULIER_UV".into(), uv()));
    let node = TestNode::start(options).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    (node, cluster)
}

/// That of the virtual environment of the tests.
fn uv() -> String {
    let default = || std::env::home_dir().unwrap_or_default().join(".cache/haulier/venv");
    let venv = std::env::var_os("HAULIER_VENV").map_or_else(default, Into::into);
    venv.join("bin/uv").display().to_string()
}

#[tokio::test]
async fn the_node_locks_with_its_own_credentials() {
    let folder = served();
    let server = TestServer::pypi(folder.path(), Some("me:secret-7")).expect("a server");
    let (node, cluster) = start(&server.url().replace("//", "//me:secret-7@")).await;
    let deploy = |name: &str, sources: &[&str]| {
        sources.iter().fold(cluster.deploy(name, ""), |deploy, source| deploy.source(source)).send()
    };
    let unit = within(60, "a resolution", deploy("outer", &["pypi:outer"])).await;
    let unit = unit.unwrap_or_else(|error| panic!("{error:?}\n{}", node.output()));
    assert_eq!((unit.version.as_str(), unit.sources.len()), ("1.5", 1), "the version of the distribution");
    let details = cluster.inspect("outer").await.expect("its files");
    let pins: Vec<_> = details.requirements.iter().map(|pin| format!("{}=={}", pin.name, pin.version)).collect();
    assert_eq!(pins, ["inner==2.0", "outer==1.5"]);
    assert_eq!((details.origins[0].source.as_str(), details.origins[0].coordinates.as_str()), ("outer", "outer==1.5"));
    let older = within(60, "a resolution", deploy("both", &["inner<2", "outer==1.5"])).await.expect("a unit");
    assert_ne!(older.digest, unit.digest);
    let lock = tempfile::tempdir().expect("a folder");
    let written = cluster.download("both", lock.path(), false).await.expect("the lock");
    let text = fs::read_to_string(&written[0]).expect("the lock");
    assert!(text.starts_with("inner==1.0 \\\n    --hash=sha256:"), "{text}");
    for shown in [&text, &node.output(), &format!("{details:?}")] {
        assert!(!shown.contains("secret-7"), "{shown}");
    }
}

#[tokio::test]
async fn what_a_node_cannot_lock() {
    let folder = served();
    let mut server = TestServer::pypi(folder.path(), None).expect("a server");
    let (node, cluster) = start(server.url()).await;
    for (source, kind) in [
        ("pypi:absent", ErrorKind::NotFound),
        ("inner>9", ErrorKind::InvalidArgument),
        ("pypi:inner @ file:///etc/passwd", ErrorKind::InvalidArgument),
        ("pypi:inner==${HOME}", ErrorKind::InvalidArgument),
        ("pypi:-r/etc/passwd", ErrorKind::InvalidArgument),
    ] {
        let error = within(60, source, cluster.deploy("refused", "1").source(source).send()).await.expect_err(source);
        assert_eq!(error.kind(), kind, "{source}: {error:?}");
        assert!(!error.hint_text().is_empty(), "{source}: {error}");
    }
    server.stop().expect("an end");
    let away = within(60, "a refusal", cluster.deploy("refused", "1").source("pypi:inner").send()).await;
    assert_eq!(away.expect_err("no index").kind(), ErrorKind::Unavailable, "{}", node.output());
    assert!(cluster.list_units("refused").await.expect("a list").is_empty());
}
