//! The other side of `Units`: reads what it is given as a node does, and remembers it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, UnitName, Version};
use haulier_pack::{Limits, PackedRoot};
use haulier_watch::{Units, Watch, WatchHandle, WatchOptions, WatchStatus, WatchedStorage, WatchedUnit};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What has happened at the node.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The digest of each unit, and the paths in its roots.
    pub(crate) units: BTreeMap<String, (Digest, Vec<String>)>,
    /// Units that the watch did not deploy.
    pub(crate) by_hand: Vec<String>,
    /// "deployed a:1", "same a:1", "refused a:1", "undeployed a:1".
    pub(crate) log: Vec<String>,
}

pub(crate) struct Node {
    state: watch::Sender<State>,
    /// Held while nothing may be deployed.
    pub(crate) gate: Mutex<()>,
}

impl Node {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: watch::channel(State::default()).0, gate: Mutex::new(()) })
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    /// How often `line` is in the log.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.state.borrow().log.iter().filter(|logged| *logged == line).count()
    }

    pub(crate) async fn until(&self, what: &str, is: impl FnMut(&State) -> bool) {
        let mut state = self.state.subscribe();
        let waited = timeout(DEADLINE, state.wait_for(is)).await.is_ok();
        assert!(waited, "not in time: {what}; {:?}", self.state().log);
    }

    /// Waits until `line` is in the log.
    pub(crate) async fn logged(&self, line: &str) {
        self.until(line, |state| state.log.iter().any(|logged| logged == line)).await;
    }
}

const DEADLINE: Duration = Duration::from_secs(60);

fn read(sources: &[PathBuf]) -> Result<(Digest, Vec<String>)> {
    let (mut roots, mut paths) = (Vec::new(), Vec::new());
    for source in sources {
        for root in PackedRoot::read_source(source, &Limits::default())? {
            roots.push(root.digest());
            paths.extend(root.root.entries.iter().map(|entry| entry.path.as_str().to_owned()));
        }
    }
    Ok((Manifest { roots }.digest(), paths))
}

#[async_trait]
impl Units for Node {
    async fn deployed(&self) -> Result<Vec<WatchedUnit>> {
        let state = self.state();
        let unit = |(id, (digest, _)): (&String, &(Digest, Vec<String>))| {
            let (name, version) = id.split_once(':').unwrap();
            let by_watch = !state.by_hand.contains(id);
            Ok(WatchedUnit { name: name.parse()?, version: version.parse()?, digest: *digest, by_watch })
        };
        state.units.iter().map(unit).collect()
    }

    async fn deploy(&self, name: &UnitName, version: &Version, sources: Vec<PathBuf>) -> Result<Digest> {
        let _open = self.gate.lock().await;
        let id = format!("{name}:{version}");
        let read = tokio::task::spawn_blocking(move || read(&sources)).await.unwrap();
        let mut result = Err(Error::internal("deploy", "not reached"));
        self.change(|state| {
            let before = state.units.get(&id).map(|unit| unit.0);
            result = read;
            let verb = match &result {
                Err(_) => "refused",
                Ok((digest, _)) if before == Some(*digest) => "same",
                Ok(unit) => {
                    state.units.insert(id.clone(), unit.clone());
                    "deployed"
                }
            };
            state.log.push(format!("{verb} {id}"));
        });
        result.map(|unit| unit.0)
    }

    async fn undeploy(&self, name: &UnitName, version: &Version) -> Result<()> {
        let id = format!("{name}:{version}");
        let mut found = false;
        self.change(|state| {
            found = state.units.remove(&id).is_some();
            state.log.push(format!("undeployed {id}"));
        });
        let missing = || Error::new(ErrorKind::NotFound, format!("undeploy {id}"), "no such unit");
        found.then_some(()).ok_or_else(missing)
    }
}

/// A watch that runs.
pub(crate) struct Running {
    pub(crate) handle: WatchHandle,
    pub(crate) temp: TempDir,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(
        storage: Arc<dyn WatchedStorage>,
        node: &Arc<Node>,
        change: impl FnOnce(&mut WatchOptions),
    ) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut options = WatchOptions::new("w1", temp.path().join("watch"));
        change(&mut options);
        let watch = Watch::new(storage, Arc::<Node>::clone(node), options);
        let (handle, stop) = (watch.handle(), CancellationToken::new());
        let task = tokio::spawn(watch.run(stop.clone()));
        Self { handle, temp, stop, task }
    }

    pub(crate) async fn until(&self, what: &str, is: impl FnMut(&WatchStatus) -> bool) {
        let mut status = self.handle.subscribe();
        let waited = timeout(DEADLINE, status.wait_for(is)).await.is_ok();
        assert!(waited, "not in time: {what}; {:?}", self.handle.status());
    }

    /// Ends the watch; nothing of it stays.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.task).await.expect("it ends in time").expect("it does not panic");
        let left = self.temp.path().join("watch").read_dir().map_or(0, Iterator::count);
        assert_eq!(left, 0, "files stay");
    }
}

/// The bytes of a jar with a class, and a text in it that tells jars apart.
pub(crate) fn jar(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for name in ["com/acme/Price.class", "text"] {
        zip.start_file(name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Writes a file, whole at once: however slow the machine is, no watch sees a part of it.
pub(crate) fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let (file, hidden) = (folder.join(path), folder.join(".new"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&hidden, bytes).unwrap();
    std::fs::rename(hidden, file).unwrap();
}

/// The digest of the unit that a file is.
pub(crate) fn digest(path: &Path) -> Digest {
    read(&[path.to_owned()]).unwrap().0
}
