//! HTTP in front of the deployment engine: the six calls of Apache Ignite 3's REST interface for deployment units, so
//! that `curl` and existing scripts can deploy.
//!
//! It owns HTTP: routes, multipart, tokens, the rules for `Host` and `Origin`, the OpenAPI document, problem documents.
//! It must never know gRPC, catalogues or stores: all that it asks for is a [`UnitEngine`].
//!
//! ```text
//! curl -H "Authorization: Bearer $TOKEN" -F unitContent=@pricing.jar \
//!     'http://127.0.0.1:10300/management/v1/deployment/units/pricing/1.2.0?deployMode=ALL'
//! ```

mod access;
mod calls;
mod connection;
mod engine;
mod listing;
mod options;
mod parameters;
mod problem;
mod routes;
mod server;
mod structure;
mod upload;

pub use engine::{Content, GatewayDeploy, GatewayFile, GatewayUnit, Scope, UnitEngine, UnitState};
pub use options::GatewayOptions;
pub use server::serve;

/// What the paths of all calls for deployments begin with.
pub const BASE_PATH: &str = "/management/v1/deployment";
