//! Round trips, damage and limits of record streams.

use haulier_model::ErrorKind;
use proptest::prelude::*;

use super::*;

fn write(records: &[Vec<u8>]) -> Vec<Bytes> {
    let (mut writer, mut out) = (RecordWriter::default(), Vec::new());
    for record in records {
        writer.push(Digest::of(record), record, &mut out);
    }
    writer.finish(&mut out);
    out
}

/// Reads bytes cut at `cut` and gives the records.
fn read(bytes: &[u8], cut: usize, limits: &Limits) -> Result<Vec<Vec<u8>>> {
    let mut reader = RecordReader::new(limits);
    let (mut records, mut record, mut announced) = (Vec::new(), Vec::new(), 0);
    for mut chunk in bytes.chunks(cut.max(1)) {
        while let Some(event) = reader.read(&mut chunk)? {
            match event {
                Event::Start { size, .. } => announced = size,
                Event::Data(data) => record.extend_from_slice(data),
                Event::End { digest } => {
                    assert_eq!((digest, announced), (Digest::of(&record), record.len() as u64));
                    records.push(std::mem::take(&mut record));
                }
            }
        }
    }
    reader.finish().map(|()| records)
}

#[test]
fn chunks_are_full_but_the_last() {
    let chunks = write(&[vec![1; 700 << 10], vec![], vec![2; 10]]);
    let sizes: Vec<_> = chunks.iter().map(Bytes::len).collect();
    assert_eq!(sizes[..2], [CHUNK_SIZE; 2]);
    assert_eq!(sizes.iter().sum::<usize>(), (700 << 10) + 10 + 3 * HEADER_SIZE);
    assert!(write(&[]).is_empty());
}

#[test]
fn damage_is_an_error() {
    let bytes = write(&[b"one".to_vec(), b"two".to_vec()]).concat();
    let limits = Limits::default();
    for end in 0..bytes.len() {
        let whole = end == 0 || end == HEADER_SIZE + 3;
        assert_eq!(read(&bytes[..end], 7, &limits).is_ok(), whole, "{end}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(read(&damaged, 7, &limits).is_err(), "{at}");
    }
    let swapped = [&bytes[HEADER_SIZE..], &bytes[..HEADER_SIZE]].concat();
    assert!(read(&swapped, 7, &limits).is_err());
}

#[test]
fn limits_hold_before_the_bytes_come() {
    let default = Limits::default();
    let mut huge = Digest::of(b"x").as_bytes().to_vec();
    huge.extend_from_slice(&u64::MAX.to_le_bytes());
    let records = write(&[vec![0; 5], vec![0; 5]]).concat();
    for (bytes, limits) in [
        (&huge, default.clone()),
        (&records, Limits { entries: 1, ..default.clone() }),
        (&records, Limits { entry_size: 4, ..default.clone() }),
        (&records, Limits { size: 9, ..default }),
    ] {
        assert_eq!(read(bytes, 1, &limits).unwrap_err().kind(), ErrorKind::ResourceExhausted);
    }
}

#[test]
fn a_failed_reader_stays_failed() {
    let mut reader = RecordReader::new(&Limits::default());
    let mut bytes = Digest::of(b"x").as_bytes().to_vec();
    bytes.extend_from_slice(&1u64.to_le_bytes());
    bytes.push(b'y');
    let mut chunk = &bytes[..];
    while let Ok(Some(_)) = reader.read(&mut chunk) {}
    assert!(reader.read(&mut &b"more"[..]).is_err());
    assert!(reader.finish().is_err());
}

proptest! {
    #[test]
    fn round_trip(records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..8), cut in 1usize..300) {
        let bytes = write(&records).concat();
        prop_assert_eq!(read(&bytes, cut, &Limits::default()).unwrap(), records);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 1usize..50) {
        let _ = read(&bytes, cut, &Limits::default());
    }
}
