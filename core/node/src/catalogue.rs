//! The catalogue as this node has it: its own, which it serves to others, or that of the cluster that it has joined.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use haulier_catalogue::{Catalogue, RedbCatalogue};
use haulier_catalogue_remote::{CatalogueServer, RemoteCatalogue};
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{
    PROTOCOL_VERSION, build_id, status,
    v1::{self, catalogue_service_server::CatalogueServiceServer, peer_service_client::PeerServiceClient},
};

use crate::{
    core::NodeCore,
    members::{Dialer, Registration},
    options::NodeBuilder,
};

/// How long a node tries to reach the member that it is told to join: that one may be starting.
const JOIN: Duration = Duration::from_secs(10);
const ATTEMPT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// The catalogue, and where it is.
pub(crate) struct NodeCatalogue {
    shared: Arc<dyn Catalogue>,
    /// Where its owner serves it; `None`: here.
    owner: Option<String>,
}

impl NodeCatalogue {
    /// Opens the node's own catalogue, or joins the one of a cluster.
    pub(crate) async fn open(
        options: &NodeBuilder,
        data_dir: &Path,
        own: &Registration,
        dialer: &Dialer,
    ) -> Result<Self> {
        let Some(member) = &options.join else {
            let shared = Arc::new(RedbCatalogue::open(&data_dir.join("catalogue.redb"))?);
            return Ok(Self { shared, owner: None });
        };
        let known = data_dir.join("catalogue-owner");
        let owner = match join(member, own, dialer).await {
            Ok(owner) => {
                write_whole(&known, &owner)?;
                owner
            }
            // It has been a member: its copy of the catalogue is enough to begin with.
            Err(error) if error.kind() == ErrorKind::Unavailable => match fs::read_to_string(&known) {
                Ok(owner) => {
                    tracing::warn!(%error, owner, "no member answers; starting from the last copy of the catalogue");
                    owner
                }
                Err(_) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        // Checked here, so that it can be dialled again and again below.
        let endpoint = dialer.endpoint(&owner)?;
        let dial = move || endpoint.connect_lazy();
        let copy = data_dir.join("catalogue-copy");
        let remote = RemoteCatalogue::start(dial, owner.clone(), dialer.authorization(), &copy).await?;
        Ok(Self { shared: Arc::new(remote), owner: Some(owner) })
    }

    pub(crate) fn shared(&self) -> Arc<dyn Catalogue> {
        self.shared.clone()
    }

    /// Where the owner serves it; `None`: this node is the owner.
    pub(crate) fn address(&self) -> Option<String> {
        self.owner.clone()
    }

    /// The service for other nodes, if this one is the owner.
    pub(crate) fn service(&self, core: &Arc<NodeCore>) -> Option<CatalogueServiceServer<CatalogueServer>> {
        if self.owner.is_some() {
            return None;
        }
        let core = Arc::downgrade(core);
        let check = move |metadata: &tonic::metadata::MetadataMap| match core.upgrade() {
            Some(core) => core.identify_peer(metadata),
            None => Err(tonic::Status::unavailable("the node stops")),
        };
        Some(CatalogueServiceServer::new(CatalogueServer::new(self.shared.clone(), check)))
    }
}

/// Asks a member where the catalogue is.
async fn join(member: &str, own: &Registration, dialer: &Dialer) -> Result<String> {
    let address = if member.contains(':') { member.to_owned() } else { format!("{member}:{}", haulier::DEFAULT_PORT) };
    let operation = format!("join the cluster at {address}");
    let mut client = PeerServiceClient::new(dialer.channel(&address)?);
    let request = || {
        dialer.request(v1::JoinRequest {
            protocol_version: PROTOCOL_VERSION,
            build_id: build_id().to_owned(),
            node: own.name.clone(),
        })
    };
    let begun = Instant::now();
    loop {
        let error = match tokio::time::timeout(ATTEMPT, client.join(request())).await {
            Ok(Ok(answer)) => return Ok(answer.into_inner().catalogue),
            Ok(Err(status)) => status::to_error(&status, &operation),
            Err(_) => Error::new(ErrorKind::Unavailable, &operation, format!("no answer within {ATTEMPT:?}")),
        };
        if error.kind() != ErrorKind::Unavailable {
            return Err(error.in_operation(operation));
        }
        if begun.elapsed() >= JOIN {
            let message = format!("no member answers there: {}", error.message());
            return Err(Error::new(ErrorKind::Unavailable, operation, message)
                .hint("start the first node with: haulier node; then join it: haulier node --join HOST:PORT"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn write_whole(path: &Path, text: &str) -> Result<()> {
    let partial = path.with_extension("partial");
    let written = fs::write(&partial, text).and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "join a cluster", format!("cannot write {}: {error}", path.display()))
            .hint("check space and permissions of the node's data folder")
            .with_source(error)
    })
}
