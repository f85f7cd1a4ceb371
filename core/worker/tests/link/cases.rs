//! What must hold on the link.

pub mod code;
pub mod confinement;
pub mod death;
pub mod queue;
pub mod start;
pub mod tasks;
pub mod template;
pub mod zygote;
