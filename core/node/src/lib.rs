//! A Haulier node: sessions, scheduling and workers behind the protocol.
