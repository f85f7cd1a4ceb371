//! The code of this client.

use haulier_model::{Error, ErrorKind, Result};

use crate::CodeReference;

/// The code of one class loader or interpreter of this client, as the cluster may load it.
#[derive(Debug)]
pub struct CodeScope {}

impl CodeScope {
    /// Makes sure that the node has what `start` needs to begin, and returns what a submission refers to.
    ///
    /// `start` are JVM class names ("com/acme/Task") or Python modules ("mypackage.scoring"). Sends what is new: their
    /// closure over the roots of the scope, as far as the node lacks it. Called again with the same names it is a
    /// look-up. Blocks; must not be called on a thread that runs asynchronous code.
    pub fn prepare(&self, _start: &[String]) -> Result<CodeReference> {
        Err(Error::new(ErrorKind::Unavailable, "prepare code", "the transport is not in place yet"))
    }
}
