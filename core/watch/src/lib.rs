//! Watches a storage and keeps units in step with it: what appears there is deployed, what changes is deployed again,
//! what goes is undeployed.
//!
//! Owns the rules of watching. It must never know protocols, catalogues or how units are kept: a storage is a
//! [`WatchedStorage`], the node is [`Units`].
//!
//! **Names.** All files below a folder `id/version/` are one unit; so is a file `id-version.jar` (`.zip`, `.whl`, `.py`)
//! at the top. What is neither is reported as ignored. Two of them that give the same unit are reported, and neither is
//! taken.
//!
//! **Settling.** A unit is taken when all its files looked the same in at least two looks in a row and for
//! [`WatchOptions::settle`], and still do after they were read. Else it waits again.
//!
//! **Bad files.** A unit that is refused as `InvalidArgument`, or that has more bytes than allowed, is quarantined: reported, and not tried again until one of
//! its files changes. Any other failure is tried again after 1 second, then after longer, up to 1 minute. What was
//! deployed of an earlier state of the files stays. The other units go on.
//!
//! **By hand wins.** A unit of that id and version that somebody else deployed is left alone, and reported as a conflict
//! until it goes. A unit of the watch that somebody undeploys by hand is deployed again as long as its files are there.
//!
//! **An outage is no deletion.** A unit is undeployed when it was absent in at least two successful looks in a row and
//! for [`WatchOptions::settle`]. While the storage cannot be listed, nothing is deployed or undeployed; it is tried again
//! after 1 second, then after longer, up to 30 seconds. If at least 2 units and more than half of all that are known are
//! absent at once, that is an outage too: nothing is undeployed until at least half of what was known then is back, or
//! fewer than 2 of it are missing, or [`WatchHandle::confirm`] says that it is meant. What is there is deployed all the
//! same. Known are units that were in the storage at the last good look, good or bad, and those that this watch has
//! deployed at any time; of them do not count those whose deletion has been decided already. One unit of one is thus a
//! plain deletion, two of two are an outage, and so is a loss in steps that are shorter than the settling.
//!
//! **Restarts.** Nothing is kept on disk. Each look asks the node what this watch has deployed; what is not in the
//! storage any more counts as absent, by the same rules. Files are read once more after a start, and equal bytes change
//! nothing.

mod engine;
mod folder_events;
mod listing;
mod machine;
mod naming;
mod options;
mod record;
mod sources;
mod status;
mod storage;
mod take;
mod units;

pub use engine::{Watch, WatchHandle};
pub use options::WatchOptions;
pub use status::{Problem, ProblemState, WatchState, WatchStatus};
pub use storage::{Fetched, StoredFile, WatchedStorage};
pub use units::{Units, WatchedUnit};
