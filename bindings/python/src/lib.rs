//! The native half of the Python package: convert and call.
//!
//! One library serves both ends: `haulier._native` in clients, `haulier_worker._native` in workers. It makes no decision
//! that the core could make, and it keeps nothing global but what a signal handler reads.

mod buffers;
mod client;
mod completions;
mod deployment;
mod deployments;
mod errors;
mod pickles;
mod records;
mod values;
mod worker;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<buffers::Payload>()?;
    module.add_class::<client::Cluster>()?;
    module.add_class::<client::Scope>()?;
    module.add_class::<client::Template>()?;
    module.add_class::<completions::Completions>()?;
    module.add_class::<deployment::Deployment>()?;
    module.add_class::<deployments::Deployments>()?;
    module.add_class::<worker::ChildLinks>()?;
    module.add_class::<worker::ClassPath>()?;
    module.add_class::<worker::ForkRequest>()?;
    module.add_class::<worker::Worker>()?;
    module.add_class::<worker::Zygote>()?;
    module.add_function(wrap_pyfunction!(buffers::join_buffers, module)?)?;
    module.add_function(wrap_pyfunction!(completions::finish, module)?)?;
    module.add_function(wrap_pyfunction!(pickles::pickled_modules, module)?)?;
    module.add_function(wrap_pyfunction!(values::encode_arguments, module)?)?;
    module.add_function(wrap_pyfunction!(values::decode_arguments, module)?)?;
    module.add_function(wrap_pyfunction!(values::encode_value, module)?)?;
    module.add_function(wrap_pyfunction!(values::decode_value, module)?)?;
    module.add_function(wrap_pyfunction!(worker::interrupt_with, module)?)?;
    module.add_function(wrap_pyfunction!(worker::take_cancel, module)?)?;
    Ok(())
}
