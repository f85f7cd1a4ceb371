//! Units over the protocol: deploy, undeploy, list, inspect, alias, promote.

mod downloading;
mod receiving;
mod requirements;

use std::{sync::Arc, time::Duration};

use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Version};
use haulier_protocol::{
    status,
    v1::{self, deploy_request, deploy_response, deployment_service_server::DeploymentService},
};
use haulier_store::{Collected, UnitRecord, UnitState};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    continuous,
    core::NodeCore,
    deployer::{Order, Origin},
    modules::Messages,
    uploads::Upload,
};

const PAGE: usize = 1000;
/// The longest time that a client may ask to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

pub(crate) struct Deployments(pub(crate) Arc<NodeCore>);

type Answers = mpsc::Sender<Result<v1::DeployResponse, Status>>;

#[tonic::async_trait]
impl DeploymentService for Deployments {
    type DeployStream = ReceiverStream<Result<v1::DeployResponse, Status>>;
    type GetUnitStream = Messages<v1::GetUnitResponse>;
    type ListUnitsStream = Messages<v1::ListUnitsResponse>;
    type DeployFromStream = Messages<v1::DeployFromResponse>;
    type DownloadStream = Messages<v1::DownloadResponse>;

    async fn deploy(
        &self,
        request: Request<Streaming<v1::DeployRequest>>,
    ) -> Result<Response<Self::DeployStream>, Status> {
        let identity = self.0.identify(request.metadata())?;
        let (sender, receiver) = mpsc::channel(4);
        let node = self.0.clone();
        let mut incoming = request.into_inner();
        tokio::spawn(async move {
            if let Err(error) = deploy(&node, identity.name(), &mut incoming, &sender).await {
                tracing::info!(%error, "a deploy was refused");
                // The client may be gone.
                let _ = sender.send(Err(status::from_error(&error))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn undeploy(&self, request: Request<v1::UndeployRequest>) -> Result<Response<v1::UndeployResponse>, Status> {
        let identity = self.0.identify(request.metadata())?;
        let request = request.into_inner();
        if continuous::is_reference(&request.reference) {
            let unit = answered(continuous::undeploy(&self.0, &request.reference, &identity, request.force).await)?;
            return Ok(Response::new(v1::UndeployResponse { units: vec![unit] }));
        }
        let undeploy = async { self.0.undeploy(&request.reference.parse()?, request.force, identity.name()).await };
        let removed = answered(undeploy.await)?;
        Ok(Response::new(v1::UndeployResponse { units: removed.iter().map(|record| unit(&self.0, record)).collect() }))
    }

    async fn list_units(
        &self,
        request: Request<v1::ListUnitsRequest>,
    ) -> Result<Response<Self::ListUnitsStream>, Status> {
        self.0.identify(request.metadata())?;
        let name = request.into_inner().name;
        // Each page is made when it is sent: the client reads the first one meanwhile.
        let mut units = answered(list(&self.0, &name).await)?.peekable();
        let pages = std::iter::from_fn(move || {
            units.peek()?;
            Some(v1::ListUnitsResponse { units: units.by_ref().take(PAGE).collect() })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(pages.map(Ok)))))
    }

    async fn get_unit(&self, request: Request<v1::GetUnitRequest>) -> Result<Response<Self::GetUnitStream>, Status> {
        let identity = self.0.identify(request.metadata())?;
        let reference = request.into_inner().reference;
        let read = async {
            let (record, manifest) = self.0.held_unit(&reference).await?;
            Ok::<_, Error>((record, self.0.store.roots(&manifest)?))
        };
        let (record, roots) = read.await.map_err(|error| status::from_error(&error))?;
        let entries: Vec<v1::UnitEntry> = roots
            .iter()
            .enumerate()
            .flat_map(|(index, root)| root.entries.iter().map(move |entry| (index, entry)))
            .map(|(index, entry)| v1::UnitEntry {
                path: entry.path.as_str().to_owned(),
                digest: bytes::Bytes::copy_from_slice(entry.digest.as_bytes()),
                size: entry.size,
                executable: entry.executable,
                root: index as u32,
            })
            .collect();
        let mut pages: Vec<v1::GetUnitResponse> = entries
            .chunks(PAGE)
            .map(|page| v1::GetUnitResponse { entries: page.to_vec(), ..Default::default() })
            .collect();
        if pages.is_empty() {
            pages.push(v1::GetUnitResponse::default());
        }
        pages[0].unit = Some(unit(&self.0, &record));
        pages[0].leaked_loaders = self.0.leaked_loaders_of(identity.name(), &record.id);
        let origins = self.0.origins_of(&record).await.into_iter();
        pages[0].origins = origins
            .map(|Origin { source, sha256, coordinates }| v1::UnitOrigin { source, sha256, coordinates })
            .collect();
        pages[0].originals = downloading::originals(&roots);
        pages[0].requirements = requirements::pinned(&self.0, &roots);
        Ok(Response::new(Box::pin(tokio_stream::iter(pages.into_iter().map(Ok)))))
    }

    async fn download(&self, request: Request<v1::DownloadRequest>) -> Result<Response<Self::DownloadStream>, Status> {
        self.0.identify(request.metadata())?;
        let request = request.into_inner();
        let pack = answered(downloading::pack(&self.0, &request.reference, request.root as usize).await)?;
        Ok(Response::new(pack))
    }

    async fn deploy_from(
        &self,
        request: Request<v1::DeployFromRequest>,
    ) -> Result<Response<Self::DeployFromStream>, Status> {
        let identity = self.0.identify(request.metadata())?;
        Ok(Response::new(crate::fetching::deploy_from(&self.0, identity.name(), request.into_inner())))
    }

    async fn wait_unit(&self, request: Request<v1::WaitUnitRequest>) -> Result<Response<v1::WaitUnitResponse>, Status> {
        self.0.identify(request.metadata())?;
        let request = request.into_inner();
        let patience = Duration::from_millis(request.timeout_ms).min(LONGEST_WAIT);
        let wait = async { self.0.wait_for(&request.reference.parse()?, &request.nodes, patience).await };
        let record = answered(wait.await)?;
        Ok(Response::new(v1::WaitUnitResponse { unit: Some(unit(&self.0, &record)) }))
    }

    async fn set_alias(&self, request: Request<v1::SetAliasRequest>) -> Result<Response<v1::SetAliasResponse>, Status> {
        self.0.identify(request.metadata())?;
        let request = request.into_inner();
        let set = async {
            let version: Option<Version> =
                if request.version.is_empty() { None } else { Some(request.version.parse()?) };
            self.0.set_alias(&request.name.parse()?, &request.alias.parse()?, version.as_ref()).await
        };
        let (record, previous) = answered(set.await)?;
        Ok(Response::new(v1::SetAliasResponse { unit: record.map(|record| unit(&self.0, &record)), previous }))
    }

    async fn promote(&self, request: Request<v1::PromoteRequest>) -> Result<Response<v1::PromoteResponse>, Status> {
        let identity = self.0.identify(request.metadata())?;
        let request = request.into_inner();
        let promote = async {
            let session = self.0.session_of(&request.session_id, &identity)?;
            let order = Order::parse(&request.name, &request.version, identity.name())?;
            let order = Order { replace: request.replace, nodes: request.nodes, ..order };
            self.0.promote(&session, &request.snapshot, order).await
        };
        let record = answered(promote.await)?;
        Ok(Response::new(v1::PromoteResponse { unit: Some(deployed(&self.0, &record)) }))
    }

    async fn collect_garbage(
        &self,
        request: Request<v1::CollectGarbageRequest>,
    ) -> Result<Response<v1::CollectGarbageResponse>, Status> {
        self.0.identify(request.metadata())?;
        let collected = self.0.collect(request.into_inner().dry_run, Duration::ZERO).await;
        let Collected { packs, bytes, held_bytes } = answered(collected)?;
        Ok(Response::new(v1::CollectGarbageResponse { node: self.0.name.clone(), packs, bytes, held_bytes }))
    }

    async fn add_watch(&self, request: Request<v1::AddWatchRequest>) -> Result<Response<v1::AddWatchResponse>, Status> {
        let identity = self.0.identify(request.metadata())?;
        let watch = answered(crate::watching::add(&self.0, identity.name(), &request.into_inner()).await)?;
        Ok(Response::new(v1::AddWatchResponse { watch: Some(watch) }))
    }

    async fn remove_watch(
        &self,
        request: Request<v1::RemoveWatchRequest>,
    ) -> Result<Response<v1::RemoveWatchResponse>, Status> {
        self.0.identify(request.metadata())?;
        let watch = answered(crate::watching::remove(&self.0, &request.into_inner()).await)?;
        Ok(Response::new(v1::RemoveWatchResponse { watch: Some(watch) }))
    }

    async fn list_watches(
        &self,
        request: Request<v1::ListWatchesRequest>,
    ) -> Result<Response<v1::ListWatchesResponse>, Status> {
        self.0.identify(request.metadata())?;
        let watches = answered(crate::watching::list(&self.0).await)?;
        Ok(Response::new(v1::ListWatchesResponse { watches }))
    }
}

fn answered<T>(result: Result<T>) -> Result<T, Status> {
    result.map_err(|error| status::from_error(&error))
}

/// The units of a name, or all if it is empty, those that are on their way to this node included.
pub(crate) async fn list(node: &Arc<NodeCore>, name: &str) -> Result<impl Iterator<Item = v1::Unit> + Send + use<>> {
    let name = if name.is_empty() { None } else { Some(name.parse()?) };
    let mut units = node.store.list(name.as_ref()).await?.into_iter().peekable();
    // A generation that was replaced and is still in use is no version of its own.
    let shown = std::iter::from_fn(move || {
        loop {
            let record = units.next()?;
            // Those of one version stand together, the newest last.
            let is_replaced =
                record.state == UnitState::Obsolete && units.peek().is_some_and(|next| next.id == record.id);
            if !is_replaced {
                return Some(record);
            }
        }
    });
    let (node, peers) = (node.clone(), node.members.heard());
    let uploading = node.uploads.list(name.as_ref());
    let shown = shown.map(move |record| {
        let holders = node.holders_among(&peers, &record.digest);
        v1::Unit { holders, ..described(record) }
    });
    Ok(uploading.into_iter().chain(shown))
}

async fn deploy(
    node: &Arc<NodeCore>,
    deployed_by: &str,
    incoming: &mut Streaming<v1::DeployRequest>,
    answers: &Answers,
) -> Result<()> {
    let operation = "deploy";
    let Some(deploy_request::Message::Start(start)) = receiving::next(incoming, operation).await? else {
        return Err(Error::new(ErrorKind::InvalidArgument, operation, "the first message must be a start"));
    };
    let operation = format!("deploy {}:{}", start.name, start.version);
    let operation = operation.trim_end_matches(':');
    let in_operation = |error: Error| error.in_operation(operation.to_owned());
    let mut order = Order::parse(&start.name, &start.version, deployed_by).map_err(in_operation)?;
    order.replace = start.replace;
    order.nodes = start.nodes;
    order.origins = start.origins.into_iter().map(origin).collect();
    let manifest = Manifest { roots: Digest::split(&start.roots)? };
    let roots = manifest.roots.len();
    if roots == 0 || roots != start.sources.len() || !(order.origins.is_empty() || order.origins.len() == roots) {
        let message = "there must be sources, one name for each root, and an origin for each or none";
        return Err(in_operation(Error::new(ErrorKind::InvalidArgument, "", message)));
    }
    if order.version.is_none() && !start.artifact_version.is_empty() {
        order.version = Some(start.artifact_version.parse().map_err(in_operation)?);
    }
    node.check_nodes(&order.nodes).map_err(in_operation)?;
    let upload = node.uploads.begin(&order.name, order.version.as_ref(), deployed_by);
    let receiving = receiving::receive(node, &order.name, &manifest, incoming, answers, operation);
    let lease = tokio::select! {
        lease = receiving => lease?,
        () = upload.cancelled() => return Err(undeployed(operation)),
    };
    let record = publish(node, order, manifest, start.sources, &upload).await?;
    // Whoever has the answer must not find it UPLOADING.
    drop((lease, upload));
    let response = v1::DeployResponse { message: Some(deploy_response::Message::Unit(deployed(node, &record))) };
    // The unit is there even if the client has gone.
    let _ = answers.send(Ok(response)).await;
    Ok(())
}

async fn publish(
    node: &Arc<NodeCore>,
    order: Order,
    manifest: Manifest,
    sources: Vec<String>,
    upload: &Upload,
) -> Result<UnitRecord> {
    let operation = order.operation();
    if upload.is_cancelled() {
        return Err(undeployed(&operation));
    }
    node.publish(order, manifest, sources).await
}

/// What a client says about a root: of a stranger, so that it is bounded.
fn origin(origin: v1::UnitOrigin) -> Origin {
    const LONGEST: usize = 1024;
    let bounded = |text: String| text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    Origin { source: bounded(origin.source), sha256: bounded(origin.sha256), coordinates: bounded(origin.coordinates) }
}

fn undeployed(operation: &str) -> Error {
    Error::new(ErrorKind::Canceled, operation, "it was undeployed before it was whole").hint("deploy it again")
}

/// A unit as whoever has deployed it sees it: with warnings.
pub(crate) fn deployed(node: &NodeCore, record: &UnitRecord) -> v1::Unit {
    let warnings = tokio::task::block_in_place(|| {
        let manifest = node.store.manifest(&record.digest);
        let roots = manifest.and_then(|manifest| node.store.roots(&manifest)).unwrap_or_default();
        let mut warnings = haulier_pack::warnings(&record.sources, &roots);
        let read = |digest: &haulier_model::Digest| Some(node.store.read(digest).ok()?.to_vec());
        warnings.extend(haulier_pack::class_path_warnings(&record.sources, &roots, read));
        warnings
    });
    for warning in &warnings {
        tracing::warn!(unit = %record.id, "{warning}");
    }
    v1::Unit { warnings, ..unit(node, record) }
}

/// A unit as clients see it.
pub(crate) fn unit(node: &NodeCore, record: &UnitRecord) -> v1::Unit {
    let holders = node.holders_among(&node.members.heard(), &record.digest);
    v1::Unit { holders, ..described(record.clone()) }
}

/// What the record of a unit says, without its holders.
fn described(record: UnitRecord) -> v1::Unit {
    v1::Unit {
        name: record.id.name.to_string(),
        version: record.id.version.to_string(),
        digest: bytes::Bytes::copy_from_slice(record.digest.as_bytes()),
        state: match record.state {
            UnitState::Uploading => v1::UnitState::Uploading,
            UnitState::Deployed => v1::UnitState::Deployed,
            UnitState::Obsolete => v1::UnitState::Obsolete,
            UnitState::Removing => v1::UnitState::Removing,
        }
        .into(),
        size: record.size,
        entries: record.entries as u32,
        generation: record.generation,
        deployed_at_ms: record.deployed_at_ms,
        deployed_by: record.deployed_by,
        sources: record.sources,
        holders: Vec::new(),
        aliases: record.aliases,
        warnings: Vec::new(),
    }
}
