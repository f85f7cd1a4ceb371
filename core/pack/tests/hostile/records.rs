//! Packs as they travel, cut anywhere.

use haulier_model::{Digest, ErrorKind, Hasher, Result};
use haulier_pack::{
    Limits,
    stream::{Event, RecordReader, RecordWriter},
};

use crate::feed;

fn limits() -> Limits {
    Limits { entries: 50, size: 64 << 10, entry_size: 32 << 10, ratio: 200 }
}

fn pack(contents: &[&[u8]]) -> Vec<u8> {
    let (mut writer, mut chunks) = (RecordWriter::default(), Vec::new());
    contents.iter().for_each(|bytes| writer.push(Digest::of(bytes), bytes, &mut chunks));
    writer.finish(&mut chunks);
    chunks.concat()
}

/// Reads a stream and gives the bytes of its whole records.
fn read(bytes: &[u8], cut: usize) -> Result<u64> {
    let mut reader = RecordReader::new(&limits());
    let (mut hasher, mut open, mut total, mut records) = (Hasher::default(), 0, 0, 0);
    for mut chunk in bytes.chunks(cut) {
        while let Some(event) = reader.read(&mut chunk)? {
            match event {
                Event::Start { size, .. } => (hasher, open, records) = (Hasher::default(), size, records + 1),
                Event::Data(data) => {
                    hasher.update(data);
                    open = open.checked_sub(data.len() as u64).expect("a record has no more bytes than it announced");
                    total += data.len() as u64;
                }
                Event::End { digest } => {
                    assert_eq!((open, std::mem::take(&mut hasher).finish()), (0, digest));
                }
            }
        }
    }
    assert!(records <= limits().entries && total <= limits().size);
    reader.finish().map(|()| total)
}

#[test]
fn records() {
    let large: Vec<u8> = (0..5000_u32).map(|number| number as u8).collect();
    let corpus = [pack(&[b"one", b"", b"three"]), pack(&[&large, b"x"]), pack(&[b"same".as_slice(); 60])];
    assert_eq!(read(&corpus[0], 7).unwrap(), 8);
    let mut cut = 0;
    feed(
        &corpus,
        |_| 16 << 10,
        |bytes| {
            cut = cut % 97 + 1;
            let (one, other) = (read(bytes, cut), read(bytes, bytes.len().max(1)));
            assert_eq!(one.is_ok(), other.is_ok(), "the cuts matter");
            match one {
                // Records follow each other without a gap: nothing in the stream is left unread.
                Ok(total) => assert!(total <= bytes.len() as u64),
                Err(error) => {
                    assert!([ErrorKind::InvalidArgument, ErrorKind::ResourceExhausted].contains(&error.kind()))
                }
            }
        },
    );
}
