//! Wheels in a unit that no interpreter of this node installs are refused when they are deployed, not when a task fails.

use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Root, RootKind};
use haulier_store::Store;

use crate::{core::NodeCore, pythons};

/// The largest `WHEEL` file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// A wheel for certain interpreters or machines.
struct Wheel {
    /// "numpy-2.4.1".
    name: String,
    tags: Vec<String>,
}

impl NodeCore {
    /// Errors: `Incompatible` with the tags of a wheel and the interpreters of this node.
    pub(crate) async fn check_wheels(&self, manifest: &Manifest) -> Result<()> {
        let (store, manifest) = (self.store.clone(), manifest.clone());
        let wheels = tokio::task::spawn_blocking(move || wheels(&store, &manifest)).await;
        let wheels = wheels.map_err(|error| Error::internal("deploy", error.to_string()))??;
        if wheels.is_empty() {
            return Ok(());
        }
        // A node without Python takes units for those that have it.
        let Ok(known) = self.pythons.all().await else { return Ok(()) };
        let fits = |wheel: &&Wheel| {
            known.iter().any(|python| python.interpreter.fits_any(wheel.tags.iter().map(String::as_str)))
        };
        match wheels.iter().find(|wheel| !fits(wheel)) {
            None => Ok(()),
            Some(wheel) => {
                let names = pythons::names(known.iter().map(|python| &*python.interpreter));
                let message =
                    format!("the wheel {} is for {}; this node has {names}", wheel.name, wheel.tags.join(", "));
                Err(Error::new(ErrorKind::Incompatible, "deploy", message)
                    .context("platform", known[0].interpreter.platform.to_string())
                    .hint("deploy a wheel for one of them, or name the interpreter: haulier node --python PATH --python OTHER"))
            }
        }
    }
}

/// The wheels that do not run everywhere. Blocks.
fn wheels(store: &Store, manifest: &Manifest) -> Result<Vec<Wheel>> {
    let mut wheels = Vec::new();
    for root in store.roots(manifest)?.iter().filter(|root| root.kind == RootKind::Python) {
        for (name, digest) in wheel_files(root) {
            let bytes = store.read(&digest)?;
            let text = String::from_utf8_lossy(&bytes);
            let tags: Vec<String> = pythons::wheel_tags(&text).into_iter().map(str::to_owned).collect();
            let everywhere = |tag: &String| tag.starts_with("py3-none-any") || tag.starts_with("py2.py3-none-any");
            if !tags.is_empty() && !tags.iter().any(everywhere) {
                wheels.push(Wheel { name: name.to_owned(), tags });
            }
        }
    }
    Ok(wheels)
}

/// The `WHEEL` files of distributions at the top of a root.
fn wheel_files(root: &Root) -> impl Iterator<Item = (&str, Digest)> {
    root.entries.iter().filter(|entry| entry.size <= LARGEST).filter_map(|entry| {
        let name = entry.path.as_str().strip_suffix(".dist-info/WHEEL")?;
        (!name.contains('/')).then_some((name, entry.digest))
    })
}
