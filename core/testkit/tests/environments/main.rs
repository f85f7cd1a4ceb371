//! Interpreters and environments of Python tasks on real nodes, with an index of small wheels on loopback.
mod bounds;
mod building;
mod explaining;
mod index;
mod interpreters;
mod sessions;
