//! How to connect: address, identity, trust, and what the client says about itself.
//!
//! Must never know what is sent after the connection stands.

use std::{path::Path, time::Duration};

use haulier_model::{DeploymentMode, Error, ErrorKind, Language, Result};
use haulier_protocol::v1;

use crate::Cluster;

/// The port of a node unless another one is said.
pub const DEFAULT_PORT: u16 = 7440;

/// How to connect to a node.
///
/// ```no_run
/// # async fn f() -> haulier::Result<()> {
/// let cluster = haulier::ConnectOptions::new("build.example.com:7440")
///     .token("s3cret")
///     .ca_file("ca.pem")?
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    pub(crate) address: String,
    pub(crate) token: Option<Secret>,
    pub(crate) ca_certificate: Option<Vec<u8>>,
    pub(crate) mode: DeploymentMode,
    pub(crate) language: Language,
    pub(crate) language_version: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) resume_window: Duration,
    pub(crate) denied: Vec<String>,
    pub(crate) included: Vec<String>,
    /// For whom a node connects, see [`crate::relay`].
    pub(crate) relay: Option<v1::Relay>,
    /// Whether the tasks are those of a client in a worker; `None`: whether this process is one.
    pub(crate) inside_worker: Option<bool>,
}

/// Text that must not appear in logs.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl ConnectOptions {
    /// Options for the node at `address`: `host:port`, or `host` alone for port 7440. Of several addresses, with commas
    /// between them, the first one counts that answers.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            token: None,
            ca_certificate: None,
            mode: DeploymentMode::default(),
            language: Language::Rust,
            language_version: String::new(),
            capabilities: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            resume_window: Duration::from_secs(10),
            denied: Vec::new(),
            included: Vec::new(),
            relay: None,
            inside_worker: None,
        }
    }

    pub(crate) fn relay(mut self, relay: v1::Relay, inside_worker: bool) -> Self {
        self.relay = Some(relay);
        self.inside_worker = Some(inside_worker);
        self
    }

    /// The token that the node asks for. Default: none.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret(token.into()));
        self
    }

    /// Connects by TLS and trusts the certificates in `pem`. Default: no TLS.
    #[must_use]
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificate = Some(pem.into());
        self
    }

    /// Connects by TLS and trusts the certificates in the file at `path` (PEM).
    pub fn ca_file(self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let pem = std::fs::read(path).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "read the CA file", format!("{}: {error}", path.display()))
                .hint("give the certificate that signed the node's, as PEM")
        })?;
        Ok(self.ca_certificate(pem))
    }

    /// How widely the loaders of this client's own code are shared. Default: private.
    #[must_use]
    pub fn mode(mut self, mode: DeploymentMode) -> Self {
        self.mode = mode;
        self
    }

    /// The language of the caller, with the version of its runtime ("17.0.15"). Default: Rust.
    #[must_use]
    pub fn language(mut self, language: Language, version: impl Into<String>) -> Self {
        self.language = language;
        self.language_version = version.into();
        self
    }

    /// What pickled or serialized code of this client depends on: "cpython-311", "cloudpickle-3".
    #[must_use]
    pub fn capabilities(mut self, capabilities: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.capabilities = capabilities.into_iter().map(Into::into).collect();
        self
    }

    /// The longest time for the first connection, for all addresses together. Default: 5 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a broken connection may take to come back before its tasks fail with `SessionLost`, or go to another
    /// node. Default: 10 seconds, which is also how long a node keeps the session. A node that is certainly gone is not
    /// waited for when another one is there.
    #[must_use]
    pub fn resume_window(mut self, window: Duration) -> Self {
        self.resume_window = window;
        self
    }

    /// Adds patterns of files that peer loading never sends, besides the built-in ones (`.env`, `*.pem`, `*.p12`,
    /// `*.jks`, `application*.yml`, `application*.properties`, `.git`).
    #[must_use]
    pub fn deny(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.denied.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Adds patterns of files below Python import roots that travel although a rule leaves them out: paths from the root
    /// with the wildcards of `.gitignore` ("config.json", "assets/**"). What is never sent travels only if a pattern is
    /// its very path.
    #[must_use]
    pub fn include(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.included.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// The addresses in their order, each with its port.
    pub(crate) fn addresses(&self) -> Result<Vec<String>> {
        self.address.split(',').map(with_port).collect()
    }

    /// Connects. `Unavailable` if no node answers there, `PermissionDenied` if the token is wrong, `Incompatible` if
    /// the node speaks another version of the protocol.
    pub async fn connect(self) -> Result<Cluster> {
        Cluster::connect(self).await
    }
}

fn with_port(address: &str) -> Result<String> {
    let address = address.trim();
    if address.is_empty() || address.contains(['/', ' ', '@', '?', '#']) {
        return Err(bad_address(address, "this is not host:port"));
    }
    let host_end = address.rfind(']').map_or(0, |end| end + 1);
    match address[host_end..].rsplit_once(':') {
        None => Ok(format!("{address}:{DEFAULT_PORT}")),
        Some((host, _)) if host_end == 0 && host.contains(':') => {
            Err(bad_address(address, "an IPv6 address needs brackets: [::1]:7440"))
        }
        Some((host, port)) => match port.parse::<u16>() {
            Ok(1..) if host_end > 0 || !host.is_empty() => Ok(address.to_owned()),
            _ => Err(bad_address(address, "the port is a number from 1 to 65535, after the host")),
        },
    }
}

pub(crate) fn bad_address(address: &str, problem: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "read the address", format!("'{}': {problem}", address.escape_debug()))
        .hint("write HOST:PORT, for example --address localhost:7440")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (given, used) in [
            ("localhost", "localhost:7440"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]", "[::1]:7440"),
            ("[::1]:80", "[::1]:80"),
            (" a.b:7440 ", "a.b:7440"),
        ] {
            assert_eq!(with_port(given).unwrap(), used);
        }
        for bad in ["", "http://localhost:7440", "a:b", "a:0", "a:70000", "::1", "a b:1", ":7440", "a@b:1"] {
            let error = with_port(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bad}");
            assert!(error.hint_text().contains("--address"));
        }
    }

    #[test]
    fn several_addresses() {
        assert_eq!(ConnectOptions::new("a, b:1").addresses().unwrap(), ["a:7440", "b:1"]);
        for bad in ["a,", ",", "a,b c"] {
            assert_eq!(ConnectOptions::new(bad).addresses().unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
    }
}
