//! The native half of the Python package: convert and call.
