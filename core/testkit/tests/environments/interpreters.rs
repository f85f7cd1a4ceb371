//! Nodes with several interpreters. They need a second Python: the one that the build fetches, of pyenv, or another one on
//! the PATH; the newest of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use haulier::{Cluster, Codec, ConnectOptions, ErrorKind, Language, Result, Submission, Target};
use haulier_testkit::{NodeOptions, PeerClient, TestNode, answer, within};

use super::index::{DEADLINE, text, wheel};

/// `(platform.python_version, (), {})`, as a client pickles a call.
const PYTHON: &[u8] = b"(cplatform\npython_version\n(t(dt.";

/// Interpreters with two minor versions: the default one and its version first.
struct Two {
    programs: [PathBuf; 2],
    minors: [String; 2],
}

fn two() -> Option<Two> {
    let first = PathBuf::from("python3");
    let own = minor(&first)?;
    let home = std::env::home_dir().unwrap_or_default();
    let pyenv = fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let named = ["3.11", "3.12", "3.13", "3.14"].map(|version| PathBuf::from(format!("python{version}")));
    let candidates = fetched().into_iter().chain(pyenv.map(|entry| entry.path().join("bin/python3"))).chain(named);
    let known = ["3.11", "3.12", "3.13", "3.14"];
    let other = candidates.filter_map(|path| Some((minor(&path)?, path)));
    let found = other.filter(|(minor, _)| known.contains(&minor.as_str()) && *minor != own).max();
    let Some((other, path)) = found else {
        println!("skipped: there is no second Python of 3.11 or newer beside {own} (pyenv install 3.12)");
        return None;
    };
    Some(Two { programs: [first, path], minors: [own, other] })
}

/// What `tests/interpreters/fetch.py` has left in the target folder.
fn fetched() -> Vec<PathBuf> {
    let target = std::env::current_exe().ok().and_then(|test| test.ancestors().nth(3).map(Path::to_owned));
    let folders = target.into_iter().flat_map(|target| fs::read_dir(target).into_iter().flatten().flatten());
    let is_python =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cpython-"));
    folders.map(|entry| entry.path()).filter(is_python).map(|folder| folder.join("bin/python3")).collect()
}

fn minor(program: &Path) -> Option<String> {
    let output = Command::new(program).args(["-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn node(programs: &[PathBuf]) -> TestNode {
    let arguments = programs.iter().flat_map(|path| ["--python".to_owned(), path.display().to_string()]);
    TestNode::start(NodeOptions::default().arguments(arguments)).expect("a node")
}

async fn client(node: &TestNode, version: &str) -> Cluster {
    let options = ConnectOptions::new(node.address()).language(Language::Python, version);
    options.connect().await.expect("a connection")
}

async fn by_value(cluster: &Cluster, minor: &str) -> Result<String> {
    let submission = Submission {
        payload: PYTHON.into(),
        requires: vec![format!("cpython-{minor}")],
        result_codecs: vec![Codec::Values],
        ..Submission::new(Language::Python, "", Codec::Pickle)
    };
    within(DEADLINE, "a task", answer(cluster, submission)).await.map(text)
}

#[tokio::test]
async fn code_by_value_runs_on_its_own_version_alone() {
    let Some(Two { programs, minors }) = two() else { return };
    let both = node(&programs);
    let cluster = client(&both, &format!("{}.0", minors[0])).await;
    for minor in &minors {
        let version = by_value(&cluster, minor).await.expect("a version");
        assert!(version.starts_with(&format!("{minor}.")), "{version} for {minor}");
    }
    let error = by_value(&cluster, "3.9").await.expect_err("no such interpreter");
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    let said = format!("the task needs cpython-3.9; the node has cpython-{}, cpython-{}", minors[0], minors[1]);
    assert!(error.to_string().contains(&said), "{error}");
    let nodes = cluster.nodes().await.expect("nodes");
    let (_, versions) = nodes[0].runtimes.iter().find(|(language, _)| language == "python").expect("python");
    assert!(minors.iter().all(|minor| versions.contains(&format!("{minor}."))), "{versions}");

    let one = node(&programs[..1]);
    let cluster = client(&one, &format!("{}.0", minors[1])).await;
    let error = by_value(&cluster, &minors[1]).await.expect_err("another interpreter");
    let said = format!("the task needs cpython-{}; the worker has cpython-{}", minors[1], minors[0]);
    assert!(error.to_string().contains(&said), "{error}");
}

#[tokio::test]
async fn modules_run_on_the_clients_version_if_it_is_there() {
    let Some(Two { programs, minors }) = two() else { return };
    let node = node(&programs);
    let folder = tempfile::tempdir().expect("a folder");
    let code = "import platform\n\ndef version():\n    return platform.python_version()\n";
    fs::write(folder.path().join("which_python.py"), code).expect("a module");
    for (version, expected) in [(&minors[1], &minors[1]), (&minors[0], &minors[0]), (&"3.9".to_owned(), &minors[0])] {
        let options = ConnectOptions::new(node.address()).language(Language::Python, format!("{version}.4"));
        let peer = PeerClient::connect(options, Language::Python, vec![folder.path().to_owned()]).await;
        let call = peer.call(Target::Any, "which_python", "which_python:version", &[]);
        let ran = text(within(DEADLINE, "a task", call).await.expect("a version"));
        assert!(ran.starts_with(&format!("{expected}.")), "a client of {version} ran on {ran}");
    }
}

#[tokio::test]
async fn a_wheel_runs_where_it_can_and_is_refused_where_it_cannot() {
    let Some(Two { programs, minors }) = two() else { return };
    let (folder, tag) = (tempfile::tempdir().expect("a folder"), minors[1].replace('.', ""));
    let library = format!("fast/core.cpython-{tag}-x86_64-linux-gnu.so");
    let code: &[u8] = b"import platform\n\ndef version():\n    return platform.python_version()\n";
    let files: [(&str, &[u8]); 2] = [("fast/__init__.py", code), (&library, b"no library, and nobody loads it")];
    let platform = format!("cp{tag}-cp{tag}-manylinux_2_17_x86_64");
    let wheel = wheel(folder.path(), "fast", "1.0", &platform, &files);

    let both = node(&programs);
    let cluster = client(&both, &format!("{}.0", minors[0])).await;
    cluster.deploy("fast", "1.0.0").source(&wheel).send().await.expect("a unit");
    let call = cluster.task("fast", "fast:version").call::<String>(()).await.expect("a version");
    assert!(call.starts_with(&format!("{}.", minors[1])), "{call}");

    let one = node(&programs[..1]);
    let cluster = client(&one, &format!("{}.0", minors[0])).await;
    let error = cluster.deploy("fast", "1.0.0").source(&wheel).send().await.expect_err("another interpreter");
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    let said = format!("the wheel fast-1.0 is for {platform}; this node has cpython-{}", minors[0]);
    assert!(error.to_string().contains(&said), "{error}");
    // Without metadata only the names of its files say so.
    let bare = folder.path().join("bare");
    fs::create_dir_all(bare.join("fast")).expect("a folder");
    for (path, bytes) in files {
        fs::write(bare.join(path), bytes).expect("a file");
    }
    cluster.deploy("bare", "1.0.0").source(&bare).send().await.expect("a unit");
    let error = cluster.task("bare", "fast:version").call::<String>(()).await.expect_err("another interpreter");
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
    assert!(error.to_string().contains(&format!("is not for cpython-{}", minors[0])), "{error}");
}
