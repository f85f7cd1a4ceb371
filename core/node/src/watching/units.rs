//! The node as a watch sees it: what it has deployed, and the engine that deploys.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use haulier_model::{Digest, Error, ErrorKind, Result, UnitId, UnitName, UnitReference, Version};
use haulier_store::UnitState;
use haulier_watch::{Units, WatchedUnit};

use super::records::deployer;
use crate::{
    core::NodeCore,
    deployer::{Order, Origin},
};

pub(super) struct NodeUnits {
    node: Weak<NodeCore>,
    deployer: String,
    url: String,
}

impl NodeUnits {
    /// `url` is without credentials.
    pub(super) fn new(node: &Arc<NodeCore>, watch: &str, url: &str) -> Self {
        Self { node: Arc::downgrade(node), deployer: deployer(watch), url: url.to_owned() }
    }

    fn node(&self) -> Result<Arc<NodeCore>> {
        let stopping = || Error::new(ErrorKind::Closed, "watch a storage", "the node is stopping");
        self.node.upgrade().ok_or_else(stopping)
    }
}

#[async_trait]
impl Units for NodeUnits {
    async fn deployed(&self) -> Result<Vec<WatchedUnit>> {
        let units = self.node()?.store.list(None).await?.into_iter();
        let deployed = units.filter(|unit| unit.state == UnitState::Deployed);
        let watched = deployed.map(|unit| WatchedUnit {
            by_watch: unit.deployed_by == self.deployer,
            name: unit.id.name,
            version: unit.id.version,
            digest: unit.digest,
        });
        Ok(watched.collect())
    }

    async fn deploy(&self, name: &UnitName, version: &Version, sources: Vec<PathBuf>) -> Result<Digest> {
        let origin = Origin { source: self.url.clone(), ..Origin::default() };
        let files = sources.into_iter().map(|path| (path, Some(origin.clone()))).collect();
        let order = Order::parse(name.as_str(), version.as_str(), &self.deployer)?;
        let order = Order { replace: true, replaces_only_its_own: true, nodes: "one".to_owned(), ..order };
        Ok(self.node()?.deploy_files(files, order).await?.digest)
    }

    async fn undeploy(&self, name: &UnitName, version: &Version) -> Result<()> {
        let node = self.node()?;
        let reference = UnitReference::from(UnitId { name: name.clone(), version: version.clone() });
        if node.store.resolve(&reference).await?.deployed_by != self.deployer {
            return Ok(());
        }
        node.undeploy(&reference, false, &self.deployer).await.map(drop)
    }
}
