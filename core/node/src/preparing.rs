//! Prepares units for Python before a task needs them: their files lie where processes import from, and are compiled.

use std::{io, sync::Arc, time::Duration};

use haulier_model::{Digest, Error, Result, RootKind};
use tokio::sync::Semaphore;

use crate::{core::NodeCore, directories::Draft, pythons::Wish};

/// How long a compiler may take.
const COMPILING: Duration = Duration::from_secs(120);
/// One at a time: it is work ahead of what is asked for.
static ONE: Semaphore = Semaphore::const_new(1);

impl NodeCore {
    /// Prepares a unit that is whole on this node, in its own time. What does not work is done by tasks as they need it.
    pub(crate) fn prepare(self: &Arc<Self>, unit: Digest) {
        if !self.class_paths.directories.prepared.is_new(unit) {
            return;
        }
        let node = Arc::downgrade(self);
        tokio::spawn(async move {
            let Ok(_permit) = ONE.acquire().await else { return };
            let Some(node) = node.upgrade() else { return };
            if let Err(error) = node.prepare_roots(unit).await {
                tracing::info!(%error, unit = %unit.short(), "a unit is not prepared for Python");
            }
        });
    }

    async fn prepare_roots(self: &Arc<Self>, unit: Digest) -> Result<()> {
        let node = self.clone();
        let roots = blocking(move || {
            let manifest = node.store.manifest(&unit)?;
            Ok(manifest.roots.iter().copied().zip(node.store.roots(&manifest)?).collect::<Vec<_>>())
        });
        for (digest, root) in roots.await?.into_iter().filter(|(_, root)| root.kind == RootKind::Python) {
            let node = self.clone();
            let write = move || node.class_paths.directories.prepared.write(&digest, &root, &node.store);
            let Some(draft) = blocking(write).await? else { continue };
            let draft = self.compiled(draft).await?;
            blocking(|| draft.publish().map_err(cannot_write)).await?;
        }
        Ok(())
    }

    /// Compiles a root for the first interpreter of the node, where there is one.
    async fn compiled(&self, draft: Draft) -> Result<Draft> {
        let Ok(python) = self.pythons.choose(Wish::default()).await else { return Ok(draft) };
        let output = draft.output().map_err(cannot_write)?;
        let compiled =
            self.supervisor.compile(&python.program, &draft.listing(), draft.folder(), output, COMPILING).await;
        if let Err(error) = compiled {
            tracing::info!(%error, "a unit is not compiled ahead");
            return Ok(draft);
        }
        let tag = python.interpreter.bytecode.clone();
        blocking(move || draft.take(&tag).map_err(cannot_write).map(|()| draft)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("prepare a unit", error.to_string()))?
}

fn cannot_write(error: io::Error) -> Error {
    Error::internal("prepare a unit", error.to_string()).with_source(error)
}
