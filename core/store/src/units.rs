//! Units: publish, resolve, list, alias, undeploy, remove; each change is one compare-and-set of the head record.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use fail::fail_point;
use haulier_catalogue::{MAX_VALUE_SIZE, OperationId, Record, Revision};
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Retry, UnitId, UnitName, UnitReference, Version};
use parking_lot::RwLock;

use crate::{
    Lease, PublishRequest, Store, UnitRecord,
    head::{self, Candidate, Generation, Head, Outcome, Sources},
    store::blocking,
};

pub(crate) const PREFIX: &str = "units/";

/// How often a change is repeated when somebody else was faster. Each time somebody made progress.
const ATTEMPTS: usize = 100;

/// Lists of sources above this many bytes are stored as content.
const INLINE_SOURCES: usize = 512;

/// Heads as parsed last; valid for as long as the catalogue's revision is the same.
#[derive(Default)]
pub(crate) struct HeadCache(RwLock<HashMap<UnitName, (Revision, Arc<Head>)>>);

impl Store {
    /// Makes a unit of content that is in the store. It is verified to be whole and synced first; then one
    /// compare-and-set makes it visible, so a crash leaves the old state or the new one.
    ///
    /// The same bytes under the same version are success, and nothing is done. Other bytes are a `Conflict` that names
    /// both digests, unless `replace` is set or the version is a development one. Without a version: the next
    /// revision, unless the newest has the same bytes; the five newest revisions stay deployed. `InvalidArgument` if
    /// content is missing; what is missing must be sent again.
    pub async fn publish(&self, request: PublishRequest) -> Result<UnitRecord> {
        let PublishRequest { name, version, manifest, sources, origins, replace, replaces_only_its_own, deployed_by } =
            request;
        if manifest.roots.is_empty() || manifest.roots.len() != sources.len() {
            let message = format!(
                "{} roots with {} names: there must be at least one root, and a name for each",
                manifest.roots.len(),
                sources.len()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, "deploy", message));
        }
        let digest = manifest.digest();
        let store = self.clone();
        let whole = blocking("deploy", move || store.make_whole(&manifest, sources, &origins)).await?;
        let candidate = Candidate {
            version,
            digest,
            replace,
            replaces_only_its_own,
            operation: OperationId::random(),
            deployed_at_ms: now_ms(),
            deployed_by,
            size: whole.size,
            entries: whole.entries,
            sources: whole.sources,
            origins: whole.origins,
        };
        let publish = |head: &mut Head| {
            let outcome = head.publish(&name, &candidate)?;
            Ok(outcome.map(|published| self.record_in(&name, head, &published)))
        };
        let published = self.change(&name, candidate.operation, publish).await?;
        drop(whole.lease);
        Ok(published)
    }

    /// Points an alias of `name` to a deployed version, atomically, and returns that unit with the version that the alias
    /// pointed to before. A submit that has been resolved keeps what it has.
    ///
    /// Errors: `NotFound` or `Conflict` (OBSOLETE) for the version, `Conflict` if a version has the alias's name,
    /// `InvalidArgument` for "latest" and for what does not begin with a letter.
    pub async fn set_alias(
        &self,
        name: &UnitName,
        alias: &Version,
        version: &Version,
    ) -> Result<(UnitRecord, Option<String>)> {
        if self.head(name).await?.is_none() {
            return Err(head::unknown(name));
        }
        let set = |head: &mut Head| {
            let outcome = head.set_alias(name, alias, version)?;
            Ok(outcome.map(|(target, previous)| (self.record_in(name, head, &target), previous)))
        };
        self.change(name, OperationId::random(), set).await
    }

    /// Removes an alias, and returns the version that it pointed to; `NotFound` if there is no such alias.
    pub async fn remove_alias(&self, name: &UnitName, alias: &Version) -> Result<String> {
        if self.head(name).await?.is_none() {
            return Err(head::unknown(name));
        }
        self.change(name, OperationId::random(), |head| head.remove_alias(name, alias)).await
    }

    /// The version that a deployment of `name` without one would get: `0.0.N`. `Conflict` if it has versions that were
    /// given explicitly.
    pub async fn next_version(&self, name: &UnitName) -> Result<Version> {
        match self.head(name).await? {
            Some((_, head)) => head.next_revision(name),
            None => Head::default().next_revision(name),
        }
    }

    /// The deployed unit that a reference means; [`Store::holds`] says whether it is whole here. `NotFound` lists the
    /// versions there are; `Conflict` says that it is OBSOLETE.
    pub async fn resolve(&self, reference: &UnitReference) -> Result<UnitRecord> {
        let name = reference.name();
        let (_, head) = self.head(name).await?.ok_or_else(|| head::unknown(name))?;
        let found = head.resolve(name, reference.selector())?;
        Ok(self.record_in(name, &head, found))
    }

    /// All units in every state, or those of one name, ordered by name, version and generation.
    pub async fn list(&self, name: Option<&UnitName>) -> Result<Vec<UnitRecord>> {
        let heads = match name {
            Some(name) => self.head(name).await?.map(|(_, head)| (name.clone(), head)).into_iter().collect(),
            None => self.heads().await?,
        };
        let mut records = Vec::new();
        for (name, head) in heads {
            let mut versions: Vec<&Generation> = head.versions.iter().collect();
            if versions.len() > 1 {
                let order = head.order();
                versions.sort_by(|a, b| order(a, b));
            }
            records.extend(versions.into_iter().map(|version| self.record_in(&name, &head, version)));
        }
        Ok(records)
    }

    /// Makes a version OBSOLETE, or all versions for a reference without one, and returns them: new tasks are refused,
    /// content stays until [`Store::remove`]. If all that is meant is OBSOLETE already, that is returned. `NotFound`
    /// for what does not exist; `Conflict` for one version that an alias points to, unless by `force`, which removes
    /// the alias with it.
    pub async fn undeploy(&self, reference: &UnitReference, force: bool) -> Result<Vec<UnitRecord>> {
        let name = reference.name();
        let selector = reference.selector();
        let undeployed = self.change(name, OperationId::random(), |head| head.undeploy(name, selector, force)).await?;
        Ok(undeployed.iter().map(|generation| self.record(name, generation, Vec::new())).collect())
    }

    /// Forgets an OBSOLETE generation once nobody uses it; the next collection may take its content. One that is gone
    /// is success, one that is deployed a `Conflict`.
    pub async fn remove(&self, id: &UnitId, generation: u64) -> Result<()> {
        if self.head(&id.name).await?.is_none() {
            return Ok(());
        }
        self.change(&id.name, OperationId::random(), |head| head.remove(&id.name, &id.version, generation)).await
    }

    /// Removes the records of undeployed units, left by tasks that ended with the process before.
    ///
    /// A record is bookkeeping only: a node of the cluster that still runs tasks with such a unit keeps its content by
    /// [`Store::lease_unit`], and loses nothing.
    pub(crate) async fn remove_obsolete(&self) -> Result<()> {
        for (name, head) in self.heads().await? {
            if head.deployed().count() < head.versions.len() {
                self.change(&name, OperationId::random(), |head| Ok(head.remove_obsolete())).await?;
            }
        }
        Ok(())
    }

    /// Checks that a unit's content is all there, keeps it there, and gets it onto the disk.
    fn make_whole(&self, manifest: &Manifest, sources: Vec<String>, origins: &[u8]) -> Result<WholeUnit> {
        let encoded = manifest.encode();
        let stored_sources = serde_json::to_vec(&sources).expect("a list of text is JSON");
        let mut contents = vec![encoded.as_slice()];
        if stored_sources.len() > INLINE_SOURCES {
            contents.push(&stored_sources);
        }
        if !origins.is_empty() {
            contents.push(origins);
        }
        let mut lease = self.lease(contents.iter().map(|bytes| Digest::of(bytes)));
        let stored = self.put_all(&contents)?;
        fail_point!("publish::manifest");
        let losses = self.inner.index.losses();
        let content = self.content_of(manifest, Some(&mut lease))?;
        self.sync_contents(content.digests.iter().chain(&stored))?;
        self.inner.index.mark_whole(stored[0], losses);
        let mut rest = stored.into_iter().skip(1);
        let sources = match (stored_sources.len() > INLINE_SOURCES).then(|| rest.next()).flatten() {
            Some(stored) => Sources::Stored { stored },
            None => Sources::Names(sources),
        };
        let origins = rest.next();
        Ok(WholeUnit { lease, size: content.size, entries: content.entries, sources, origins })
    }

    /// Reads the head, changes it, writes it back; again if somebody else wrote it meanwhile.
    async fn change<T>(
        &self,
        name: &UnitName,
        operation: OperationId,
        change: impl Fn(&mut Head) -> Result<Outcome<T>>,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            let current = self.head(name).await?;
            let revision = current.as_ref().map(|(revision, _)| *revision);
            let mut head = current.map(|(_, head)| (*head).clone()).unwrap_or_default();
            let changed = match change(&mut head)? {
                Outcome::Unchanged(value) => return Ok(value),
                Outcome::Changed(value) => value,
            };
            fail_point!("head::before-set");
            let written = self.write_head(name, revision, &head, operation).await;
            fail_point!("head::after-set");
            match written {
                Ok(()) => return Ok(changed),
                Err(error) if error.kind() == ErrorKind::Conflict && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn write_head(
        &self,
        name: &UnitName,
        expected: Option<Revision>,
        head: &Head,
        operation: OperationId,
    ) -> Result<()> {
        let key = format!("{PREFIX}{name}");
        let catalogue = &self.inner.catalogue;
        match expected {
            Some(revision) if head.versions.is_empty() => catalogue.delete(&key, revision, operation).await,
            _ => {
                let value = head.encode();
                if value.len() > MAX_VALUE_SIZE {
                    let message =
                        format!("'{name}' has {} versions, which is too many for its record", head.versions.len());
                    return Err(Error::new(ErrorKind::ResourceExhausted, "deploy", message)
                        .with_retry(Retry::Never)
                        .hint(format!("undeploy old ones: haulier undeploy {name}:VERSION")));
                }
                catalogue.compare_and_set(&key, expected, value, operation).await.map(drop)
            }
        }
    }

    pub(crate) async fn head(&self, name: &UnitName) -> Result<Option<(Revision, Arc<Head>)>> {
        match self.inner.catalogue.get(&format!("{PREFIX}{name}")).await? {
            Some(record) => self.inner.heads.parse(name, &record).map(|head| Some((record.revision, head))),
            None => {
                self.inner.heads.0.write().remove(name);
                Ok(None)
            }
        }
    }

    /// All heads, ordered by name.
    pub(crate) async fn heads(&self) -> Result<Vec<(UnitName, Arc<Head>)>> {
        let records = self.inner.catalogue.list(PREFIX).await?.records;
        let parse = |record: &Record| {
            let name: UnitName = record.key[PREFIX.len()..].parse()?;
            let head = self.inner.heads.parse(&name, record)?;
            Ok((name, head))
        };
        records.iter().map(parse).collect()
    }

    /// A generation as its head has it.
    fn record_in(&self, name: &UnitName, head: &Head, generation: &Generation) -> UnitRecord {
        let deployed = generation.state == head::State::Deployed;
        let aliases = head.aliases_of(&generation.version).filter(|_| deployed).map(str::to_owned).collect();
        self.record(name, generation, aliases)
    }

    fn record(&self, name: &UnitName, generation: &Generation, aliases: Vec<String>) -> UnitRecord {
        let generation = generation.clone();
        let sources = match generation.sources {
            Sources::Names(names) => names,
            Sources::Stored { stored } => self.stored_sources(&stored),
        };
        UnitRecord {
            id: UnitId { name: name.clone(), version: generation.version },
            digest: generation.digest,
            state: generation.state.into(),
            size: generation.size,
            entries: generation.entries,
            generation: generation.generation,
            deployed_at_ms: generation.deployed_at_ms,
            deployed_by: generation.deployed_by,
            sources,
            aliases,
            origins: generation.origins,
            operation: generation.operation,
        }
    }
}

/// A unit's content, whole and synced.
struct WholeUnit {
    lease: Lease,
    size: u64,
    entries: u64,
    sources: Sources,
    origins: Option<Digest>,
}

impl HeadCache {
    fn parse(&self, name: &UnitName, record: &Record) -> Result<Arc<Head>> {
        if let Some((revision, head)) = self.0.read().get(name)
            && *revision == record.revision
        {
            return Ok(head.clone());
        }
        let head = Arc::new(Head::parse(name, &record.value)?);
        self.0.write().insert(name.clone(), (record.revision, head.clone()));
        Ok(head)
    }
}

impl Store {
    /// A list of sources that is too long for the head. It only serves messages: one that is lost is an empty list.
    fn stored_sources(&self, digest: &Digest) -> Vec<String> {
        let read = self.read(digest).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
