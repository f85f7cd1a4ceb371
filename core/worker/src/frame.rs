//! Frames: a length (u32, little endian) and a message.
