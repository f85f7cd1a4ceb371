//! Starts a template: a process forked from a zygote, confined as the workers of one trust group are, that imports what
//! their tasks import, and that further workers of the group are forked from.
//!
//! A template has all its modules or is none: who asks for it is told which module was in the way.

use std::{collections::HashSet, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use haulier_protocol::v1::{self, worker_message::Message};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};
use tracing::info;

use super::{
    attendant::{Attended, attend},
    running::{Child, Preloaded, Zygote},
};
use crate::{
    node::{Preloading, WorkerSpec, commands, output::Output},
    socket,
};

/// Top-level names that a template may have, and characters of each.
const MOST_NAMES: usize = 4096;
const LONGEST_NAME: usize = 200;
/// Of what a template says, so much is shown.
const LONGEST_PROBLEM: usize = 500;

/// Why there is no template.
pub(super) struct Refusal {
    /// The module that was being imported.
    pub(super) module: Option<String>,
    pub(super) problem: String,
}

impl<E: std::fmt::Display> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self { module: None, problem: error.to_string() }
    }
}

/// Forks a template from `parent`, and waits until it has imported `modules`.
pub(super) async fn start(
    parent: Child,
    spec: &WorkerSpec,
    preloading: &Preloading,
    modules: Vec<String>,
) -> Result<Arc<Zygote>, Refusal> {
    let begun = Instant::now();
    let folder = own_folder(&preloading.temp_dir)?;
    let (ours, theirs) = socket::pair()?;
    let name = format!("template of {} for {}", spec.program.display(), preloading.group);
    let (output, writer, _) = Output::open(name)?;
    let text = |path: &Path| commands::text(path).map(str::to_owned);
    let writable = preloading.writable.iter().map(|path| text(path)).collect::<Result<_, _>>()?;
    let command = v1::Fork {
        fork_id: 0,
        temp_dir: text(folder.path())?,
        directory: String::new(),
        template: Some(v1::Template { modules: modules.clone(), writable }),
    };
    let (process, exit) = parent.fork(command, vec![theirs, writer], spec).await?.exit();
    let process_id = process.id();
    let mut attended = attend(ours, process, exit, Box::new((parent, folder)))?;
    let names = hear(&mut attended, preloading, &modules, &output).await?;
    info!(
        program = %spec.program.display(),
        group = %preloading.group,
        process_id,
        modules = modules.join(" "),
        milliseconds = begun.elapsed().as_millis(),
        "a template has imported what tasks import: further Python workers are forked from it"
    );
    Ok(Arc::new(Zygote::new(attended, output, Some(Preloaded { modules, names }))))
}

/// A folder that goes with the template.
fn own_folder(beside: &Path) -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("template-").permissions(std::fs::Permissions::from_mode(0o700)).tempdir_in(beside)
}

/// Waits until the modules are imported: the names that are taken then.
async fn hear(
    attended: &mut Attended,
    preloading: &Preloading,
    modules: &[String],
    output: &Output,
) -> Result<HashSet<String>, Refusal> {
    let mut module = None;
    loop {
        let problem = match timeout(preloading.import_limit, attended.said.recv()).await {
            Ok(Some(Message::Preloading(begins))) => {
                // Of no other module it is to be believed.
                module = modules.iter().find(|module| **module == begins.module).cloned();
                continue;
            }
            Ok(Some(Message::Preloaded(v1::Preloaded { names, problem }))) if problem.is_empty() => {
                let bounded = names.len() <= MOST_NAMES && names.iter().all(|name| name.len() <= LONGEST_NAME);
                if bounded {
                    return Ok(names.into_iter().collect());
                }
                format!("it loads {} names, which are too many or too long", names.len())
            }
            Ok(Some(Message::Preloaded(v1::Preloaded { problem, .. }))) => problem,
            Ok(Some(_)) => "it sent what only a zygote sends".to_owned(),
            Ok(None) => {
                // Fails only with the runtime.
                let _ = attended.ended.wait_for(Option::is_some).await;
                let status = attended.ended.borrow().clone().unwrap_or_default();
                format!("its process ended: {status} {}", output.last().trim())
            }
            Err(_) => format!("its import has not ended for {:?}", preloading.import_limit),
        };
        return Err(Refusal { module, problem: problem.chars().take(LONGEST_PROBLEM).collect() });
    }
}
