//! Which units are whole on this node: it fetches what is deployed anywhere, and what a task needs at once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use haulier_catalogue::{Catalogue, Changes, Event};
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Root, UnitName};
use haulier_protocol::v1;
use haulier_store::{UnitRecord, UnitState};
use tokio::sync::Semaphore;

use crate::{content::Holder, core::NodeCore, members::Peer, session::Session};

/// Where the heads of units are in the catalogue.
const PREFIX: &str = "units/";
/// Units that are fetched ahead at the same time.
const PARALLEL: usize = 4;
const PAUSE: Duration = Duration::from_millis(200);

impl NodeCore {
    /// Makes a unit whole on this node, if it is not.
    pub(crate) async fn hold_unit(&self, record: &UnitRecord) -> Result<()> {
        if self.store.holds(&record.digest) {
            return Ok(());
        }
        if self.members.heard().is_empty() {
            return self.store.refuse_incomplete(record);
        }
        self.fetch_unit(record.digest).await.map_err(|error| {
            let message = format!("'{}' is not whole on this node, and no other node gave it", record.id);
            Error::new(ErrorKind::Unavailable, "find a unit", format!("{message}: {}", error.message()))
                .with_retry(error.retry())
                .hint(format!(
                    "deploy the same bytes again: haulier deploy {} PATH --version {}",
                    record.id.name, record.id.version
                ))
                .with_source(error)
        })
    }

    async fn fetch_unit(&self, unit: Digest) -> Result<()> {
        let holders = self.members.holders(&unit);
        self.fetches.unit(&self.store, unit, as_holders(&holders)).await?;
        self.holds(unit);
        Ok(())
    }

    /// Notes that a unit has become whole, and tells the other nodes.
    pub(crate) fn holds(&self, unit: Digest) {
        self.holdings.send_if_modified(|held| held.insert(unit));
    }

    /// What this node says it holds may be more than what is deployed: it looks again.
    pub(crate) fn holdings_are_old(&self) {
        self.look_again.notify_one();
    }

    /// The names of the nodes that are known to have a unit: this one first, then those of `peers`.
    pub(crate) fn holders_among(&self, peers: &[Arc<Peer>], unit: &Digest) -> Vec<String> {
        let own = self.store.holds(unit).then(|| self.name.clone());
        let peers = peers.iter().filter(|peer| peer.holds(unit)).map(|peer| peer.name());
        own.into_iter().chain(peers).collect()
    }

    /// Learns a snapshot of a client that is connected to another node, and takes what that node has of it.
    pub(crate) async fn take_snapshot(
        &self,
        session: &Session,
        digest: &[u8],
        announced: &v1::SnapshotManifest,
    ) -> Result<()> {
        if session.code.snapshot(&Digest::from_slice(digest)?).is_some() {
            return Ok(());
        }
        let manifest = Manifest { roots: Digest::split(&announced.roots)? };
        if manifest.digest().as_bytes() != digest {
            return Err(Error::new(ErrorKind::InvalidArgument, "take code", "the snapshot is not that of its roots"));
        }
        let origin = session.origin.as_deref().and_then(|name| self.members.get(name));
        let mut peers = self.members.heard();
        peers.sort_by_key(|peer| origin.as_ref().is_none_or(|origin| !Arc::ptr_eq(origin, peer)));
        let missing = self.store.missing(manifest.roots.iter().copied());
        if !missing.is_empty() {
            let left = self.fetches.entries(&self.store, missing, as_holders(&peers)).await?;
            if let Some(first) = left.first() {
                let message = format!("no node has the root {} of the client's code", first.short());
                return Err(Error::new(ErrorKind::Unavailable, "take code", message).hint("submit again"));
            }
        }
        let (store, of) = (self.store.clone(), manifest.clone());
        let roots = tokio::task::spawn_blocking(move || store.roots(&of))
            .await
            .map_err(|error| Error::internal("take code", error.to_string()))??;
        let missing = self.store.missing(roots.iter().flat_map(Root::contents).map(|(digest, _)| digest));
        if !missing.is_empty() {
            // What nobody has is asked of the client when a task needs it.
            let nearest = as_holders(&peers[..peers.len().min(1)]);
            self.fetches.entries(&self.store, missing, nearest).await?;
        }
        session.code.complete(0, manifest, announced.names.clone());
        Ok(())
    }
}

pub(crate) fn as_holders(peers: &[Arc<Peer>]) -> Vec<Holder> {
    let holder = |peer: &Arc<Peer>| Holder {
        name: peer.name(),
        client: peer.client(),
        authorization: peer.dialer().authorization(),
    };
    peers.iter().map(holder).collect()
}

/// Follows deployments: references resolve anew, and what is deployed is fetched. After a gap it looks at everything.
pub(crate) async fn follow(node: Weak<NodeCore>, catalogue: Arc<dyn Catalogue>) {
    let permits = Arc::new(Semaphore::new(PARALLEL));
    loop {
        if let Err(error) = follow_once(&node, &*catalogue, &permits).await {
            tracing::warn!(%error, "deployments cannot be followed; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        if node.strong_count() == 0 {
            return;
        }
    }
}

async fn follow_once(node: &Weak<NodeCore>, catalogue: &dyn Catalogue, permits: &Arc<Semaphore>) -> Result<()> {
    let Some(core) = node.upgrade() else { return Ok(()) };
    // Before the first look, so that nothing is missed which is said meanwhile.
    let (mut reports, again) = (core.members.watch_holdings(), core.look_again.clone());
    drop(core);
    let revision = catalogue.list(PREFIX).await?.revision;
    let mut known = Deployed::default();
    look(node, None, &mut known, permits).await?;
    let mut watch = catalogue.watch(PREFIX, revision).await?;
    loop {
        tokio::select! {
            events = watch.next() => {
                let Changes::Events(events) = events? else { return Ok(()) };
                let keys: HashSet<&str> = events.iter().map(Event::key).collect();
                for name in keys.into_iter().filter_map(|key| key.strip_prefix(PREFIX)?.parse().ok()) {
                    look(node, Some(&name), &mut known, permits).await?;
                }
            }
            () = again.notified() => look(node, None, &mut known, permits).await?,
            // Somebody has what was missing before.
            changed = reports.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                fetch_offered(node, permits).await?;
            }
        }
    }
}

/// What is deployed, by name: a change of one name is looked at without all the others.
#[derive(Default)]
struct Deployed {
    by_name: HashMap<UnitName, Vec<Digest>>,
    /// How many deployed units have a digest.
    counts: HashMap<Digest, usize>,
}

impl Deployed {
    /// Takes over what a name has now, and returns the digests that nothing has any more.
    fn change(&mut self, name: &UnitName, digests: Vec<Digest>) -> Vec<Digest> {
        for digest in &digests {
            *self.counts.entry(*digest).or_default() += 1;
        }
        let before = match digests.is_empty() {
            true => self.by_name.remove(name),
            false => self.by_name.insert(name.clone(), digests),
        };
        let mut gone = Vec::new();
        for digest in before.into_iter().flatten() {
            if let Some(count) = self.counts.get_mut(&digest) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&digest);
                    gone.push(digest);
                }
            }
        }
        gone
    }
}

/// Looks at the units of a name, or at all of them.
async fn look(
    node: &Weak<NodeCore>,
    name: Option<&UnitName>,
    known: &mut Deployed,
    permits: &Arc<Semaphore>,
) -> Result<()> {
    let Some(core) = node.upgrade() else { return Ok(()) };
    core.units_changed();
    let units = core.store.list(name).await?;
    let deployed: Vec<UnitRecord> = units.into_iter().filter(|unit| unit.state == UnitState::Deployed).collect();
    match name {
        Some(name) => {
            let gone = known.change(name, deployed.iter().map(|unit| unit.digest).collect());
            core.holdings.send_if_modified(|held| {
                let before = held.len();
                for digest in &gone {
                    held.remove(digest);
                }
                held.len() != before
            });
        }
        None => {
            *known = Deployed::default();
            for unit in &deployed {
                known.by_name.entry(unit.id.name.clone()).or_default().push(unit.digest);
                *known.counts.entry(unit.digest).or_default() += 1;
            }
            let held = deployed.iter().map(|unit| unit.digest).filter(|digest| core.store.holds(digest)).collect();
            core.holdings.send_replace(held);
        }
    }
    fetch(&core, deployed, permits);
    Ok(())
}

async fn fetch_offered(node: &Weak<NodeCore>, permits: &Arc<Semaphore>) -> Result<()> {
    let Some(core) = node.upgrade() else { return Ok(()) };
    let offered: HashSet<Digest> = core.members.heard().iter().flat_map(|peer| peer.held()).collect();
    if offered.iter().all(|digest| core.store.holds(digest)) {
        return Ok(());
    }
    // Also what is not deployed yet: a node offers what it is about to deploy.
    for unit in offered.into_iter().filter(|digest| !core.store.holds(digest)) {
        let (node, permits) = (Arc::downgrade(&core), permits.clone());
        tokio::spawn(async move {
            let Ok(_permit) = permits.acquire().await else { return };
            let Some(node) = node.upgrade() else { return };
            match node.fetch_unit(unit).await {
                Ok(()) => node.prepare(unit),
                Err(error) => {
                    tracing::info!(unit = unit.short(), %error, "a unit that another node offered did not come");
                }
            }
        });
    }
    Ok(())
}

fn fetch(core: &Arc<NodeCore>, units: Vec<UnitRecord>, permits: &Arc<Semaphore>) {
    for unit in units {
        if core.store.holds(&unit.digest) {
            core.holds(unit.digest);
            continue;
        }
        if core.members.heard().is_empty() {
            continue;
        }
        let (node, permits) = (Arc::downgrade(core), permits.clone());
        tokio::spawn(async move {
            let Ok(_permit) = permits.acquire().await else { return };
            let Some(node) = node.upgrade() else { return };
            if let Err(error) = node.hold_unit(&unit).await {
                tracing::info!(unit = %unit.id, %error, "a unit is not here yet; a task that needs it, or a node that has it, makes the node try again");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_gone_when_no_name_has_it() {
        let mut known = Deployed::default();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let [first, second]: [UnitName; 2] = ["first", "second"].map(|name| name.parse().unwrap());
        assert!(known.change(&first, vec![a, b]).is_empty());
        assert!(known.change(&second, vec![a]).is_empty());
        assert_eq!(known.change(&first, vec![b]), []);
        assert_eq!(known.change(&first, Vec::new()), [b]);
        assert_eq!(known.change(&second, vec![b]), [a]);
        assert!(known.by_name.len() == 1 && known.counts.len() == 1);
    }
}
