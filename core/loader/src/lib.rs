//! From a class path and a name to bytes: order, policy, absent names.
