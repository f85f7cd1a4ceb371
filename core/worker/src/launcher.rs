//! `haulier exec-worker`: confines the process that it runs in and becomes a JVM or an interpreter.

use std::ffi::OsString;

/// Becomes the worker that `arguments` (what follows `exec-worker`) describe. Call it first thing in `main`, before
/// any thread exists. Does not return: on failure it says why on standard error and exits with 126.
pub fn exec_worker(arguments: impl IntoIterator<Item = OsString>) -> ! {
    let _ = arguments.into_iter();
    unimplemented!("signatures first")
}
