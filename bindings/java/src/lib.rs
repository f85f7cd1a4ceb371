//! The native half of the Java client and worker: convert and call.
