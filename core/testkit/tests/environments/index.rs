//! A package index of the test: small wheels in folders that an HTTP server lists, which is all that an index is.
use std::{
    fs,
    path::{Path, PathBuf},
};

use haulier::{Cluster, Value};
use haulier_testkit::{Jar, NodeOptions, Proxy, TestNode, TestServer, within};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The longest time for one task, the build of its environment included.
pub(crate) const DEADLINE: u64 = 60;

/// What the units of these tests run.
const WHICH: &str = "
import sys

def version():
    import tiny
    return tiny.VERSION

def prefix():
    return sys.prefix

def python():
    return '%d.%d' % sys.version_info[:2]

def file():
    import tiny
    return tiny.__file__

def had():
    return str('tiny' in sys.modules)
";

/// An index, and a way to it that can be closed.
pub(crate) struct Index {
    folder: TempDir,
    proxy: Proxy,
    _server: TestServer,
}

impl Index {
    /// With the distribution `tiny` in the versions 1.0 and 2.0.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("simple")).expect("a folder");
        let server = TestServer::http(folder.path()).expect("a server");
        let target = server.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let proxy = Proxy::start(&target).expect("a proxy");
        let index = Self { folder, proxy, _server: server };
        index.add("tiny", "1.0");
        index.add("tiny", "2.0");
        index
    }

    /// Adds a wheel with a module of its name that knows its version.
    pub(crate) fn add(&self, name: &str, version: &str) {
        let folder = self.folder.path().join("simple").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let code = format!("VERSION = '{version}'\n");
        wheel(&folder, name, version, "py3-none-any", &[(&format!("{name}/__init__.py"), code.as_bytes())]);
    }

    /// Adds a wheel with these files.
    pub(crate) fn add_files(&self, name: &str, version: &str, files: &[(&str, &[u8])]) {
        let folder = self.folder.path().join("simple").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        wheel(&folder, name, version, "py3-none-any", files);
    }

    /// Refuses connections from now on, or not any more.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.proxy.refuse(refusing);
        self.proxy.cut();
    }

    /// Options of a node that takes distributions from here, and asks once.
    pub(crate) fn node(&self) -> NodeOptions {
        let url = format!("http://{}/simple", self.proxy.address());
        let mut options = NodeOptions::default().arguments(["--uv".to_owned(), uv().display().to_string()]);
        options.environment = [("UV_DEFAULT_INDEX", url.as_str()), ("UV_HTTP_RETRIES", "0"), ("UV_FIND_LINKS", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        options
    }

    /// The line of a lock for a wheel that is here.
    pub(crate) fn pin(&self, name: &str, version: &str) -> String {
        let file = format!("simple/{name}/{name}-{version}-py3-none-any.whl");
        let bytes = fs::read(self.folder.path().join(file)).expect("a wheel");
        let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name}=={version} \\\n    --hash=sha256:{hash}\n")
    }
}

/// Writes a wheel and returns its path.
pub(crate) fn wheel(folder: &Path, name: &str, version: &str, tag: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let info = format!("{name}-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    let about = format!("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n");
    let mut jar = files.iter().fold(Jar::default(), |jar, (path, bytes)| jar.with(path, *bytes));
    jar = jar.with(&format!("{info}/METADATA"), metadata).with(&format!("{info}/WHEEL"), about);
    let paths = files.iter().map(|(path, _)| (*path).to_owned());
    let all = paths.chain(["METADATA", "WHEEL", "RECORD"].map(|file| format!("{info}/{file}")));
    let record: String = all.map(|path| format!("{path},,\n")).collect();
    let path = folder.join(format!("{name}-{version}-{tag}.whl"));
    jar.with(&format!("{info}/RECORD"), record).write(&path);
    path
}

/// The uv of the tests' own tools.
pub(crate) fn uv() -> PathBuf {
    let default = || std::env::home_dir().unwrap_or_default().join(".cache/haulier/venv");
    std::env::var_os("HAULIER_VENV").map_or_else(default, PathBuf::from).join("bin/uv")
}

/// Deploys a unit whose lock is this text.
pub(crate) async fn deploy(cluster: &Cluster, name: &str, lock: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(format!("which_{name}.py")), WHICH).expect("a module");
    fs::write(folder.path().join("haulier-requirements.txt"), lock).expect("a lock");
    cluster.deploy(name, "1.0.0").source(folder.path()).send().await.expect("a unit");
}

/// Calls a function of a unit that [`deploy`] has made.
pub(crate) async fn call(cluster: &Cluster, unit: &str, function: &str) -> haulier::Result<String> {
    let task = cluster.task(unit, format!("which_{unit}:{function}"));
    within(DEADLINE, "a task", task.call::<Value>(())).await.map(text)
}

/// The text of a result.
pub(crate) fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => panic!("no text: {other:?}"),
    }
}

/// The environments of a node on disk that are whole.
pub(crate) fn environments(node: &TestNode) -> Vec<PathBuf> {
    let entries = fs::read_dir(node.data_dir().join("python/environments")).expect("the environments");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.join("haulier-environment.json").exists()).collect()
}
