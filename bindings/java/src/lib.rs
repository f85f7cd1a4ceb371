//! The native half of the Java client and worker: convert and call.
//!
//! One library for both. Owns handles, the conversion of arguments, and the way of answers back into the JVM. It must
//! hold no policy: what is decided is decided in the crates below it. No panic and no Rust error leaves a native
//! function; both become a `HaulierException`.

mod callbacks;
mod client;
mod convert;
mod deployments;
mod failure;
mod handles;
mod load;
mod questions;
mod records;
mod runner;
mod threads;
mod worker;
