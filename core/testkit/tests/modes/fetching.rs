//! Classes that come late, from a client whose connection breaks: found when it is back, by the same call site.
use std::{path::Path, process::Command, time::Duration};

use haulier::{
    ConnectOptions,
    DeploymentMode::{Continuous, Private},
    Language, Result, Target, Value,
};
use haulier_testkit::{Jar, NodeOptions, PeerClient, Proxy, TestNode, until, within};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// `Entry` names `Holder` in a way that no walk over constants finds; what `Holder` names comes with it.
const SOURCES: [(&str, &str); 3] = [
    (
        "Entry",
        "package acme;
        import java.nio.file.*;
        public class Entry {
            public static String warm() { return \"warm\"; }
            public static String arrive(String begun, String go) throws Exception {
                Files.writeString(Path.of(begun), \"\");
                while (!Files.exists(Path.of(go))) { Thread.sleep(5); }
                Class<?> holder = Class.forName(new StringBuilder(\"redloH.emca\").reverse().toString());
                return (String) holder.getMethod(\"get\").invoke(null);
            }
        }",
    ),
    ("Holder", "package acme; public class Holder { public static String get() { return Deep.value(); } }"),
    ("Deep", "package acme; public class Deep { static String value() { return \"found\"; } }"),
];

/// A node, a proxy in front of it, and a jar of the classes.
struct Site {
    node: TestNode,
    proxy: Proxy,
    folder: TempDir,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        compile(folder.path());
        let writable = folder.path().display().to_string();
        // What the node says of itself is the proxy's address: a client that has lost it finds no other way.
        let proxy = Proxy::open().expect("a proxy");
        let arguments = ["--writable", &writable, "--advertise", &proxy.address()];
        let node = TestNode::start(NodeOptions::default().arguments(arguments)).expect("a node");
        proxy.lead_to(node.address());
        Self { node, proxy, folder }
    }

    async fn connect(&self, options: ConnectOptions) -> PeerClient {
        PeerClient::connect(options, Language::Java, vec![self.folder.path().join("late.jar")]).await
    }

    /// Paths that the task writes and waits for.
    fn signals(&self) -> [Value; 2] {
        ["begun", "go"].map(|name| self.path(name).display().to_string().into())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until the task runs, breaks the connection, and lets the task go on: it asks for its late class.
    async fn break_off(&self) {
        assert!(until(DEADLINE, async || self.path("begun").exists()).await, "{}", self.node.output());
        self.proxy.refuse(true);
        self.proxy.cut();
        std::fs::write(self.path("go"), "").expect("a file");
    }
}

fn compile(folder: &Path) {
    let mut javac = Command::new("javac");
    javac.args(["--release", "17", "-d"]).arg(folder);
    for (name, text) in SOURCES {
        let path = folder.join(format!("{name}.java"));
        std::fs::write(&path, text).expect("a source");
        javac.arg(path);
    }
    assert!(javac.status().expect("javac of a JDK is on the PATH").success());
    let class = |jar: Jar, (name, _): (&str, &str)| {
        let path = format!("acme/{name}.class");
        let bytes = std::fs::read(folder.join(&path)).expect("a class");
        jar.with(&path, bytes)
    };
    SOURCES.into_iter().fold(Jar::default(), class).write(&folder.join("late.jar"));
}

async fn arrive(client: &PeerClient, site: &Site) -> Result<Value> {
    client.call(Target::Any, "acme/Entry", "acme.Entry#arrive", &site.signals()).await
}

#[tokio::test]
async fn a_class_that_is_asked_for_without_a_connection_comes_with_the_next_one() {
    let site = Site::start();
    let operator = haulier::connect(site.node.address()).await.expect("a connection");
    let asked = async || {
        let nodes = operator.nodes().await.expect("the nodes");
        nodes.iter().map(|node| node.code_round_trips).sum::<u64>()
    };
    let client = site.connect(ConnectOptions::new(site.proxy.address()).mode(Private)).await;
    client.call(Target::Any, "acme/Entry", "acme.Entry#warm", &[]).await.expect("a result");
    let before = asked().await;
    let breaking = async {
        site.break_off().await;
        assert!(until(DEADLINE, async || asked().await > before).await, "{}", site.node.output());
        site.proxy.refuse(false);
    };
    let (result, ()) = within(60, "the task", async { tokio::join!(arrive(&client, &site), breaking) }).await;
    assert_eq!(result.expect("its client came back"), "found".into());
}

#[tokio::test]
async fn a_call_site_that_has_failed_finds_its_class_when_a_client_is_back() {
    let site = Site::start();
    let client = site.connect(ConnectOptions::new(site.proxy.address()).mode(Continuous)).await;
    client.call(Target::Any, "acme/Entry", "acme.Entry#warm", &[]).await.expect("it stays from now on");
    let operator = haulier::connect(site.node.address()).await.expect("a connection");
    let reference = operator.continuous_code().await.expect("a list").remove(0).reference();
    let arrive = async || operator.task(&*reference, "acme.Entry#arrive").call::<String>(site.signals()).await;
    let (result, ()) = within(60, "the task", async { tokio::join!(arrive(), site.break_off()) }).await;
    let error = result.expect_err("the client has gone");
    let text = format!("{error} {:?} {:?}", error.remote(), error.contexts());
    assert!(text.contains("acme/Holder.class") && text.contains("has gone"), "{error:?}");
    let again = site.connect(ConnectOptions::new(site.node.address()).mode(Continuous)).await;
    again.call(Target::Any, "acme/Entry", "acme.Entry#warm", &[]).await.expect("the same code");
    assert_eq!(within(60, "the task", arrive()).await.expect("the loader has not remembered the failure"), "found");
}
