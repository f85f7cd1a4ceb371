//! What another node asks of a client's code: from this node's store, else from the client.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

use haulier::relay::{CodeReply, CodeSource};
use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Root};
use haulier_protocol::v1;

use super::link::Link;
use crate::{code, core::NodeCore, session::Session};

/// The code of a client's session, for one other node.
pub(super) struct SessionSource {
    node: Weak<NodeCore>,
    session: Weak<Session>,
    link: Weak<Link>,
}

impl SessionSource {
    pub(super) fn new(node: &Arc<NodeCore>, session: &Arc<Session>, link: &Arc<Link>) -> Self {
        Self { node: Arc::downgrade(node), session: Arc::downgrade(session), link: Arc::downgrade(link) }
    }
}

impl CodeSource for SessionSource {
    fn answer(&self, request: v1::CodeRequest, reply: CodeReply) {
        let (node, session, link) = (self.node.upgrade(), self.session.upgrade(), self.link.upgrade());
        tokio::spawn(async move {
            let (Some(node), Some(session), Some(link)) = (node, session, link) else {
                return reply(Err(Error::new(ErrorKind::SessionLost, "send code", "the client has gone")));
            };
            reply(answer(&node, &session, &link, &request).await);
        });
    }
}

/// What is asked for, and what has come from the client besides since the node was last told.
async fn answer(
    node: &Arc<NodeCore>,
    session: &Arc<Session>,
    link: &Link,
    request: &v1::CodeRequest,
) -> Result<Vec<u8>> {
    let (digest, mut wanted) = (Digest::from_slice(&request.snapshot)?, Digest::split(&request.digests)?);
    let snapshot = session
        .code
        .snapshot(&digest)
        .ok_or_else(|| Error::new(ErrorKind::SessionLost, "send code", "the client never announced this snapshot"))?;
    let missing = node.store.missing(wanted.iter().copied());
    if !missing.is_empty() {
        code::fetch(session, digest, &missing, node.limits.code).await?;
    }
    let held = held(node, &snapshot.manifest).await?;
    {
        let mut known = link.known.lock();
        let known = known.entry(digest).or_default();
        known.extend(&wanted);
        let asked: HashSet<Digest> = wanted.iter().copied().collect();
        wanted.extend(held.into_iter().filter(|digest| !asked.contains(digest) && known.insert(*digest)));
    }
    let store = node.store.clone();
    let packed = tokio::task::spawn_blocking(move || {
        let mut pack = Vec::new();
        store.pack(wanted).try_for_each(|chunk| chunk.map(|chunk| pack.extend_from_slice(&chunk)))?;
        Ok(pack)
    });
    packed.await.map_err(|error| Error::internal("send code", error.to_string()))?
}

/// The contents of a snapshot that are on this node.
pub(super) async fn held(node: &NodeCore, manifest: &Manifest) -> Result<Vec<Digest>> {
    let (store, manifest) = (node.store.clone(), manifest.clone());
    let held = tokio::task::spawn_blocking(move || {
        let roots = store.roots(&manifest)?;
        let contents = roots.iter().flat_map(Root::contents).map(|(digest, _)| digest);
        Ok(contents.filter(|digest| store.contains(digest)).collect())
    });
    held.await.map_err(|error| Error::internal("send code", error.to_string()))?
}
