//! Builds an environment: a virtual environment under another name, the distributions of the lock in it, and then its
//! name.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use haulier_model::{Error, ErrorKind, Result, Retry, Root};

use super::{
    Environments, Recipe, Record,
    growth::{self, Size},
    leftovers, record, tame,
    uv::Asked,
};

const OPERATION: &str = "build a Python environment";
/// What an environment is called until it is whole, and when it is about to go.
const UNFINISHED: &str = ".building-";
const GOING: &str = ".removing-";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Builds the environment of a recipe at `folder`. Errors: those of a run of uv, and
/// `ResourceExhausted` for what is larger than the bounds.
pub(super) async fn build(environments: &Arc<Environments>, folder: &Path, recipe: &Recipe) -> Result<()> {
    let begun = Instant::now();
    let python = &recipe.base.interpreter.version;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    tracing::info!(
        environment = name,
        python,
        distributions = recipe.pins.pins().len(),
        "building a Python environment"
    );
    let fresh = beside(folder, UNFINISHED);
    let placed = place(environments, &fresh, folder, recipe).await;
    if placed.is_err() {
        // Nothing else names it, and the next start removes what stays.
        let _ = tokio::fs::remove_dir_all(&fresh).await;
    }
    let milliseconds = begun.elapsed().as_millis();
    match &placed {
        Ok(()) => tracing::info!(environment = name, milliseconds, "a Python environment is built"),
        Err(error) => tracing::warn!(environment = name, milliseconds, %error, "a Python environment is not built"),
    }
    placed
}

async fn place(environments: &Arc<Environments>, fresh: &Path, folder: &Path, recipe: &Recipe) -> Result<()> {
    environments.make_room(folder, 0).await?;
    fill(environments, fresh, folder, recipe).await?;
    let from = fresh.to_owned();
    let size = blocking(move || close(&from)).await?;
    growth::check(size, &environments.bounds, OPERATION, &named(recipe))?;
    environments.make_room(folder, size.bytes).await?;
    let (from, to, recipe) = (fresh.to_owned(), folder.to_owned(), recipe.clone());
    blocking(move || finish(&from, &to, &recipe, size)).await
}

/// The distributions of a recipe, for messages.
fn named(recipe: &Recipe) -> String {
    const SHOWN: usize = 5;
    let pins = recipe.pins.pins();
    let shown: Vec<String> = pins.iter().take(SHOWN).map(|pin| format!("{}=={}", pin.name, pin.version)).collect();
    let more = pins.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// One `uv` makes the environment, the next one fills it; all within one deadline. No code of a distribution runs.
async fn fill(environments: &Arc<Environments>, fresh: &Path, folder: &Path, recipe: &Recipe) -> Result<()> {
    let deadline = Instant::now() + environments.bounds.build;
    let base = &recipe.base.program;
    let (program, lock) = (fresh.join("bin/python"), fresh.join(Root::LOCK));
    let uv = &environments.uv;
    let make = ["venv", "--no-project", "--relocatable", "--python"].map(Into::into);
    let asked = |arguments| Asked { operation: OPERATION, python: base, arguments, input: String::new(), deadline };
    uv.run(asked(make.into_iter().chain([base.into(), fresh.into()]).collect())).await?;
    let interpreter = tame::Interpreter::of(fresh)?;
    tokio::fs::write(&lock, recipe.pins.to_string()).await.map_err(|error| cannot_write(fresh, error))?;
    // Copies: a worker could write through a link to what others use.
    let install = ["pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"];
    let install = install.into_iter().chain(["--python"]).map(Into::into);
    let arguments = install.chain([program.into(), "--requirements".into(), lock.into()]).collect();
    let (bounds, what) = (environments.bounds.clone(), named(recipe));
    let watch = |process| growth::outgrown(process, fresh.to_owned(), bounds, OPERATION, &what);
    let installed = uv.run_unless(asked(arguments), watch).await;
    if installed.is_err() && environments.builds_alone() {
        let cache = environments.cache.clone();
        // What was unpacked in vain; if it cannot be removed now, the next collection tries again.
        let _ = blocking(move || leftovers::remove_unfinished(&cache)).await;
    }
    installed?;
    let place = fresh.to_owned();
    let tamed = tokio::task::spawn_blocking(move || tame::tame(&place, &interpreter)).await;
    tamed.map_err(|error| Error::internal(OPERATION, error.to_string()))??;
    compile(base, fresh, folder, deadline).await
}

/// Compiles all modules by the interpreter of the node: that of the environment would run what it was given. What does
/// not compile is left to whoever imports it.
async fn compile(base: &Path, fresh: &Path, folder: &Path, deadline: Instant) -> Result<()> {
    let mut command = tokio::process::Command::new(base);
    command.args(["-I", "-m", "compileall", "-q", "-q", "-j", "0", "-s"]).arg(fresh).arg("-p").arg(folder);
    command.arg(tame::site_packages(fresh)?).kill_on_drop(true).stdin(std::process::Stdio::null());
    match tokio::time::timeout_at(deadline.into(), command.output()).await {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(ErrorKind::DeadlineExceeded, OPERATION, "its modules were not compiled in time")
            .with_retry(Retry::Later)
            .hint("submit again: what was downloaded is kept")),
    }
}

/// Says what the environment is, and gives it its name. Blocks.
fn finish(fresh: &Path, folder: &Path, recipe: &Recipe, size: Size) -> io::Result<()> {
    let mut record = Record {
        python: recipe.base.interpreter.version.clone(),
        distributions: recipe.pins.pins().iter().map(|pin| format!("{}=={}", pin.name, pin.version)).collect(),
        bytes: size.bytes,
        ..Record::default()
    };
    record.note(&recipe.locks);
    record.write(fresh)?;
    // A crash of the machine must not leave the name with half of the files.
    rustix::fs::syncfs(fs::File::open(fresh)?)?;
    if folder.exists() {
        fs::remove_dir_all(put_away(folder)?)?;
    }
    fs::rename(fresh, folder)
}

/// No file may be written any more; links are left alone. Returns how large all of it is.
fn close(folder: &Path) -> io::Result<Size> {
    let mut size = Size::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += Size { bytes: metadata.len(), entries: 1 };
        if metadata.is_dir() {
            size += close(&entry.path())?;
        } else if metadata.is_file() {
            let mut permissions = metadata.permissions();
            permissions.set_mode(permissions.mode() & !0o222);
            fs::set_permissions(entry.path(), permissions)?;
        }
    }
    Ok(size)
}

/// Takes its name from an environment, so that nobody finds it any more; returns where its files are now.
pub(super) fn put_away(folder: &Path) -> io::Result<PathBuf> {
    let going = beside(folder, GOING);
    fs::rename(folder, &going)?;
    Ok(going)
}

/// Removes what was half built or half removed when the node ended.
pub(super) fn remove_unfinished(environments: &Path) -> io::Result<()> {
    for path in record::list(environments)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(UNFINISHED) || name.starts_with(GOING) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn beside(folder: &Path, prefix: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{prefix}{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal(OPERATION, error.to_string()))?
        .map_err(|error| cannot_write(Path::new("the environment"), error))
}

pub(super) fn cannot_write(path: &Path, error: io::Error) -> Error {
    let full = error.kind() == io::ErrorKind::StorageFull;
    let kind = if full { ErrorKind::ResourceExhausted } else { ErrorKind::Internal };
    Error::new(kind, OPERATION, format!("cannot write {}: {error}", path.display()))
        .hint("check space and permissions of the node's data folder")
        .with_source(error)
}
