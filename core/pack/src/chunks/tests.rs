//! Chunks: the same however the bytes come, bounded, and little changed by a small change.

use std::collections::HashSet;

use haulier_model::ErrorKind;

use super::*;

/// Bytes without repetition.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb).to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(size).collect()
}

fn chunks(bytes: &[u8], piece: usize) -> Vec<Chunk> {
    let mut chunker = Chunker::default();
    bytes.chunks(piece).for_each(|piece| chunker.push(piece));
    chunker.finish()
}

#[test]
fn pieces_do_not_matter() {
    let bytes = noise(1, 21 << 20);
    let whole = chunks(&bytes, bytes.len());
    for piece in [1009, 64 << 10, LARGEST_CHUNK, WINDOW - 1, WINDOW + 1] {
        assert_eq!(chunks(&bytes, piece), whole, "pieces of {piece}");
    }
    // As the library cuts what is in memory at once.
    let expected = FastCDC::new(&bytes, SMALLEST_CHUNK, AVERAGE_CHUNK, LARGEST_CHUNK);
    let sizes: Vec<usize> = whole.iter().map(|chunk| chunk.size as usize).collect();
    assert_eq!(sizes, expected.map(|chunk| chunk.length).collect::<Vec<_>>());
}

#[test]
fn chunks_are_the_bytes_in_order_and_within_bounds() {
    for size in [0, 1, SMALLEST_CHUNK, LARGEST_CHUNK, 9 << 20, 40 << 20] {
        let bytes = noise(2, size);
        let (chunks, mut start) = (chunks(&bytes, 1 << 20), 0);
        for (index, chunk) in chunks.iter().enumerate() {
            let end = start + chunk.size as usize;
            assert_eq!(chunk.digest, Digest::of(&bytes[start..end]));
            let last = index + 1 == chunks.len();
            assert!(chunk.size as usize <= LARGEST_CHUNK && (last || chunk.size as usize >= SMALLEST_CHUNK));
            start = end;
        }
        assert_eq!(start, size);
        assert!(ChunkedEntry::new(Digest::of(&bytes), size as u64, chunks).is_ok());
    }
    let average = (40 << 20) / chunks(&noise(2, 40 << 20), 1 << 20).len();
    assert!((AVERAGE_CHUNK / 2..2 * AVERAGE_CHUNK).contains(&average), "{average} bytes on average");
}

#[test]
fn a_small_change_changes_few_chunks() {
    let bytes = noise(3, 32 << 20);
    let before: HashSet<Digest> = chunks(&bytes, 1 << 20).iter().map(|chunk| chunk.digest).collect();
    let fresh =
        |changed: &[u8]| chunks(changed, 1 << 20).iter().filter(|chunk| !before.contains(&chunk.digest)).count();
    for at in [0, 1000, 7 << 20, (32 << 20) - 1] {
        let mut inserted = bytes.clone();
        inserted.insert(at, 1);
        assert!((1..=4).contains(&fresh(&inserted)), "inserted at {at}: {} are new", fresh(&inserted));
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!((1..=4).contains(&fresh(&changed)), "changed at {at}: {} are new", fresh(&changed));
    }
}

#[test]
fn what_does_not_add_up_is_refused() {
    let chunk = |size| Chunk { digest: Digest::of(b"x"), size };
    let entry = |size, chunks| ChunkedEntry::new(Digest::of(b"entry"), size, chunks).map_err(|error| error.kind());
    assert!(entry(7, vec![chunk(3), chunk(4)]).is_ok());
    for (size, chunks) in [
        (8, vec![chunk(3), chunk(4)]),
        (3, vec![chunk(3), chunk(0)]),
        (LARGEST_CHUNK as u64 + 1, vec![chunk(LARGEST_CHUNK as u32 + 1)]),
        (1, vec![]),
    ] {
        assert_eq!(entry(size, chunks), Err(ErrorKind::InvalidArgument));
    }
    let many = vec![chunk(1); MOST_CHUNKS + 1];
    assert_eq!(entry(many.len() as u64, many), Err(ErrorKind::ResourceExhausted));
}
