//! Frames: a length (u32, little endian) and an encoded message of that length.
//!
//! Must never know what the messages mean.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use haulier_protocol::Message;

/// The largest message in a frame, in bytes: larger payloads travel in files.
pub(crate) const LIMIT: usize = 64 * 1024 * 1024;

/// Room for the bytes of many small frames, read or written at once.
pub(crate) const BATCH: usize = 64 * 1024;

const HEADER: usize = size_of::<u32>();

/// Bytes that are no frame, or a message that cannot be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes; the limit is {LIMIT}")]
    TooLarge(usize),
    #[error("a frame that is no message: {0}")]
    Malformed(String),
}

/// Appends a message with its length.
pub(crate) fn encode(message: &impl Message, into: &mut BytesMut) -> Result<(), FrameError> {
    let size = message.encoded_len();
    if size > LIMIT {
        return Err(FrameError::TooLarge(size));
    }
    into.reserve(HEADER + size);
    into.put_u32_le(size as u32);
    message.encode(into).expect("a BytesMut grows as far as is needed");
    Ok(())
}

/// A frame of its own.
pub(crate) fn encoded(message: &impl Message) -> Result<Bytes, FrameError> {
    let mut bytes = BytesMut::new();
    encode(message, &mut bytes)?;
    Ok(bytes.freeze())
}

/// Takes the next whole frame out of what was read, without copying. `None`: there must be more bytes, and there is
/// room for them.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
    let size = u32::from_le_bytes(*header) as usize;
    if size > LIMIT {
        return Err(FrameError::TooLarge(size));
    }
    if buffer.len() < HEADER + size {
        buffer.reserve(HEADER + size - buffer.len());
        return Ok(None);
    }
    buffer.advance(HEADER);
    Ok(Some(buffer.split_to(size).freeze()))
}

/// Reads a message; its `bytes` fields share the frame's memory.
pub(crate) fn decode<M: Message + Default>(frame: Bytes) -> Result<M, FrameError> {
    M::decode(frame).map_err(|error| FrameError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use haulier_protocol::v1;

    use super::*;

    fn task(id: u64, size: usize) -> v1::TaskFrame {
        v1::TaskFrame { task_id: id, payload: vec![7; size].into(), ..Default::default() }
    }

    #[test]
    fn frames_survive_any_split() {
        let tasks: Vec<_> =
            [0, 1, 127, 128, 70_000].iter().enumerate().map(|(id, size)| task(id as u64, *size)).collect();
        let mut stream = BytesMut::new();
        tasks.iter().for_each(|task| encode(task, &mut stream).unwrap());
        for step in [1, 2, 3, 5, 1000, stream.len()] {
            let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
            for chunk in stream.chunks(step) {
                buffer.extend_from_slice(chunk);
                while let Some(frame) = take(&mut buffer).unwrap() {
                    read.push(decode::<v1::TaskFrame>(frame).unwrap());
                }
            }
            assert_eq!(read, tasks, "in steps of {step}");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn payloads_are_not_copied() {
        let mut stream = BytesMut::new();
        encode(&task(1, 1000), &mut stream).unwrap();
        let memory = stream.as_ptr_range();
        let read: v1::TaskFrame = decode(take(&mut stream).unwrap().unwrap()).unwrap();
        assert!(memory.contains(&read.payload.as_ptr()));
    }

    #[test]
    fn hostile_lengths_are_refused() {
        let mut huge = BytesMut::from(&u32::MAX.to_le_bytes()[..]);
        assert!(matches!(take(&mut huge), Err(FrameError::TooLarge(_))));
        assert!(matches!(encode(&task(1, LIMIT), &mut BytesMut::new()), Err(FrameError::TooLarge(_))));
        assert!(matches!(decode::<v1::TaskFrame>(Bytes::from_static(b"\xff\xff")), Err(FrameError::Malformed(_))));
    }
}
