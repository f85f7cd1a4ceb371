//! Who calls: tokens, and requests that come from a browser.

use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::AUTHORIZATION;
use tonic::metadata::MetadataMap;

/// The caller of a request. Everything one identity runs shares worker processes: its trust group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity(std::sync::Arc<str>);

impl Identity {
    /// The identity of a client that is connected to another node, as that node says.
    pub(crate) fn relayed(name: &str) -> Self {
        Self(name.into())
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Whether a token says so. Without tokens everybody on the machine is the same.
    pub(crate) fn is_verified(&self) -> bool {
        &*self.0 != UNVERIFIED
    }
}

/// Everybody, where the node asks for no token.
const UNVERIFIED: &str = "unverified:local";

/// The tokens that a node accepts. Only digests are kept, so that comparing them tells nothing by its time.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    clients: Vec<(String, Digest)>,
    /// What the nodes of the cluster show each other.
    cluster: Option<Digest>,
}

/// Who shows the token of the cluster.
const MEMBER: &str = "member:";

impl Tokens {
    pub(crate) fn add(&mut self, name: String, token: String) {
        self.clients.push((name, Digest::of(token.as_bytes())));
    }

    pub(crate) fn set_cluster(&mut self, token: &str) {
        self.cluster = Some(Digest::of(token.trim().as_bytes()));
    }

    /// Whether clients need no token.
    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether a request comes from a member of the cluster. Without any token everybody who reaches the node may say
    /// so, as everybody may run code.
    pub(crate) fn identify_peer(&self, metadata: &MetadataMap) -> Result<()> {
        let refuse = |message: &str| {
            let hint = "give all nodes the same token: haulier node --cluster-token-file FILE";
            Err(Error::new(ErrorKind::PermissionDenied, "join the cluster", message).hint(hint))
        };
        if self.cluster.is_none() && !self.is_empty() {
            return refuse("this node asks its clients for tokens, and has no token for other nodes");
        }
        match (self.cluster.is_some(), self.identify(metadata)?.name()) {
            (false, _) | (true, MEMBER) => Ok(()),
            _ => refuse("the cluster's token is missing or another one"),
        }
    }

    /// The identity of a client by its token; there is none without.
    pub(crate) fn identify_bearer(&self, token: &str) -> Result<Identity> {
        let digest = Digest::of(token.as_bytes());
        match self.clients.iter().find(|(_, known)| *known == digest) {
            Some((name, _)) => Ok(Identity(name.as_str().into())),
            None => Err(Error::new(ErrorKind::PermissionDenied, "connect", "the token is not known to this node")
                .hint("a token of the node's --token-file")),
        }
    }

    /// The identity behind a request. Requests of web pages (an `Origin`) are refused: a page must not reach a node
    /// through its visitor's browser.
    pub(crate) fn identify(&self, metadata: &MetadataMap) -> Result<Identity> {
        let refuse =
            |message: &str, hint: &str| Err(Error::new(ErrorKind::PermissionDenied, "connect", message).hint(hint));
        if metadata.contains_key("origin") {
            return refuse("requests of web pages are refused", "use a client of Haulier");
        }
        let hint = "--token TOKEN or HAULIER_TOKEN";
        let shown = metadata.get(AUTHORIZATION).map(|value| {
            let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            Digest::of(token.unwrap_or_default().as_bytes())
        });
        if shown.is_some() && shown == self.cluster {
            return Ok(Identity(MEMBER.into()));
        }
        if self.is_empty() {
            return Ok(Identity(UNVERIFIED.into()));
        }
        let Some(digest) = shown else {
            return refuse("this node asks for a token", hint);
        };
        match self.clients.iter().find(|(_, known)| *known == digest) {
            Some((name, _)) => Ok(Identity(name.as_str().into())),
            None => refuse("the token is not known to this node", hint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_tokens_pass() {
        let mut tokens = Tokens::default();
        let mut metadata = MetadataMap::new();
        assert_eq!(tokens.identify(&metadata).unwrap().name(), "unverified:local");
        tokens.add("ci".into(), "secret".into());
        assert_eq!(tokens.identify(&metadata).unwrap_err().kind(), ErrorKind::PermissionDenied);
        for (value, good) in [("Bearer secret", true), ("Bearer secre", false), ("secret", false), ("Bearer ", false)] {
            metadata.insert(AUTHORIZATION, value.parse().unwrap());
            assert_eq!(tokens.identify(&metadata).is_ok(), good, "{value}");
        }
        metadata.insert(AUTHORIZATION, "Bearer secret".parse().unwrap());
        assert_eq!(tokens.identify(&metadata).unwrap().name(), "ci");
        assert_eq!(tokens.identify_peer(&metadata).unwrap_err().kind(), ErrorKind::PermissionDenied);
        tokens.set_cluster("cluster\n");
        assert_eq!(tokens.identify_peer(&metadata).unwrap_err().kind(), ErrorKind::PermissionDenied);
        metadata.insert(AUTHORIZATION, "Bearer cluster".parse().unwrap());
        tokens.identify_peer(&metadata).unwrap();
        metadata.insert("origin", "https://evil.example".parse().unwrap());
        assert!(tokens.identify(&metadata).is_err());
    }
}
