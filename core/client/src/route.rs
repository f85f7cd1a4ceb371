//! Where a node is and how to reach it: makes channels and requests, and explains why it cannot.

use std::{error::Error as StdError, io, time::Duration};

use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{AUTHORIZATION, MESSAGE_LIMIT, tls};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::{ConnectOptions, options::bad_address};

/// Why a node cannot be reached.
#[derive(Debug)]
pub(crate) struct Unreachable {
    pub(crate) error: Error,
    /// The node's machine says so, or there is no such machine: its sessions are gone, too.
    pub(crate) gone: bool,
}

impl From<Error> for Unreachable {
    fn from(error: Error) -> Self {
        Self { error, gone: false }
    }
}

/// The way to a node, by one of its addresses.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    address: String,
    endpoint: Endpoint,
    secure: bool,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Route {
    /// The way to `address`, which has a port.
    pub(crate) fn new(options: &ConnectOptions, address: &str) -> Result<Self> {
        let secure = options.ca_certificate.is_some();
        let scheme = if secure { "https" } else { "http" };
        let bad = |error: &dyn StdError| bad_address(address, &error.to_string());
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|error| bad(&error))?
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW)
            .max_frame_size(haulier_protocol::FRAME_SIZE);
        if let Some(pem) = &options.ca_certificate {
            endpoint = endpoint.tls_config(tls::client(pem)?).map_err(|error| {
                Error::new(ErrorKind::InvalidArgument, "read the CA file", deepest(&error))
                    .hint("give the certificate that signed the node's, as PEM")
            })?;
        }
        let authorization = options.token.as_ref().map(|token| bearer(&token.0)).transpose()?;
        Ok(Self { address: address.to_owned(), endpoint, secure, authorization })
    }

    /// host:port, as shown in messages.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection that stands.
    pub(crate) async fn connect(&self, timeout: Duration) -> Result<Channel, Unreachable> {
        let connecting = self.endpoint.clone().connect_timeout(timeout);
        match tokio::time::timeout(timeout, connecting.connect()).await {
            Ok(connected) => connected.map_err(|error| Unreachable {
                gone: matches!(
                    io_kind(&error),
                    Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable)
                ),
                error: self.explain(&error),
            }),
            Err(_) => Err(self.silent(timeout).into()),
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
    fn tokens_stay_out_of_logs() {
        let options = ConnectOptions::new("a").token("s3cret");
        assert!(!format!("{options:?}").contains("s3cret"));
        assert!(!format!("{:?}", Route::new(&options, "a:1").unwrap()).contains("s3cret"));
        assert!(Route::new(&ConnectOptions::new("a").token("a\nb"), "a:1").is_err());
    }

    #[test]
    fn a_file_that_is_no_certificate_is_refused() {
        let error = Route::new(&ConnectOptions::new("a").ca_certificate("nothing"), "a:1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(ConnectOptions::new("a").ca_file("/nowhere/ca.pem").is_err());
    }

    #[tokio::test]
    async fn nobody_there() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let route = Route::new(&ConnectOptions::new(free.to_string()), &free.to_string()).unwrap();
        let Unreachable { error, gone } = route.connect(Duration::from_secs(5)).await.unwrap_err();
        assert!(gone, "the machine says so");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains(&format!("nothing listens on {free}")), "{error}");
        assert!(error.hint_text().contains("haulier node"));
    }
}
