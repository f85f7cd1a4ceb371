//! Downloads: what was deployed comes back as files. Exact bytes of what is opaque, a canonical archive or a folder of the
//! rest; everything is verified before anything appears under its name.

mod layout;
mod placing;
mod writing;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::v1;
use tokio::{sync::mpsc, task::JoinHandle};

use self::writing::Source;
use crate::{
    Cluster, UnitDetails, runtime,
    session::{Line, Session},
    units,
};

/// The node must send something within this time; so must the disk take something.
const PATIENCE: Duration = Duration::from_secs(120);
/// Chunks that wait for the disk.
const CHUNKS_AHEAD: usize = 8;

impl Cluster {
    /// Writes the sources of a unit into `folder`, which is made if it is not there, and returns the path of each, in the
    /// order in which they are searched. An archive that is opaque gets the bytes that it had; of any other jar, zip or
    /// wheel an archive of its entries is written, stored and in their order; the rest are folders and Python files.
    /// Sources with the same name get numbers: `2-a.jar`. Memory does not grow with the unit.
    ///
    /// What is there already is a `Conflict`, and nothing is written, unless `force` replaces it. Each file or folder
    /// appears whole and verified, or not at all.
    ///
    /// Errors: `NotFound` for the unit, `InvalidArgument` for a source whose name is no path inside the folder,
    /// `Unavailable` if the connection breaks or content does not match its digest.
    pub async fn download(&self, reference: &str, folder: impl AsRef<Path>, force: bool) -> Result<Vec<PathBuf>> {
        let operation = format!("download {reference}");
        let in_operation = |error: Error| error.in_operation(operation.clone());
        let folder =
            std::path::absolute(folder.as_ref()).map_err(|error| in_operation(failed(folder.as_ref(), error)))?;
        let details = self.inspect(reference).await.map_err(in_operation)?;
        let session = self.session_for(&operation)?;
        let said = operation.clone();
        runtime::run(async move { run(&session, details, folder, force, &said).await }).await.map_err(in_operation)
    }
}

async fn run(
    session: &Arc<Session>,
    details: UnitDetails,
    folder: PathBuf,
    force: bool,
    operation: &str,
) -> Result<Vec<PathBuf>> {
    let targets = layout::plan(&details)?;
    let staged = placing::Staged::new(&folder, &targets, force)?;
    session.settled().await;
    let line = session.line();
    // The name may be given to other bytes meanwhile.
    let reference = format!("{}@{}", details.unit.name, details.unit.digest);
    let mut entries = vec![Vec::new(); targets.len()];
    for entry in details.entries {
        let of_source = entries.get_mut(entry.source);
        of_source.ok_or_else(|| Error::internal(operation, "the node sent a file of no source"))?.push(entry);
    }
    for (index, (target, entries)) in targets.iter().zip(entries).enumerate() {
        let source = Source { target: target.clone(), entries, folder: staged.folder().to_owned() };
        let request = v1::DownloadRequest { reference: reference.clone(), root: index as u32 };
        receive(&line, request, source, operation).await?;
    }
    runtime::run_blocking(move || staged.place()).await
}

/// Receives one source; a thread that may block writes it.
async fn receive(line: &Line, request: v1::DownloadRequest, source: Source, operation: &str) -> Result<()> {
    let refused = |status: tonic::Status| line.route.refused(&status, operation);
    let late = || {
        Error::new(ErrorKind::Unavailable, operation, format!("nothing moved for {PATIENCE:?}"))
            .hint("look at the node's log and at this machine's disk, then download again")
    };
    let mut client = units::client(line);
    let asked = tokio::time::timeout(PATIENCE, client.download(line.route.request(request))).await;
    let mut answers = asked.map_err(|_| late())?.map_err(refused)?.into_inner();
    let (sender, chunks) = mpsc::channel::<Bytes>(CHUNKS_AHEAD);
    let writing: JoinHandle<Result<()>> = tokio::task::spawn_blocking(move || writing::write(&source, chunks));
    loop {
        let message = tokio::time::timeout(PATIENCE, answers.message()).await.map_err(|_| late())?.map_err(refused)?;
        let Some(answer) = message else { break };
        let Some(chunk) = answer.chunk else { continue };
        match tokio::time::timeout(PATIENCE, sender.send(chunk.data)).await {
            Ok(Ok(())) => {}
            // It has failed, and knows why.
            Ok(Err(_)) => break,
            Err(_) => return Err(late()),
        }
    }
    drop(sender);
    writing.await.map_err(|error| Error::internal(operation, error.to_string()))?
}

/// Writing `path` failed.
fn failed(path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::ResourceExhausted,
        _ => ErrorKind::InvalidArgument,
    };
    Error::new(kind, "", format!("'{}': {error}", path.display()))
        .hint("choose another folder: haulier download REFERENCE --into FOLDER")
        .with_source(error)
}
