//! The protocol of Haulier: generated messages and services, conversions to the types of `haulier-model`, values,
//! errors in gRPC statuses, TLS. The only crate that knows prost; its types stay in protocol, client, node and worker.

mod convert;
pub mod errors;
pub mod status;
pub mod tls;
pub mod values;
pub mod waiting;

/// The largest HTTP/2 frame that both sides take: a chunk of code or of a payload fits into one.
pub const FRAME_SIZE: u32 = 512 << 10;

/// Encodes and decodes the messages of [`v1`].
pub use prost::Message;

/// Generated from `proto/haulier/v1` by `cargo xtask codegen`.
#[allow(missing_docs, clippy::all, rustdoc::all)]
#[rustfmt::skip]
pub mod v1 {
    include!("generated/haulier.v1.rs");
}

/// The version of the protocol between client, node and worker. Both sides must speak the same one: clients of version 1
/// do not say that they are in a worker, so that a task which waits for another one might wait for ever.
pub const PROTOCOL_VERSION: u32 = 2;

/// Large enough for a batch of the control stream or a chunk of a pack, small enough to bound what a stranger can make
/// us buffer.
pub const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// Chunks of packs and payloads on data streams, in bytes.
pub const CHUNK_SIZE: usize = 256 * 1024;

/// The metadata key that carries the token: `authorization: Bearer TOKEN`.
pub const AUTHORIZATION: &str = "authorization";

/// Version of Haulier and a hash of what the two ends of a worker link must share: "0.1.0+1a2b3c4d".
pub const fn build_id() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), "+", env!("HAULIER_SOURCES"))
}
