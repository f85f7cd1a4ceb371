//! From a class path and a name to bytes: order, policy, absent names.
//!
//! Pure: an index of names, and who is asked for one. Must never know a network, a file, or a language's own loader.

/// Who is asked for a name, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delegation {
    /// The parent alone: what it lacks is absent.
    ParentOnly,
    /// The parent, then the class path.
    ParentFirst,
    /// The class path, then the parent.
    ChildFirst,
    /// The class path, then the platform; never the rest of the parent.
    ChildOnly,
}
