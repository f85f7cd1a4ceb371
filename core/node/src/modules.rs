//! Data streams of sessions: code, and payloads that are too large for the control stream.

use std::{
    io::Write,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use futures_util::Stream;
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result};
use haulier_protocol::{
    CHUNK_SIZE, status,
    v1::{self, module_service_server::ModuleService, send_code_request, send_code_response, upload_payload_request},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    core::NodeCore,
    payloads::{FRAME_LIMIT, StoredPayload},
    session::Session,
};

pub(crate) struct Modules(pub(crate) Arc<NodeCore>);

pub(crate) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ModuleService for Modules {
    type SendCodeStream = ReceiverStream<Result<v1::SendCodeResponse, Status>>;
    type DownloadPayloadStream = Messages<v1::DownloadPayloadResponse>;

    async fn send_code(
        &self,
        request: Request<Streaming<v1::SendCodeRequest>>,
    ) -> Result<Response<Self::SendCodeStream>, Status> {
        self.0.identify(request.metadata())?;
        let (sender, receiver) = mpsc::channel(4);
        let node = self.0.clone();
        let mut incoming = request.into_inner();
        tokio::spawn(async move {
            if let Err(error) = receive_code(&node, &mut incoming, &sender).await {
                // The client may be gone.
                let _ = sender.send(Err(status::from_error(&error))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        let identity = self.0.identify(request.metadata())?;
        let explained = crate::explaining::explain(&self.0, &identity, request.into_inner()).await;
        explained.map(Response::new).map_err(|error| status::from_error(&error))
    }

    async fn upload_payload(
        &self,
        request: Request<Streaming<v1::UploadPayloadRequest>>,
    ) -> Result<Response<v1::UploadPayloadResponse>, Status> {
        self.0.identify(request.metadata())?;
        let mut incoming = request.into_inner();
        let first = incoming.message().await?.and_then(|message| message.message);
        let Some(upload_payload_request::Message::Header(header)) = first else {
            return Err(refused("send an argument", "the first message must be a header"));
        };
        let session = self.0.session(&header.session_token).map_err(|error| status::from_error(&error))?;
        if header.size > self.0.limits.payload {
            let message = format!("{} bytes; this node takes at most {}", header.size, self.0.limits.payload);
            let error = Error::new(ErrorKind::ResourceExhausted, "send an argument", message)
                .with_retry(haulier_model::Retry::Never)
                .hint("split the argument, or put it into shared storage and send its address");
            return Err(status::from_error(&error));
        }
        let payload = receive_payload(&self.0, &header, &mut incoming).await?;
        session.add_upload(header.payload_id, payload);
        Ok(Response::new(v1::UploadPayloadResponse {}))
    }

    async fn download_payload(
        &self,
        request: Request<v1::DownloadPayloadRequest>,
    ) -> Result<Response<Self::DownloadPayloadStream>, Status> {
        self.0.identify(request.metadata())?;
        let request = request.into_inner();
        let session = self.0.session(&request.session_token).map_err(|error| status::from_error(&error))?;
        let payload = session.result_payload(request.payload_id).ok_or_else(|| {
            let error = Error::new(ErrorKind::NotFound, "fetch a result", "it has been acknowledged or never was");
            status::from_error(&error)
        })?;
        let (sender, receiver) = mpsc::channel(8);
        tokio::task::spawn_blocking(move || send_payload(&payload, &sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn refused(operation: &str, message: &str) -> Status {
    status::from_error(&Error::new(ErrorKind::InvalidArgument, operation, message))
}

type Answers = mpsc::Sender<Result<v1::SendCodeResponse, Status>>;

async fn receive_code(
    node: &Arc<NodeCore>,
    incoming: &mut Streaming<v1::SendCodeRequest>,
    answers: &Answers,
) -> Result<()> {
    let operation = "receive code";
    let first = incoming.message().await.map_err(|error| status::to_error(&error, operation))?;
    let Some(send_code_request::Message::Offer(offer)) = first.and_then(|message| message.message) else {
        return Err(Error::new(ErrorKind::InvalidArgument, operation, "the first message must be an offer"));
    };
    let session = node.session(&offer.session_token)?;
    if !node.peer_loading {
        let error = crate::placing::peer_loading_is_off(operation);
        session.code.refuse(offer.offer_id, &error);
        return Err(error);
    }
    let result = receive_offer(node, &session, &offer, incoming, answers).await;
    if let Err(error) = &result
        && error.kind() != ErrorKind::Unavailable
    {
        // A broken connection is no refusal: the client offers again when it is back.
        session.code.refuse(offer.offer_id, error);
    }
    if offer.request_id != 0 {
        session.code.answered(offer.request_id, result.clone());
    }
    result
}

async fn receive_offer(
    node: &Arc<NodeCore>,
    session: &Arc<Session>,
    offer: &v1::CodeOffer,
    incoming: &mut Streaming<v1::SendCodeRequest>,
    answers: &Answers,
) -> Result<()> {
    let roots = Digest::split(&offer.roots)?;
    let manifest = Manifest { roots: roots.clone() };
    let mut lease = None;
    if offer.request_id == 0 {
        if manifest.digest().as_bytes() != offer.snapshot.as_ref() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "receive code",
                "the snapshot is not that of its roots",
            ));
        }
        let entries = Digest::split(&offer.entries)?;
        // What the client is told is here stays until the session names it.
        lease = Some(node.store.lease(roots.iter().chain(&entries).copied()));
        let missing = node.store.missing(roots.into_iter().chain(entries));
        let digests = Digest::concatenate(&missing);
        let need = send_code_response::Message::Need(v1::CodeNeed { digests: digests.into(), in_chunks: false });
        node.class_paths.code_round_trips.fetch_add(1, Ordering::Relaxed);
        answer(answers, need).await?;
    }
    let received = receive_pack(node, incoming).await?;
    if offer.request_id == 0 {
        let store = node.store.clone();
        let check = manifest.clone();
        let whole = tokio::task::spawn_blocking(move || store.roots(&check).map(|_| ()));
        whole.await.map_err(|error| Error::internal("receive code", error.to_string()))??;
        session.code.complete(offer.offer_id, manifest, offer.names.clone());
    }
    drop(lease);
    if received.records > 0 {
        node.class_paths.code_round_trips.fetch_add(1, Ordering::Relaxed);
    }
    answer(answers, send_code_response::Message::Done(received)).await
}

async fn answer(answers: &Answers, message: send_code_response::Message) -> Result<()> {
    let message = v1::SendCodeResponse { message: Some(message) };
    answers
        .send(Ok(message))
        .await
        .map_err(|_| Error::new(ErrorKind::Unavailable, "receive code", "the client has gone"))
}

async fn receive_pack(node: &Arc<NodeCore>, incoming: &mut Streaming<v1::SendCodeRequest>) -> Result<v1::SendCodeDone> {
    let mut receiver = node.store.receive()?;
    loop {
        let message = incoming.message().await.map_err(|error| status::to_error(&error, "receive code"))?;
        match message.and_then(|message| message.message) {
            Some(send_code_request::Message::Chunk(chunk)) => {
                tokio::task::block_in_place(|| receiver.write(&chunk.data))?;
            }
            Some(send_code_request::Message::Offer(_)) => {
                return Err(Error::new(ErrorKind::InvalidArgument, "receive code", "a second offer on one stream"));
            }
            None => break,
        }
    }
    // Peer-loaded code is a cache: after a crash the client sends it again, so nothing waits for the disk.
    let received = tokio::task::block_in_place(|| receiver.finish(false))?;
    Ok(v1::SendCodeDone { bytes: received.bytes, records: received.records as u32 })
}

/// The answer to a request for entries that came on the control stream.
pub(crate) fn take_answer(node: &NodeCore, session: &Session, answer: v1::CodeAnswer) {
    let result = match answer.error {
        Some(error) => Err(error.into()),
        None => node.store.receive().and_then(|mut receiver| {
            receiver.write(&answer.pack)?;
            receiver.finish(false).map(|_| ())
        }),
    };
    session.code.answered(answer.request_id, result);
}

async fn receive_payload(
    node: &NodeCore,
    header: &v1::UploadPayloadHeader,
    incoming: &mut Streaming<v1::UploadPayloadRequest>,
) -> Result<StoredPayload, Status> {
    let broken = |error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull => ErrorKind::ResourceExhausted,
            _ => ErrorKind::Internal,
        };
        let error = Error::new(kind, "send an argument", format!("the node cannot write it: {error}"));
        status::from_error(&error.hint("check space in the node's data folder"))
    };
    let mut memory = Vec::new();
    let mut file = None;
    if header.size > FRAME_LIMIT {
        let path = node.payloads.fresh("argument");
        let open = std::fs::File::create_new(&path).map_err(broken)?;
        // From here on the file goes if the upload fails.
        file = Some((open, StoredPayload::File { path, size: header.size }));
    }
    let mut received = 0u64;
    while let Some(message) = incoming.message().await? {
        let Some(upload_payload_request::Message::Chunk(chunk)) = message.message else {
            return Err(refused("send an argument", "a second header on one stream"));
        };
        received += chunk.len() as u64;
        if received > header.size {
            return Err(refused("send an argument", "more bytes than the header says"));
        }
        match &mut file {
            Some((file, _)) => tokio::task::block_in_place(|| file.write_all(&chunk)).map_err(broken)?,
            None => memory.extend_from_slice(&chunk),
        }
    }
    if received != header.size {
        return Err(refused("send an argument", "fewer bytes than the header says"));
    }
    Ok(match file {
        Some((_, stored)) => stored,
        None => StoredPayload::Memory(memory.into()),
    })
}

fn send_payload(payload: &StoredPayload, sender: &mpsc::Sender<Result<v1::DownloadPayloadResponse, Status>>) {
    let send = |chunk: Bytes| sender.blocking_send(Ok(v1::DownloadPayloadResponse { chunk })).is_ok();
    match payload {
        StoredPayload::Memory(bytes) => {
            let mut rest = bytes.clone();
            while !rest.is_empty() {
                let chunk = rest.split_to(rest.len().min(CHUNK_SIZE));
                if !send(chunk) {
                    return;
                }
            }
        }
        StoredPayload::File { path, size } => {
            if let Err(error) = send_file(path, *size, send) {
                let error = Error::new(ErrorKind::Internal, "fetch a result", format!("cannot read it: {error}"));
                let _ = sender.blocking_send(Err(status::from_error(&error)));
            }
        }
    }
}

fn send_file(path: &std::path::Path, size: u64, mut send: impl FnMut(Bytes) -> bool) -> std::io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    let mut left = size;
    while left > 0 {
        let mut chunk = vec![0; left.min(CHUNK_SIZE as u64) as usize];
        std::io::Read::read_exact(&mut file, &mut chunk)?;
        left -= chunk.len() as u64;
        if !send(chunk.into()) {
            return Ok(());
        }
    }
    Ok(())
}
