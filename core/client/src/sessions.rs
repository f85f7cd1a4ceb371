//! Sessions as an operator sees them: which there are, and how what one has sent becomes a unit.

use std::time::Duration;

use haulier_model::{Digest, Error, Language, Result};
use haulier_protocol::{MESSAGE_LIMIT, v1};
use v1::cluster_service_client::ClusterServiceClient;

use crate::{Cluster, DeployedUnit, units};

/// The client of a promoted session may have to send what its tasks have not needed so far.
const PATIENCE: Duration = Duration::from_secs(150);

/// A client's scope for peer loading.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its name.
    pub id: String,
    /// The node that its client is connected to.
    pub node: String,
    /// Who it belongs to: a token's name, else "unverified:...".
    pub identity: String,
    /// The language of its client; `None`: one that this client does not know.
    pub language: Option<Language>,
    /// Since it was opened.
    pub age: Duration,
    /// Tasks that wait or run.
    pub tasks: u32,
    /// The digests of the code that it has sent, oldest first.
    pub snapshots: Vec<Digest>,
    /// Who shares its code: the name of a [`DeploymentMode`](crate::DeploymentMode).
    pub mode: String,
}

/// Code that stays after the sessions in the continuous mode that brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContinuousCode {
    /// The digest of the snapshot.
    pub snapshot: Digest,
    /// Who has brought it, and may run it and undeploy it.
    pub identities: Vec<String>,
    /// The sessions that brought it, the newest last: "id@node".
    pub origins: Vec<String>,
    /// Milliseconds since the epoch.
    pub created_at_ms: u64,
    /// Milliseconds since the epoch; of code that is in use, up to an hour old.
    pub last_used_ms: u64,
    /// Bytes of its files that are on the node that was asked.
    pub held_bytes: u64,
    /// Bytes of all its files; 0 if that node does not know them yet.
    pub size: u64,
    /// The names of its class roots.
    pub names: Vec<String>,
}

impl ContinuousCode {
    /// What it is run and undeployed by: "session:" and the digest in hexadecimal.
    pub fn reference(&self) -> String {
        format!("session:{}", self.snapshot.hex())
    }
}

/// What a promoted session becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promotion {
    /// The unit's name.
    pub name: String,
    /// Its version; empty: the next revision.
    pub version: String,
    /// The beginning of a snapshot's digest in hexadecimal; empty: the newest.
    pub snapshot: String,
    /// Replace other bytes under the same name and version.
    pub replace: bool,
    /// Which nodes must have it, as for [`crate::Deploy::nodes`].
    pub nodes: String,
}

impl Cluster {
    /// The sessions of this identity at the node that this client is connected to, the oldest first; its own included.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>> {
        self.list_sessions().await?.sessions.into_iter().map(SessionInfo::try_from).collect()
    }

    /// The code that stays of this identity's sessions in the continuous mode, on whatever node; what was used last
    /// comes first. A task runs it by its reference in place of a unit, [`Cluster::undeploy`] ends it.
    pub async fn continuous_code(&self) -> Result<Vec<ContinuousCode>> {
        self.list_sessions().await?.continuous.into_iter().map(ContinuousCode::try_from).collect()
    }

    async fn list_sessions(&self) -> Result<v1::ListSessionsResponse> {
        self.ask("list sessions".to_owned(), async move |line, operation| {
            let mut client = ClusterServiceClient::new(line.data.clone()).max_decoding_message_size(MESSAGE_LIMIT);
            let answer = client.list_sessions(line.route.request(v1::ListSessionsRequest {})).await;
            Ok(answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner())
        })
        .await
    }

    /// Makes a unit of the code of a session, entry for entry: its digest is that of the snapshot. What its tasks have
    /// not needed so far is taken from its client, which must be there.
    ///
    /// Errors: `NotFound` for a session that this node does not have, or that has sent no code; those of a deployment.
    pub async fn promote(&self, session: &str, promotion: Promotion) -> Result<DeployedUnit> {
        let Promotion { name, version, snapshot, replace, nodes } = promotion;
        let session_id = session.to_owned();
        let request = v1::PromoteRequest { session_id, snapshot, name, version, replace, nodes };
        self.ask_for(PATIENCE, format!("promote session {session}"), async move |line, operation| {
            let answer = units::client(&line).promote(line.route.request(request)).await;
            let unit = answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().unit;
            unit.ok_or_else(|| Error::internal(operation, "the node sent no unit"))?.try_into()
        })
        .await
    }
}

impl TryFrom<v1::SessionInfo> for SessionInfo {
    type Error = Error;

    fn try_from(session: v1::SessionInfo) -> Result<Self> {
        Ok(Self {
            language: session.language().try_into().ok(),
            id: session.id,
            node: session.node,
            identity: session.identity,
            age: Duration::from_millis(session.age_ms),
            tasks: session.tasks,
            mode: session.mode,
            snapshots: session.snapshots.iter().map(|digest| Digest::from_slice(digest)).collect::<Result<_>>()?,
        })
    }
}

impl TryFrom<v1::ContinuousCode> for ContinuousCode {
    type Error = Error;

    fn try_from(code: v1::ContinuousCode) -> Result<Self> {
        Ok(Self {
            snapshot: Digest::from_slice(&code.snapshot)?,
            identities: code.identities,
            origins: code.origins,
            created_at_ms: code.created_at_ms,
            last_used_ms: code.last_used_ms,
            held_bytes: code.held_bytes,
            size: code.size,
            names: code.names,
        })
    }
}
