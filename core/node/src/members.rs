//! The nodes of the cluster as this one sees them: who is registered, who is heard, how busy, with which units.
//!
//! The catalogue says who belongs to the cluster; the nodes' own reports say who lives. So a node that is lost is left
//! out within seconds also while the catalogue's owner is away. Must never know tasks.

mod dialer;
mod listen;
mod peer;
mod registration;

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use haulier_catalogue::{Catalogue, Changes, Event, Revision};
use haulier_model::{Digest, Result};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{dialer::Dialer, listen::INTERVAL, peer::Peer, registration::Registration};
use crate::core::NodeCore;

/// The members besides this node.
pub(crate) struct Members {
    own: watch::Sender<Registration>,
    revision: watch::Sender<Revision>,
    dialer: Dialer,
    peers: RwLock<BTreeMap<String, Arc<Peer>>>,
    /// Counts changes of who is there and of what they are.
    changes: watch::Sender<u64>,
    /// Counts changes of who holds what.
    holdings: watch::Sender<u64>,
}

impl Members {
    pub(crate) fn new(own: Registration, dialer: Dialer) -> Self {
        Self {
            own: watch::Sender::new(own),
            revision: watch::Sender::new(0),
            dialer,
            peers: RwLock::default(),
            changes: watch::Sender::new(0),
            holdings: watch::Sender::new(0),
        }
    }

    /// Registers this node, and keeps it registered and the list of members current until `stop`.
    pub(crate) async fn start(
        &self,
        node: &Arc<NodeCore>,
        catalogue: Arc<dyn Catalogue>,
        stop: &CancellationToken,
    ) -> Result<()> {
        let own = self.own.borrow().clone();
        self.revision.send_replace(registration::register(&*catalogue, &own).await?);
        let keep = registration::keep(catalogue.clone(), self.own.subscribe(), self.revision.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep));
        let follow = follow(Arc::downgrade(node), catalogue);
        tokio::spawn(stop.clone().run_until_cancelled_owned(follow));
        Ok(())
    }

    /// Takes this node out of the catalogue.
    pub(crate) async fn leave(&self, catalogue: &dyn Catalogue) {
        let (own, revision) = (self.own.borrow().clone(), *self.revision.borrow());
        registration::leave(catalogue, &own, revision).await;
        for peer in self.all() {
            peer.gone.cancel();
        }
    }

    /// This node.
    pub(crate) fn own(&self) -> Registration {
        self.own.borrow().clone()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.own.borrow().draining
    }

    /// Changes what this node says of itself.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Registration)) {
        self.own.send_modify(change);
        self.changed();
    }

    /// All other members, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.peers.read().values().cloned().collect()
    }

    /// The other members that are heard.
    pub(crate) fn heard(&self) -> Vec<Arc<Peer>> {
        self.peers.read().values().filter(|peer| peer.is_heard()).cloned().collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Peer>> {
        self.peers.read().get(name).cloned()
    }

    /// Whether there is no other member: then nothing needs to be routed.
    pub(crate) fn is_alone(&self) -> bool {
        self.peers.read().is_empty()
    }

    /// Those who may have a unit: who says that it has it first, then the others that are heard.
    pub(crate) fn holders(&self, unit: &Digest) -> Vec<Arc<Peer>> {
        let mut peers = self.heard();
        peers.sort_by_key(|peer| !peer.holds(unit));
        peers
    }

    /// Counts changes of who is there.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Counts changes of who holds which units.
    pub(crate) fn watch_holdings(&self) -> watch::Receiver<u64> {
        self.holdings.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn holdings_changed(&self) {
        self.holdings.send_modify(|count| *count += 1);
    }

    /// Takes the registrations as they are now.
    fn take_all(&self, node: &Weak<NodeCore>, registrations: Vec<Registration>) {
        let names: Vec<String> = registrations.iter().map(|registration| registration.name.clone()).collect();
        registrations.into_iter().for_each(|registration| self.take(node, registration));
        let gone: Vec<String> = self.peers.read().keys().filter(|name| !names.contains(name)).cloned().collect();
        gone.iter().for_each(|name| self.remove(node, name));
    }

    fn take(&self, node: &Weak<NodeCore>, registration: Registration) {
        let name = registration.name.clone();
        if name == self.own.borrow().name {
            return;
        }
        if self.get(&name).is_some_and(|peer| peer.update(&registration)) {
            return self.changed();
        }
        self.remove(node, &name);
        let channel = match self.dialer.channel(&registration.address) {
            Ok(channel) => channel,
            Err(error) => return tracing::warn!(%error, node = name, "a node cannot be dialled"),
        };
        tracing::info!(node = name, address = registration.address, "a node is a member");
        let peer = Arc::new(Peer::new(registration, channel, self.dialer.clone()));
        self.peers.write().insert(name, peer.clone());
        tokio::spawn(peer.gone.clone().run_until_cancelled_owned(listen::run(node.clone(), peer)));
        if self.own.borrow().runtimes.is_empty() {
            tokio::spawn(publish_runtimes(node.clone()));
        }
        self.changed();
    }

    fn remove(&self, node: &Weak<NodeCore>, name: &str) {
        let removed = self.peers.write().remove(name);
        let Some(peer) = removed else { return };
        peer.gone.cancel();
        tracing::info!(node = name, "a node is no longer a member");
        if let Some(node) = node.upgrade() {
            node.peer_lost(&peer, "it has left the cluster");
        }
        self.changed();
        self.holdings_changed();
    }
}

/// Tells the others which languages can run here; a node that is alone need not find out.
async fn publish_runtimes(node: Weak<NodeCore>) {
    let Some(node) = node.upgrade() else { return };
    let runtimes: BTreeMap<String, String> = node.runtimes().await.clone().into_iter().collect();
    if node.members.own().runtimes != runtimes {
        node.members.change(|own| own.runtimes = runtimes);
    }
}

/// Follows the registrations; after a gap it lists them again.
async fn follow(node: Weak<NodeCore>, catalogue: Arc<dyn Catalogue>) {
    const PAUSE: Duration = Duration::from_millis(200);
    loop {
        if let Err(error) = follow_once(&node, &*catalogue).await {
            tracing::warn!(%error, "the members cannot be followed; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        if node.strong_count() == 0 {
            return;
        }
    }
}

async fn follow_once(node: &Weak<NodeCore>, catalogue: &dyn Catalogue) -> Result<()> {
    let listing = catalogue.list(registration::PREFIX).await?;
    let registrations = listing.records.iter().map(Registration::parse).collect::<Result<Vec<_>>>()?;
    match node.upgrade() {
        Some(core) => core.members.take_all(node, registrations),
        None => return Ok(()),
    }
    let mut watch = catalogue.watch(registration::PREFIX, listing.revision).await?;
    loop {
        let Changes::Events(events) = watch.next().await? else { return Ok(()) };
        let Some(core) = node.upgrade() else { return Ok(()) };
        for event in events {
            match event {
                Event::Put(record) => core.members.take(node, Registration::parse(&record)?),
                Event::Deleted { key, .. } => {
                    core.members.remove(node, key.strip_prefix(registration::PREFIX).unwrap_or_default());
                }
            }
        }
    }
}
