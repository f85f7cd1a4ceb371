//! A real node on a free port for tests, and the runner of tests/conformance.
