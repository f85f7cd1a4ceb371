//! Which units are whole in this store, and what the others lack. The catalogue may be shared by many nodes, so a unit
//! that is deployed need not be here; what is here may be less than the whole. Must never know who has the rest.

use std::collections::{HashMap, HashSet};

use fail::fail_point;
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Retry, Root};

use crate::{Lease, Store, UnitRecord, store::blocking};

/// What a manifest refers to.
#[derive(Default)]
pub(crate) struct UnitContent {
    /// Roots and what is in them.
    pub(crate) digests: Vec<Digest>,
    pub(crate) size: u64,
    pub(crate) entries: u64,
}

impl Store {
    /// Whether manifest, roots and entries of a unit are all here. A hash look-up for one that is; for one that is
    /// not, or right after a collection, about 1 ms for 10,000 entries. `unit` is the digest of its manifest.
    pub fn holds(&self, unit: &Digest) -> bool {
        self.contains(unit) && (self.inner.index.is_whole(unit) || self.look_whole(unit).is_ok())
    }

    /// What a unit lacks as far as is known: its manifest; with that its roots; with those its entries. Nothing if it
    /// is whole. Blocks as [`Store::roots`] does. Errors: `InvalidArgument` for what is no manifest.
    pub fn missing_of_unit(&self, unit: &Digest) -> Result<Vec<Digest>> {
        if !self.contains(unit) {
            return Ok(vec![*unit]);
        }
        let manifest = self.manifest(unit)?;
        let roots = self.missing(manifest.roots.iter().copied());
        if !roots.is_empty() {
            return Ok(roots);
        }
        let roots = self.roots(&manifest)?;
        Ok(self.missing(contents(&roots)))
    }

    /// The digests of the deployed units that are whole here, each once, in the order of their names. Errors: those of
    /// the catalogue.
    pub async fn held_units(&self) -> Result<Vec<Digest>> {
        let heads = self.heads().await?;
        let store = self.clone();
        blocking("list held units", move || {
            let mut seen = HashSet::new();
            let deployed = heads.iter().flat_map(|(_, head)| head.deployed()).map(|deployed| deployed.digest);
            Ok(deployed.filter(|digest| seen.insert(*digest) && store.holds(digest)).collect())
        })
        .await
    }

    /// Keeps a unit that is here from being collected, also after its record is gone. To rely on it: lease, then use.
    /// Errors: `InvalidArgument` or `NotFound` if it is not whole.
    pub fn lease_unit(&self, unit: &Digest) -> Result<Lease> {
        let mut lease = self.lease([*unit]);
        self.content_of(&self.manifest(unit)?, Some(&mut lease))?;
        Ok(lease)
    }

    /// Ends the arrival of a unit: checks that it is whole, and returns once all of it is on disk, as
    /// [`Store::publish`] does, unless the store's durability is `Process`. Blocks for the disk. `InvalidArgument` or
    /// `NotFound` if something is missing.
    pub fn settle(&self, unit: &Digest) -> Result<()> {
        let mut lease = self.lease([*unit]);
        let losses = self.inner.index.losses();
        let manifest = self.manifest(unit)?;
        let content =
            self.content_of(&manifest, Some(&mut lease)).map_err(|error| error.in_operation("fetch a unit"))?;
        fail_point!("settle::before-sync");
        self.sync_contents(content.digests.iter().chain([unit]))?;
        fail_point!("settle::after-sync");
        self.inner.index.mark_whole(*unit, losses);
        Ok(())
    }

    /// Returns once everything that is here of a manifest is on disk, its own bytes included, unless the store's
    /// durability is `Process`; what is missing is no error. Blocks for the disk.
    pub fn settle_known(&self, manifest: &Manifest) -> Result<()> {
        let known = self.known_of(manifest).into_iter().chain([manifest.digest()]);
        let here: Vec<Digest> = known.filter(|digest| self.contains(digest)).collect();
        self.sync_contents(here.iter())
    }

    /// For a caller that found nobody who has what a unit lacks: `Ok` if it is whole after all, else `Unavailable`
    /// that names the unit and what to do.
    pub fn refuse_incomplete(&self, record: &UnitRecord) -> Result<()> {
        let Err(error) = self.look_whole(&record.digest) else { return Ok(()) };
        let (id, name, version) = (&record.id, &record.id.name, &record.id.version);
        let message =
            format!("'{id}' has lost content: this node's disk does not have all of it, and no other node does");
        Err(Error::new(ErrorKind::Unavailable, "find a unit", message)
            .with_retry(Retry::Never)
            .hint(format!("deploy the same bytes again: haulier deploy {name} PATH --version {version}"))
            .with_source(error))
    }

    /// Says which of the deployed units are not whole after packs were lost. Without a loss they are simply elsewhere.
    pub(crate) async fn report_incomplete(&self) -> Result<()> {
        let heads = self.heads().await?;
        let store = self.clone();
        blocking("open the store", move || {
            for (name, deployed) in heads.iter().flat_map(|(name, head)| head.deployed().map(move |one| (name, one))) {
                if let Err(error) = store.look_whole(&deployed.digest) {
                    let version = &deployed.version;
                    tracing::error!(unit = %name, %version, %error, "packs were damaged, and this unit is not whole here; deploy it again unless another node has it");
                }
            }
            Ok(())
        })
        .await
    }

    fn look_whole(&self, unit: &Digest) -> Result<()> {
        let losses = self.inner.index.losses();
        self.content(unit)?;
        self.inner.index.mark_whole(*unit, losses);
        Ok(())
    }

    /// What is known to belong to a unit, here or not: of one that is not whole, that is less than everything.
    pub(crate) fn known_of_unit(&self, unit: &Digest) -> Vec<Digest> {
        self.manifest(unit).map(|manifest| self.known_of(&manifest)).unwrap_or_default()
    }

    pub(crate) fn known_of(&self, manifest: &Manifest) -> Vec<Digest> {
        let mut seen = HashSet::new();
        let distinct: Vec<Digest> = manifest.roots.iter().copied().filter(|root| seen.insert(*root)).collect();
        let here = distinct.iter().filter_map(|root| self.root(root).ok()).collect::<Vec<_>>();
        distinct.into_iter().chain(contents(&here)).collect()
    }

    /// The content of a published unit; an error if it is not whole.
    pub(crate) fn content(&self, unit: &Digest) -> Result<UnitContent> {
        self.content_of(&self.manifest(unit)?, None)
    }

    pub(crate) fn content_of(&self, manifest: &Manifest, lease: Option<&mut Lease>) -> Result<UnitContent> {
        fail_point!("sabotage::unchecked", |_| Ok(UnitContent::default()));
        // Leased before it is looked for: what is found then stays.
        let mut lease = lease;
        if let Some(lease) = &mut lease {
            lease.extend(manifest.roots.iter().copied());
        }
        self.require(manifest.roots.iter().copied())?;
        let roots = self.roots(manifest)?;
        if let Some(lease) = &mut lease {
            lease.extend(contents(&roots));
        }
        self.require(contents(&roots))?;
        for (digest, said) in roots.iter().flat_map(Root::contents) {
            let size = self.inner.index.size_of(&digest).unwrap_or_default();
            if size != said {
                let message = format!("{digest} has {size} bytes, and its root says {said}");
                return Err(Error::new(ErrorKind::InvalidArgument, "deploy", message));
            }
        }
        Ok(UnitContent {
            digests: manifest.roots.iter().copied().chain(contents(&roots)).collect(),
            size: roots.iter().map(Root::size).sum(),
            entries: roots.iter().map(|root| root.entries.len() as u64).sum(),
        })
    }

    fn require(&self, digests: impl Iterator<Item = Digest>) -> Result<()> {
        let absent = self.missing(digests);
        if absent.is_empty() { Ok(()) } else { Err(missing(&absent)) }
    }

    /// Returns once the contents are on disk.
    pub(crate) fn sync_contents<'a>(&self, digests: impl Iterator<Item = &'a Digest>) -> Result<()> {
        let mut packs = HashMap::new();
        for digest in digests {
            let pack = self.inner.index.pack_of(digest).ok_or_else(|| missing(&[*digest]))?;
            if !pack.is_synced() {
                packs.insert(pack.path.clone(), pack);
            }
        }
        self.sync(&packs.into_values().collect::<Vec<_>>())
    }
}

fn contents(roots: &[Root]) -> impl Iterator<Item = Digest> {
    roots.iter().flat_map(Root::contents).map(|(digest, _)| digest)
}

fn missing(digests: &[Digest]) -> Error {
    let first = digests.first().map(Digest::short).unwrap_or_default();
    Error::new(
        ErrorKind::InvalidArgument,
        "deploy",
        format!("{} contents are missing, the first is {first}", digests.len()),
    )
    .with_retry(Retry::Now)
    .hint("deploy again: only what is missing is sent")
}
