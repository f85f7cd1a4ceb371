//! What a task needs: the names reachable from where it starts, through roots that are already read.
//!
//! A closure is what is worth sending ahead, nothing more: what it misses is fetched when it is needed.

mod imports;
mod jvm;
mod python;

pub use jvm::jvm;
pub use python::python;
pub(crate) use python::{is_module, top};
