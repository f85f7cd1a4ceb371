//! The node behind the HTTP gateway: the same engine as for every other way to deploy.

use std::{net::SocketAddr, path::Path, sync::Arc};

use async_trait::async_trait;
use haulier_gateway::{Content, GatewayDeploy, GatewayFile, GatewayOptions, GatewayUnit, Scope, UnitEngine, UnitState};
use haulier_model::{Error, ErrorKind, Result, UnitId, UnitName, Version};
use haulier_protocol::{tls, v1};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{core::NodeCore, deployer::Order, deployments, options::NodeBuilder};

/// Serves the gateway if the node is told to; returns the address that it listens on.
pub(crate) async fn start(
    node: &Arc<NodeCore>,
    options: &NodeBuilder,
    data_dir: &Path,
    stop: &CancellationToken,
) -> Result<Option<SocketAddr>> {
    let Some(address) = options.admin else { return Ok(None) };
    let operation = "start the HTTP gateway";
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Error::new(ErrorKind::Unavailable, operation, format!("cannot listen on {address}: {error}"))
            .hint("choose another address: haulier node --admin 127.0.0.1:0")
    })?;
    let bound = listener.local_addr().map_err(|error| Error::internal(operation, error.to_string()))?;
    let mut gateway = GatewayOptions::new(data_dir.join("gateway"));
    gateway.hosts.clone_from(&options.admin_hosts);
    if let Some(material) = &options.tls {
        gateway.tls = Some(Arc::new(tls::server_config(&material.certificate, &material.key)?));
    }
    let engine = Arc::new(Engine(node.clone()));
    let stop = stop.clone();
    tokio::spawn(async move {
        if let Err(error) = haulier_gateway::serve(listener, engine, gateway, stop).await {
            tracing::error!(%error, "the HTTP gateway ended");
        }
    });
    tracing::info!(address = %bound, "the HTTP gateway serves");
    Ok(Some(bound))
}

struct Engine(Arc<NodeCore>);

#[async_trait]
impl UnitEngine for Engine {
    fn authenticate(&self, bearer: &str) -> Result<String> {
        Ok(self.0.tokens.identify_bearer(bearer)?.name().to_owned())
    }

    async fn deploy(&self, request: GatewayDeploy) -> Result<()> {
        let GatewayDeploy { name, version, content, nodes, deployed_by } = request;
        let id = UnitId { name: name.clone(), version: version.clone() };
        if self.0.is_deployed(&id).await? {
            let message = format!("'{id}' is deployed already");
            return Err(Error::new(ErrorKind::Conflict, "deploy", message)
                .hint("undeploy it first, or deploy another version; haulier deploy --replace replaces"));
        }
        self.0.check_nodes(&nodes).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "deploy", error.message()).hint(error.hint_text())
        })?;
        let path = match content {
            Content::Folder(path) | Content::Zip(path) => path,
        };
        let order = Order { nodes, ..Order::parse(name.as_str(), version.as_str(), &deployed_by)? };
        self.0.deploy_files(vec![(path, None)], order).await.map(drop)
    }

    async fn undeploy(&self, name: &UnitName, version: &Version, by: &str) -> Result<()> {
        let id = UnitId { name: name.clone(), version: version.clone() };
        self.0.undeploy(&id.into(), false, by).await.map(drop)
    }

    async fn units(&self, scope: Scope) -> Result<Vec<GatewayUnit>> {
        let mut units = Vec::new();
        for unit in deployments::list(&self.0, "").await? {
            let state = match unit.state() {
                v1::UnitState::Uploading => UnitState::Uploading,
                v1::UnitState::Obsolete => UnitState::Obsolete,
                v1::UnitState::Removing => UnitState::Removing,
                v1::UnitState::Deployed | v1::UnitState::Unspecified => UnitState::Deployed,
            };
            let here = state == UnitState::Uploading || unit.holders.contains(&self.0.name);
            // What is on its way to its next revision has no version yet.
            if !unit.version.is_empty() && (here || matches!(scope, Scope::Cluster)) {
                units.push(GatewayUnit { name: unit.name.parse()?, version: unit.version.parse()?, state });
            }
        }
        Ok(units)
    }

    async fn structure(&self, name: &UnitName, version: &Version) -> Result<Vec<GatewayFile>> {
        let id = UnitId { name: name.clone(), version: version.clone() };
        let record = self.0.store.resolve(&id.into()).await?;
        self.0.hold_unit(&record).await?;
        let roots = self.0.store.roots(&self.0.store.manifest(&record.digest)?)?;
        let one = roots.len() == 1;
        let files = roots.iter().enumerate().flat_map(|(index, root)| {
            let source = record.sources.get(index).filter(|_| !one);
            root.entries.iter().map(move |entry| GatewayFile {
                path: source.map_or_else(|| entry.path.to_string(), |source| format!("{source}/{}", entry.path)),
                size: entry.size,
            })
        });
        Ok(files.collect())
    }
}
