//! What the locks of a unit say, for `inspect`. Must never know how they are installed.

use haulier_model::{Entry, Root};
use haulier_protocol::v1;
use haulier_requirements::Lock;

use crate::core::NodeCore;

/// The distributions that the locks among these roots name, sorted by name. One that cannot be read names none: who
/// deploys may send anything.
pub(super) fn pinned(node: &NodeCore, roots: &[Root]) -> Vec<v1::PinnedRequirement> {
    let is_lock = |entry: &&Entry| entry.path.as_str() == Lock::FILE && entry.size <= Lock::LIMIT as u64;
    let locks = roots.iter().filter_map(|root| root.entries.iter().find(is_lock));
    let read = |entry: &Entry| {
        let bytes = tokio::task::block_in_place(|| node.store.read(&entry.digest)).ok()?;
        Lock::parse(std::str::from_utf8(&bytes).ok()?).ok()
    };
    let pins = locks.filter_map(read).flat_map(|lock| lock.pins().to_vec()).collect();
    let lock = Lock::of(pins).unwrap_or_default();
    lock.pins()
        .iter()
        .map(|pin| v1::PinnedRequirement {
            name: pin.name.clone(),
            version: pin.version.clone(),
            marker: pin.marker.clone(),
        })
        .collect()
}
