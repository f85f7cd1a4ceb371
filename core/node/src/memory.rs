//! Workers that have grown too large: another one takes the place of each, and no task is lost.
//!
//! Looks at the memory that the kernel counts for a process, so that heaps, metaspace and what native code has taken count
//! alike. Must never know what is in it.

use std::{fs, sync::Arc};

use crate::core::NodeCore;

/// Replaces the workers whose resident memory is above the limit, if there is one. One that has run no task yet stays: a
/// new one would be as large.
pub(crate) fn check(node: &Arc<NodeCore>) {
    let Some(limit) = node.limits.resident else { return };
    for worker in node.scheduler.used_workers() {
        let Some(resident) = resident(worker.process_id()) else { continue };
        if resident > limit && node.scheduler.replace(worker.id()) {
            tracing::warn!(
                worker = %worker.id(),
                language = worker.language().name(),
                resident,
                limit,
                "this worker has more memory than it may: a new one takes its place"
            );
        }
    }
}

/// The resident bytes of a process; `None` if it has ended.
fn resident(process_id: u32) -> Option<u64> {
    let counted = fs::read_to_string(format!("/proc/{process_id}/statm")).ok()?;
    let pages: u64 = counted.split(' ').nth(1)?.parse().ok()?;
    u64::try_from(rustix::param::page_size()).ok().map(|size| pages * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_pages() {
        let own = resident(std::process::id()).expect("this process runs");
        assert!((1 << 20..1 << 36).contains(&own), "{own}");
        assert_eq!(resident(0), None);
    }
}
