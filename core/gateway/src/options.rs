//! What can be set, and the limits that cannot.

use std::{path::PathBuf, sync::Arc, time::Duration};

/// How a gateway serves.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Names by which requests may address the gateway (`Host`), besides `localhost`, loopback addresses and the address
    /// that the connection came to: `deploy.example.org`, with or without a port. None by default.
    pub hosts: Vec<String>,
    /// Where uploads lie until they are deployed; made if it is missing. It must belong to this gateway alone: uploads
    /// that a crash left there are removed at the start.
    pub temp: PathBuf,
    /// The most bytes that one upload may have; 4 GiB by default.
    pub upload_limit: u64,
    /// How long a client may be silent within a request; 30 seconds by default.
    pub silence: Duration,
    /// How long requests may go on after the stop; 10 seconds by default.
    pub grace: Duration,
    /// Certificate and key for HTTPS; none, and so HTTP, by default. Its protocols (ALPN) are replaced by `http/1.1`.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl GatewayOptions {
    /// The defaults, with uploads in `temp`.
    pub fn new(temp: impl Into<PathBuf>) -> Self {
        Self {
            hosts: Vec::new(),
            temp: temp.into(),
            upload_limit: 4 << 30,
            silence: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            tls: None,
        }
    }
}

/// Connections at a time; more wait in the kernel.
pub(crate) const CONNECTIONS: usize = 256;
/// Uploads at a time; more are refused with 503.
pub(crate) const UPLOADS: usize = 8;
/// Files of one upload.
pub(crate) const FILES: usize = 10_000;
/// Parts of one path; together with [`FILES`] it bounds the folders that an upload can make.
pub(crate) const PATH_PARTS: usize = 64;
/// Bytes that are read from a connection at a time, and so the most that a request's head may have.
pub(crate) const READ_SIZE: usize = 64 * 1024;
