//! What must hold of a folder after whatever happened to the process that wrote it. Every breach is an `Err` with the
//! reason, so that tests can also expect one.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use haulier_catalogue::Catalogue;
use haulier_model::Digest;
use haulier_store::{CollectionRules, Store, UnitState};

use crate::child::{State, open};

/// What a child said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// What holds, as far as it was acknowledged.
    pub(crate) acknowledged: State,
    /// What would hold after the change that was not acknowledged.
    pub(crate) attempted: Option<State>,
    /// Units that the member said it has on its disk.
    pub(crate) held: BTreeSet<String>,
}

/// Checks the folder, and makes of what is found what holds from now on. `damage`: how many files may have been set
/// aside.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn check(folder: &Path, told: &mut Told, damage: usize) -> Result<(), String> {
    let (catalogue, store, member) = open(folder).await.map_err(|error| format!("it does not open: {error}"))?;
    for (name, most) in [("store/incoming", 0), ("member/incoming", 0), ("store/damaged", damage)] {
        let count = fs::read_dir(folder.join(name)).unwrap().count();
        expect(count <= most, || format!("{count} files in {name}"))?;
    }
    let found = whole_state(&store).await?;
    no_dangling_alias(&*catalogue).await?;
    let attempted = told.attempted.take();
    expect(found == told.acknowledged || attempted.as_ref() == Some(&found), || {
        format!("found {found:#?}, acknowledged {:#?}, attempted {attempted:#?}", told.acknowledged)
    })?;
    for held in &told.held {
        let deployed = found.values().any(|digest| digest == held);
        expect(!deployed || is_whole(&member, &held.parse().unwrap()).is_ok(), || format!("the member lost {held}"))?;
    }
    nothing_named_is_collected(&store, &found).await?;
    nothing_named_is_collected(&member, &State::new()).await?;
    for held in told.held.iter().filter(|held| found.values().any(|digest| digest == *held)) {
        is_whole(&member, &held.parse().unwrap())?;
    }
    told.acknowledged = found;
    Ok(())
}

fn expect(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

/// What is deployed, and what points to it, as it is listed.
pub(crate) async fn state_of(store: &Store) -> Result<State, String> {
    let mut state = State::new();
    for record in store.list(None).await.map_err(|error| error.to_string())? {
        expect(record.state == UnitState::Deployed, || format!("{} is {:?} after a start", record.id, record.state))?;
        let twice = state.insert(format!("unit/{}", record.id), record.digest.to_string());
        expect(twice.is_none(), || format!("{} is there twice", record.id))?;
        for alias in &record.aliases {
            state.insert(format!("alias/{}:{alias}", record.id.name), record.id.version.to_string());
        }
    }
    Ok(state)
}

/// As [`state_of`], after a look at every byte, and at what each reference resolves to.
async fn whole_state(store: &Store) -> Result<State, String> {
    let state = state_of(store).await?;
    for (key, value) in &state {
        let (kind, id) = key.split_once('/').unwrap();
        let name = id.split_once(':').unwrap().0;
        for reference in [id, name] {
            let record = store.resolve(&reference.parse().unwrap()).await.map_err(|error| error.to_string())?;
            is_whole(store, &record.digest).map_err(|problem| format!("{reference} is not whole: {problem}"))?;
            let meant = if kind == "unit" { record.digest.to_string() } else { record.id.version.to_string() };
            expect(reference == name || meant == *value, || format!("{reference} means {meant}, not {value}"))?;
        }
    }
    Ok(state)
}

fn is_whole(store: &Store, unit: &Digest) -> Result<(), String> {
    let read = || {
        let roots = store.roots(&store.manifest(unit)?)?;
        for entry in roots.iter().flat_map(|root| &root.entries) {
            let found = Digest::of(&store.read(&entry.digest)?);
            if found != entry.digest {
                return Ok(Some(format!("{found} instead of {}", entry.digest)));
            }
        }
        Ok(None)
    };
    match read() {
        Ok(None) if store.holds(unit) => Ok(()),
        Ok(None) => Err("it is whole, and the store does not know".to_owned()),
        Ok(Some(problem)) => Err(problem),
        Err(error) => Err(haulier_model::Error::to_string(&error)),
    }
}

/// An alias whose version is gone does not show, and would come back with a new unit of that version.
async fn no_dangling_alias(catalogue: &dyn Catalogue) -> Result<(), String> {
    for record in catalogue.list("units/").await.map_err(|error| error.to_string())?.records {
        let head: serde_json::Value = serde_json::from_slice(&record.value).map_err(|error| error.to_string())?;
        let deployed = |version: &serde_json::Value| {
            let versions = head["versions"].as_array().into_iter().flatten();
            versions.filter(|one| one["state"] == "DEPLOYED").any(|one| one["version"] == *version)
        };
        for (alias, version) in head["aliases"].as_object().into_iter().flatten() {
            expect(deployed(version), || format!("{}: the alias {alias} points to {version}", record.key))?;
        }
    }
    Ok(())
}

async fn nothing_named_is_collected(store: &Store, named: &State) -> Result<(), String> {
    let collect = async |dry_run| {
        let rules = CollectionRules { dry_run, ..CollectionRules::default() };
        store.collect(rules, |_| HashSet::new()).await.map_err(|error| error.to_string())
    };
    collect(false).await?;
    let left = collect(true).await?;
    expect(left.packs == 0, || format!("a second collection would remove {} packs", left.packs))?;
    if !named.is_empty() {
        let after = whole_state(store).await?;
        expect(after == *named, || format!("after a collection there is {after:#?}"))?;
    }
    Ok(())
}

/// Does to the files that were not said to be on disk what a power cut may do: some lose their end, some have zeros, some
/// are gone. Says how many.
pub(crate) fn cut_power(folder: &Path, seed: usize) -> usize {
    let of = |store: &str| fs::read_dir(folder.join(store).join("packs")).into_iter().flatten();
    let packs: Vec<PathBuf> = of("store").chain(of("member")).map(|entry| entry.unwrap().path()).collect();
    let unsynced = |path: &&PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o222 != 0;
    let mut torn = 0;
    for (index, path) in packs.iter().filter(unsynced).enumerate() {
        let bytes = fs::read(path).unwrap();
        match (index + seed) % 3 {
            0 => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            1 => fs::write(path, [&vec![0; 16.min(bytes.len())][..], &bytes[16.min(bytes.len())..]].concat()).unwrap(),
            _ => fs::remove_file(path).unwrap(),
        }
        torn += 1;
    }
    torn
}
