//! What interpreters and environments have to say when a name is explained. Must never know what class paths have.

use std::sync::Arc;

use haulier_loader::Parent;
use haulier_model::{Digest, Result};
use haulier_requirements::normalized;

use super::{Recipe, lock, lock::OwnedLock, origins::PythonPlace};
use crate::{
    core::NodeCore,
    pythons::{PythonRuntime, Wish},
};

/// What Python code would run with: what was built, or what would be.
pub(crate) struct Runs(Kind);

enum Kind {
    At(PythonPlace),
    /// With the environment of locks, which is not built here yet.
    Unbuilt(Vec<OwnedLock>),
}

impl Runs {
    /// At a place that is known.
    pub(crate) fn at(place: PythonPlace) -> Self {
        Self(Kind::At(place))
    }

    /// With the locks of these contents and their owners; without any, the interpreter as it is. `version`: that of the
    /// client's own Python. Errors: locks that are none, or that disagree.
    pub(crate) async fn with(node: &NodeCore, locks: &[(String, Digest)], version: Option<&str>) -> Result<Self> {
        let base: Arc<PythonRuntime> = node.pythons.choose(Wish { version, ..Wish::default() }).await?;
        if locks.is_empty() {
            return Ok(Self::at(PythonPlace::of(&base)));
        }
        let read = |(owner, digest): &(String, Digest)| OwnedLock::parse(owner, *digest, &node.store.read(digest)?);
        let locks: Vec<OwnedLock> = tokio::task::block_in_place(|| locks.iter().map(read).collect::<Result<_>>())?;
        let pins = lock::merge(&locks)?;
        let recipe = Recipe { base, pins, locks: locks.iter().map(|lock| lock.digest).collect() };
        let folder = node.python_environments.folder_of(&recipe.digest());
        let built = PythonPlace::built(&recipe.base.interpreter, folder);
        Ok(Self(built.map_or(Kind::Unbuilt(locks), Kind::At)))
    }

    /// What it has of a module.
    pub(crate) async fn find(&self, node: &NodeCore, module: &str) -> Result<Parent> {
        match &self.0 {
            Kind::At(place) => node.python_environments.origins.find(place, module, node.limits.start).await,
            Kind::Unbuilt(locks) => Ok(of_locks(locks, module)),
        }
    }
}

/// What locks say of a module: most distributions are called like it.
fn of_locks(locks: &[OwnedLock], module: &str) -> Parent {
    let top = normalized(module.split('.').next().unwrap_or(module));
    let pinned = locks.iter().find_map(|owned| Some((owned, owned.lock.pins().iter().find(|pin| pin.name == top)?)));
    pinned.map_or(Parent::Unknown, |(owned, pin)| Parent::Has {
        label: format!("{} {}, which {} requires", pin.name, pin.version, owned.owner),
        path: "its environment is not built here yet".to_owned(),
    })
}
