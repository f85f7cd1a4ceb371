//! The node that a session is with: the way to it, and the connection for all but the control stream.

use haulier_model::Result;
use tonic::transport::Channel;

use crate::{ConnectOptions, route::Route};

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) route: Route,
    /// The connection for code, payloads and questions; made by its first request.
    pub(crate) data: Channel,
}

impl Line {
    /// The line to `address`; runs on the runtime.
    pub(crate) fn new(options: &ConnectOptions, address: &str) -> Result<Self> {
        let route = Route::new(options, address)?;
        Ok(Self { data: route.connect_lazily(), route })
    }
}
