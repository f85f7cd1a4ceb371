//! The node and every command, in one binary.
fn main() {}
