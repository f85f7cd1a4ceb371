//! How this node reaches other nodes: the cluster's token, and what it trusts.

use std::time::Duration;

use haulier::ConnectOptions;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{AUTHORIZATION, tls};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

/// A node that does not take a connection within this time is not there.
const CONNECT: Duration = Duration::from_secs(1);
const WINDOW: u32 = 4 * 1024 * 1024;

/// The way to other nodes.
#[derive(Clone)]
pub(crate) struct Dialer {
    token: Option<String>,
    authorization: Option<MetadataValue<Ascii>>,
    ca: Option<Vec<u8>>,
}

impl Dialer {
    pub(crate) fn new(token: Option<String>, ca: Option<Vec<u8>>) -> Result<Self> {
        let bearer = |token: &String| {
            let value: Result<MetadataValue<Ascii>, _> = format!("Bearer {}", token.trim()).parse();
            value.map_err(|_| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    "read the cluster's token",
                    "it has characters that cannot be sent",
                )
                .hint("a token is one line of printable ASCII")
            })
        };
        let mut authorization = token.as_ref().map(bearer).transpose()?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Self { token: token.map(|token| token.trim().to_owned()), authorization, ca })
    }

    /// A connection that is made by its first request, and again after each loss.
    pub(crate) fn channel(&self, address: &str) -> Result<Channel> {
        Ok(self.endpoint(address)?.connect_lazy())
    }

    pub(crate) fn endpoint(&self, address: &str) -> Result<Endpoint> {
        let bad = |error: tonic::transport::Error| {
            Error::new(ErrorKind::InvalidArgument, "dial a node", format!("'{address}': {error}"))
                .hint("give host and port: --join HOST:PORT, --advertise HOST:PORT")
        };
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(bad)?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(4 * WINDOW)
            .max_frame_size(haulier_protocol::FRAME_SIZE);
        match &self.ca {
            Some(pem) => endpoint.tls_config(tls::client(pem)?).map_err(bad),
            None => Ok(endpoint),
        }
    }

    pub(crate) fn authorization(&self) -> Option<MetadataValue<Ascii>> {
        self.authorization.clone()
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    /// For a session at the node of this address.
    pub(crate) fn options(&self, address: &str) -> ConnectOptions {
        let mut options = ConnectOptions::new(address).connect_timeout(CONNECT);
        if let Some(token) = &self.token {
            options = options.token(token);
        }
        if let Some(ca) = &self.ca {
            options = options.ca_certificate(ca.clone());
        }
        options
    }
}
