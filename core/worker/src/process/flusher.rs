//! The thread that writes results which wait behind a long task.
//!
//! It looks every 100 us while slots leave results behind, and sleeps until it is roused when they do not.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use haulier_model::{Error, Result};
use parking_lot::{Condvar, Mutex};

use super::{outbox::PATIENCE, slot::SlotLink};

/// So many looks in vain, and the flusher sleeps: often enough not to be roused for every batch of a busy slot.
const LOOKS: u32 = 20;

pub(super) struct Flusher {
    awake: AtomicBool,
    roused: Condvar,
    slots: Mutex<Vec<Weak<SlotLink>>>,
}

impl Flusher {
    /// Starts the thread. It lasts as long as the process.
    pub(super) fn start() -> Result<Arc<Self>> {
        let flusher = Arc::new(Self { awake: AtomicBool::new(false), roused: Condvar::new(), slots: Mutex::default() });
        let working = flusher.clone();
        thread::Builder::new()
            .name("haulier-flush".into())
            .spawn(move || {
                // Wakes up on time: the default slack would add half of the period.
                let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1000));
                loop {
                    working.work();
                }
            })
            .map_err(|error| Error::internal("start a thread", error.to_string()).with_source(error))?;
        Ok(flusher)
    }

    pub(super) fn watch(&self, slot: &Arc<SlotLink>) {
        let mut slots = self.slots.lock();
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(slot));
    }

    /// A slot has left a result behind and begins another task.
    pub(super) fn rouse(&self) {
        if !self.awake.load(Ordering::SeqCst) {
            // Under the lock, so that the flusher is not between its last look and its sleep.
            let _slots = self.slots.lock();
            self.awake.store(true, Ordering::SeqCst);
            self.roused.notify_one();
        }
    }

    /// Sleeps until roused, then looks after the slots until nothing has waited for a while.
    fn work(&self) {
        let mut slots = self.slots.lock();
        while !self.awake.load(Ordering::SeqCst) {
            self.roused.wait(&mut slots);
        }
        drop(slots);
        let mut vain = 0;
        while vain < LOOKS {
            thread::sleep(PATIENCE);
            vain = if self.flush(&self.slots.lock()) { 0 } else { vain + 1 };
        }
        // From here on slots rouse; what they left before is seen by one more look.
        let slots = self.slots.lock();
        self.awake.store(false, Ordering::SeqCst);
        if self.flush(&slots) {
            self.awake.store(true, Ordering::SeqCst);
        }
    }

    /// Whether a slot has results that wait.
    fn flush(&self, slots: &[Weak<SlotLink>]) -> bool {
        let now = Instant::now();
        let mut waits = false;
        for slot in slots.iter().filter_map(Weak::upgrade) {
            waits |= slot.flush(now);
        }
        waits
    }
}
