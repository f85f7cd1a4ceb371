//! Archives that are kept as they were, and downloads: exact bytes from every node, canonical archives and folders of the
//! rest, and the certificates of signed jars in tasks.
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use haulier::{Cluster, ErrorKind};
use haulier_testkit::{CommandLine, Jar, NodeOptions, TestCluster, TestNode, fixture, random_bytes, until, within};
use serde_json::Value as Json;

const DEADLINE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;
/// A class that says who signed it.
const SIGNER: &str = "package acme.signed;
    public class Signer {
        public static String name() {
            java.security.cert.Certificate[] found =
                    Signer.class.getProtectionDomain().getCodeSource().getCertificates();
            return found == null ? \"nobody\"
                    : ((java.security.cert.X509Certificate) found[0]).getSubjectX500Principal().getName();
        }
    }";

/// The class that a JVM of this time loads in place of the other one.
const VERSIONED: &str = "META-INF/versions/17/acme/signed/Signer.class";

/// The class with another word in place of "nobody".
fn saying(class: &[u8], word: &[u8; 6]) -> Vec<u8> {
    let at = class.windows(6).position(|bytes| bytes == b"nobody").expect("the word");
    [&class[..at], word, &class[at + 6..]].concat()
}

fn run(program: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program} of the JDK must be on the PATH: {error}"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// Jars that are more than their entries.
struct Jars {
    folder: tempfile::TempDir,
}

impl Jars {
    /// Makes `signed.jar`, and `tampered.jar`, which has another class than was signed.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let jars = Self { folder };
        fs::write(jars.path("Signer.java"), SIGNER).expect("a source");
        run("javac", jars.folder.path(), &["-d", "classes", "Signer.java"]);
        let class = fs::read(jars.path("classes/acme/signed/Signer.class")).expect("a class");
        let manifest = "Manifest-Version: 1.0\r\nMulti-Release: true\r\n\r\n";
        let jar = Jar::default().with("META-INF/MANIFEST.MF", manifest).with("acme/signed/Signer.class", class.clone());
        jar.with(VERSIONED, saying(&class, b"no one")).write(&jars.path("signed.jar"));
        let store = ["-keystore", "keys.p12", "-storepass", "secret-of-test"];
        let key = ["-genkeypair", "-alias", "acme", "-keyalg", "EC", "-dname", "CN=Acme", "-validity", "2"];
        run("keytool", jars.folder.path(), &[&key[..], &store].concat());
        run("jarsigner", jars.folder.path(), &[&store[..], &["signed.jar", "acme"]].concat());
        let signed = Jar::read(&jars.path("signed.jar"));
        signed.with(VERSIONED, saying(&class, b"nobodi")).write(&jars.path("tampered.jar"));
        jars
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A jar with a script in front, and an entry so large that both travel in chunks.
    fn odd(&self) -> PathBuf {
        let path = self.path("odd.jar");
        Jar::default().with("data.bin", random_bytes(7, 5 * MIB)).write(&path);
        let jar = fs::read(&path).expect("a jar");
        fs::write(&path, [b"#!/bin/sh\nexec java -jar \"$0\" \"$@\"\n", &jar[..]].concat()).expect("a jar");
        path
    }
}

/// Downloads into a new folder, and gives the bytes of each file.
async fn download(cluster: &Cluster, reference: &str) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let written =
        within(60, "a download", cluster.download(reference, folder.path(), false)).await.expect("a download");
    written.iter().map(|path| fs::read(path).expect("a file")).collect()
}

async fn signer(cluster: &Cluster, node: &str) -> haulier::Result<String> {
    let task = cluster.task("kept:1.0.0", "acme.signed.Signer#name").timeout(DEADLINE).node(node);
    task.call(()).await
}

#[tokio::test]
async fn exact_bytes_come_back_from_every_node_through_collections_and_restarts() {
    let jars = Jars::new();
    let sources = [jars.path("signed.jar"), jars.odd()];
    let exact = sources.each_ref().map(|path| fs::read(path).expect("a jar"));
    let mut nodes = TestCluster::start(2).await;
    let first = nodes.client(1).await;
    let deploy =
        sources.iter().fold(first.deploy("kept", "1.0.0").nodes("all"), |deploy, source| deploy.source(source));
    let unit = within(60, "a deploy", deploy.send()).await.expect("a unit");
    let details = first.inspect("kept").await.expect("a unit");
    let originals = details.originals.iter().map(|original| (original.source, original.size));
    assert_eq!(originals.collect::<Vec<_>>(), [(0, exact[0].len() as u64), (1, exact[1].len() as u64)]);
    assert!(unit.size > exact.iter().map(|bytes| bytes.len() as u64).sum(), "archives and their entries");
    for (origin, original) in details.origins.iter().zip(&details.originals) {
        assert_eq!(origin.sha256, original.digest.hex());
    }

    let second = nodes.client(2).await;
    for cluster in [&first, &second] {
        within(60, "a collection", cluster.collect_garbage(false)).await.expect("a collection");
        assert!(download(cluster, "kept").await == exact, "not the bytes that were deployed");
    }
    for number in 1..=2 {
        assert_eq!(signer(&first, &haulier_testkit::cluster::name(number)).await.expect("a signer"), "CN=Acme");
    }
    second.close().await;
    nodes.kill9(2);
    nodes.restart(2);
    nodes.all_alive(&[1, 2]).await;
    let second = nodes.client(2).await;
    assert!(download(&second, &unit.reference()).await == exact, "not the bytes that were deployed");
    let verified = jars.path("back");
    second.download("kept", &verified, false).await.expect("a download");
    assert!(run("jarsigner", &verified, &["-verify", "signed.jar"]).contains("jar verified"));

    first.undeploy("kept", true).await.expect("a unit that goes");
    let mut freed = 0;
    let enough = until(DEADLINE, async || {
        freed += within(60, "a collection", first.collect_garbage(false)).await.expect("a collection").bytes;
        freed >= 10 * MIB as u64
    });
    assert!(enough.await, "{freed} bytes were freed: entries without the archives");
}

#[tokio::test]
async fn a_class_that_was_tampered_with_is_refused_in_its_task() {
    let jars = Jars::new();
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    cluster.deploy("kept", "1.0.0").jar(jars.path("tampered.jar")).send().await.expect("a unit");
    let task = cluster.task("kept", "acme.signed.Signer#name").timeout(DEADLINE);
    for _ in 0..2 {
        let error = task.call::<String>(()).await.expect_err("a class that was changed");
        assert!(error.to_string().contains("SecurityException"), "{error:?}");
    }
    // The class that was not changed, without a signature, is nobody's.
    cluster.deploy("kept", "2.0.0").folder(jars.path("classes")).send().await.expect("a unit");
    let name: String = cluster.task("kept:2.0.0", "acme.signed.Signer#name").timeout(DEADLINE).call(()).await.unwrap();
    assert_eq!(name, "nobody");
}

#[tokio::test]
async fn what_is_not_opaque_comes_back_as_the_same_code() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let folder = tempfile::tempdir().expect("a folder");
    let sources = [
        "pricing-1.jar",
        "pricing-1.zip",
        "classes/pricing-1",
        "library",
        "acme_single.py",
        "acme_tasks",
        "acme_scoring-1.0.0-py3-none-any.whl",
    ];
    for (number, source) in sources.iter().enumerate() {
        let (once, again) = (format!("once-{number}"), format!("again-{number}"));
        let unit = cluster.deploy(&once, "1").source(fixture(source)).send().await.expect("a unit");
        let to = folder.path().join(&once);
        let written = cluster.download(&once, &to, false).await.expect("a download");
        let deploy = written.iter().fold(cluster.deploy(&again, "1"), |deploy, path| deploy.source(path));
        let back = deploy.send().await.unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(back.digest, unit.digest, "{source}: {written:?}");
        let taken = cluster.download(&once, &to, false).await.expect_err("it is there");
        assert_eq!(taken.kind(), ErrorKind::Conflict, "{taken}");
        assert_eq!(cluster.download(&once, &to, true).await.expect("by force"), written);
    }
    let opaque = cluster.deploy("asked", "1").jar(fixture("pricing-1.jar")).opaque(true).send().await.expect("a unit");
    assert_eq!(download(&cluster, "asked").await, [fs::read(fixture("pricing-1.jar")).expect("a jar")]);
    let plain = cluster.inspect("once-0").await.expect("a unit");
    assert!(plain.originals.is_empty() && plain.unit.digest != opaque.digest);
}

#[tokio::test]
async fn the_commands_show_and_write_what_is_kept() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let folder = tempfile::tempdir().expect("a folder");
    let haulier = CommandLine::new(node.address()).folder(folder.path());
    let json = |output: String| -> Json { serde_json::from_str(&output).expect("JSON") };
    let jar = fixture("pricing-1.jar").display().to_string();
    haulier.run(&["deploy", "pricing", &jar, "--version", "1.0.0", "--opaque"]).await.succeeded();
    let shown = json(haulier.run(&["inspect", "pricing", "--output", "json"]).await.succeeded());
    let bytes = fs::read(&jar).expect("a jar");
    assert_eq!(shown["opaque"][0]["source"], "pricing-1.jar");
    assert_eq!(shown["opaque"][0]["size"], bytes.len());
    assert_eq!(shown["opaque"][0]["sha256"], shown["origins"][0]["sha256"]);
    assert!(haulier.run(&["inspect", "pricing"]).await.succeeded().contains("opaque       pricing-1.jar sha256:"));

    let download = ["download", "pricing:1.0.0", "--into", "libs", "--output", "json"];
    let written = json(haulier.run(&download).await.succeeded());
    let path = folder.path().join("libs/pricing-1.jar");
    assert_eq!(written["files"], Json::from(vec![path.display().to_string()]));
    assert_eq!(fs::read(&path).expect("a jar"), bytes);
    let again = haulier.run(&download).await;
    assert!(again.code == 4 && again.complaint.contains("--force"), "{again:?}");
    haulier.run(&[&download[..], &["--force"]].concat()).await.succeeded();
    assert!(haulier.run(&["download", "pricing"]).await.succeeded().contains("pricing-1.jar"), "into this folder");
    assert!(folder.path().join("pricing-1.jar").is_file());
    let unknown = haulier.run(&["download", "unknown", "--output", "json"]).await;
    assert_eq!(unknown.code, 3, "{unknown:?}");
    for source in ["acme_tasks", "acme_single.py", "library"] {
        let source = fixture(source).display().to_string();
        let refused = haulier.run(&["deploy", "folder", &source, "--opaque"]).await;
        assert!(refused.code == 2 && refused.complaint.contains("--opaque"), "{refused:?}");
    }
}
