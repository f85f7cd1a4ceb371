//! Tasks that another node has run: that node is asked. Must never know class paths.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{status, v1};

use super::OPERATION;
use crate::{core::NodeCore, identity::Identity, members::Peer, past_tasks::TaskPlace};

/// How long another node may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

const HINT: &str = "run it again, or name its class path: haulier explain NAME --unit UNIT, or --session SESSION";

/// Asks the node that ran the task; all that are heard if that is not known here.
pub(super) async fn explain(
    node: &NodeCore,
    identity: &Identity,
    name: &str,
    task: &str,
    place: Option<TaskPlace>,
) -> Result<v1::ExplainResponse> {
    let request =
        v1::ExplainTaskRequest { name: name.to_owned(), task: task.to_owned(), identity: identity.name().to_owned() };
    if let Some(TaskPlace::There(place)) = place {
        let peer = node.members.get(&place).filter(|peer| peer.is_heard());
        return ask(&peer.ok_or_else(|| lost(task, &place, "is lost or has left the cluster"))?, request).await;
    }
    let peers = node.members.heard();
    let answers = join_all(peers.iter().map(|peer| ask(peer, request.clone()))).await;
    let found = answers.into_iter().find(|answer| !answer.as_ref().is_err_and(is_nobodys));
    found.unwrap_or_else(|| Err(unknown(task, "no node of the cluster knows its class path")))
}

/// The node does not know the task, or cannot be asked: another one may have it.
fn is_nobodys(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unavailable)
}

async fn ask(peer: &Arc<Peer>, request: v1::ExplainTaskRequest) -> Result<v1::ExplainResponse> {
    let (name, task) = (peer.name(), request.task.clone());
    match tokio::time::timeout(ANSWER, peer.client().explain_task(peer.request(request))).await {
        Ok(Ok(answer)) => Ok(answer.into_inner().explanation.unwrap_or_default()),
        Ok(Err(refused)) if status::is_answer(&refused) => Err(status::to_error(&refused, OPERATION)),
        Ok(Err(broken)) => {
            Err(lost(&task, &name, "cannot be reached").with_source(status::to_error(&broken, OPERATION)))
        }
        Err(_) => Err(lost(&task, &name, &format!("does not answer within {} s", ANSWER.as_secs()))),
    }
}

fn lost(task: &str, node: &str, why: &str) -> Error {
    let message = format!("task {task} ran on the node '{node}', which {why}: nobody else knows its class path");
    Error::new(ErrorKind::Unavailable, OPERATION, message).context("node", node).hint(HINT)
}

/// The task was never heard of, or is forgotten.
pub(super) fn unknown(task: &str, who: &str) -> Error {
    let message =
        format!("task {task}: {who}; that is kept for ten minutes after the task, until the node is restarted");
    Error::new(ErrorKind::NotFound, OPERATION, message).hint(HINT)
}
