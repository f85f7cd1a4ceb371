//! What a client sends of a deployment: it is told what the store lacks, first of the roots, then of their entries, then
//! of the chunks of large ones. Must never publish.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Root, UnitName};
use haulier_pack::chunks::{Chunk, ChunkedEntry, LARGE_ENTRY};
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
    name: &UnitName,
    manifest: &Manifest,
    incoming: &mut Streaming<v1::DeployRequest>,
    answers: &Answers,
    operation: &str,
) -> Result<Lease> {
    node.uploads.settled().await;
    let mut lease = node.store.lease(manifest.roots.iter().copied());
    need(answers, &node.store.missing(manifest.roots.iter().copied()), false).await?;
    let message = next(incoming, operation).await?;
    receive_pack(node, node.store.receive()?, message, incoming, operation).await?;
    let roots = node.store.roots(manifest).map_err(|error| error.in_operation(operation.to_owned()))?;
    let contents = || roots.iter().flat_map(Root::contents).map(|(digest, _)| digest);
    lease.extend(contents());
    let missing = node.store.missing(contents());
    let large = large_of(&roots, &missing);
    let earlier = if large.is_empty() { Vec::new() } else { earlier_entries(node, name).await };
    need(answers, &missing, !earlier.is_empty() || node.store.has_chunks_of(&large)).await?;
    // The client cuts its entries meanwhile.
    let store = node.store.clone();
    let cutting = tokio::task::spawn_blocking(move || store.cut_into_chunks(&earlier));
    let (receiver, message) = match next(incoming, operation).await? {
        Some(Message::Chunks(chunks)) => {
            cutting.await.map_err(|error| Error::internal(operation, error.to_string()))??;
            let assembly = assemble(node, chunks, missing, &roots).map_err(|error| error.in_operation(operation))?;
            need(answers, assembly.missing(), false).await?;
            (node.store.receive_assembly(assembly)?, next(incoming, operation).await?)
        }
        message => (node.store.receive()?.keeping_chunks(), message),
    };
    receive_pack(node, receiver, message, incoming, operation).await?;
    Ok(lease)
}

/// Those of `missing` that are large.
fn large_of(roots: &[Root], missing: &[Digest]) -> Vec<Digest> {
    let missing: HashSet<&Digest> = missing.iter().collect();
    let large = roots.iter().flat_map(Root::contents).filter(|(_, size)| *size >= LARGE_ENTRY);
    large.map(|(digest, _)| digest).filter(|digest| missing.contains(digest)).collect()
}

/// The large entries of what was deployed last under a name: those of the next one are like them. What cannot be read
/// here is none.
async fn earlier_entries(node: &NodeCore, name: &UnitName) -> Vec<Digest> {
    let records = node.store.list(Some(name)).await.unwrap_or_default();
    let last = records.into_iter().max_by_key(|record| record.deployed_at_ms);
    let roots = last.and_then(|record| node.store.roots(&node.store.manifest(&record.digest).ok()?).ok());
    let contents = roots.iter().flatten().flat_map(Root::contents);
    contents.filter(|(_, size)| *size >= LARGE_ENTRY).map(|(digest, _)| digest).collect()
}

/// Prepares to put large entries together, as the client says that they are made.
fn assemble(node: &NodeCore, chunks: v1::DeployChunks, missing: Vec<Digest>, roots: &[Root]) -> Result<Assembly> {
    let entries = chunks.entries.into_iter().map(chunked).collect::<Result<Vec<_>>>()?;
    let mut missing: HashSet<Digest> = missing.into_iter().collect();
    let sizes: HashMap<Digest, u64> = roots.iter().flat_map(Root::contents).collect();
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
    node: &NodeCore,
    receiver: Receiver,
    mut message: Option<Message>,
    incoming: &mut Streaming<v1::DeployRequest>,
    operation: &str,
) -> Result<()> {
    let mut taking = Taking { node, receiver: Some(receiver) };
    loop {
        match message {
            Some(Message::Chunk(chunk)) => tokio::task::block_in_place(|| taking.write(&chunk.data))?,
            // Publishing syncs what the unit is made of.
            Some(Message::PackEnd(_)) => return tokio::task::block_in_place(|| taking.finish()),
            Some(Message::Start(_) | Message::Chunks(_)) => {
                let problem = "a second start, or chunks inside a pack, on one stream";
                return Err(Error::new(ErrorKind::InvalidArgument, operation, problem));
            }
            None => return Err(Error::new(ErrorKind::Canceled, operation, "the upload ended before it was whole")),
        }
        message = next(incoming, operation).await?;
    }
}

/// A pack that arrives. Dropping it before its end keeps what has arrived, also when the deploy is cancelled.
struct Taking<'a> {
    node: &'a NodeCore,
    receiver: Option<Receiver>,
}

impl Taking<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.receiver.as_mut().map_or(Ok(()), |receiver| receiver.write(bytes))
    }

    fn finish(&mut self) -> Result<()> {
        self.receiver.take().map_or(Ok(()), |receiver| receiver.finish(false).map(drop))
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            self.node.uploads.give_up(receiver);
        }
    }
}

/// The next message of a deploy; `None` at its end.
pub(super) async fn next(incoming: &mut Streaming<v1::DeployRequest>, operation: &str) -> Result<Option<Message>> {
    let message = incoming.message().await.map_err(|error| status::to_error(&error, operation))?;
    Ok(message.and_then(|message| message.message))
}

async fn need(answers: &Answers, missing: &[Digest], in_chunks: bool) -> Result<()> {
    let digests = Digest::concatenate(missing);
    let need = deploy_response::Message::Need(v1::CodeNeed { digests: digests.into(), in_chunks });
    answers
        .send(Ok(v1::DeployResponse { message: Some(need) }))
        .await
        .map_err(|_| Error::new(ErrorKind::Unavailable, "deploy", "the client has gone"))
}
