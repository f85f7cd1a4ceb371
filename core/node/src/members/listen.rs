//! Listens to a member's reports: as long as they come, it lives.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use haulier_protocol::v1;

use super::Peer;
use crate::core::NodeCore;

/// Reports come at least this often.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);
/// A member that has said nothing for so long is lost.
const SILENCE: Duration = Duration::from_secs(2);
/// Between two attempts to listen.
const PAUSE: Duration = Duration::from_millis(200);

/// Listens until the peer is no longer a member.
pub(super) async fn run(node: Weak<NodeCore>, peer: Arc<Peer>) {
    loop {
        let reason = listen(&node, &peer).await;
        let Some(core) = node.upgrade() else { return };
        if peer.set_heard(false) {
            tracing::warn!(node = peer.name(), reason, "a node is lost");
            core.peer_lost(&peer, &reason);
            core.members.changed();
            core.members.holdings_changed();
        }
        drop(core);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why the listening ended.
async fn listen(node: &Weak<NodeCore>, peer: &Peer) -> String {
    let silent = || format!("it said nothing for {} s", SILENCE.as_secs());
    let Some(own) = node.upgrade().map(|core| core.name.clone()) else { return String::new() };
    let mut client = peer.client();
    let asked = client.report(peer.request(v1::ReportRequest { node: own }));
    let mut reports = match tokio::time::timeout(SILENCE, asked).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return status.message().to_owned(),
        Err(_) => return silent(),
    };
    peer.forget_held();
    loop {
        match tokio::time::timeout(SILENCE, reports.message()).await {
            Ok(Ok(Some(report))) => {
                if let Some(problem) = take(node, peer, &report) {
                    return problem;
                }
            }
            Ok(Ok(None)) => return "it ended its reports".to_owned(),
            Ok(Err(status)) => return status.message().to_owned(),
            Err(_) => return silent(),
        }
    }
}

fn take(node: &Weak<NodeCore>, peer: &Peer, report: &v1::ReportResponse) -> Option<String> {
    let registration = peer.registration();
    if report.incarnation != registration.incarnation {
        return Some("another start of it answers there".to_owned());
    }
    let core = node.upgrade()?;
    let held = peer.take(report);
    if peer.set_heard(true) {
        tracing::info!(node = registration.name, "a node is heard");
        core.members.changed();
    }
    if held {
        core.members.holdings_changed();
    }
    None
}
