//! Generated gRPC code and conversions; the only crate that knows prost.
