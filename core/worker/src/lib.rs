//! Both ends of the link between node and worker.
