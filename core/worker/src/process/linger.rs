//! Waiting for the next task awake, for as long as it pays.
//!
//! A processor that has gone to sleep takes 20 us and more to wake, on a virtual machine up to 100: as long as the rest
//! of an empty task. A caller that waits for each result sends the next task within that time. Must never cost more
//! than it gives: it gives way to every other thread, only one slot of a process does it, and it stops trying while
//! nothing comes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// The longest wait, about the time of a result's way to the caller and of the next task's way back.
const LINGER: Duration = Duration::from_micros(100);
/// After so many waits in vain...
const VAIN: u32 = 4;
/// ... only one wait in so many is tried awake.
const SELDOM: u32 = 64;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Remembers whether lingering has paid.
#[derive(Default)]
pub(super) struct Linger {
    in_vain: u32,
}

impl Linger {
    /// Asks `ready` again and again, for a while. `false`: nothing came, and the caller must wait asleep.
    pub(super) fn until<E>(&mut self, mut ready: impl FnMut() -> Result<bool, E>) -> Result<bool, E> {
        if self.in_vain >= VAIN && !(self.in_vain - VAIN).is_multiple_of(SELDOM) {
            self.in_vain = self.in_vain.wrapping_add(1).max(VAIN);
            return Ok(false);
        }
        if TAKEN.swap(true, Ordering::Acquire) {
            return Ok(false);
        }
        let begun = Instant::now();
        let came = loop {
            match ready() {
                Ok(false) if begun.elapsed() < LINGER => std::thread::yield_now(),
                answer => break answer,
            }
        };
        TAKEN.store(false, Ordering::Release);
        self.in_vain = if matches!(came, Ok(false)) { self.in_vain.saturating_add(1) } else { 0 };
        came
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_seldom_after_it_was_in_vain() {
        let mut linger = Linger::default();
        let mut tried = 0;
        for _ in 0..VAIN + 2 * SELDOM {
            let mut asked = false;
            assert!(
                !linger
                    .until(|| {
                        asked = true;
                        Ok::<_, ()>(false)
                    })
                    .unwrap()
            );
            tried += u32::from(asked);
        }
        assert_eq!(tried, VAIN + 2);
        while !linger.until(|| Ok::<_, ()>(true)).unwrap() {}
        assert!(linger.until(|| Ok::<_, ()>(true)).unwrap(), "once it has paid, each wait is tried");
    }
}
