//! Follows which nodes the cluster has, so that a client that loses its node knows where else to go.

use std::{sync::Arc, time::Duration};

use haulier_protocol::{MESSAGE_LIMIT, v1};
use tonic::{Code, Status as Refusal};
use v1::cluster_service_client::ClusterServiceClient;

use super::{Line, Session, Status};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs until the session is closed.
pub(crate) async fn run(session: Arc<Session>) {
    let mut status = session.status.subscribe();
    let mut pause = FIRST_PAUSE;
    loop {
        let settled = status.wait_for(|status| matches!(status, Status::Connected(_) | Status::Closed | Status::Ended));
        // An error would say that the sender is gone, but `session` has it.
        let Ok(connected) = settled.await.map(|status| *status) else { return };
        if !matches!(connected, Status::Connected(_)) {
            return;
        }
        let line = session.line();
        let followed = tokio::select! {
            ended = follow(&session, &line, &mut pause) => ended,
            _ = status.wait_for(|status| *status != connected) => continue,
        };
        tracing::debug!(reason = %followed, "the list of nodes is no longer followed");
        let again = async {
            match followed.code() {
                // A node that cannot tell will not learn it.
                Code::Unimplemented => std::future::pending().await,
                _ => tokio::time::sleep(pause).await,
            }
        };
        tokio::select! {
            () = again => pause = (pause * 2).min(LONGEST_PAUSE),
            _ = status.wait_for(|status| *status != connected) => {}
        }
    }
}

/// Follows the list until the stream ends: why it did.
async fn follow(session: &Session, line: &Line, pause: &mut Duration) -> Refusal {
    let mut client = ClusterServiceClient::new(line.data.clone()).max_decoding_message_size(MESSAGE_LIMIT);
    let mut lists = match client.watch_nodes(line.route.request(v1::WatchNodesRequest {})).await {
        Ok(lists) => lists.into_inner(),
        Err(refusal) => return refusal,
    };
    loop {
        match lists.message().await {
            Ok(Some(list)) => {
                *pause = FIRST_PAUSE;
                session.places.learn(list.nodes);
            }
            Ok(None) => return Refusal::unavailable("the node ended the list"),
            Err(refusal) => return refusal,
        }
    }
}
