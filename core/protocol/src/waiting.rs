//! What a client that runs in a worker tells the worker's node: how many of the tasks there may wait for tasks of their
//! own. It writes records to a pipe that only this process has, whichever node it is connected to.
//!
//! Owns the name of the pipe and the form of a record. Must never know who reads, or what is done with it.

use std::{fmt, str::FromStr};

/// The variable that names the pipe to clients in the worker: a [`WaitingPipe`].
pub const WAITING_VARIABLE: &str = "HAULIER_WAITING";

/// A pipe by descriptor and inode: a process that has inherited the variable alone has another file there, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingPipe {
    /// The number of its writing end.
    pub descriptor: i32,
    /// Its inode, the same for both ends.
    pub inode: u64,
}

impl fmt::Display for WaitingPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.descriptor, self.inode)
    }
}

impl FromStr for WaitingPipe {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (descriptor, inode) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self { descriptor: descriptor.parse()?, inode: inode.parse()? })
    }
}

/// One record: what was said before by the same source does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingRecord {
    /// A client library in a process; a process may have several.
    pub source: u64,
    /// Tasks that may wait for tasks of their own.
    pub tasks: u32,
}

impl WaitingRecord {
    /// The size of a record, in bytes; small enough that a pipe takes it whole or not at all.
    pub const SIZE: usize = 12;

    /// As it is written.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..8].copy_from_slice(&self.source.to_le_bytes());
        bytes[8..].copy_from_slice(&self.tasks.to_le_bytes());
        bytes
    }

    /// As it is read.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, e, f, g, h, tasks @ ..] = bytes;
        Self { source: u64::from_le_bytes([a, b, c, d, e, f, g, h]), tasks: u32::from_le_bytes(tasks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let record = WaitingRecord { source: u64::MAX - 7, tasks: 3 };
        assert_eq!(WaitingRecord::from_bytes(record.to_bytes()), record);
        let pipe = WaitingPipe { descriptor: 7, inode: 123_456 };
        assert_eq!(pipe.to_string().parse(), Ok(pipe));
        assert!(["", "7", "7:", ":7", "x:1"].iter().all(|text| text.parse::<WaitingPipe>().is_err()));
    }
}
