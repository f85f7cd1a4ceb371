//! What a client sends of a deployment: it is told what the store lacks, first of the roots, then of their entries, then
//! of the chunks of large ones. Must never publish.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Root};
use haulier_pack::chunks::{Chunk, ChunkedEntry};
use haulier_protocol::{
    status,
    v1::{self, deploy_request::Message, deploy_response},
};
use haulier_store::{Assembly, Lease, Receiver};
use tonic::Streaming;

use super::Answers;
use crate::core::NodeCore;

/// Receives what the store lacks. What the client is told is here stays until the lease ends.
pub(super) async fn receive(
    node: &Arc<NodeCore>,
    manifest: &Manifest,
    incoming: &mut Streaming<v1::DeployRequest>,
    answers: &Answers,
    operation: &str,
) -> Result<Lease> {
    let mut lease = node.store.lease(manifest.roots.iter().copied());
    need(answers, &node.store.missing(manifest.roots.iter().copied())).await?;
    let message = next(incoming, operation).await?;
    receive_pack(node.store.receive()?, message, incoming, operation).await?;
    let roots = node.store.roots(manifest).map_err(|error| error.in_operation(operation.to_owned()))?;
    let entries = || roots.iter().flat_map(|root| root.entries.iter().map(|entry| entry.digest));
    lease.extend(entries());
    let missing = node.store.missing(entries());
    need(answers, &missing).await?;
    let (receiver, message) = match next(incoming, operation).await? {
        Some(Message::Chunks(chunks)) => {
            let assembly = assemble(node, chunks, missing, &roots).map_err(|error| error.in_operation(operation))?;
            need(answers, assembly.missing()).await?;
            (node.store.receive_assembly(assembly)?, next(incoming, operation).await?)
        }
        message => (node.store.receive()?, message),
    };
    receive_pack(receiver, message, incoming, operation).await?;
    Ok(lease)
}

/// Prepares to put large entries together, as the client says that they are made.
fn assemble(node: &NodeCore, chunks: v1::DeployChunks, missing: Vec<Digest>, roots: &[Root]) -> Result<Assembly> {
    let entries = chunks.entries.into_iter().map(chunked).collect::<Result<Vec<_>>>()?;
    let mut missing: HashSet<Digest> = missing.into_iter().collect();
    let all = roots.iter().flat_map(|root| &root.entries);
    let sizes: HashMap<Digest, u64> = all.map(|entry| (entry.digest, entry.size)).collect();
    for entry in &entries {
        if !missing.remove(&entry.digest()) {
            return Err(refused(format!("chunks came of {}, which was not asked for, or came twice", entry.digest())));
        }
        let size = sizes.get(&entry.digest()).copied().unwrap_or_default();
        if size != entry.size() {
            return Err(refused(format!("the chunks of an entry of {size} bytes have {}", entry.size())));
        }
    }
    node.store.assemble(entries, &missing)
}

fn chunked(entry: v1::ChunkedEntry) -> Result<ChunkedEntry> {
    let digests = Digest::split(&entry.chunks)?;
    if digests.len() != entry.sizes.len() {
        return Err(refused(format!("{} chunks have {} sizes", digests.len(), entry.sizes.len())));
    }
    let chunks = digests.into_iter().zip(entry.sizes).map(|(digest, size)| Chunk { digest, size });
    ChunkedEntry::new(Digest::from_slice(&entry.digest)?, entry.size, chunks.collect())
}

fn refused(problem: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "deploy", problem).hint("deploy again, with a client of the node's version")
}

/// Receives until the end of the pack, beginning with `message`. If the connection breaks, what arrived whole stays for
/// the next try.
async fn receive_pack(
    mut receiver: Receiver,
    mut message: Option<Message>,
    incoming: &mut Streaming<v1::DeployRequest>,
    operation: &str,
) -> Result<()> {
    loop {
        match message {
            Some(Message::Chunk(chunk)) => tokio::task::block_in_place(|| receiver.write(&chunk.data))?,
            Some(Message::PackEnd(_)) => {
                // Publishing syncs what the unit is made of.
                return tokio::task::block_in_place(|| receiver.finish(false)).map(|_| ());
            }
            Some(Message::Start(_) | Message::Chunks(_)) => {
                let problem = "a second start, or chunks inside a pack, on one stream";
                return Err(Error::new(ErrorKind::InvalidArgument, operation, problem));
            }
            None => return Err(Error::new(ErrorKind::Canceled, operation, "the upload ended before it was whole")),
        }
        message = next(incoming, operation).await?;
    }
}

/// The next message of a deploy; `None` at its end.
pub(super) async fn next(incoming: &mut Streaming<v1::DeployRequest>, operation: &str) -> Result<Option<Message>> {
    let message = incoming.message().await.map_err(|error| status::to_error(&error, operation))?;
    Ok(message.and_then(|message| message.message))
}

async fn need(answers: &Answers, missing: &[Digest]) -> Result<()> {
    let digests = Digest::concatenate(missing);
    let need = deploy_response::Message::Need(v1::CodeNeed { digests: digests.into() });
    answers
        .send(Ok(v1::DeployResponse { message: Some(need) }))
        .await
        .map_err(|_| Error::new(ErrorKind::Unavailable, "deploy", "the client has gone"))
}
