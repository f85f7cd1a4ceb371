//! Units over the protocol: deploy, undeploy, list, inspect.

use std::{sync::Arc, time::Duration};

use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, UnitReference};
use haulier_protocol::{
    status,
    v1::{self, deploy_request, deploy_response, deployment_service_server::DeploymentService},
};
use haulier_store::{PublishRequest, UnitRecord, UnitState};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::{core::NodeCore, modules::Messages, run::StopReason};

const PAGE: usize = 1000;

pub(crate) struct Deployments(pub(crate) Arc<NodeCore>);

type Answers = mpsc::Sender<Result<v1::DeployResponse, Status>>;

#[tonic::async_trait]
impl DeploymentService for Deployments {
    type DeployStream = ReceiverStream<Result<v1::DeployResponse, Status>>;
    type GetUnitStream = Messages<v1::GetUnitResponse>;

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
        self.0.identify(request.metadata())?;
        let request = request.into_inner();
        let removed = undeploy(&self.0, &request).await.map_err(|error| status::from_error(&error))?;
        Ok(Response::new(v1::UndeployResponse { units: removed.iter().map(|record| unit(&self.0, record)).collect() }))
    }

    async fn list_units(
        &self,
        request: Request<v1::ListUnitsRequest>,
    ) -> Result<Response<v1::ListUnitsResponse>, Status> {
        self.0.identify(request.metadata())?;
        let name = request.into_inner().name;
        let list = async {
            let name = if name.is_empty() { None } else { Some(name.parse()?) };
            self.0.store.list(name.as_ref()).await
        };
        let units = list.await.map_err(|error| status::from_error(&error))?;
        // A generation that was replaced and is still in use is no version of its own.
        let is_replaced = |unit: &&UnitRecord| {
            let newer = |other: &UnitRecord| other.id == unit.id && other.generation > unit.generation;
            unit.state == UnitState::Obsolete && units.iter().any(newer)
        };
        let shown = units.iter().filter(|record| !is_replaced(record));
        Ok(Response::new(v1::ListUnitsResponse { units: shown.map(|record| unit(&self.0, record)).collect() }))
    }

    async fn get_unit(&self, request: Request<v1::GetUnitRequest>) -> Result<Response<Self::GetUnitStream>, Status> {
        self.0.identify(request.metadata())?;
        let reference = request.into_inner().reference;
        let read = async {
            let record = self.0.store.resolve(&reference.parse::<UnitReference>()?).await?;
            self.0.hold_unit(&record).await?;
            let roots = self.0.store.roots(&self.0.store.manifest(&record.digest)?)?;
            Ok::<_, Error>((record, roots))
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
        let mut pages: Vec<v1::GetUnitResponse> =
            entries.chunks(PAGE).map(|page| v1::GetUnitResponse { unit: None, entries: page.to_vec() }).collect();
        if pages.is_empty() {
            pages.push(v1::GetUnitResponse::default());
        }
        pages[0].unit = Some(unit(&self.0, &record));
        Ok(Response::new(Box::pin(tokio_stream::iter(pages.into_iter().map(Ok)))))
    }
}

async fn deploy(
    node: &Arc<NodeCore>,
    deployed_by: &str,
    incoming: &mut Streaming<v1::DeployRequest>,
    answers: &Answers,
) -> Result<()> {
    let operation = "deploy";
    let Some(deploy_request::Message::Start(start)) = next(incoming, operation).await? else {
        return Err(Error::new(ErrorKind::InvalidArgument, operation, "the first message must be a start"));
    };
    let operation = format!("deploy {}:{}", start.name, start.version);
    let in_operation = |error: Error| error.in_operation(operation.trim_end_matches(':').to_owned());
    let name = start.name.parse().map_err(in_operation)?;
    let version = if start.version.is_empty() { None } else { Some(start.version.parse().map_err(in_operation)?) };
    let manifest = Manifest { roots: Digest::split(&start.roots)? };
    if manifest.roots.is_empty() || manifest.roots.len() != start.sources.len() {
        return Err(in_operation(Error::new(
            ErrorKind::InvalidArgument,
            "",
            "there must be sources, one name for each root",
        )));
    }
    check_nodes(node, &start.nodes).map_err(in_operation)?;
    need(answers, node.store.missing(manifest.roots.iter().copied())).await?;
    receive_pack(node, incoming, &operation).await?;
    let roots = node.store.roots(&manifest).map_err(in_operation)?;
    let entries = roots.iter().flat_map(|root| root.entries.iter().map(|entry| entry.digest));
    need(answers, node.store.missing(entries)).await?;
    receive_pack(node, incoming, &operation).await?;
    let digest = manifest.digest();
    if !node.members.is_alone() {
        // The others take it while this node syncs it.
        tokio::task::block_in_place(|| node.store.put(&manifest.encode()))?;
        node.holds(digest);
    }
    let request = PublishRequest {
        name,
        version,
        manifest,
        sources: start.sources,
        replace: start.replace,
        deployed_by: deployed_by.to_owned(),
    };
    let record = node.store.publish(request).await.map_err(|error| {
        node.holdings_are_old();
        in_operation(error)
    })?;
    node.units_changed();
    node.holds(record.digest);
    spread(node, &record, &start.nodes).await;
    node.remove_unused(&record.id.name).await;
    tracing::info!(unit = %record.id, digest = %record.digest.short(), by = deployed_by, "deployed");
    let response = v1::DeployResponse { message: Some(deploy_response::Message::Unit(unit(node, &record))) };
    // The unit is there even if the client has gone.
    let _ = answers.send(Ok(response)).await;
    Ok(())
}

/// Refuses names of nodes that the cluster does not have. One that is lost is a node all the same.
fn check_nodes(node: &NodeCore, wanted: &str) -> Result<()> {
    if matches!(wanted, "" | "one" | "majority" | "all") {
        return Ok(());
    }
    let known = |name: &str| name == node.name || node.members.get(name).is_some();
    match wanted.split(',').map(str::trim).find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(ErrorKind::NotFound, "", format!("the cluster has no node '{name}'"))
            .hint("--nodes one, majority, all, or names of nodes: haulier nodes")),
    }
}

/// How long a deploy waits for other nodes.
const SPREAD: Duration = Duration::from_secs(10);

/// Waits until the nodes that were asked for have the unit. Nodes that are lost are not waited for.
async fn spread(node: &NodeCore, record: &UnitRecord, wanted: &str) {
    let mut changes = node.members.watch_holdings();
    let enough = || {
        let heard = node.members.heard();
        let has = |name: &str| {
            name == node.name || heard.iter().any(|peer| peer.name() == name && peer.holds(&record.digest))
        };
        let lost = |name: &str| name != node.name && !heard.iter().any(|peer| peer.name() == name);
        let holders = 1 + heard.iter().filter(|peer| peer.holds(&record.digest)).count();
        match wanted {
            "one" => true,
            "all" => holders > heard.len(),
            "" | "majority" => holders > heard.len().div_ceil(2),
            names => names.split(',').map(str::trim).all(|name| has(name) || lost(name)),
        }
    };
    let wait = async {
        while !enough() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(SPREAD, wait).await.is_err() {
        tracing::warn!(unit = %record.id, "not all nodes that were asked for have the unit yet; they go on fetching it");
    }
}

async fn next(incoming: &mut Streaming<v1::DeployRequest>, operation: &str) -> Result<Option<deploy_request::Message>> {
    let message = incoming.message().await.map_err(|error| status::to_error(&error, operation))?;
    Ok(message.and_then(|message| message.message))
}

async fn need(answers: &Answers, missing: Vec<Digest>) -> Result<()> {
    let digests = Digest::concatenate(&missing);
    let need = deploy_response::Message::Need(v1::CodeNeed { digests: digests.into() });
    answers
        .send(Ok(v1::DeployResponse { message: Some(need) }))
        .await
        .map_err(|_| Error::new(ErrorKind::Unavailable, "deploy", "the client has gone"))
}

/// Receives until the end of the pack. If the connection breaks, what arrived whole stays for the next try.
async fn receive_pack(
    node: &Arc<NodeCore>,
    incoming: &mut Streaming<v1::DeployRequest>,
    operation: &str,
) -> Result<()> {
    let mut receiver = node.store.receive()?;
    loop {
        match next(incoming, operation).await? {
            Some(deploy_request::Message::Chunk(chunk)) => {
                tokio::task::block_in_place(|| receiver.write(&chunk.data))?;
            }
            Some(deploy_request::Message::PackEnd(_)) => {
                // Publishing syncs what the unit is made of.
                return tokio::task::block_in_place(|| receiver.finish(false)).map(|_| ());
            }
            Some(deploy_request::Message::Start(_)) => {
                return Err(Error::new(ErrorKind::InvalidArgument, operation, "a second start on one stream"));
            }
            None => return Err(Error::new(ErrorKind::Canceled, operation, "the upload ended before it was whole")),
        }
    }
}

async fn undeploy(node: &Arc<NodeCore>, request: &v1::UndeployRequest) -> Result<Vec<UnitRecord>> {
    let reference: UnitReference = request.reference.parse()?;
    let removed = node.store.undeploy(&reference).await?;
    node.units_changed();
    for record in &removed {
        tracing::info!(unit = %record.id, force = request.force, "undeployed");
        if request.force {
            for run in node.scheduler.runs_with_unit(record.digest) {
                node.scheduler.stop(run, StopReason::Canceled, false);
            }
        }
        node.remove_if_unused(record.clone()).await;
    }
    Ok(removed)
}

fn unit(node: &NodeCore, record: &UnitRecord) -> v1::Unit {
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
        deployed_by: record.deployed_by.clone(),
        sources: record.sources.clone(),
        holders: node.holders_of(&record.digest),
    }
}
