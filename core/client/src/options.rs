//! How to connect: address, identity, trust, and what the client says about itself.
//!
//! Must never know what is sent after the connection stands.

use std::{error::Error as StdError, io, path::Path, time::Duration};

use haulier_model::{DeploymentMode, Error, ErrorKind, Language, Result};
use haulier_protocol::{AUTHORIZATION, MESSAGE_LIMIT, tls, v1};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

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
    /// For whom a node connects, see [`crate::relay`].
    pub(crate) relay: Option<v1::Relay>,
}

/// Text that must not appear in logs.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl ConnectOptions {
    /// Options for the node at `address`: `host:port`, or `host` alone for port 7440.
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
            relay: None,
        }
    }

    pub(crate) fn relay(mut self, relay: v1::Relay) -> Self {
        self.relay = Some(relay);
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

    /// The longest time for the first connection. Default: 5 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a broken connection may take to come back before its tasks fail with `SessionLost`. Default: 10
    /// seconds, which is also how long a node keeps the session.
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

    /// Connects. `Unavailable` if no node answers there, `PermissionDenied` if the token is wrong, `Incompatible` if
    /// the node speaks another version of the protocol.
    pub async fn connect(self) -> Result<Cluster> {
        Cluster::connect(self).await
    }
}

/// Where a node is and how to reach it: makes channels and requests, and explains why it cannot.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    address: String,
    endpoint: Endpoint,
    secure: bool,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Route {
    pub(crate) fn new(options: &ConnectOptions) -> Result<Self> {
        let address = with_port(&options.address)?;
        let secure = options.ca_certificate.is_some();
        let scheme = if secure { "https" } else { "http" };
        let bad = |error: &dyn StdError| bad_address(&options.address, &error.to_string());
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|error| bad(&error))?
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW);
        if let Some(pem) = &options.ca_certificate {
            endpoint = endpoint.tls_config(tls::client(pem)?).map_err(|error| {
                Error::new(ErrorKind::InvalidArgument, "read the CA file", deepest(&error))
                    .hint("give the certificate that signed the node's, as PEM")
            })?;
        }
        let authorization = options.token.as_ref().map(|token| bearer(&token.0)).transpose()?;
        Ok(Self { address, endpoint, secure, authorization })
    }

    /// host:port, as shown in messages.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection that stands.
    pub(crate) async fn connect(&self, timeout: Duration) -> Result<Channel> {
        let connecting = self.endpoint.clone().connect_timeout(timeout);
        match tokio::time::timeout(timeout, connecting.connect()).await {
            Ok(connected) => connected.map_err(|error| self.explain(&error)),
            Err(_) => Err(self.silent(timeout)),
        }
    }

    /// A connection that is made by its first request, and again after each loss.
    pub(crate) fn connect_lazily(&self) -> Channel {
        self.endpoint.connect_lazy()
    }

    /// A request with the caller's identity.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    /// The error of a refused request, with what to type where the node does not say it.
    pub(crate) fn refused(&self, status: &tonic::Status, operation: &str) -> Error {
        if status.message().contains("grpc-status header missing") {
            return Error::new(ErrorKind::Unavailable, operation, format!("{} is no Haulier node", self.address))
                .hint("check host and port: --address HOST:PORT");
        }
        let error = haulier_protocol::status::to_error(status, operation);
        if error.hint_text().is_empty() {
            match error.kind() {
                ErrorKind::PermissionDenied => return error.hint("give the node's token: --token or HAULIER_TOKEN"),
                ErrorKind::Unavailable => return self.explain(status).in_operation(operation),
                _ => {}
            }
        }
        error
    }

    fn silent(&self, timeout: Duration) -> Error {
        self.unavailable(format!("{} did not answer within {timeout:?}", self.address))
            .hint("check the address and the firewall, or start a node: haulier node")
    }

    fn unavailable(&self, message: String) -> Error {
        Error::new(ErrorKind::Unavailable, format!("connect to {}", self.address), message)
    }

    /// Why a connection failed, in words of the network instead of the library.
    fn explain(&self, error: &(dyn StdError + 'static)) -> Error {
        let address = &self.address;
        let cause = deepest(error);
        if cause.contains("certificate") || cause.contains("CorruptMessage") || cause.contains("corrupt message") {
            return self.explain_tls(&cause);
        }
        match io_kind(error) {
            Some(io::ErrorKind::ConnectionRefused) => {
                self.unavailable(format!("nothing listens on {address}")).hint("start a node: haulier node")
            }
            Some(io::ErrorKind::TimedOut) => self
                .unavailable(format!("{address} did not answer in time"))
                .hint("check the address and the firewall, or start a node: haulier node"),
            _ if cause.contains("lookup") || cause.contains("not known") || cause.contains("resolution") => self
                .unavailable(format!("the host of {address} is not known: {cause}"))
                .hint("check the name of the host: --address HOST:PORT"),
            _ if self.secure => self
                .unavailable(format!("no secure connection to {address}: {cause}"))
                .hint("if the node runs without TLS, leave out --tls-ca"),
            _ => self
                .unavailable(format!("{address} broke the connection: {cause}"))
                .hint("if the node uses TLS, give its CA: --tls-ca ca.pem; else look at the node's log"),
        }
    }

    fn explain_tls(&self, cause: &str) -> Error {
        let address = &self.address;
        if cause.contains("orrupt") {
            return self
                .unavailable(format!("{address} does not speak TLS"))
                .hint("leave out --tls-ca, or start the node with --tls-cert and --tls-key");
        }
        let error = Error::new(
            ErrorKind::PermissionDenied,
            format!("connect to {address}"),
            format!("the node's certificate is not trusted: {cause}"),
        );
        if cause.contains("CaUsedAsEndEntity") {
            return error.hint("the node shows the certificate of a CA; issue one for it: basicConstraints=CA:FALSE");
        }
        error.hint("give the certificate that signed the node's (--tls-ca), and use a host name that it names")
    }
}

/// Flow-control window of a stream: a full batch and a 16 MiB payload in a few round trips.
const WINDOW: u32 = MESSAGE_LIMIT as u32;

fn bearer(token: &str) -> Result<MetadataValue<Ascii>> {
    format!("Bearer {}", token.trim())
        .parse()
        .map(|mut value: MetadataValue<Ascii>| {
            value.set_sensitive(true);
            value
        })
        .map_err(|_| {
            Error::new(ErrorKind::InvalidArgument, "read the token", "it has characters that cannot be sent")
                .hint("a token is one line of printable ASCII")
        })
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

fn bad_address(address: &str, problem: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "read the address", format!("'{}': {problem}", address.escape_debug()))
        .hint("write HOST:PORT, for example --address localhost:7440")
}

fn deepest(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
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
    fn tokens_stay_out_of_logs() {
        let options = ConnectOptions::new("a").token("s3cret");
        assert!(!format!("{options:?}").contains("s3cret"));
        assert!(!format!("{:?}", Route::new(&options).unwrap()).contains("s3cret"));
        assert!(Route::new(&ConnectOptions::new("a").token("a\nb")).is_err());
    }

    #[test]
    fn a_file_that_is_no_certificate_is_refused() {
        let error = Route::new(&ConnectOptions::new("a").ca_certificate("nothing")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(ConnectOptions::new("a").ca_file("/nowhere/ca.pem").is_err());
    }

    #[tokio::test]
    async fn nobody_there() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let route = Route::new(&ConnectOptions::new(free.to_string())).unwrap();
        let error = route.connect(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains(&format!("nothing listens on {free}")), "{error}");
        assert!(error.hint_text().contains("haulier node"));
    }
}
