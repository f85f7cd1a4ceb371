//! The catalogue: single-key compare-and-set records.
