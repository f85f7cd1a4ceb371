//! The HTTP gateway of a real node, asked by `curl`: its six calls, and whom it refuses.
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use haulier::{Cluster, ConnectOptions};
use haulier_testkit::{NodeOptions, TestNode, fixture, within};
use serde_json::{Value as Json, json};
use tokio::process::Command;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const UNITS: &str = "/management/v1/deployment";

/// A node with a gateway.
struct Gateway {
    node: TestNode,
    url: String,
    folder: tempfile::TempDir,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = folder.path().join("tokens");
        fs::write(&tokens, format!("gate {TOKEN}\n")).expect("a file of tokens");
        let tokens = tokens.display().to_string();
        let options = NodeOptions::default().arguments(["--admin", "127.0.0.1:0", "--token-file", tokens.as_str()]);
        let node = TestNode::start(options).expect("a node");
        let said = || node.output().lines().find_map(|line| Some(line.split_once(" gateway on ")?.1.trim().to_owned()));
        assert!(haulier_testkit::eventually(Duration::from_secs(10), || said().is_some()), "{}", node.output());
        let url = format!("http://{}{UNITS}", said().expect("an address"));
        Self { node, url, folder }
    }

    async fn client(&self) -> Cluster {
        let options = ConnectOptions::new(self.node.address()).token(TOKEN);
        options.connect().await.expect("a connection")
    }

    /// Status and body of a call without a token.
    async fn anonymous(&self, call: &str, arguments: &[&str]) -> (u16, String) {
        let url = format!("{}{call}", self.url);
        let curl = Command::new("curl")
            .args(["--silent", "--globoff", "--noproxy", "*", "--max-time", "60", "--write-out", "\n%{http_code}"])
            .args(arguments)
            .arg(&url)
            .kill_on_drop(true)
            .output();
        let ended = within(70, "curl", curl).await.expect("curl is needed: apt-get install curl");
        let text = String::from_utf8(ended.stdout).expect("text");
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a status"), body.to_owned())
    }

    async fn call(&self, call: &str, arguments: &[&str]) -> (u16, String) {
        let token = format!("Authorization: Bearer {TOKEN}");
        self.anonymous(call, &[&["-H", token.as_str()], arguments].concat()).await
    }

    async fn deploys(&self, call: &str, files: &[&Path]) {
        let answer = self.post(call, files).await;
        assert_eq!(answer, (200, "true".to_owned()), "{call}\n{}", self.node.output());
    }

    async fn post(&self, call: &str, files: &[&Path]) -> (u16, String) {
        let forms: Vec<String> = files.iter().map(|file| format!("unitContent=@{}", file.display())).collect();
        let arguments: Vec<&str> = forms.iter().flat_map(|form| ["-F", form.as_str()]).collect();
        self.call(call, &arguments).await
    }

    async fn json(&self, call: &str) -> Json {
        let (status, body) = self.call(call, &[]).await;
        assert_eq!(status, 200, "{call}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{call}: {error}: {body}"))
    }

    /// Checks that a call is refused with a problem document, and gives it.
    fn refused((code, body): (u16, String), status: u16) -> String {
        assert_eq!(code, status, "{body}");
        let problem: Json = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        body
    }

    fn copy(&self, name: &str, to: &str) -> PathBuf {
        let path = self.folder.path().join(to);
        fs::copy(fixture(name), &path).expect("a copy");
        path
    }
}

async fn price(cluster: &Cluster, unit: &str) -> i64 {
    let task = cluster.task(unit, "acme.Price").timeout(Duration::from_secs(60));
    task.call(21).await.unwrap_or_else(|error| panic!("{unit}: {error:?}"))
}

#[tokio::test]
async fn what_curl_deploys_runs() {
    let gateway = Gateway::start();
    let client = gateway.client().await;
    gateway.deploys("/units/pricing/1.0.0?deployMode=ALL", &[&fixture("pricing-1.jar")]).await;
    gateway.deploys("/units/zip/zipped/1.0.0", &[&fixture("pricing-1.zip")]).await;
    // Several files are one unit.
    let jars = [fixture("tasks.jar"), gateway.copy("pricing-1.jar", "second.jar")];
    gateway.deploys("/units/several/1.0.0", &[&jars[0], &jars[1]]).await;
    for unit in ["pricing:1.0.0", "zipped", "several"] {
        assert_eq!(price(&client, unit).await, 42, "{unit}");
    }
    let callable = client.task("several", "acme.tasks.AsCallable").timeout(Duration::from_secs(60));
    assert_eq!(callable.call::<String>(()).await.expect("a task"), "callable");

    let one = |id: &str| json!({ "id": id, "versionToStatus": [{ "version": "1.0.0", "status": "DEPLOYED" }] });
    for of in ["cluster", "node"] {
        let all = gateway.json(&format!("/{of}/units")).await;
        assert_eq!(all, json!([one("pricing"), one("several"), one("zipped")]));
        assert_eq!(gateway.json(&format!("/{of}/units/pricing")).await, json!([one("pricing")]));
        assert_eq!(gateway.json(&format!("/{of}/units?statuses=OBSOLETE")).await, json!([]));
    }
    let tree = gateway.json("/node/units/structure/pricing/1.0.0").await;
    assert!(tree["type"] == "folder" && tree["size"].as_u64().is_some_and(|size| size > 1000), "{tree}");
    assert!(tree.to_string().contains("Price.class"), "{tree}");
    let listed = client.list_units("pricing").await.expect("a list");
    assert!(listed.len() == 1 && listed[0].deployed_by == "gate", "{listed:?}");

    let gone = gateway.call("/units/pricing/1.0.0", &["-X", "DELETE"]).await;
    assert_eq!(gone, (200, "true".to_owned()));
    Gateway::refused(gateway.call("/units/pricing/1.0.0", &["-X", "DELETE"]).await, 404);
    Gateway::refused(gateway.call("/node/units/structure/pricing/1.0.0", &[]).await, 404);
    assert_eq!(gateway.json("/node/units?statuses=DEPLOYED").await, json!([one("several"), one("zipped")]));
    gateway.deploys("/units/pricing/1.0.0", &[&fixture("pricing-1.jar")]).await;
    assert_eq!(price(&client, "pricing").await, 42);
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let gateway = Gateway::start();
    let client = gateway.client().await;
    let upload = format!("unitContent=@{}", fixture("pricing-1.jar").display());
    let wrong = format!("Authorization: Bearer {}", TOKEN.replace('0', "1"));
    for arguments in [&["-F", &upload][..], &["-H", &wrong, "-F", &upload]] {
        Gateway::refused(gateway.anonymous("/units/pricing/1.0.0", arguments).await, 401);
    }
    for header in ["Origin: http://evil.example", "Host: evil.example", "Origin: null"] {
        let arguments = ["-H", header, "-F", &upload];
        Gateway::refused(gateway.call("/units/pricing/1.0.0", &arguments).await, 403);
    }
    Gateway::refused(gateway.post("/units/..%2fx/1.0.0", &[&fixture("pricing-1.jar")]).await, 400);
    Gateway::refused(gateway.post("/units/pricing/1.0.0?deployMode=SOME", &[&fixture("pricing-1.jar")]).await, 400);
    for (hostile, status) in [
        ("truncated", 400),
        ("parent", 400),
        ("absolute", 400),
        ("backslash", 400),
        ("case-twins", 400),
        ("noise", 400),
        ("bomb", 413),
    ] {
        let archive = fixture(&format!("hostile-{hostile}.jar"));
        Gateway::refused(gateway.post("/units/pricing/1.0.0", &[&archive]).await, status);
        Gateway::refused(gateway.post("/units/zip/pricing/1.0.0", &[&archive]).await, status);
    }
    assert!(client.list_deployments().await.expect("a list").is_empty(), "nothing was deployed");

    gateway.deploys("/units/pricing/1.0.0", &[&fixture("pricing-1.jar")]).await;
    for jar in ["pricing-1.jar", "pricing-2.jar"] {
        Gateway::refused(gateway.post("/units/pricing/1.0.0", &[&fixture(jar)]).await, 409);
    }
    client.set_alias("pricing", "stable", "1.0.0").await.expect("an alias");
    Gateway::refused(gateway.call("/units/pricing/1.0.0", &["-X", "DELETE"]).await, 409);
    assert_eq!(price(&client, "pricing:stable").await, 42);
    assert!(!gateway.node.output().contains(TOKEN), "no token in the log");
}

#[test]
fn a_gateway_wants_tokens() {
    let Err(error) = TestNode::start(NodeOptions::default().arguments(["--admin", "127.0.0.1:0"])) else {
        panic!("a gateway without tokens")
    };
    assert!(error.to_string().contains("--token-file"), "{error}");
}
