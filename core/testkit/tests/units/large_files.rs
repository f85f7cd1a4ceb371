//! Large files of units: an upload that broke goes on where it was, a changed file sends what has changed, and neither
//! end holds a file in memory.
use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Once},
    time::Duration,
};

use haulier::{Cluster, Deploy, DeployProgress};
use haulier_testkit::{NodeOptions, Proxy, TestNode, random_bytes, within};
use sha2::{Digest as _, Sha256};

const MIB: u64 = 1 << 20;
/// What a test may wait for; a disk may be slow.
const DEADLINE: u64 = 600;
const CODE: &str = "\
import hashlib, pathlib

def digest():
    with open(pathlib.Path(__file__).with_name('large.bin'), 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
";

/// A Python package with a file of random bytes, and a function that gives its SHA-256.
struct Package {
    folder: tempfile::TempDir,
}

impl Package {
    fn new(seed: u64, size: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("acme_large")).expect("a package");
        fs::write(folder.path().join("acme_large/__init__.py"), CODE).expect("a module");
        let package = Self { folder };
        let mut file = File::create(package.file()).expect("a file");
        for block in 0..size.div_ceil(MIB) {
            file.write_all(&random_bytes(seed + block, MIB as usize)).expect("bytes");
        }
        package
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("acme_large")
    }

    fn file(&self) -> PathBuf {
        self.path().join("large.bin")
    }

    fn deploy(&self, cluster: &Cluster) -> Deploy {
        cluster.deploy("large", "1.0.0").source(self.path()).replace(true)
    }

    async fn is_right(&self, cluster: &Cluster) {
        let task = cluster.task("large:1.0.0", "acme_large:digest").timeout(Duration::from_secs(60));
        let bytes = fs::read(self.file()).expect("the file");
        let expected: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(task.call::<String>(()).await.expect("a digest"), expected);
    }
}

#[tokio::test]
async fn a_broken_upload_goes_on_and_a_changed_file_sends_what_has_changed() {
    let proxy = Arc::new(Proxy::open().expect("a proxy"));
    // The client finds no way around the proxy.
    let options = NodeOptions::default().arguments(["--advertise", &proxy.address()]);
    let node = TestNode::start(options).expect("a node");
    proxy.lead_to(node.address());
    let cluster = haulier::connect(proxy.address()).await.expect("a connection");
    let package = Package::new(1, 64 * MIB);

    let (cut, once) = (proxy.clone(), Once::new());
    let deploy = package.deploy(&cluster).progress(move |progress| {
        if matches!(progress, DeployProgress::Sending { sent, .. } if sent >= 30 * MIB) {
            once.call_once(|| assert!(cut.cut() > 0, "there is a connection to cut"));
        }
    });
    within(DEADLINE, "a deploy", deploy.send()).await.expect("a unit");
    let sent = proxy.bytes_sent();
    assert!((64 * MIB..72 * MIB).contains(&sent), "{sent} bytes were sent for 64 MiB");
    package.is_right(&cluster).await;

    let mut bytes = fs::read(package.file()).expect("the file");
    bytes[32 << 20] ^= 1;
    bytes.splice(1000..1000, [7; 100]);
    fs::write(package.file(), &bytes).expect("a changed file");
    let before = proxy.bytes_sent();
    within(DEADLINE, "a deploy", package.deploy(&cluster).send()).await.expect("a unit");
    let sent = proxy.bytes_sent() - before;
    assert!(sent < 8 * MIB, "{sent} bytes were sent for two small changes");
    package.is_right(&cluster).await;
}

/// Runs `haulier deploy` to its end, and returns the most kilobytes of memory that it had.
async fn deploy_by_command(node: &TestNode, package: &Path) -> u64 {
    let mut command = tokio::process::Command::new(TestNode::binary());
    command.args(["deploy", "large", "--version", "1.0.0"]).arg(package).env("HAULIER_ADDRESS", node.address());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().expect("the binary");
    let process_id = child.id().expect("a process");
    let mut peak = 0;
    // No event announces a new peak; the kernel keeps it until the process ends.
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended.expect("an end"),
            _ = ticks.tick() => peak = peak_memory(process_id).max(peak),
        }
    };
    assert!(ended.success(), "{ended}");
    peak
}

/// The most kilobytes that a process has had in memory so far; 0 if it has ended.
fn peak_memory(process_id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process_id}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn no_end_holds_a_file_in_memory() {
    let size = if std::env::var_os("HAULIER_SOAK").is_some() { 2048 * MIB } else { 512 * MIB };
    let package = Package::new(2, size);
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let idle = peak_memory(node.process_id());
    let client = within(DEADLINE, "a deploy", deploy_by_command(&node, &package.path())).await;
    let grown = peak_memory(node.process_id()) - idle;
    println!("a file of {} MiB: the node grew by {grown} kB, the client had {client} kB", size / MIB);
    assert!(idle > 0 && grown < 64 << 10, "the node grew by {grown} kB from {idle} kB");
    assert!((1..64 << 10).contains(&client), "the client had {client} kB");
}
