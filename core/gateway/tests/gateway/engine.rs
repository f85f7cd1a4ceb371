//! The other side of the gateway's trait: units in memory, and failures by the name of the unit.

use std::{collections::BTreeMap, fs, path::Path};

use async_trait::async_trait;
use haulier_gateway::{Content, GatewayDeploy, GatewayFile, GatewayUnit, Scope, UnitEngine, UnitState};
use haulier_model::{Error, ErrorKind, Result, UnitName, Version};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// The token that is accepted.
pub(crate) const TOKEN: &str = "a-token-of-ann";

/// What a deploy was given: the request, and what its files were at that time (path, size, first bytes).
pub(crate) struct Deployed {
    pub(crate) request: GatewayDeploy,
    pub(crate) files: BTreeMap<String, (u64, Vec<u8>)>,
}

pub(crate) struct RecordingEngine {
    pub(crate) deployed: Mutex<Vec<Deployed>>,
    pub(crate) units: Mutex<Vec<GatewayUnit>>,
    pub(crate) undeployed_by: Mutex<Vec<String>>,
    /// Deploys of the unit `wait` need one of these.
    pub(crate) gate: Semaphore,
    /// Has one more for each deploy of the unit `wait` that came in.
    pub(crate) waiting: Semaphore,
}

impl Default for RecordingEngine {
    fn default() -> Self {
        Self {
            deployed: Mutex::default(),
            units: Mutex::default(),
            undeployed_by: Mutex::default(),
            gate: Semaphore::new(0),
            waiting: Semaphore::new(0),
        }
    }
}

fn failure(name: &str) -> Option<ErrorKind> {
    ErrorKind::ALL.into_iter().find(|kind| name == format!("fails-{}", kind.name()))
}

fn read(folder: &Path, prefix: &str, files: &mut BTreeMap<String, (u64, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, first_bytes(&entry.path()));
        }
    }
}

fn first_bytes(path: &Path) -> (u64, Vec<u8>) {
    use std::io::Read as _;
    let mut start = Vec::new();
    fs::File::open(path).unwrap().take(1000).read_to_end(&mut start).unwrap();
    (fs::metadata(path).unwrap().len(), start)
}

#[async_trait]
impl UnitEngine for RecordingEngine {
    fn authenticate(&self, bearer: &str) -> Result<String> {
        match bearer {
            TOKEN => Ok("ann".to_owned()),
            "later" => Err(Error::new(ErrorKind::Unavailable, "authenticate", "tokens cannot be read")),
            _ => Err(Error::new(ErrorKind::PermissionDenied, "authenticate", "the reason is a secret")),
        }
    }

    async fn deploy(&self, request: GatewayDeploy) -> Result<()> {
        let GatewayDeploy { name, version, .. } = request.clone();
        assert_ne!(name.as_str(), "panics");
        if let Some(kind) = failure(name.as_str()) {
            return Err(Error::new(kind, "deploy", "it went wrong").context("node", "n1").hint("haulier fix"));
        }
        if name.as_str() == "wait" {
            self.waiting.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
        }
        let mut units = self.units.lock();
        if units.iter().any(|unit| unit.name == name && unit.version == version) {
            return Err(Error::new(ErrorKind::Conflict, "deploy", format!("{name}:{version} exists")));
        }
        let mut files = BTreeMap::new();
        match &request.content {
            Content::Folder(folder) => read(folder, "", &mut files),
            Content::Zip(path) => drop(files.insert("zip".to_owned(), first_bytes(path))),
        }
        units.push(GatewayUnit { name, version, state: UnitState::Deployed });
        self.deployed.lock().push(Deployed { request, files });
        Ok(())
    }

    async fn undeploy(&self, name: &UnitName, version: &Version, by: &str) -> Result<()> {
        let mut units = self.units.lock();
        let before = units.len();
        units.retain(|unit| unit.name != *name || unit.version != *version);
        if units.len() == before {
            return Err(Error::new(ErrorKind::NotFound, "undeploy", format!("there is no unit {name}:{version}"))
                .hint("haulier list-deployments"));
        }
        self.undeployed_by.lock().push(by.to_owned());
        Ok(())
    }

    async fn units(&self, scope: Scope) -> Result<Vec<GatewayUnit>> {
        let wanted = |unit: &&GatewayUnit| scope == Scope::Cluster || unit.state != UnitState::Uploading;
        Ok(self.units.lock().iter().filter(wanted).cloned().collect())
    }

    async fn structure(&self, name: &UnitName, version: &Version) -> Result<Vec<GatewayFile>> {
        assert_ne!(name.as_str(), "panics");
        let deployed = self.deployed.lock();
        let unit = deployed.iter().find(|unit| unit.request.name == *name && unit.request.version == *version);
        let unit = unit.ok_or_else(|| Error::new(ErrorKind::NotFound, "inspect", "there is no such unit"))?;
        Ok(unit.files.iter().map(|(path, (size, _))| GatewayFile { path: path.clone(), size: *size }).collect())
    }
}
