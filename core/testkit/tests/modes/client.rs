//! Clients that count in a static field or a module, so that what they see tells with whom they share.
use std::path::{Path, PathBuf};

use haulier::{Cluster, ConnectOptions, DeploymentMode, Language, Result, Target, Value};
use haulier_testkit::{PeerClient, fixture};

/// The class in which Java clients count.
pub(crate) const JAVA: (&str, &str) = ("acme/tasks/Count", "acme.tasks.Count#next");
pub(crate) const PROCESS: (&str, &str) = ("acme/tasks/Count", "acme.tasks.Count#process");
/// The module in which Python clients count.
pub(crate) const PYTHON: (&str, &str) = ("acme_count", "acme_count:following");

/// A client with the Java fixture.
pub(crate) async fn java(address: &str, mode: DeploymentMode) -> PeerClient {
    java_with(ConnectOptions::new(address).mode(mode)).await
}

pub(crate) async fn java_with(options: ConnectOptions) -> PeerClient {
    PeerClient::connect(options, Language::Java, vec![fixture("tasks.jar")]).await
}

/// A client with the Python module in `folder`.
pub(crate) async fn python(address: &str, mode: DeploymentMode, folder: &Path) -> PeerClient {
    PeerClient::connect(ConnectOptions::new(address).mode(mode), Language::Python, vec![folder.to_owned()]).await
}

/// Writes the module that Python clients count in.
pub(crate) fn module(folder: &Path) -> PathBuf {
    let text = "import os\n\ncalls = 0\n\n\ndef following():\n    global calls\n    calls += 1\n    return calls\n\n\n\
                def process():\n    return os.getpid()\n";
    std::fs::write(folder.join("acme_count.py"), text).expect("a module");
    folder.to_owned()
}

/// Calls once and gives the number.
pub(crate) async fn count(client: &PeerClient, (start, entry_point): (&str, &str)) -> i64 {
    number(client.call(Target::Any, start, entry_point, &[]).await)
}

/// Calls the code of a session by its reference.
pub(crate) async fn count_by(cluster: &Cluster, reference: &str, (_, entry_point): (&str, &str)) -> Result<i64> {
    cluster.task(reference, entry_point).call(()).await
}

pub(crate) fn number(result: Result<Value>) -> i64 {
    i64::try_from(result.expect("a result")).expect("a number")
}
