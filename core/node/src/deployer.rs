//! The one engine behind every way to deploy: what has arrived becomes a unit, files of this machine do, and what a
//! session runs does; units get aliases and are undeployed. Must never know who asked, or how.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Retry, UnitId, UnitName, UnitReference, Version};
use haulier_pack::{PackedRoot, PackedRoots, ReadOptions};
use haulier_store::{Lease, PublishRequest, Store, UnitRecord};
use serde::{Deserialize, Serialize};

use crate::{code, continuous, core::NodeCore, holdings::as_holders, run::StopReason, session::Session};

/// How long a deploy waits for other nodes.
const SPREAD: Duration = Duration::from_secs(10);

/// What a unit is to be, whatever it is made of.
pub(crate) struct Order {
    pub(crate) name: UnitName,
    pub(crate) version: Option<Version>,
    /// Replace other bytes.
    pub(crate) replace: bool,
    /// Of other bytes, replace only those that the same deployer has deployed.
    pub(crate) replaces_only_its_own: bool,
    /// Which nodes must have it: "one", "majority" (also if empty), "all", or names with commas between them.
    pub(crate) nodes: String,
    pub(crate) deployed_by: String,
    /// Keep the exact bytes of archives, where this node reads them.
    pub(crate) opaque: bool,
    /// Where the roots came from.
    pub(crate) origins: Vec<Origin>,
}

/// Where a root came from. Kept with the unit; shown, never used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The source as it was typed: a path, a URL, Maven coordinates.
    pub(crate) source: String,
    /// SHA-256 of the file as it was; empty for folders.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) sha256: String,
    /// What it was resolved to: Maven coordinates with the exact version, a URL; empty for paths.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) coordinates: String,
}

fn encode(origins: &[Origin]) -> Vec<u8> {
    if origins.is_empty() { Vec::new() } else { serde_json::to_vec(origins).expect("text is JSON") }
}

impl Order {
    /// Reads what a client typed; an empty `version` is none.
    pub(crate) fn parse(name: &str, version: &str, deployed_by: &str) -> Result<Self> {
        if name == continuous::NAME {
            return Err(Error::new(ErrorKind::InvalidArgument, "deploy", "no unit is named 'session'")
                .hint("choose another name: 'session:DIGEST' means code of the continuous mode"));
        }
        Ok(Self {
            name: name.parse()?,
            version: if version.is_empty() { None } else { Some(version.parse()?) },
            replace: false,
            replaces_only_its_own: false,
            nodes: String::new(),
            deployed_by: deployed_by.to_owned(),
            opaque: false,
            origins: Vec::new(),
        })
    }

    /// What is done, for messages.
    pub(crate) fn operation(&self) -> String {
        match &self.version {
            Some(version) => format!("deploy {}:{version}", self.name),
            None => format!("deploy {}", self.name),
        }
    }
}

impl NodeCore {
    /// Makes a unit of content that is in the store and leased, and waits until the nodes that were asked for have it.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        order: Order,
        manifest: Manifest,
        sources: Vec<String>,
    ) -> Result<UnitRecord> {
        let operation = order.operation();
        let in_operation = |error: Error| error.in_operation(operation.clone());
        self.check_nodes(&order.nodes).map_err(in_operation)?;
        self.check_wheels(&manifest).await.map_err(in_operation)?;
        let digest = manifest.digest();
        if !self.members.is_alone() {
            // The others take it while this node syncs it.
            tokio::task::block_in_place(|| self.store.put(&manifest.encode()))?;
            self.holds(digest);
        }
        let request = PublishRequest {
            name: order.name,
            version: order.version,
            manifest,
            sources,
            origins: encode(&order.origins),
            replace: order.replace,
            replaces_only_its_own: order.replaces_only_its_own,
            deployed_by: order.deployed_by,
        };
        let record = self.store.publish(request).await.map_err(|error| {
            self.holdings_are_old();
            in_operation(error)
        })?;
        self.units_changed();
        self.holds(record.digest);
        self.prepare(record.digest);
        if !self.spread(&record.digest, &order.nodes, SPREAD).await {
            tracing::warn!(unit = %record.id, "not all nodes that were asked for have the unit yet; they go on fetching it");
        }
        self.remove_unused(&record.id.name).await;
        tracing::info!(unit = %record.id, digest = %record.digest.short(), by = record.deployed_by, "deployed");
        Ok(record)
    }

    /// Deploys files and folders of this machine, in their order; of each it can be said where it came from.
    pub(crate) async fn deploy_files(
        self: &Arc<Self>,
        files: Vec<(PathBuf, Option<Origin>)>,
        mut order: Order,
    ) -> Result<UnitRecord> {
        let (store, operation, opaque) = (self.store.clone(), order.operation(), order.opaque);
        let stored = tokio::task::spawn_blocking(move || take(&store, &files, opaque));
        let stored = stored.await.map_err(|error| Error::internal("deploy", error.to_string()))?;
        let Taken { lease, roots, origins } = stored.map_err(|error| error.in_operation(operation))?;
        if order.version.is_none() {
            order.version = roots.artifact_version();
        }
        order.origins = origins;
        let record = self.publish(order, roots.manifest.clone(), roots.names()).await;
        drop(lease);
        record
    }

    /// Makes a unit of a snapshot of a session. Entries that the node has not needed so far come from the client.
    pub(crate) async fn promote(
        self: &Arc<Self>,
        session: &Arc<Session>,
        snapshot: &str,
        order: Order,
    ) -> Result<UnitRecord> {
        let operation = format!("promote session {}", session.id);
        let in_operation = |error: Error| error.in_operation(operation.clone());
        let (digest, found) = session.code.newest_snapshot(snapshot).ok_or_else(|| {
            let message = match snapshot {
                "" => "it has sent no code yet".to_owned(),
                other => format!("it has no snapshot '{other}'"),
            };
            Error::new(ErrorKind::NotFound, &operation, message).hint("haulier sessions")
        })?;
        let manifest = found.manifest.clone();
        let mut lease = self.store.lease(manifest.roots.iter().copied());
        let contents = self.store.contents_of(&manifest);
        lease.extend(contents.iter().copied());
        let missing = self.store.missing(contents.into_iter());
        if !missing.is_empty() {
            code::fetch(session, digest, &missing, self.limits.code).await.map_err(in_operation)?;
        }
        let record = self.publish(order, manifest, found.names()).await.map_err(in_operation);
        drop(lease);
        record
    }

    /// Removes a unit from use. An upload of it that this node is receiving is cancelled.
    pub(crate) async fn undeploy(&self, reference: &UnitReference, force: bool, by: &str) -> Result<Vec<UnitRecord>> {
        let cancelled = self.uploads.cancel(reference);
        let removed = match self.store.undeploy(reference, force).await {
            Err(error) if error.kind() == ErrorKind::NotFound && cancelled > 0 => Vec::new(),
            other => other?,
        };
        self.units_changed();
        for record in &removed {
            tracing::info!(unit = %record.id, force, by, "undeployed");
            if force {
                for run in self.scheduler.runs_with_unit(record.digest) {
                    self.scheduler.stop(run, StopReason::Canceled, false);
                }
            }
            self.remove_if_unused(record.clone()).await;
        }
        Ok(removed)
    }

    /// Points an alias to a version, or removes it. Submits resolve it anew from now on.
    pub(crate) async fn set_alias(
        &self,
        name: &UnitName,
        alias: &Version,
        version: Option<&Version>,
    ) -> Result<(Option<UnitRecord>, String)> {
        let changed = match version {
            Some(version) => {
                let (target, previous) = self.store.set_alias(name, alias, version).await?;
                tracing::info!(unit = %target.id, %alias, "an alias was set");
                (Some(target), previous.unwrap_or_default())
            }
            None => (None, self.store.remove_alias(name, alias).await?),
        };
        self.units_changed();
        Ok(changed)
    }

    /// Answers when the unit is deployed and the asked-for nodes have it; `DeadlineExceeded` says which of those that are heard do not.
    pub(crate) async fn wait_for(
        &self,
        reference: &UnitReference,
        nodes: &str,
        patience: Duration,
    ) -> Result<UnitRecord> {
        let operation = format!("wait for {reference}");
        self.check_nodes(nodes).map_err(|error| error.in_operation(operation.clone()))?;
        let begun = Instant::now();
        let record = self.units.resolve_when_deployed(reference, patience).await?;
        self.hold_unit(&record).await?;
        if self.spread(&record.digest, nodes, patience.saturating_sub(begun.elapsed())).await {
            return Ok(record);
        }
        let lacking = self.members.heard().into_iter().filter(|peer| !peer.holds(&record.digest));
        let lacking = lacking.map(|peer| peer.name()).collect::<Vec<_>>().join(", ");
        let message = format!("after {patience:?} these nodes do not have it: {lacking}");
        Err(Error::new(ErrorKind::DeadlineExceeded, operation, message)
            .with_retry(Retry::Later)
            .hint("they go on fetching it; wait again, or look at their logs"))
    }

    /// Refuses names of nodes that the cluster does not have. One that is lost is a node all the same.
    pub(crate) fn check_nodes(&self, wanted: &str) -> Result<()> {
        if matches!(wanted, "" | "one" | "majority" | "all") {
            return Ok(());
        }
        let known = |name: &str| name == self.name || self.members.get(name).is_some();
        match wanted.split(',').map(str::trim).find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => Err(Error::new(ErrorKind::NotFound, "", format!("the cluster has no node '{name}'"))
                .hint("--nodes one, majority, all, or names of nodes: haulier nodes")),
        }
    }

    /// Waits until the nodes that were asked for have the unit, and says whether they do. Nodes that are lost are not
    /// waited for.
    async fn spread(&self, unit: &Digest, wanted: &str, patience: Duration) -> bool {
        let mut changes = self.members.watch_holdings();
        let enough = || {
            let heard = self.members.heard();
            let has =
                |name: &str| name == self.name || heard.iter().any(|peer| peer.name() == name && peer.holds(unit));
            let lost = |name: &str| name != self.name && !heard.iter().any(|peer| peer.name() == name);
            let holders = 1 + heard.iter().filter(|peer| peer.holds(unit)).count();
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
        tokio::time::timeout(patience, wait).await.is_ok() && enough()
    }

    /// Where the roots of a unit came from; empty if that was not said, or if nobody who is there knows it.
    pub(crate) async fn origins_of(&self, record: &UnitRecord) -> Vec<Origin> {
        let Some(digest) = record.origins else { return Vec::new() };
        if !self.store.contains(&digest) {
            let holders = as_holders(&self.members.heard());
            if let Err(error) = self.fetches.entries(&self.store, vec![digest], holders).await {
                tracing::debug!(unit = %record.id, %error, "where a unit came from is not known here");
            }
        }
        let read = self.store.read(&digest).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Whether a unit is deployed under this name and version.
    pub(crate) async fn is_deployed(&self, id: &UnitId) -> Result<bool> {
        match self.store.resolve(&UnitReference::from(id.clone())).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What was read from files: it is in the store, and stays while the lease lives.
struct Taken {
    lease: Lease,
    roots: PackedRoots,
    origins: Vec<Origin>,
}

/// Reads sources into the store, as if they had been sent. Blocks.
fn take(store: &Store, files: &[(PathBuf, Option<Origin>)], opaque: bool) -> Result<Taken> {
    let options = ReadOptions { opaque, ..ReadOptions::default() };
    let (mut roots, mut origins) = (Vec::new(), Vec::new());
    for (path, origin) in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let read = PackedRoot::read_source_as(path, &options).map_err(|error| error.context("source", name))?;
        origins.extend(read.iter().map(|_| origin.clone().unwrap_or_default()));
        roots.extend(read);
    }
    if files.iter().all(|(_, origin)| origin.is_none()) {
        origins.clear();
    }
    let roots = PackedRoots::of(roots);
    let lease = put_roots(store, &roots)?;
    Ok(Taken { lease, roots, origins })
}

/// Puts roots and their contents into the store, as if they had been sent; they stay while the lease lives. Blocks.
pub(crate) fn put_roots(store: &Store, roots: &PackedRoots) -> Result<Lease> {
    let contents = roots.roots.iter().flat_map(|root| root.root.contents()).map(|(digest, _)| digest);
    let digests: Vec<Digest> = roots.manifest.roots.iter().copied().chain(contents).collect();
    let lease = store.lease(digests.iter().copied());
    let mut receiver = store.receive()?;
    roots.pack(&store.missing(digests.into_iter()), &mut |chunk| receiver.write(&chunk))?;
    receiver.finish(false)?;
    Ok(lease)
}
