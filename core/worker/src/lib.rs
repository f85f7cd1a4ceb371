//! Both ends of the link between a node and its worker processes.
//!
//! The node's end ([`Supervisor`], [`Worker`]) runs on tokio: it starts processes, feeds their slots, and says when one
//! is lost. The worker's end ([`WorkerProcess`], [`Zygote`]) is plain blocking code for the bindings: it reads tasks,
//! lets a [`TaskRunner`] run them on the thread that read them, and finds code. Between both stands [`launcher`], which
//! confines a process before it becomes a JVM or an interpreter.
//!
//! This crate must never know gRPC, sessions, scheduling, or what a task's bytes mean.

mod frame;
pub mod launcher;
mod node;
mod process;
mod socket;

pub use haulier_loader::Delegation;
pub use node::{
    Answer, CancelReport, Loss, NodeSide, Preloading, Supervisor, SupervisorOptions, Worker, WorkerId, WorkerSpec,
};
pub use process::{
    BYTECODE_FOLDER, Canceller, ChildLinks, ForkRequest, Found, HelloInfo, PREPARED_FILES, PythonModule, PythonTop,
    Task, TaskOutcome, TaskRunner, WorkerClassPath, WorkerProcess, Zygote, bytecode_in, keep_bytecode,
};
