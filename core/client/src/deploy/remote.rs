//! Deployments of what the node fetches itself.

use std::time::Duration;

use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::v1::{self, deploy_from_response::Message};

use super::{Deploy, DeployProgress, MavenOptions};
use crate::{DeployedUnit, runtime, units};

/// The node says at least this often how far it is.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn deploy(deploy: Deploy, operation: String) -> Result<DeployedUnit> {
    let session = deploy.cluster.session_for(&operation)?;
    let MavenOptions { no_dependencies, include, exclude, repositories } = deploy.maven;
    let request = v1::DeployFromRequest {
        name: deploy.name,
        version: deploy.version,
        replace: deploy.replace,
        nodes: deploy.nodes,
        sources: deploy.sources.iter().map(|source| source.path.to_string_lossy().into_owned()).collect(),
        sha256: deploy.sha256,
        opaque: deploy.opaque,
        maven: Some(v1::MavenOptions { no_dependencies, include, exclude, repositories }),
    };
    let progress = deploy.progress;
    runtime::run(async move {
        let line = session.line();
        let silent = || {
            Error::new(ErrorKind::Unavailable, &operation, format!("the node said nothing for {PATIENCE:?}"))
                .hint("look at the node's log, then deploy again")
        };
        let refused = |status: tonic::Status| line.route.refused(&status, &operation);
        let mut client = units::client(&line);
        let asked = client.deploy_from(line.route.request(request));
        let asked = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| silent())?;
        let mut answers = asked.map_err(refused)?.into_inner();
        loop {
            let answer = tokio::time::timeout(PATIENCE, answers.message()).await.map_err(|_| silent())?;
            match answer.map_err(refused)?.and_then(|answer| answer.message) {
                Some(Message::Progress(now)) => {
                    progress(DeployProgress::Fetching { done: now.done, total: now.total });
                }
                Some(Message::Unit(unit)) => return unit.try_into(),
                None => {
                    return Err(Error::new(ErrorKind::Unavailable, &operation, "the node ended it without an answer")
                        .hint("look at the node's log, then deploy again"));
                }
            }
        }
    })
    .await
}
