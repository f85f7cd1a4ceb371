//! Records that travel: `[digest: 32 bytes][size: u64, little endian][bytes]`, cut into chunks of at most 256 KiB.
//!
//! The cuts know nothing of the records. The reader verifies each record while it passes, keeps none of it, and never
//! believes a size before it has seen the bytes.

use bytes::{Bytes, BytesMut};
use haulier_model::{Digest, Hasher, Result};

use crate::{Limits, refusal};

/// The most bytes of a chunk.
pub const CHUNK_SIZE: usize = 256 << 10;

const HEADER_SIZE: usize = Digest::SIZE + 8;

/// Turns records into chunks.
///
/// ```
/// use haulier_model::Digest;
/// use haulier_pack::{Limits, stream::{Event, RecordReader, RecordWriter}};
///
/// let (mut writer, mut chunks) = (RecordWriter::default(), Vec::new());
/// writer.push(Digest::of(b"class"), b"class", &mut chunks);
/// writer.finish(&mut chunks);
///
/// let mut reader = RecordReader::new(&Limits::default());
/// for chunk in &chunks {
///     let mut rest = &chunk[..];
///     while let Some(event) = reader.read(&mut rest)? {
///         if let Event::End { digest } = event {
///             assert_eq!(digest, Digest::of(b"class"));
///         }
///     }
/// }
/// reader.finish()?;
/// # Ok::<(), haulier_model::Error>(())
/// ```
#[derive(Default)]
pub struct RecordWriter {
    buffer: BytesMut,
}

impl RecordWriter {
    /// Writes a record; each chunk that is full is added to `out`.
    pub fn push(&mut self, digest: Digest, bytes: &[u8], out: &mut Vec<Bytes>) {
        self.start(digest, bytes.len() as u64, out);
        self.data(bytes, out);
    }

    /// Begins a record whose `size` bytes follow by [`RecordWriter::data`], for content that should not be in memory
    /// at once.
    pub fn start(&mut self, digest: Digest, size: u64, out: &mut Vec<Bytes>) {
        self.data(digest.as_bytes(), out);
        self.data(&size.to_le_bytes(), out);
    }

    /// Writes bytes of the record begun last.
    pub fn data(&mut self, mut bytes: &[u8], out: &mut Vec<Bytes>) {
        while !bytes.is_empty() {
            if self.buffer.capacity() == 0 {
                self.buffer.reserve(CHUNK_SIZE.min(bytes.len().next_power_of_two().max(4096)));
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_SIZE - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == CHUNK_SIZE {
                out.push(std::mem::take(&mut self.buffer).freeze());
            }
        }
    }

    /// Adds the last chunk to `out`, unless it is empty.
    pub fn finish(self, out: &mut Vec<Bytes>) {
        if !self.buffer.is_empty() {
            out.push(self.buffer.freeze());
        }
    }
}

/// What a [`RecordReader`] saw next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A record begins.
    Start {
        /// What its bytes will have to hash to.
        digest: Digest,
        /// How many bytes follow.
        size: u64,
    },
    /// Bytes of the record, not verified yet.
    Data(&'a [u8]),
    /// The record is whole and verified.
    End {
        /// The digest of its bytes.
        digest: Digest,
    },
}

/// Turns chunks, cut anywhere, into records, and verifies them.
pub struct RecordReader {
    limits: Limits,
    state: State,
    records: usize,
    size: u64,
}

enum State {
    Header { bytes: [u8; HEADER_SIZE], filled: usize },
    Data { digest: Digest, remaining: u64, hasher: Hasher },
    Failed,
}

impl State {
    const NEW: Self = Self::Header { bytes: [0; HEADER_SIZE], filled: 0 };
}

impl RecordReader {
    /// A reader of at most `limits.entries` records, of at most `limits.entry_size` bytes each and `limits.size` in all.
    pub fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), state: State::NEW, records: 0, size: 0 }
    }

    /// Takes the next event out of `chunk`; `None` when it is used up. Errors: `InvalidArgument` if a record does not
    /// hash to its digest, `ResourceExhausted` beyond a limit; after an error every call fails.
    pub fn read<'a>(&mut self, chunk: &mut &'a [u8]) -> Result<Option<Event<'a>>> {
        let event = self.step(chunk);
        if event.is_err() {
            self.state = State::Failed;
        }
        event.map_err(|error| error.in_operation("read a pack"))
    }

    /// Ends the stream; `InvalidArgument` if it ends inside a record.
    pub fn finish(self) -> Result<()> {
        let problem = match self.state {
            State::Header { filled: 0, .. } => return Ok(()),
            State::Header { .. } => "it ends inside the header of a record".to_owned(),
            State::Data { digest, remaining, .. } => format!("it ends {remaining} bytes before the end of {digest}"),
            State::Failed => FAILED.to_owned(),
        };
        Err(refusal::refused(problem).in_operation("read a pack"))
    }

    /// Whether the stream may end here: no record is open.
    pub fn at_boundary(&self) -> bool {
        matches!(self.state, State::Header { filled: 0, .. })
    }

    fn step<'a>(&mut self, chunk: &mut &'a [u8]) -> Result<Option<Event<'a>>> {
        match &mut self.state {
            State::Failed => Err(refusal::refused(FAILED)),
            State::Header { bytes, filled } => {
                let (now, rest) = chunk.split_at(chunk.len().min(HEADER_SIZE - *filled));
                bytes[*filled..*filled + now.len()].copy_from_slice(now);
                *filled += now.len();
                *chunk = rest;
                if *filled < HEADER_SIZE {
                    return Ok(None);
                }
                let (digest, size) = bytes.split_at(Digest::SIZE);
                let digest = Digest::from_slice(digest)?;
                let size = u64::from_le_bytes(size.try_into().expect("a header ends with 8 bytes"));
                self.begin(digest, size).map(Some)
            }
            State::Data { digest, remaining: 0, hasher } => {
                let (expected, found) = (*digest, std::mem::take(hasher).finish());
                if expected != found {
                    return Err(refusal::refused(format!("a record promised as {expected} is {found}")));
                }
                self.state = State::NEW;
                Ok(Some(Event::End { digest: expected }))
            }
            State::Data { remaining, hasher, .. } => {
                if chunk.is_empty() {
                    return Ok(None);
                }
                let length = usize::try_from(*remaining).unwrap_or(usize::MAX).min(chunk.len());
                let (now, rest) = chunk.split_at(length);
                hasher.update(now);
                *remaining -= now.len() as u64;
                *chunk = rest;
                Ok(Some(Event::Data(now)))
            }
        }
    }

    fn begin(&mut self, digest: Digest, size: u64) -> Result<Event<'static>> {
        self.records += 1;
        self.size = self.size.saturating_add(size);
        if self.records > self.limits.entries {
            return Err(refusal::limit("more records than allowed", self.limits.entries as u64));
        }
        if size > self.limits.entry_size {
            return Err(refusal::limit(format!("{digest} has {size} bytes"), self.limits.entry_size));
        }
        if self.size > self.limits.size {
            return Err(refusal::limit(format!("{} bytes in all", self.size), self.limits.size));
        }
        self.state = State::Data { digest, remaining: size, hasher: Hasher::default() };
        Ok(Event::Start { digest, size })
    }
}

const FAILED: &str = "it failed before";

#[cfg(test)]
mod tests;
