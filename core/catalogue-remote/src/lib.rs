//! The catalogue of another node: [`CatalogueServer`] serves it where it is, [`RemoteCatalogue`] is what the nodes have
//! that joined.
//!
//! It owns how members and owner find each other again, and the copy that reads are answered from while they have not.
//! It must never know what records mean, nor who may ask: that is decided by the node that serves.

mod convert;
mod copy;
mod follow;
mod link;
mod remote;
mod server;

pub use remote::{RemoteCatalogue, RemoteOptions, RemoteStatus};
pub use server::CatalogueServer;

use std::time::Duration;

/// How often a watch says that it lives, where nothing changes.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// For how long a watch may be silent until its connection is given up.
const SILENCE: Duration = Duration::from_secs(2);

/// About how many bytes of records go into one message; a single record more, and it is still far below
/// [`haulier_protocol::MESSAGE_LIMIT`].
const PAGE_SIZE: usize = 1 << 20;
