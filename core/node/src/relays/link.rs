//! The link of one client's session to one node: opened by the first task, then tasks in their order.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    sync::{Arc, OnceLock, Weak},
    time::Instant,
};

use bytes::Bytes;
use haulier::{
    TaskId,
    relay::{Origin, Relay},
};
use haulier_model::{Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::v1;
use memmap2::Mmap;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Passed, code::SessionSource};
use crate::{continuous, core::NodeCore, members::Peer, payloads::StoredPayload, run::Payload, session::Session};

pub(crate) struct Link {
    relay: OnceLock<Relay>,
    tasks: mpsc::UnboundedSender<Arc<Passed>>,
    /// The node's name.
    node: Arc<str>,
    /// Snapshots that the node was told of, and what of them it has or can take without asking.
    pub(super) known: Mutex<HashMap<Digest, HashSet<Digest>>>,
}

impl Link {
    /// Begins to open the link.
    pub(super) fn open(node: &Arc<NodeCore>, session: &Arc<Session>, peer: Arc<Peer>) -> Arc<Self> {
        // Bounded by the credit of the client's session.
        let (tasks, receiver) = mpsc::unbounded_channel();
        let node_name = peer.name().into();
        let link = Arc::new(Self { relay: OnceLock::new(), tasks, node: node_name, known: Mutex::default() });
        let drive = drive(Arc::downgrade(node), session.clone(), peer.clone(), Arc::downgrade(&link), receiver);
        tokio::spawn(peer.gone.clone().run_until_cancelled_owned(drive));
        link
    }

    pub(super) fn send(&self, task: Arc<Passed>) {
        // The receiver has gone only with the peer, and then the task is told that.
        let _ = self.tasks.send(task);
    }

    pub(super) fn cancel(&self, remote: TaskId, force: bool) {
        if let Some(relay) = self.relay.get()
            && let Err(error) = relay.cancel(remote, force)
        {
            tracing::debug!(%error, "a cancel was not passed on; the link is closed");
        }
    }

    pub(super) fn end_code(&self, snapshots: &[Digest]) {
        let mut known = self.known.lock();
        for snapshot in snapshots {
            known.remove(snapshot);
        }
        if let Some(relay) = self.relay.get() {
            relay.end_code(snapshots);
        }
    }

    pub(super) fn close(&self) {
        if let Some(relay) = self.relay.get() {
            relay.close();
        }
    }
}

/// Opens the link, then passes tasks on until nobody holds it any more.
async fn drive(
    node: Weak<NodeCore>,
    session: Arc<Session>,
    peer: Arc<Peer>,
    link: Weak<Link>,
    mut tasks: mpsc::UnboundedReceiver<Arc<Passed>>,
) {
    let opened = match (node.upgrade(), link.upgrade()) {
        (Some(node), Some(link)) => open(&node, &session, &peer, &link).await,
        _ => return,
    };
    let name = peer.name();
    if let Err(error) = &opened {
        tracing::warn!(%error, node = name, "no session at another node");
        if let (Some(node), Some(link)) = (node.upgrade(), link.upgrade()) {
            node.relays.forget(&session, &name, &link);
        }
        tasks.close();
    }
    while let Some(task) = tasks.recv().await {
        let (Some(node), link) = (node.upgrade(), link.upgrade()) else { return };
        let sent = match (&opened, &link) {
            (Ok(()), Some(link)) => pass(&node, link, &name, &task).await,
            (Err(error), _) => Err(error.clone()),
            (Ok(()), None) => return,
        };
        if let Err(error) = sent {
            node.relays.ended(&node, task.id, &name, Err(error), false);
        }
    }
}

async fn open(node: &Arc<NodeCore>, session: &Arc<Session>, peer: &Peer, link: &Arc<Link>) -> Result<()> {
    let origin = Origin {
        relay: v1::Relay {
            node: node.name.clone(),
            session_id: session.id.clone(),
            identity: session.identity.name().to_owned(),
        },
        language: session.language.unwrap_or(Language::Rust),
        language_version: session.language_version.clone(),
        capabilities: session.capabilities.clone(),
        mode: session.mode,
        inside_worker: session.inside_worker,
    };
    let source = SessionSource::new(node, session, link);
    let options = peer.dialer().options(&peer.registration().address);
    let relay = Relay::open(options, origin, Arc::new(source)).await?;
    // It is opened once, here.
    let _ = link.relay.set(relay);
    Ok(())
}

/// Passes one task on.
async fn pass(node: &Arc<NodeCore>, link: &Arc<Link>, peer: &str, task: &Arc<Passed>) -> Result<()> {
    if !node.relays.is_wanted(task.id, peer) {
        return Ok(());
    }
    let relay = link.relay.get().ok_or_else(|| Error::internal("pass a task on", "the link is not open"))?;
    let (submit, payload) = match prepare(node, link, peer, task).await.and_then(|submit| {
        let payload = bytes_of(&task.payload)?;
        Ok((submit, payload))
    }) {
        Ok(prepared) => prepared,
        // It would be the same with any other node.
        Err(error) => {
            node.relays.refused(task.id, peer, error);
            return Ok(());
        }
    };
    // Before it can be answered.
    task.session.note_node(task.submit.task_id, &link.node);
    let left = task.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let completion = {
        let (node, id, peer) = (Arc::downgrade(node), task.id, peer.to_owned());
        Box::new(move |result| {
            if let Some(node) = node.upgrade() {
                node.relays.ended(&node, id, &peer, result, true);
            }
        })
    };
    let remote = relay.submit(submit, payload, left, completion)?;
    if !node.relays.sent(task.id, peer, remote) {
        // It was cancelled in between.
        link.cancel(remote, false);
    }
    Ok(())
}

/// The message for the other node: units as this node has resolved them, the snapshot with what it is made of.
async fn prepare(node: &NodeCore, link: &Link, peer: &str, task: &Passed) -> Result<v1::Submit> {
    let mut submit = task.submit.clone();
    for unit in &mut submit.units {
        if continuous::is_reference(unit) {
            *unit = continuous::whole_reference(node, unit, &task.session.identity).await?;
            continue;
        }
        let pinned = node.units.pin(unit).await.map_err(|error| error.in_operation(format!("run {unit}")))?;
        *unit = format!("{}@{}", pinned.record.id.name, pinned.record.digest);
    }
    submit.target =
        Some(v1::Target { target: Some(v1::target::Target::Node(peer.to_owned())), labels: HashMap::default() });
    (submit.offer_id, submit.failover) = (0, false);
    submit.client_task_id = task.submit.task_id;
    submit.idempotency_key.clear();
    if submit.snapshot.is_empty() {
        return Ok(submit);
    }
    let digest = Digest::from_slice(&submit.snapshot)?;
    let snapshot = task.session.code.snapshot(&digest).ok_or_else(|| {
        Error::new(ErrorKind::SessionLost, "pass a task on", "its code was never announced").hint("submit again")
    })?;
    submit.snapshot_manifest = Some(snapshot.announcement());
    if !link.known.lock().contains_key(&digest) {
        let held = super::code::held(node, &snapshot.manifest).await?;
        link.known.lock().insert(digest, held.into_iter().collect());
    }
    Ok(submit)
}

/// The argument as bytes; a file is mapped, and stays until the bytes are gone.
fn bytes_of(payload: &Payload) -> Result<Bytes> {
    struct Mapped {
        map: Mmap,
        _file: Arc<StoredPayload>,
    }
    impl AsRef<[u8]> for Mapped {
        fn as_ref(&self) -> &[u8] {
            &self.map
        }
    }
    let stored = match payload {
        Payload::Inline(bytes) => return Ok(bytes.clone()),
        Payload::Stored(stored) => stored,
    };
    match &**stored {
        StoredPayload::Memory(bytes) => Ok(bytes.clone()),
        StoredPayload::File { path, .. } => {
            let failed = |error: std::io::Error| {
                Error::internal("pass a task on", format!("its argument cannot be read: {error}"))
            };
            let file = File::open(path).map_err(failed)?;
            // SAFETY: the file is in the node's own folder, was written once, and is only ever unlinked.
            let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
            Ok(Bytes::from_owner(Mapped { map, _file: stored.clone() }))
        }
    }
}
