//! The commands about deployments, as scripts use them: exit codes, JSON, completions.
use std::{fs, time::Duration};

use haulier::{ConnectOptions, Language, Target};
use haulier_testkit::{CommandLine, Ended, NodeOptions, PeerClient, TestNode, fixture, until};
use serde_json::Value as Json;

const DEADLINE: Duration = Duration::from_secs(60);

fn json(ended: Ended) -> Json {
    let output = ended.succeeded();
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Checks exit code and error object of a command. What a task does wrong itself has no hint.
fn is_refused(arguments: &[&str], ended: &Ended, code: i32) {
    assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
    let last = ended.complaint.lines().last().unwrap_or_default();
    if arguments.contains(&"json") {
        let error: Json =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ended:?}"));
        let error = &error["error"];
        assert!(error["kind"].is_string() && error["message"].is_string(), "{arguments:?}: {error}");
        assert!(code == 1 || error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{arguments:?}: {error}");
    } else {
        let hinted = code == 1 || ended.complaint.contains("hint: ");
        assert!(ended.complaint.contains("error: ") && hinted, "{arguments:?}: {ended:?}");
    }
}

#[tokio::test]
async fn exit_codes_say_what_happened() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let haulier = CommandLine::new(node.address());
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (fixture("pricing-1.jar").display().to_string(), fixture("pricing-2.jar").display().to_string());
    let (bad, tasks) =
        (fixture("hostile-truncated.jar").display().to_string(), fixture("tasks.jar").display().to_string());
    haulier.run(&["deploy", "pricing", &one, "--version", "1.0.0"]).await.succeeded();
    haulier.run(&["deploy", "tasks", &tasks, "--version", "1.0.0"]).await.succeeded();
    haulier.run(&["alias", "pricing", "stable", "1.0.0"]).await.succeeded();
    let nowhere = folder.path().join("absent").display().to_string();
    let here = folder.path().display().to_string();
    let cases: &[(i32, &[&str])] = &[
        (1, &["run", "tasks", "acme.tasks.Faults#fail", "\"text\""]),
        (1, &["run", "tasks", "acme.tasks.Faults#never", "--timeout", "0.2"]),
        (1, &["run", "tasks", "acme.tasks.Faults#exit", "3"]),
        (2, &["deploy", "../x", &one]),
        (2, &["deploy", "pricing", "gopher://host/x.jar"]),
        (2, &["alias", "pricing", "latest", "1.0.0"]),
        (2, &["undeploy", "no name"]),
        (2, &["deploy", "folder", &here, "--opaque"]),
        (2, &["run", "pricing", "acme.Price", "no JSON"]),
        (2, &["watch", "add", "gopher://host/x"]),
        (3, &["deploy", "pricing", &nowhere]),
        (3, &["deploy", "pricing", &two, "--version", "2.0.0", "--nodes", "n9"]),
        (3, &["undeploy", "pricing:9.9.9"]),
        (3, &["undeploy", "unknown"]),
        (3, &["alias", "pricing", "canary", "9.9.9"]),
        (3, &["alias", "pricing", "canary"]),
        (3, &["alias", "pricing", "canary", "--remove"]),
        (3, &["wait", "unknown", "--timeout", "0.2"]),
        (3, &["inspect", "unknown"]),
        (3, &["download", "unknown"]),
        (3, &["promote", "0123456789ab", "promoted"]),
        (3, &["watch", "remove", "unknown"]),
        (3, &["run", "unknown", "acme.Price", "1"]),
        (3, &["run", "pricing", "acme.Absent", "1"]),
        (4, &["deploy", "pricing", &two, "--version", "1.0.0"]),
        (4, &["undeploy", "pricing:1.0.0"]),
    ];
    for (code, arguments) in cases {
        is_refused(arguments, &haulier.run(arguments).await, *code);
        let as_json = [*arguments, &["--output", "json"][..]].concat();
        is_refused(&as_json, &haulier.run(&as_json).await, *code);
    }
    let refused = haulier.run(&["deploy", "bad", &bad, "--version", "1.0.0"]).await;
    assert!(refused.code == 2 && refused.complaint.contains("no archive"), "{refused:?}");
    // What clap refuses has no error object: there is no command yet.
    for arguments in [&["alias"][..], &["promote", "x"], &["wait"], &["watch", "add"], &["gc", "now"], &["frobnicate"]]
    {
        let ended = haulier.run(arguments).await;
        assert!(ended.code == 2 && ended.complaint.contains("Usage"), "{arguments:?}: {ended:?}");
    }
}

#[tokio::test]
async fn without_a_node_every_command_says_so() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let haulier = CommandLine::new(&nobody.to_string());
    let jar = fixture("pricing-1.jar").display().to_string();
    let commands: &[&[&str]] = &[
        &["deploy", "pricing", &jar],
        &["undeploy", "pricing"],
        &["alias", "pricing"],
        &["wait", "pricing"],
        &["promote", "x", "pricing"],
        &["sessions"],
        &["gc"],
        &["watch", "list"],
        &["watch", "add", "file:///srv/units"],
        &["watch", "remove", "x"],
        &["list-deployments"],
        &["inspect", "pricing"],
        &["download", "pricing"],
        &["run", "pricing", "acme.Price", "1"],
        &["nodes"],
    ];
    for arguments in commands {
        let as_json = [*arguments, &["--output", "json"][..]].concat();
        is_refused(&as_json, &haulier.run(&as_json).await, 5);
    }
}

/// Runs a line, and reads what it prints as JSON.
async fn printed(haulier: &CommandLine, line: &str) -> Json {
    let arguments: Vec<&str> = line.split(' ').collect();
    json(haulier.run(&[&arguments, &["--output", "json"][..]].concat()).await)
}

#[tokio::test]
async fn what_programs_read_about_units_is_json() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let haulier = CommandLine::new(node.address());
    let run = async |line: &str| printed(&haulier, line).await;
    let jars = ["pricing-1.jar", "pricing-2.jar"].map(|jar| fixture(jar).display().to_string());
    for (jar, version) in jars.iter().zip(["1.0.0", "2.0.0"]) {
        let unit = run(&format!("deploy pricing {jar} --version {version}")).await;
        assert_eq!(
            (&unit["name"], &unit["version"], &unit["status"]),
            (&"pricing".into(), &version.into(), &"deployed".into())
        );
    }
    let set = run("alias pricing stable 1.0.0").await;
    assert_eq!(
        (&set["alias"], &set["unit"]["version"], &set["previous"]),
        (&"stable".into(), &"1.0.0".into(), &Json::Null)
    );
    assert_eq!(run("alias pricing stable 2.0.0").await["previous"], "1.0.0");
    assert_eq!(run("alias pricing").await[0]["unit"]["version"], "2.0.0");
    assert_eq!(run("alias pricing stable").await[0]["alias"], "stable");
    assert_eq!(run("alias pricing stable --remove").await["previous"], "2.0.0");
    assert_eq!(run("alias pricing").await, Json::Array(Vec::new()));
    let waited = run("wait pricing:1.0.0 --nodes all --timeout 10").await;
    assert_eq!(waited["holders"].as_array().map(Vec::len), Some(1), "{waited}");
    let undeployed = run("undeploy pricing").await;
    assert_eq!(undeployed.as_array().map(Vec::len), Some(2), "{undeployed}");
    let would = run("gc --dry-run").await;
    assert!(would["dry_run"] == true && would["bytes"].is_u64() && would["node"].is_string(), "{would}");
    let collected = run("gc").await;
    assert!(collected["dry_run"] == false && collected["packs"].is_u64(), "{collected}");
}

#[tokio::test]
async fn what_programs_read_about_sessions_and_watches_is_json() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let haulier = CommandLine::new(node.address());
    let run = async |line: &str| printed(&haulier, line).await;
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("acme_shop.py"), "def price():\n    return 42\n").expect("a module");
    let peer =
        PeerClient::connect(ConnectOptions::new(node.address()), Language::Python, vec![folder.path().to_owned()]);
    let peer = peer.await;
    peer.call(Target::Any, "acme_shop", "acme_shop:price", &[]).await.expect("a task");
    let sessions = run("sessions").await;
    let with_code = |session: &&Json| session["snapshots"].as_array().is_some_and(|snapshots| !snapshots.is_empty());
    let session = sessions.as_array().expect("a list").iter().find(with_code).expect("a session with code");
    assert!(session["age_ms"].is_u64() && session["tasks"].is_u64() && session["identity"].is_string(), "{session}");
    let promoted = run(&format!("promote {} shop --version 0.1.0", session["id"].as_str().expect("an id"))).await;
    assert_eq!(promoted["digest"], session["snapshots"][0], "{promoted}");
    assert_eq!(run("run shop acme_shop:price").await, 42);

    let url = format!("file://{}", folder.path().display());
    let added = run(&format!("watch add {url} --interval 0.2 --settle 0.2")).await;
    assert_eq!(
        (&added["url"], &added["interval_ms"], &added["settle_ms"]),
        (&url.as_str().into(), &200.into(), &200.into())
    );
    let seen = until(DEADLINE, async || run("watch list").await[0]["state"] == "watching").await;
    assert!(seen, "{}", run("watch list").await);
    assert_eq!(run(&format!("watch remove {}", added["id"].as_str().expect("an id"))).await["url"], url);
    assert_eq!(run("watch list").await, Json::Array(Vec::new()));
}

#[tokio::test]
async fn shells_take_the_completions() {
    let haulier = CommandLine::new("127.0.0.1:1");
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let script = haulier.run(&["completions", shell]).await.succeeded();
        for word in ["deploy", "alias", "promote", "watch", "--on-node"] {
            assert!(script.contains(word.trim_start_matches('-')), "{shell}: no {word}");
        }
        let path = folder.path().join(shell);
        fs::write(&path, script).expect("a script");
        // The other shells are seldom installed where tests run.
        let installed = tokio::process::Command::new(shell).arg("--version").output().await.is_ok();
        if shell == "bash" || installed {
            let checked = tokio::process::Command::new(shell).arg("-n").arg(&path).output().await.expect("a shell");
            assert!(checked.status.success() && checked.stderr.is_empty(), "{shell}: {checked:?}");
        }
    }
}
