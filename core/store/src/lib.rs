//! Blobs by digest and the life cycle of units over a catalogue.
