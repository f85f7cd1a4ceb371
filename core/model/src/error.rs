//! The one error: what happened, where, whether to try again, and what to type next.

use std::{error::Error as StdError, fmt, sync::Arc};

use crate::{Codec, Language};

/// A result with the one error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and so what a caller can do. The names are the same in every language.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong; change it.
    InvalidArgument,
    /// A unit, alias, node or task of that name does not exist.
    NotFound,
    /// The name is taken by other content, or the state does not allow the request.
    Conflict,
    /// A node or the catalogue cannot be reached for now; try later.
    Unavailable,
    /// The deadline passed before the end.
    DeadlineExceeded,
    /// The task was cancelled.
    Canceled,
    /// A queue, a limit or a disk is full; the message has the numbers.
    ResourceExhausted,
    /// The caller is not known or not allowed to.
    PermissionDenied,
    /// A class, module or entry point was not found on the class path; the message says what was searched.
    CodeNotFound,
    /// The user's code failed; [`Error::remote`] has its trace.
    TaskFailed,
    /// The worker process ended while the task ran; the message has exit status and last output.
    WorkerLost,
    /// The result exists but cannot be read here.
    ResultUnreadable,
    /// The session, or the code that it promised, is gone.
    SessionLost,
    /// Two sides differ in a version; the message has both.
    Incompatible,
    /// The handle was closed before the call.
    Closed,
    /// A defect of Haulier. Please report it.
    Internal,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 16] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::Conflict,
        Self::Unavailable,
        Self::DeadlineExceeded,
        Self::Canceled,
        Self::ResourceExhausted,
        Self::PermissionDenied,
        Self::CodeNotFound,
        Self::TaskFailed,
        Self::WorkerLost,
        Self::ResultUnreadable,
        Self::SessionLost,
        Self::Incompatible,
        Self::Closed,
        Self::Internal,
    ];

    /// The name of the kind, as in the documentation: "CodeNotFound".
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "InvalidArgument",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::Unavailable => "Unavailable",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Canceled => "Canceled",
            Self::ResourceExhausted => "ResourceExhausted",
            Self::PermissionDenied => "PermissionDenied",
            Self::CodeNotFound => "CodeNotFound",
            Self::TaskFailed => "TaskFailed",
            Self::WorkerLost => "WorkerLost",
            Self::ResultUnreadable => "ResultUnreadable",
            Self::SessionLost => "SessionLost",
            Self::Incompatible => "Incompatible",
            Self::Closed => "Closed",
            Self::Internal => "Internal",
        }
    }

    const fn default_retry(self) -> Retry {
        match self {
            Self::Unavailable | Self::ResourceExhausted => Retry::Later,
            Self::WorkerLost | Self::SessionLost => Retry::Now,
            _ => Retry::Never,
        }
    }
}

/// Whether the same request may succeed when it is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No: something must change first.
    Never,
    /// Yes, after a while.
    Later,
    /// Yes, at once.
    Now,
}

/// The failure of the user's own code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteFailure {
    /// The language of the task.
    pub language: Option<Language>,
    /// The full name of the exception's class.
    pub type_name: String,
    /// The exception's message.
    pub message: String,
    /// The formatted trace, with causes and notes.
    pub trace: String,
    /// The exception object, where the worker verified that it can be rebuilt.
    pub object: Option<(Codec, Vec<u8>)>,
}

/// What happened, where, and what to do next.
///
/// ```
/// use haulier_model::{Error, ErrorKind, Retry};
///
/// let error = Error::new(ErrorKind::NotFound, "run pricing:2.0", "no unit 'pricing' has version 2.0")
///     .context("node", "n1")
///     .hint("haulier list-deployments");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.retry(), Retry::Never);
/// assert_eq!(
///     error.to_string(),
///     "run pricing:2.0: no unit 'pricing' has version 2.0 [node=n1]; try: haulier list-deployments",
/// );
/// ```
#[derive(Clone)]
pub struct Error(Box<Content>);

#[derive(Clone)]
struct Content {
    kind: ErrorKind,
    retry: Retry,
    operation: String,
    message: String,
    context: Vec<(String, String)>,
    hint: String,
    remote: Option<Box<RemoteFailure>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in `operation` ("deploy pricing:1.2.0"); `message` says what happened.
    pub fn new(kind: ErrorKind, operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Content {
            kind,
            retry: kind.default_retry(),
            operation: operation.into(),
            message: message.into(),
            context: Vec::new(),
            hint: String::new(),
            remote: None,
            source: None,
        }))
    }

    /// A defect of Haulier itself.
    pub fn internal(operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, operation, message).hint("this is a defect of Haulier; please report it")
    }

    /// Says what to do next: a command to type, or a setting.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// Adds a name and a value that help: "address", "digest".
    #[must_use]
    pub fn context(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.context.push((name.into(), value.into()));
        self
    }

    /// Overrides whether to try again; by default the kind says it.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Adds the failure of the user's code.
    #[must_use]
    pub fn with_remote(mut self, remote: RemoteFailure) -> Self {
        self.0.remote = Some(Box::new(remote));
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Names the operation that failed, where a deeper layer could not know it.
    #[must_use]
    pub fn in_operation(mut self, operation: impl Into<String>) -> Self {
        self.0.operation = operation.into();
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether to try again.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What was being done.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What happened, without operation, context and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Names and values that help.
    pub fn contexts(&self) -> &[(String, String)] {
        &self.0.context
    }

    /// What to do next; may be empty.
    pub fn hint_text(&self) -> &str {
        &self.0.hint
    }

    /// The failure of the user's code, for [`ErrorKind::TaskFailed`].
    pub fn remote(&self) -> Option<&RemoteFailure> {
        self.0.remote.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { operation, message, context, hint, .. } = &*self.0;
        if operation.is_empty() {
            f.write_str(message)?;
        } else {
            write!(f, "{operation}: {message}")?;
        }
        for (index, (name, value)) in context.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { " [" } else { ", " })?;
        }
        if !context.is_empty() {
            f.write_str("]")?;
        }
        if !hint.is_empty() {
            write!(f, "; try: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.kind.name())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
