//! Interpreters and environments of Python tasks on real nodes, with an index of small wheels on loopback.
mod building;
mod index;
mod interpreters;
mod sessions;
