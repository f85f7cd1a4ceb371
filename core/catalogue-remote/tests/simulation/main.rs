//! Owner and members in a simulated network, whose faults and whose time belong to the test.
//!
//! Set `HAULIER_SOAK` to a number of seeds to run that many instead of a few dozen.

mod faults;
mod network;
mod random;
