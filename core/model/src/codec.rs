//! Languages, and how the bytes of arguments and results are to be read.

/// The languages that a worker or a client can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// The native client.
    Rust,
    /// Any JVM language.
    Java,
    /// CPython.
    Python,
}

impl Language {
    /// The name in messages and configuration: "java".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Java => "java",
            Self::Python => "python",
        }
    }

    /// The language of a named task: Python has `module:callable`, Java a class name or `Class#staticMethod`.
    pub fn of_entry_point(entry_point: &str) -> Self {
        if entry_point.contains(':') { Self::Python } else { Self::Java }
    }
}

/// What the bytes of an argument or a result are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// A [`Value`](crate::Value); every language reads it.
    Values,
    /// JDK serialization.
    Java,
    /// Python pickle.
    Pickle,
}
