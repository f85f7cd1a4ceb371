//! The commands as they are typed, against a real node.
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use haulier_testkit::{NodeOptions, TestNode, fixture};
use serde_json::Value as Json;

/// Runs a command line; {} stands for the fixtures.
fn haulier(address: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haulier"));
    command.args(arguments).env("HAULIER_ADDRESS", address).env_remove("HAULIER_TOKEN").env_remove("HAULIER_TLS_CA");
    command.output().expect("the binary")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8").trim_end()
}

/// What a command prints that must succeed.
fn good(address: &str, arguments: &[&str]) -> String {
    let output = haulier(address, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// The exit code and the complaint of a command that must not succeed.
fn bad(address: &str, arguments: &[&str]) -> (i32, String) {
    let output = haulier(address, arguments);
    (output.status.code().expect("an exit code"), text(&output.stderr).to_owned())
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn the_life_of_a_unit() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let address = node.address();
    let (first, second) = (fixture("pricing-1.jar"), fixture("pricing-2.jar"));
    let deployed = good(address, &["deploy", "pricing", path(&first), "--version", "1.2.0"]);
    assert!(deployed.starts_with("deployed pricing:1.2.0 ("), "{deployed}");
    assert_eq!(good(address, &["run", "pricing:1.2.0", "acme.Price", "21"]), "42");
    assert_eq!(good(address, &["run", "pricing", "acme.Price#versions"]), "price 1, rate 1");
    assert_eq!(good(address, &["run", "pricing", "acme.Price#versions", "--output", "json"]), "\"price 1, rate 1\"");

    let (code, complaint) = bad(address, &["deploy", "pricing", path(&second), "--version", "1.2.0"]);
    assert_eq!(code, 4);
    assert!(complaint.contains("--replace"), "{complaint}");
    good(address, &["deploy", "pricing", path(&second), "--version", "1.2.0", "--replace"]);
    assert_eq!(good(address, &["run", "pricing", "acme.Price#versions"]), "price 2, rate 2");

    let list = good(address, &["ls"]);
    assert!(list.starts_with("UNIT") && list.contains("pricing  1.2.0"), "{list}");
    let list: Json = serde_json::from_str(&good(address, &["list-deployments", "--output", "json"])).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["generation"]), (&"pricing".into(), &2.into()));
    let inspected = good(address, &["inspect", "pricing:1.2.0"]);
    assert!(inspected.contains("acme/Price.class") && inspected.contains("pricing-2.jar"), "{inspected}");

    assert_eq!(good(address, &["undeploy", "pricing"]), "undeployed pricing:1.2.0");
    let (code, complaint) = bad(address, &["run", "pricing", "acme.Price", "1"]);
    assert_eq!(code, 3);
    assert!(complaint.contains("no unit 'pricing'") && complaint.contains("haulier list-deployments"), "{complaint}");
    assert_eq!(bad(address, &["undeploy", "pricing"]).0, 3);
}

#[test]
fn arguments_and_results_are_json() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let address = node.address();
    good(address, &["deploy", "tasks", path(&fixture("acme_tasks"))]);
    let echo = ["run", "tasks", "acme_tasks.values:echo"];
    for value in ["-7", "1.5", "true", "null", "[1,[2]]", r#"{"b":1,"a":{}}"#, r#"{"$bytes":"00ff"}"#] {
        assert_eq!(good(address, &[&echo[..], &[value]].concat()), value);
    }
    let file = node.data_dir().join("argument.json");
    std::fs::write(&file, "\"from a file\"").unwrap();
    assert_eq!(good(address, &[&echo[..], &[&format!("@{}", path(&file))]].concat()), "from a file");
    assert_eq!(good(address, &["run", "tasks", "acme_tasks.forms:add", "40", "2"]), "42");
    let broadcast: Json =
        serde_json::from_str(&good(address, &[&echo[..], &["7", "--broadcast", "--output", "json"]].concat())).unwrap();
    assert_eq!(broadcast[0]["value"], 7);

    let (code, complaint) = bad(address, &[&echo[..], &["hello"]].concat());
    assert_eq!(code, 2);
    assert!(complaint.contains("no JSON"), "{complaint}");
    let (code, complaint) = bad(address, &["run", "tasks", "acme_tasks.faults:fail", "\"boom\""]);
    assert_eq!(code, 1);
    assert!(complaint.contains("ValueError") && complaint.contains("boom") && complaint.contains("faults.py"));
    let (code, complaint) = bad(address, &["run", "tasks", "acme_tasks.faults:never", "--timeout", "0.3"]);
    assert_eq!(code, 1, "{complaint}");
    let (code, complaint) = bad(address, &["run", "tasks", "acme_tasks.absent:x", "--output", "json"]);
    let complaint: Json = serde_json::from_str(&complaint).expect("an error as JSON");
    assert_eq!((code, &complaint["error"]["kind"]), (3, &"CodeNotFound".into()));
    // What has no colon is a class.
    let (code, complaint) = bad(address, &["run", "tasks", "acme_tasks.forms.add", "40", "2"]);
    assert!(code == 3 && complaint.contains("module:function"), "{complaint}");
}

/// What `haulier nodes` says of the one node.
fn only_node(address: &str) -> Json {
    let nodes: Json = serde_json::from_str(&good(address, &["nodes", "--output", "json"])).expect("JSON");
    assert_eq!(nodes.as_array().map(Vec::len), Some(1), "{nodes}");
    nodes[0].clone()
}

#[test]
fn nodes_are_listed_and_drained() {
    let options = NodeOptions::default().arguments(["--name", "n1", "--label", "zone=a", "--label", "disk="]);
    let node = TestNode::start(options).expect("a node");
    // Of several addresses the first one counts that answers.
    let address = &format!("127.0.0.1:1,{}", node.address());
    let digest = {
        good(address, &["deploy", "tasks", path(&fixture("acme_tasks")), "--nodes", "all"]);
        let units: Json = serde_json::from_str(&good(address, &["ls", "--output", "json"])).unwrap();
        assert_eq!(units[0]["holders"], serde_json::json!(["n1"]));
        units[0]["digest"].clone()
    };
    let listed = only_node(address);
    assert_eq!((&listed["name"], &listed["state"], &listed["direct"]), (&"n1".into(), &"alive".into(), &true.into()));
    assert_eq!(listed["labels"], serde_json::json!({ "zone": "a", "disk": "" }));
    assert_eq!(listed["held_units"], serde_json::json!([digest]));
    assert_eq!((&listed["owns_catalogue"], &listed["local_code"]), (&true.into(), &Json::Null));
    let table = good(address, &["nodes"]);
    assert!(table.starts_with("NODE") && table.contains("disk=, zone=a") && table.contains("0/"), "{table}");

    let echo = ["run", "tasks", "acme_tasks.values:echo", "7"];
    assert_eq!(good(address, &[&echo[..], &["--label", "zone=a", "--key", "k", "--failover"]].concat()), "7");
    let (code, complaint) = bad(address, &[&echo[..], &["--label", "zone=b"]].concat());
    assert!(code != 0 && complaint.contains("zone"), "{complaint}");

    let drained = good(address, &["node", "drain", "n1"]);
    assert!(drained.starts_with("n1 takes no more tasks"), "{drained}");
    assert_eq!(only_node(address)["state"], "draining");
    assert_ne!(bad(address, &echo).0, 0);
    assert_eq!(good(address, &["node", "drain", "n1", "--undo"]), "n1 is alive");
    assert_eq!(good(address, &echo), "7");
    let (code, complaint) = bad(address, &["node", "drain", "nobody"]);
    assert_eq!(code, 3, "{complaint}");
}

#[test]
fn standard_input_is_an_argument() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    good(node.address(), &["deploy", "tasks", path(&fixture("acme_tasks"))]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_haulier"))
        .args(["run", "tasks", "acme_tasks.values:echo", "-", "--address", node.address()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"[1, 2]\n").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "[1,2]");
}

#[test]
fn what_is_wrong_is_said_with_a_way_out() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, complaint) = bad(&nobody, &["nodes"]);
    assert_eq!(code, 5);
    assert!(complaint.contains(&format!("nothing listens on {nobody}")), "{complaint}");
    assert!(complaint.ends_with("hint: start a node: haulier node"), "{complaint}");
    assert_eq!(bad("no address", &["nodes"]).0, 2);
    assert_eq!(bad(&nobody, &["deploy", "pricing"]).0, 2);
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let address = node.address();
    let (code, complaint) = bad(address, &["deploy", "a", "/nowhere/a.jar"]);
    assert_eq!(code, 3, "{complaint}");
    let (code, complaint) = bad(address, &["deploy", "text", "https://host/x.jar", "--sha256", "00"]);
    assert_eq!(code, 2, "{complaint}");
    let (code, complaint) = bad(address, &["deploy", "../x", path(&fixture("pricing-1.jar"))]);
    assert_eq!(code, 2, "{complaint}");
    let nodes = good(address, &["nodes", "--output", "json"]);
    assert_eq!(serde_json::from_str::<Json>(&nodes).unwrap()[0]["address"], address);
}
