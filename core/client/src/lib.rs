//! The native client of Haulier: deploy code and submit tasks to a cluster.
