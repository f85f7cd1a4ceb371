//! `haulier node` as a process: how it says that it is ready, and what ends it.
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use haulier_testkit::{eventually, is_alive, target_dir};
use rustix::process::{Pid, Signal, kill_process};

const DEADLINE: Duration = Duration::from_secs(20);

/// The workers' own code of the distribution folder; here no worker is started.
fn home() -> std::path::PathBuf {
    let distribution = std::env::var_os("HAULIER_DIST").map_or_else(|| target_dir().join("dist"), Into::into);
    distribution.join("lib/haulier")
}

fn node(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haulier"));
    command.args(["node", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.join("data"));
    command.arg("--home").arg(home()).arg("--ready-file").arg(folder.join("ready"));
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

fn signal(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(process as i32).expect("a process"), signal).expect("a signal");
}

#[test]
fn it_says_where_it_listens_and_ends_when_told() {
    for stop in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = node(folder.path()).args(["--name", "n1"]).spawn().unwrap();
        let line = first_line(&mut child);
        let address = line.strip_prefix("haulier node n1 listening on ").unwrap_or_else(|| panic!("{line}"));
        let ready = folder.path().join("ready");
        assert_eq!(fs::read_to_string(&ready).unwrap().trim_end(), address);
        signal(child.id(), stop);
        assert!(eventually(DEADLINE, || matches!(child.try_wait(), Ok(Some(_)))));
        assert!(child.wait().unwrap().success());
        assert!(!ready.exists(), "nobody is ready any more");
    }
}

#[test]
fn it_ends_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path());
    let script = "\"$@\" & echo $!; wait";
    let mut shell = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(node.get_program())
        .args(node.get_args())
        .arg("--exit-with-parent")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process: u32 = first_line(&mut shell).parse().expect("a process id");
    assert!(eventually(DEADLINE, || folder.path().join("ready").exists()));
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert!(eventually(DEADLINE, || !is_alive(process)), "the node outlived its parent");
}

#[test]
fn two_nodes_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = node(folder.path()).spawn().unwrap();
    first_line(&mut first);
    let second = node(folder.path()).stderr(Stdio::piped()).output().unwrap();
    let complaint = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && complaint.contains("error: "), "{complaint}");
    signal(first.id(), Signal::TERM);
    first.wait().unwrap();
}
