//! What strangers send: archives that lie, and the real thing with damage. Each reader is given damage for two seconds,
//! for a minute with `HAULIER_SOAK` set, always from the same seed.
//!
//! Whatever the bytes: no panic, an answer in time, memory in proportion to what is there and not to what is claimed, and
//! either an error or content that is what it says it is.

mod archives;
mod bombs;
mod built;
mod classes;
mod ends;
mod manifests;
mod memory;
mod mutation;
mod names;
mod records;
mod scanning;

use std::time::{Duration, Instant};

use mutation::Mutation;

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// How long one input may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gives damaged forms of `corpus` to `reader` until the time is up. `most` is the most memory for an input of that many
/// bytes.
fn feed(corpus: &[Vec<u8>], most: impl Fn(usize) -> usize, mut reader: impl FnMut(&[u8])) {
    let time = Duration::from_secs(if std::env::var_os("HAULIER_SOAK").is_some() { 60 } else { 2 });
    let mut mutation = Mutation::new(0x6861_756c_6965_7221);
    let (begun, mut inputs) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        let input = mutation.of(corpus);
        let before = Instant::now();
        let peak = memory::peak(|| reader(&input));
        let took = before.elapsed();
        let shown = || format!("input {inputs}: {}", input[..input.len().min(600)].escape_ascii());
        assert!(took < PATIENCE, "{took:?} for {}", shown());
        assert!(peak <= most(input.len()), "{peak} bytes of memory for {} bytes, {}", input.len(), shown());
        inputs += 1;
    }
    println!("{inputs} inputs in {:?}", begun.elapsed());
    assert!(inputs > 20, "only {inputs} inputs");
}
