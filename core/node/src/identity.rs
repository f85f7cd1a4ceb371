//! Who calls: tokens, and requests that come from a browser.

use haulier_model::{Digest, Error, ErrorKind, Result};
use haulier_protocol::AUTHORIZATION;
use tonic::metadata::MetadataMap;

/// The caller of a request. Everything one identity runs shares worker processes: its trust group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity(std::sync::Arc<str>);

impl Identity {
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

/// The tokens that a node accepts. Only digests are kept, so that comparing them tells nothing by its time.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Vec<(String, Digest)>);

impl Tokens {
    pub(crate) fn add(&mut self, name: String, token: String) {
        self.0.push((name, Digest::of(token.as_bytes())));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The identity behind a request. Requests of web pages (an `Origin`) are refused: a page must not reach a node
    /// through its visitor's browser.
    pub(crate) fn identify(&self, metadata: &MetadataMap) -> Result<Identity> {
        let refuse =
            |message: &str, hint: &str| Err(Error::new(ErrorKind::PermissionDenied, "connect", message).hint(hint));
        if metadata.contains_key("origin") {
            return refuse("requests of web pages are refused", "use a client of Haulier");
        }
        if self.is_empty() {
            return Ok(Identity("unverified:local".into()));
        }
        let hint = "--token TOKEN or HAULIER_TOKEN";
        let Some(value) = metadata.get(AUTHORIZATION) else {
            return refuse("this node asks for a token", hint);
        };
        let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        let digest = Digest::of(token.as_bytes());
        match self.0.iter().find(|(_, known)| *known == digest) {
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
        metadata.insert("origin", "https://evil.example".parse().unwrap());
        assert!(tokens.identify(&metadata).is_err());
    }
}
